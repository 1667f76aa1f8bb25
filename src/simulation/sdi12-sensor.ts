import { utf8 } from '../core/bytes.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, later, type Moment, type MonotonicMs } from '../core/time.ts';
import { sdi12Crc } from '../instruments/sdi12/messages.ts';

/**
 * A line of SDI-12 sensors that exist only here, behind a transparent adapter. They sleep, wake at a break, measure for a while, ask for service, lose their measurement when they are woken or addressed
 * in the midst of it, and answer over a line that loses and damages characters.
 *
 * A machine: bytes, breaks and time go in by `handle`, bytes come out by `poll`, `nextDeadline` says when it wants to be called again. Its faults are drawn from a seeded generator.
 */

/** One sensor. */
export interface Sdi12SensorOptions {
  readonly address: string;
  /** The answer to `aI!` behind the address, for example `14METER   TER12 1.0000123`. */
  readonly identification: string;
  /** Seconds a measurement takes. */
  readonly measureSeconds?: number;
  /** Values of a measurement by its number (0 for `M`, `C` and `R0`), as the sensor writes them, for example `+21.5`. */
  readonly values: (measurement: number) => readonly string[];
  /** `false` for a sensor that does not say when its values are ready. */
  readonly requestsService?: boolean;
  /** Characters of values in one answer; 35 by default, and 75 for concurrent measurements. */
  readonly answerCharactersMax?: number;
}

/** What happens on the line. */
export interface Sdi12LineOptions {
  readonly sensors: readonly Sdi12SensorOptions[];
  readonly random: Random;
  /** How often, 0 to 1, a command or an answer is lost. */
  readonly dropRatio?: number;
  /** How often, 0 to 1, an answer comes 600 to 950 ms late, as over a slow adapter. */
  readonly lateRatio?: number;
  /** How often, 0 to 1, a bit of an answer flips. Without checksums a flipped digit goes unnoticed. */
  readonly damageRatio?: number;
  /** The adapter gives commands back. */
  readonly echoes?: boolean;
  /** Characters carry their parity bit, as from an adapter with eight data bits. */
  readonly parity?: boolean;
  /** Sensors that heard nothing for 100 ms sleep until a break, as they do where the adapter makes none of its own. */
  readonly sleeps?: boolean;
}

/** What the line is told. */
export type Sdi12LineInput = { readonly type: 'bytes'; readonly bytes: Uint8Array } | { readonly type: 'break' } | { readonly type: 'due' };

/** What the line wants done. */
export interface Sdi12LineOutput {
  readonly type: 'send';
  readonly bytes: Uint8Array;
}

const answerMs = 12;
const sleepAfterMs = 100;

interface Measuring {
  readonly answers: readonly string[];
  readonly hasCrc: boolean;
  readonly readyAt: MonotonicMs;
  /** Ends with a service request, and by a break. */
  readonly isExclusive: boolean;
}

/** One simulated line. */
export class Sdi12Line {
  readonly #options: Sdi12LineOptions;
  readonly #measuring = new Map<string, Measuring>();
  #pending: { readonly at: MonotonicMs; readonly text: string; readonly request?: Measuring }[] = [];
  #outputs: Sdi12LineOutput[] = [];
  #command = '';
  #awakeUntil: number = Number.NEGATIVE_INFINITY;
  /** Commands that were understood. */
  readonly commands: string[] = [];

  constructor(options: Sdi12LineOptions) {
    this.#options = options;
  }

