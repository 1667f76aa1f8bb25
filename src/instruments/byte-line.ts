import { GodwitError } from '../core/errors.ts';
import type { InstrumentTimer, InstrumentTransport } from './driver.ts';

/**
 * A transport with a sense of time: the next bytes, or the news that none came by a deadline.
 *
 * What every protocol of question and answer needs, and no more: bytes wait here until they are asked for, silence can be waited for, and the end of the connection is an error wherever it
 * is noticed. The line reads ahead by at most `waitingBytesMax`; behind that the transport is left alone, so an instrument that floods the line fills its own buffers.
 */

/** Bytes that may wait to be asked for. */
const waitingBytesMax = 64 * 1024;
/** The longest sleep; timers do not know eternity. */
const sleepMsMax = 60_000;

/** One connection to an instrument. Reads from the transport from the beginning; after `close`, the end of the connection or the signal it is of no more use. */
export class ByteLine {
  readonly #transport: InstrumentTransport;
  readonly #timer: InstrumentTimer;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#fail(new GodwitError('ABORTED', 'the conversation with the instrument was aborted', { retryable: true }));
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #failure: GodwitError | undefined;
  #lastByteMs: number;
  /** Ends the wait of whoever waits for bytes. */
  #wakeReceiver: (() => void) | undefined;
  /** Lets the reader go on once there is room. */
  #wakeReader: (() => void) | undefined;

  constructor(transport: InstrumentTransport, timer: InstrumentTimer, signal: AbortSignal) {
    this.#transport = transport;
    this.#timer = timer;
    this.#signal = signal;
    this.#lastByteMs = Number.NEGATIVE_INFINITY;
    signal.addEventListener('abort', this.#onAbort);
    if (signal.aborted) this.#onAbort();
    else void this.#read();
  }

  /** Now, on the timer's monotonic clock. */
  nowMs(): number {
    return this.#timer.monotonicMs();
  }

  /** Sends bytes. Rejects with `INSTRUMENT_DISCONNECTED` or `ABORTED`, both retryable on a new connection. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await this.#transport.write(bytes);
    } catch (error) {
      throw this.#disconnected(error);
    }
    this.#lastByteMs = this.nowMs();
  }

  /** Holds the line spacing, where the transport can; else nothing happens, because an adapter behind a network makes its own breaks. Rejects like `write`. */
  async sendBreak(durationMs: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await this.#transport.sendBreak?.(durationMs);
    } catch (error) {
      throw this.#disconnected(error);
    }
  }

  /** The next bytes, as they came; `undefined` when none came until `deadlineMs` on the monotonic clock. What arrived before the connection ended is still handed out; then rejects like `write`. */
  async receive(deadlineMs: number): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        this.#waitingBytes -= bytes.length;
        this.#wakeReader?.();
        return bytes;
      }
      if (this.#failure !== undefined) throw this.#failure;
      const remainingMs = deadlineMs - this.nowMs();
      if (remainingMs <= 0) return undefined;
      const sleep = new AbortController();
      this.#wakeReceiver = () => sleep.abort();
      await this.#timer.wait(Math.min(remainingMs, sleepMsMax), sleep.signal);
      this.#wakeReceiver = undefined;
    }
  }

  /** Drops what has arrived and waits until nothing has been sent or received for `silenceMs`, but not beyond `deadlineMs`. Rejects like `write`. */
  async silence(silenceMs: number, deadlineMs: number): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#wakeReader?.();
      const quietAtMs = this.#lastByteMs + silenceMs;
      if (this.nowMs() >= Math.min(quietAtMs, deadlineMs)) return;
      await this.receive(Math.min(quietAtMs, deadlineMs));
    }
  }

  /** Waits `durationMs`, whatever arrives. Rejects like `write`. */
  async pause(durationMs: number): Promise<void> {
    await this.#timer.wait(durationMs, this.#signal);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends reading and closes the transport. */
  async close(): Promise<void> {
    this.#fail(new GodwitError('INSTRUMENT_DISCONNECTED', 'the session was closed'));
    await this.#transport.close();
  }

  async #read(): Promise<void> {
    try {
      for await (const bytes of this.#transport.read()) {
        if (this.#failure !== undefined) return;
        if (bytes.length === 0) continue;
        this.#waiting.push(bytes);
        this.#waitingBytes += bytes.length;
        this.#lastByteMs = this.nowMs();
        this.#wakeReceiver?.();
        while (this.#waitingBytes >= waitingBytesMax && this.#failure === undefined) {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
      }
      this.#disconnected(undefined);
    } catch (error) {
      this.#disconnected(error);
    }
  }

  #disconnected(cause: unknown): GodwitError {
    this.#fail(new GodwitError('INSTRUMENT_DISCONNECTED', 'the connection to the instrument ended', { retryable: true, cause }));
    return this.#failure as GodwitError;
  }

  #fail(error: GodwitError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#wakeReceiver?.();
    this.#wakeReader?.();
  }
}
