/**
 * Which packet numbers have arrived, for the newest 2,048 of them: an anti-replay window as IPsec has it (RFC 4303 section 3.4.3), kept as a ring of words that is cleared ahead of the newest
 * number instead of shifted (RFC 6479).
 *
 * Only numbers of authenticated packets may be recorded: a forged number would push the window away from the real ones.
 */

/** Numbers a packet may lag behind the newest one. At 1,200 bytes a packet this is 2.4 MB of reordering. */
export const replayWindowWidth = 2048;

const wordBits = 32;
/** One word more than the width needs, so that the word being entered never holds numbers that still count. */
const ringWords = replayWindowWidth / wordBits + 1;

/** The window of one direction of one session. */
export class ReplayWindow {
  readonly #ring = new Uint32Array(ringWords);
  #newest = -1;

  /** The largest number recorded; -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The smallest number that may still arrive. */
  get oldestAcceptable(): number {
    return Math.max(0, this.#newest - replayWindowWidth + 1);
  }

  /** True for a number, 0 or more and a safe integer, that has not been recorded and is not too old to tell. */
  isFresh(packetNumber: number): boolean {
    if (packetNumber > this.#newest) return true;
    if (packetNumber < this.oldestAcceptable) return false;
    return ((this.#ring[this.#slot(packetNumber)] as number) & this.#bit(packetNumber)) === 0;
  }

  /** Notes that a fresh number has arrived. */
  record(packetNumber: number): void {
    if (packetNumber > this.#newest) {
      const wordsAhead = Math.floor(packetNumber / wordBits) - Math.floor(this.#newest / wordBits);
      for (let i = 0; i < Math.min(wordsAhead, ringWords); i++) this.#ring[this.#slot(packetNumber - i * wordBits)] = 0;
      this.#newest = packetNumber;
    }
    this.#ring[this.#slot(packetNumber)] = (this.#ring[this.#slot(packetNumber)] as number) | this.#bit(packetNumber);
  }

  #slot(packetNumber: number): number {
    return Math.floor(packetNumber / wordBits) % ringWords;
  }

  #bit(packetNumber: number): number {
    return 1 << (packetNumber % wordBits);
  }
}