  /** Takes bytes, a break, or the time that `nextDeadline` named. */
  handle(input: Sdi12LineInput, now: Moment): void {
    if (input.type === 'break') {
      this.#awakeUntil = now.monotonicMs + sleepAfterMs;
      this.#command = '';
      for (const [address, { isExclusive, readyAt }] of this.#measuring) {
        if (isExclusive && readyAt > now.monotonicMs) this.#measuring.delete(address);
      }
    } else if (input.type === 'bytes') {
      if (this.#options.echoes === true) this.#outputs.push({ type: 'send', bytes: input.bytes });
      for (const byte of input.bytes) this.#hear(String.fromCharCode(byte), now);
    }
    for (const { text, request } of this.#pending.filter(({ at }) => at <= now.monotonicMs)) {
      // A measurement that was given up meanwhile has nothing to announce.
      if (request === undefined || this.#measuring.get(text) === request) this.#send(text);
    }
    this.#pending = this.#pending.filter(({ at }) => at > now.monotonicMs);
  }

  /** The next bytes to send, until `undefined`. */
  poll(): Sdi12LineOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call again. */
  nextDeadline(): Deadline | undefined {
    if (this.#pending.length === 0) return undefined;
    return { at: Math.min(...this.#pending.map(({ at }) => at)) as MonotonicMs, reason: 'a sensor answers' };
  }

  #hear(character: string, now: Moment): void {
    if (this.#options.sleeps === true && now.monotonicMs > this.#awakeUntil) return;
    if (character === '\r' || character === '\n') return;
    if (character !== '!') {
      this.#command = (this.#command + character).slice(-8);
      return;
    }
    const [address = '', ...rest] = this.#command;
    this.#command = '';
    this.#awakeUntil = now.monotonicMs + sleepAfterMs;
    const sensor = this.#options.sensors.find((each) => each.address === address);
    if (sensor === undefined || this.#happens(this.#options.dropRatio)) return;
    this.commands.push(address + rest.join(''));
    const answer = this.#answer(sensor, rest.join(''), now);
    const lateMs = this.#happens(this.#options.lateRatio) ? 600 + this.#options.random.below(350) : 0;
    if (answer !== undefined) this.#pending.push({ at: later(now.monotonicMs, answerMs + lateMs), text: address + answer });
  }

  #answer(sensor: Sdi12SensorOptions, command: string, now: Moment): string | undefined {
    if (command === 'I') return sensor.identification;
    if (command === '') return '';
    const [, kind = '', crc = '', digit = '0'] = /^([MCRD])(C?)(\d?)$/.exec(command) ?? [];
    if (kind === 'M' || kind === 'C') return this.#start(sensor, kind, crc !== '', Number(digit), now);
    if (kind === 'R') return withCrc(sensor.address, sensor.values(Number(digit)).join(''), crc !== '');
    if (kind !== 'D') return undefined;
    const measuring = this.#measuring.get(sensor.address);
    if (measuring === undefined || measuring.readyAt > now.monotonicMs) {
      this.#measuring.delete(sensor.address);
      return '';
    }
    return withCrc(sensor.address, measuring.answers[Number(digit)] ?? '', measuring.hasCrc);
  }

  #start(sensor: Sdi12SensorOptions, kind: string, hasCrc: boolean, measurement: number, now: Moment): string {
    const { measureSeconds = 0, address } = sensor;
    const isExclusive = kind === 'M';
    const values = sensor.values(measurement);
    const answers: string[] = [];
    for (const value of values) {
      const last = answers.at(-1);
      if (last !== undefined && last.length + value.length <= (sensor.answerCharactersMax ?? (isExclusive ? 35 : 75))) {
        answers[answers.length - 1] = last + value;
      } else answers.push(value);
    }
    // The values are there, and are announced, a little before the promised time is over.
    const readyAt = later(now.monotonicMs, Math.max(0, measureSeconds * 1000 - 200));
    const measuring = { answers, hasCrc, readyAt, isExclusive };
    this.#measuring.set(address, measuring);
    if (isExclusive && measureSeconds > 0 && sensor.requestsService !== false)
      this.#pending.push({ at: readyAt, text: address, request: measuring });
    const count = String(values.length).padStart(isExclusive ? 1 : 2, '0');
    return String(measureSeconds).padStart(3, '0') + count;
  }

  #send(text: string): void {
    if (this.#happens(this.#options.dropRatio)) return;
    const bytes = utf8(`${text}\r\n`);
    if (this.#happens(this.#options.damageRatio)) {
      const at = this.#options.random.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << this.#options.random.below(7));
    }
    this.#outputs.push({ type: 'send', bytes: this.#options.parity === true ? bytes.map(withParity) : bytes });
  }

  #happens(ratio = 0): boolean {
    return this.#options.random.float() < ratio;
  }
}

function withCrc(address: string, values: string, hasCrc: boolean): string {
  return hasCrc ? values + sdi12Crc(address + values) : values;
}

/** The byte with even parity in its highest bit. */
function withParity(byte: number): number {
  let ones = 0;
  for (let bit = 0; bit < 7; bit++) ones += (byte >>> bit) & 1;
  return byte | ((ones & 1) << 7);
}
