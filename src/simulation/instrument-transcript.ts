import { equalBytes, fromHex, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { InstrumentTimer, InstrumentTransport } from '../instruments/driver.ts';

/**
 * Conversations with instruments, written down and played back: what was said in the field can be heard again at a desk, and a fault that a logger showed once stays shown.
 *
 * A transcript is plain JSON. Playing it back needs no instrument and no time: every byte comes when the recorded conversation had it come, and every wait ends when the next recorded event says that it must have. A driver that
 * says anything else than it said then is told so.
 */

/** One event of a conversation. */
export interface TranscriptStep {
  /** Milliseconds from the beginning. */
  readonly atMs: number;
  /** What the driver sent, what came, the line held spacing, and the end that the instrument made. */
  readonly kind: 'sent' | 'received' | 'break' | 'ended';
  /** Bytes in hexadecimal; empty for `break` and `ended`. */
  readonly bytes: string;
}

/** A conversation. */
export interface InstrumentTranscript {
  readonly version: 1;
  /** The wall clock at the beginning, milliseconds since 1970 UTC: instruments without a clock are stamped by it. */
  readonly startWallMs: number;
  readonly steps: readonly TranscriptStep[];
}

/** A transport that writes down what goes through it. `transcript` may be read at any time. */
export function recordTranscript(
  transport: InstrumentTransport,
  timer: InstrumentTimer,
): { readonly transport: InstrumentTransport; transcript(): InstrumentTranscript } {
  const steps: TranscriptStep[] = [];
  const [startMs, startWallMs] = [timer.monotonicMs(), timer.wallMs()];
  const note = (kind: TranscriptStep['kind'], bytes: Uint8Array): void => {
    steps.push({ atMs: timer.monotonicMs() - startMs, kind, bytes: toHex(bytes) });
  };
  const nothing = new Uint8Array(0);
  let isClosed = false;
  async function* noted(connection: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const bytes of connection) {
      note('received', bytes);
      yield bytes;
    }
    if (!isClosed) note('ended', nothing);
  }
  const recorded: InstrumentTransport = {
    // Read at once and not when the first bytes are wanted: a transport for HTTP connects anew by it, and what is sent next belongs to the new connection.
    read: () => noted(transport.read()),
    write(bytes) {
      note('sent', bytes);
      return transport.write(bytes);
    },
    close() {
      isClosed = true;
      return transport.close();
    },
    ...(transport.sendBreak === undefined
      ? {}
      : {
          sendBreak: (durationMs: number) => {
            note('break', nothing);
            return transport.sendBreak?.(durationMs) ?? Promise.resolve();
          },
        }),
  };
  return { transport: recorded, transcript: () => ({ version: 1, startWallMs, steps: [...steps] }) };
}

/** Turns that a driver is given to begin to wait before bytes come all the same. */
const patienceTurns = 64;

function bytesOf(step: TranscriptStep): Uint8Array {
  return fromHex(step.bytes) ?? new Uint8Array(0);
}

interface Wait {
  readonly dueMs: number;
  readonly resolve: () => void;
}

/**
 * An instrument that says what a transcript says, with the time that goes with it. Behind the end it is silent, and every wait ends at once. `write` rejects with `TRANSCRIPT_DIVERGED` when the driver says something else than
 * it did when the conversation was recorded.
 */
export class TranscriptReplay implements InstrumentTransport, InstrumentTimer {
  readonly #steps: readonly TranscriptStep[];
  readonly #startWallMs: number;
  #at = 0;
  #nowMs = 0;
  #waits: Wait[] = [];
  #isClosed = false;
  /** Bytes that came before what the driver has just sent, and that it has not read yet. */
  #ready: Uint8Array[] = [];
  #wakeReader: (() => void) | undefined;

  constructor({ steps, startWallMs }: InstrumentTranscript) {
    this.#steps = steps;
    this.#startWallMs = startWallMs;
  }

  /** True when all of the transcript was played. */
  get isAtEnd(): boolean {
    return this.#at === this.#steps.length;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs;
  }

  wait(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waits.push({ dueMs: this.#nowMs + durationMs, resolve });
      signal?.addEventListener('abort', () => {
        this.#waits = this.#waits.filter((wait) => wait.resolve !== resolve);
        resolve();
      });
      this.#endWaits();
    });
  }

  async *read(): AsyncIterable<Uint8Array> {
    while (!this.#isClosed) {
      const ready = this.#ready.shift();
      const step = this.#steps[this.#at];
      if (ready !== undefined) yield ready;
      else if (step?.kind === 'ended') return;
      else if (step?.kind === 'received') {
        // Bytes come when the driver waits for them, so that what it does in between is done at the time at which it was.
        for (let turn = 0; turn < patienceTurns && this.#waits.length === 0; turn++) await undefined;
        if (this.#steps[this.#at] !== step) continue;
        this.#nowMs = Math.max(this.#nowMs, step.atMs);
        this.#at++;
        yield bytesOf(step);
        // Only now has whoever waits for bytes been told of them; what waits still is over by time.
        for (let turn = 0; turn < patienceTurns && this.#waits.length === 0; turn++) await undefined;
        this.#endWaits();
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pass('sent', bytes);
  }

  async sendBreak(): Promise<void> {
    this.#pass('break', new Uint8Array(0));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
  }

  #pass(kind: 'sent' | 'break', bytes: Uint8Array): void {
    for (let early = this.#steps[this.#at]; early?.kind === 'received' || early?.kind === 'ended'; early = this.#steps[this.#at]) {
      // Who speaks behind an end has connected anew, and hears nothing more of the connection before.
      this.#ready = early.kind === 'ended' ? [] : [...this.#ready, bytesOf(early)];
      this.#advance(early);
    }
    const step = this.#steps[this.#at];
    if (step === undefined) return;
    if (step.kind !== kind || !equalBytes(bytesOf(step), bytes))
      throw new GodwitError('TRANSCRIPT_DIVERGED', `The driver sent ${toHex(bytes)} where step ${this.#at} of the transcript is another.`);
    this.#advance(step);
  }

  #advance(step: TranscriptStep): void {
    this.#nowMs = Math.max(this.#nowMs, step.atMs);
    this.#at++;
    this.#endWaits();
    this.#wake();
  }

  /** Ends the waits that were over before the next step came. */
  #endWaits(): void {
    const next = this.#steps[this.#at];
    const untilMs = next?.atMs ?? Number.POSITIVE_INFINITY;
    for (;;) {
      const [first] = this.#waits.toSorted((a, b) => a.dueMs - b.dueMs);
      if (first === undefined || first.dueMs > untilMs) return;
      this.#waits = this.#waits.filter((wait) => wait !== first);
      this.#nowMs = Math.max(this.#nowMs, first.dueMs);
      first.resolve();
      // What waits gets its turn before the next wait ends.
      if (next === undefined) return;
    }
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeReader = undefined;
  }
}
