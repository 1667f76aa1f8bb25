/**
 * Round-trip time of one path (RFC 9002 section 5, which is Jacobson's estimator): smoothed value, mean deviation, minimum.
 *
 * The handshake gives a first idea, measured on packets of another length; the first real sample replaces it.
 */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #deviationMs = 0;
  #latestMs = 0;
  #minMs: number | undefined;
  #isGuess = true;

  /** Takes the handshake's round trip, or a remembered one, as a first idea. */
  guess(rttMs: number): void {
    this.#smoothedMs = rttMs;
    this.#deviationMs = rttMs / 2;
    this.#latestMs = rttMs;
  }

  sample(rttMs: number): void {
    this.#latestMs = rttMs;
    this.#minMs = this.#minMs === undefined ? rttMs : Math.min(this.#minMs, rttMs);
    if (this.#isGuess || this.#smoothedMs === undefined) {
      this.#smoothedMs = rttMs;
      this.#deviationMs = rttMs / 2;
      this.#isGuess = false;
      return;
    }
    this.#deviationMs += (Math.abs(this.#smoothedMs - rttMs) - this.#deviationMs) / 4;
    this.#smoothedMs += (rttMs - this.#smoothedMs) / 8;
  }

  /** Milliseconds; `undefined` before anything is known. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  get minMs(): number | undefined {
    return this.#minMs;
  }

  /** The smaller of the latest and the smoothed round trip: what it is again after a queue has gone. */
  get quickMs(): number | undefined {
    return this.#smoothedMs === undefined ? undefined : Math.min(this.#smoothedMs, this.#latestMs);
  }

  /** The larger of the latest and the smoothed round trip. */
  get recentMs(): number | undefined {
    return this.#smoothedMs === undefined ? undefined : Math.max(this.#smoothedMs, this.#latestMs);
  }

  /** After this long without an answer something is probably lost (RFC 9002 section 6.2.1, without the peer's delay). One second before anything is known. */
  get timeoutMs(): number {
    return this.#smoothedMs === undefined ? 1000 : this.#smoothedMs + Math.max(4 * this.#deviationMs, 10);
  }
}
