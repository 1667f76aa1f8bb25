import { concatBytes } from '../core/bytes.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, later, type Moment, type MonotonicMs } from '../core/time.ts';
import { rtuFrame, rtuFrameBytesMax, rtuMessage, TcpDeframer, tcpFrame } from '../instruments/modbus/framing.ts';
import {
  answerDataBytes,
  bitsPerRequestMax,
  decodeRequest,
  encodeAnswer,
  encodeException,
  isBitKind,
  type ReadRequest,
  type RegisterKind,
  registersPerRequestMax,
} from '../instruments/modbus/messages.ts';
import { inStandardOrder, type RegisterDefinition } from '../instruments/modbus/register-map.ts';

/**
 * A Modbus device that exists only here: banks of bits and registers, behind a serial line or a network that loses, damages, repeats and delays what it answers.
 *
 * A machine: bytes and time go in by `handle`, bytes come out by `poll`, `nextDeadline` says when it wants to be called again. Its faults are drawn from a seeded generator.
 */

/** How often each fault befalls an answer, 0 to 1, each drawn for itself. */
export interface ModbusFaults {
  /** A request is not heard. */
  readonly dropRatio: number;
  /** A bit of an RTU answer flips on the way. TCP has checksums of its own, so there nothing flips. */
  readonly damageRatio: number;
  /** The answer is the exception "busy". */
  readonly busyRatio: number;
  /** The answer comes up to 1500 ms later. */
  readonly lateRatio: number;
  /** Bytes of noise stand in front of an RTU answer. */
  readonly noiseRatio: number;
}

/** A device on a good line. */
export const noModbusFaults: ModbusFaults = { dropRatio: 0, damageRatio: 0, busyRatio: 0, lateRatio: 0, noiseRatio: 0 };

/** What kind of device it is. */
export interface ModbusSensorOptions {
  readonly framing: 'rtu' | 'tcp';
  readonly unit: number;
  readonly random: Random;
  readonly faults?: ModbusFaults;
  /** The line gives back what it is sent, as two-wire adapters do. */
  readonly echoes?: boolean;
}

/** What a device is told. */
export type ModbusSensorInput = { readonly type: 'bytes'; readonly bytes: Uint8Array } | { readonly type: 'due' };

/** What a device wants done. */
export interface ModbusSensorOutput {
  readonly type: 'send';
  readonly bytes: Uint8Array;
}

const answerMs = 3;
const lateMsMax = 1500;
/** A frame on a serial line ends with a silence; this long without a byte, and what came is judged. */
const frameEndMs = 2;

const illegalFunction = 1;
const illegalAddress = 2;
const illegalCount = 3;
const busy = 6;

/** One simulated device. */
export class ModbusSensor {
  readonly #options: ModbusSensorOptions;
  readonly #faults: ModbusFaults;
  /** Words, or bits as 0 and 1, by kind and address. What is not there is an illegal address. */
  readonly #banks = new Map<RegisterKind, Map<number, number>>();
  readonly #deframer = new TcpDeframer();
  #received: Uint8Array = new Uint8Array(0);
  #frameEndsAt: MonotonicMs | undefined;
  #pending: { readonly at: MonotonicMs; readonly bytes: Uint8Array }[] = [];
  #outputs: ModbusSensorOutput[] = [];
  /** Requests that were understood. */
  requests = 0;

  constructor(options: ModbusSensorOptions) {
    this.#options = options;
    this.#faults = options.faults ?? noModbusFaults;
  }

  /** Puts a number into the registers that a definition names, in its type and order, before scale and offset. */
  set(definition: RegisterDefinition, raw: number): void {
    const { kind, address, type, order = 'ABCD' } = definition;
    if (isBitKind(kind)) this.#bank(kind).set(address, raw === 0 ? 0 : 1);
    else {
      const words = inStandardOrder(order, rawBytes(type, raw));
      for (let i = 0; i < words.length; i += 2) {
        this.#bank(kind).set(address + i / 2, (words[i] as number) * 256 + (words[i + 1] as number));
      }
    }
  }

