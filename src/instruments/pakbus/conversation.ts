import { invariant } from '../../core/assert.ts';
import { GodwitError } from '../../core/errors.ts';
import type { Fault } from '../../core/outcome.ts';
import type { MonotonicMs } from '../../core/time.ts';
import type { InstrumentTimer, InstrumentTransport } from '../driver.ts';
import type { PakbusClient, PakbusClientInput } from './client.ts';
import type { Procedure } from './procedures.ts';

/**
 * Drives a `PakbusClient` over a transport: bytes in, bytes out, and a look at the clock while an answer is owed.
 */

/** Faults that repeating the call later cannot mend: a person has to change something first. */
const permanentCodes: ReadonlySet<string> = new Set([
  'INSTRUMENT_REFUSED',
  'INSTRUMENT_FILE_MISSING',
  'PAKBUS_TABLES_NEWER',
  'PAKBUS_TYPE_UNKNOWN',
]);

/** The longest sleep while an answer is owed. A sleep cannot be cut short, and what is left of one must not keep a closed session alive for long. */
const sleepMsMax = 1000;

interface PendingRun {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: GodwitError) => void;
}

/** The error for a fault, with the word on whether to try again. */
export function pakbusError(fault: Fault): GodwitError {
  return GodwitError.from(fault, { retryable: !permanentCodes.has(fault.code) });
}

/** One conversation. Reads from the transport from the beginning; after a failure or `close` it is of no more use. */
export class PakbusConversation {
  readonly #client: PakbusClient;
  readonly #transport: InstrumentTransport;
  readonly #timer: InstrumentTimer;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#fail(new GodwitError('ABORTED', 'the conversation with the logger was aborted', { retryable: true }));
  #failure: GodwitError | undefined;
  #pending: PendingRun | undefined;
  #isWatching = false;
  #turn: Promise<unknown> = Promise.resolve();
  #writes: Promise<void> = Promise.resolve();

  constructor(client: PakbusClient, transport: InstrumentTransport, timer: InstrumentTimer, signal: AbortSignal) {
    this.#client = client;
    this.#transport = transport;
    this.#timer = timer;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
    if (signal.aborted) this.#onAbort();
    else void this.#read();
  }

  /**
   * Runs a procedure behind those already waiting. Rejects with a `GodwitError`: what the procedure or the client said, `INSTRUMENT_DISCONNECTED` when the connection is gone, `ABORTED` after
   * the signal. Repetition within the time limits has been done; the caller decides on more.
   *
   * @param withRouter it is the router that is asked, and not the logger behind it
   */
  run<Result>(procedure: Procedure<Result>, withRouter = false): Promise<Result> {
    const result = this.#turn.then(() => this.#perform(procedure, withRouter));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Says goodbye where there is somebody to say it to, and closes the transport. */
  async close(): Promise<void> {
    if (this.#failure === undefined) {
      this.#handle({ type: 'bye' });
      this.#fail(new GodwitError('INSTRUMENT_DISCONNECTED', 'the session was closed'));
    }
    await this.#writes;
    await this.#transport.close();
  }

  #perform<Result>(procedure: Procedure<Result>, withRouter: boolean): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // One procedure runs at a time, so the next result is this one's.
      this.#pending = { resolve: (result) => resolve(result as Result), reject };
      this.#handle({ type: 'begin', procedure, withRouter });
      void this.#watch();
    });
  }

  #now(): MonotonicMs {
    return this.#timer.monotonicMs() as MonotonicMs;
  }

  #handle(input: PakbusClientInput): void {
    this.#client.handle(input, this.#now());
    for (let output = this.#client.poll(); output !== undefined; output = this.#client.poll()) {
      if (output.type === 'send') this.#write(output.bytes);
      else {
        const pending = this.#pending;
        invariant(pending !== undefined, 'a PakBus procedure ended that nobody waits for');
        this.#pending = undefined;
        if (output.outcome.ok) pending.resolve(output.outcome.value);
        else pending.reject(pakbusError(output.outcome.fault));
      }
    }
  }

  #write(bytes: Uint8Array): void {
    this.#writes = this.#writes.then(() => this.#transport.write(bytes)).catch((error) => this.#disconnected(error));
  }

  async #read(): Promise<void> {
    try {
      for await (const bytes of this.#transport.read()) {
        if (this.#failure !== undefined) return;
        this.#handle({ type: 'bytes', bytes });
      }
      this.#disconnected(undefined);
    } catch (error) {
      this.#disconnected(error);
    }
  }

  /** Tells the client the time for as long as it wants to know. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    for (let deadline = this.#client.nextDeadline(); deadline !== undefined; deadline = this.#client.nextDeadline()) {
      await this.#timer.wait(Math.min(sleepMsMax, Math.max(0, deadline.at - this.#now())), this.#signal);
      if (this.#failure !== undefined) break;
      this.#handle({ type: 'due' });
    }
    this.#isWatching = false;
  }

  #disconnected(cause: unknown): void {
    this.#fail(new GodwitError('INSTRUMENT_DISCONNECTED', 'the connection to the logger ended', { retryable: true, cause }));
  }

  #fail(error: GodwitError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#pending?.reject(error);
    this.#pending = undefined;
  }
}
