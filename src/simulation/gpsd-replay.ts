import { utf8, utf8Text } from '../core/bytes.ts';
import { type Deadline, later, type Moment, type MonotonicMs } from '../core/time.ts';

/**
 * A gpsd that exists only here: greets, waits to be asked, and then reports what it was given, line by line.
 *
 * A machine: bytes and time go in by `handle`, bytes come out by `poll`, `nextDeadline` says when it wants to be called again. Before the first call of `handle` it has its greeting to give.
 */

/** What it is told. */
export type GpsdReplayInput = { readonly type: 'bytes'; readonly bytes: Uint8Array } | { readonly type: 'due' };

/** What it wants done. */
export interface GpsdReplayOutput {
  readonly type: 'send';
  readonly bytes: Uint8Array;
}

/** How it reports. */
export interface GpsdReplayOptions {
  /** Reports, each a line of JSON without its end. */
  readonly reports: readonly string[];
  /** Milliseconds between two reports; 1000 by default. */
  readonly intervalMs?: number;
}

const greeting = { class: 'VERSION', release: '3.22', rev: '3.22', proto_major: 3, proto_minor: 14 };
const devices = { class: 'DEVICES', devices: [{ class: 'DEVICE', path: '/dev/ttyACM0', driver: 'NMEA0183', bps: 4800 }] };
const watching = { class: 'WATCH', enable: true, json: true };

/** One simulated gpsd with one client. */
export class GpsdReplay {
  readonly #reports: readonly string[];
  readonly #intervalMs: number;
  #outputs: GpsdReplayOutput[] = [];
  #received = '';
  #nextReport = 0;
  #nextAt: MonotonicMs | undefined;

  constructor({ reports, intervalMs = 1000 }: GpsdReplayOptions) {
    this.#reports = reports;
    this.#intervalMs = intervalMs;
    this.#say(JSON.stringify(greeting));
  }

  /** Takes bytes, or the time that `nextDeadline` named. */
  handle(input: GpsdReplayInput, now: Moment): void {
    if (input.type === 'bytes') {
      this.#received += utf8Text(input.bytes) ?? '';
      if (this.#nextAt === undefined && /\?WATCH=\{[^}]*"enable":true[^}]*\};/.test(this.#received)) {
        for (const report of [devices, watching]) this.#say(JSON.stringify(report));
        this.#nextAt = later(now.monotonicMs, this.#intervalMs);
      }
    }
    while (this.#nextAt !== undefined && this.#nextAt <= now.monotonicMs && this.#nextReport < this.#reports.length) {
      this.#say(this.#reports[this.#nextReport++] as string);
      this.#nextAt = later(this.#nextAt, this.#intervalMs);
    }
  }

  /** The next bytes to send, until `undefined`. */
  poll(): GpsdReplayOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call again. */
  nextDeadline(): Deadline | undefined {
    const isOver = this.#nextAt === undefined || this.#nextReport === this.#reports.length;
    return isOver ? undefined : { at: this.#nextAt as MonotonicMs, reason: 'a report is due' };
  }

  #say(line: string): void {
    this.#outputs.push({ type: 'send', bytes: utf8(`${line}\r\n`) });
  }
}