  /** Takes bytes, or the time that `nextDeadline` named. */
  handle(input: ModbusSensorInput, now: Moment): void {
    if (input.type === 'bytes') {
      if (this.#options.echoes === true) this.#outputs.push({ type: 'send', bytes: input.bytes });
      if (this.#options.framing === 'tcp') this.#takeStream(input.bytes, now);
      else {
        this.#received = concatBytes(this.#received, input.bytes).subarray(-rtuFrameBytesMax);
        this.#frameEndsAt = later(now.monotonicMs, frameEndMs);
      }
    }
    if (this.#frameEndsAt !== undefined && this.#frameEndsAt <= now.monotonicMs) {
      const pdu = rtuMessage(this.#options.unit, this.#received);
      this.#received = new Uint8Array(0);
      this.#frameEndsAt = undefined;
      if (pdu !== undefined) this.#answer(pdu, (answer) => this.#overSerialLine(rtuFrame(this.#options.unit, answer)), now);
    }
    for (const { bytes } of this.#pending.filter(({ at }) => at <= now.monotonicMs)) this.#outputs.push({ type: 'send', bytes });
    this.#pending = this.#pending.filter(({ at }) => at > now.monotonicMs);
  }

  /** The next bytes to send, until `undefined`. */
  poll(): ModbusSensorOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call again. */
  nextDeadline(): Deadline | undefined {
    const instants = this.#pending.map(({ at }) => at);
    if (this.#frameEndsAt !== undefined) instants.push(this.#frameEndsAt);
    return instants.length === 0 ? undefined : { at: Math.min(...instants) as MonotonicMs, reason: 'a frame ends' };
  }

  #bank(kind: RegisterKind): Map<number, number> {
    const bank = this.#banks.get(kind) ?? new Map<number, number>();
    this.#banks.set(kind, bank);
    return bank;
  }

  #takeStream(bytes: Uint8Array, now: Moment): void {
    const messages = this.#deframer.push(bytes);
    if (!messages.ok) return;
    for (const { transaction, unit, pdu } of messages.value) {
      if (unit === this.#options.unit) this.#answer(pdu, (answer) => tcpFrame({ transaction, unit, pdu: answer }), now);
    }
  }

  #answer(pdu: Uint8Array, frame: (answer: Uint8Array) => Uint8Array, now: Moment): void {
    this.requests += 1;
    if (this.#happens(this.#faults.dropRatio)) return;
    const answer = this.#happens(this.#faults.busyRatio) ? encodeException(pdu[0] ?? 0, busy) : this.#read(pdu);
    const delayMs = answerMs + (this.#happens(this.#faults.lateRatio) ? this.#options.random.below(lateMsMax) : 0);
    this.#pending.push({ at: later(now.monotonicMs, delayMs), bytes: frame(answer) });
  }

  #read(pdu: Uint8Array): Uint8Array {
    const request = decodeRequest(pdu);
    if (request === undefined) return encodeException(pdu[0] ?? 0, illegalFunction);
    const { kind, address, count } = request;
    if (count < 1 || count > (isBitKind(kind) ? bitsPerRequestMax : registersPerRequestMax))
      return encodeException(pdu[0] ?? 0, illegalCount);
    const bank = this.#bank(kind);
    const values: number[] = [];
    for (let i = 0; i < count; i++) {
      const value = bank.get(address + i);
      if (value === undefined) return encodeException(pdu[0] ?? 0, illegalAddress);
      values.push(value);
    }
    return encodeAnswer(kind, packed(request, values));
  }

  #overSerialLine(frame: Uint8Array): Uint8Array {
    const { random } = this.#options;
    const sent = frame.slice();
    if (this.#happens(this.#faults.damageRatio)) {
      const at = random.below(sent.length);
      sent[at] = (sent[at] as number) ^ (1 << random.below(8));
    }
    return this.#happens(this.#faults.noiseRatio) ? concatBytes(random.bytes(1 + random.below(8)), sent) : sent;
  }

  #happens(ratio: number): boolean {
    return this.#options.random.float() < ratio;
  }
}

function packed(request: ReadRequest, values: readonly number[]): Uint8Array {
  const data = new Uint8Array(answerDataBytes(request));
  values.forEach((value, i) => {
    if (isBitKind(request.kind)) data[i >>> 3] = (data[i >>> 3] as number) | (value << (i & 7));
    else data.set([value >>> 8, value & 0xff], i * 2);
  });
  return data;
}

function rawBytes(type: RegisterDefinition['type'], raw: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(type === 'float64' ? 8 : type === 'int16' || type === 'uint16' ? 2 : 4));
  if (type === 'float64') view.setFloat64(0, raw);
  else if (type === 'float32') view.setFloat32(0, raw);
  else if (view.byteLength === 2) view.setUint16(0, raw & 0xffff);
  else view.setUint32(0, raw >>> 0);
  return new Uint8Array(view.buffer);
}
