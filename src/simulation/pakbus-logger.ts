import { invariant } from '../core/assert.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import {
  applicationTypes,
  type CollectCommand,
  type CollectSelection,
  decodeCollectCommand,
  decodeUploadCommand,
  encodeClockAnswer,
  encodePleaseWait,
  encodeStatisticsAnswer,
  encodeUploadAnswer,
  responseCodes,
  securityCodeOf,
} from '../instruments/pakbus/application-messages.ts';
import { ByteWriter } from '../instruments/pakbus/byte-writer.ts';
import { type AnswerBlock, encodeCollectAnswer, hasInterval } from '../instruments/pakbus/collect-answer.ts';
import {
  answerBit,
  controlTypes,
  decodeHello,
  decodeMessage,
  deliveryFailures,
  encodeDeliveryFailure,
  encodeHello,
  encodeMessage,
  type Hello,
  type PakbusMessage,
} from '../instruments/pakbus/control-messages.ts';
import { dataTypeNamed, type PakbusValue } from '../instruments/pakbus/data-types.ts';
import { Deframer, framed } from '../instruments/pakbus/framing.ts';
import {
  broadcastAddress,
  decodePacket,
  encodePacket,
  expectMore,
  linkStatePacket,
  linkStates,
  messagePacket,
  type PakbusPayload,
  type ProtocolNumber,
  protocols,
} from '../instruments/pakbus/packet.ts';
import { addIntervals, durationUs, type PakbusTime, pakbusTimeAt, writeTime } from '../instruments/pakbus/pakbus-time.ts';
import { signatureOf } from '../instruments/pakbus/signature.ts';
import {
  columnsOf,
  decodeTableDefinitions,
  encodeTableDefinitions,
  type PakbusColumn,
  type PakbusField,
  type PakbusTable,
} from '../instruments/pakbus/table-definitions.ts';

/**
 * A Campbell logger that exists only here: ring memory, table definitions, a clock, programs that change, and a line that loses, repeats, delays and damages what it answers.
 *
 * A machine like any other: bytes and time go in by `handle`, bytes come out by `poll`, and `nextDeadline` says when it wants to be called again. Its faults are drawn from a seeded
 * generator, so the same seed gives the same conversation.
 *
 * It is written from the documents and vectors, not from the client, but shares the client's codecs; what both could misread in the same way is held by the vectors of real loggers.
 */

/** A table of a program. Its number and signature follow from the program. */
export interface SimulatedTable extends Omit<PakbusTable, 'number' | 'signature'> {
  /** Values of a record, where the logger is to store records by itself at every interval of its clock. */
  readonly sample?: (recordNumber: number) => readonly PakbusValue[];
}

/** What a logger runs. */
export interface SimulatedProgram {
  /** File name, for example `CPU:weather.CR1`. */
  readonly name: string;
  readonly tables: readonly SimulatedTable[];
}

/** How often each fault befalls a packet, 0 to 1, each drawn for itself. */
export interface LineFaults {
  /** A packet to or from the logger is lost. */
  readonly dropRatio: number;
  /** An answer comes twice, the second time up to ten seconds later. */
  readonly duplicateRatio: number;
  /** An answer is put off: a please-wait message comes first. */
  readonly waitRatio: number;
  /** A bit of an answer flips on the way, so that its signature is wrong. */
  readonly damageRatio: number;
}

/** A line without faults. */
export const noFaults: LineFaults = { dropRatio: 0, duplicateRatio: 0, waitRatio: 0, damageRatio: 0 };

/** What kind of logger it is. */
export interface PakbusLoggerOptions {
  readonly address: number;
  readonly random: Random;
  readonly program: SimulatedProgram;
  /** Commands with another code are denied; 0, the default, is no security. */
  readonly securityCode?: number;
  readonly faults?: LineFaults;
  /** Longest packet it sends, header and nullifier included; 1000 by default, as loggers are delivered. */
  readonly packetBytesMax?: number;
  /** What it answers to a collection from a record it has not stored yet: nothing (the default), or everything from the oldest. */
  readonly futureRecords?: 'nothing' | 'oldest';
  /** Name under which it gives its table definitions; `.TDF` by default. */
  readonly definitionsFile?: string;
  /** Milliseconds its clock is ahead of the wall clock. */
  readonly clockOffsetMs?: number;
}

/** What a logger is told. */
export type PakbusLoggerInput = { readonly type: 'bytes'; readonly bytes: Uint8Array } | { readonly type: 'due' };

/** What a logger wants done. */
export interface PakbusLoggerOutput {
  readonly type: 'send';
  readonly bytes: Uint8Array;
}

interface StoredRecord {
  readonly number: number;
  readonly time: PakbusTime;
  readonly values: readonly PakbusValue[];
}

interface DelayedFrame {
  readonly at: MonotonicMs;
  readonly bytes: Uint8Array;
}

/** Ring memory of one table: the newest `capacityRecords` records. */
class RingTable {
  readonly table: PakbusTable;
  readonly sample: SimulatedTable['sample'];
  /** The columns of each field. A field of a type that nobody knows has none: such a table can be described, but its records cannot be. */
  readonly columns: readonly (readonly PakbusColumn[])[];
  readonly #slots: StoredRecord[] = [];
  #stored = 0;
  nextNumber = 0;
  /** Wall-clock milliseconds of the logger at which the next record of its own is due. */
  nextSampleMs = Number.POSITIVE_INFINITY;

  constructor(table: PakbusTable, sample: SimulatedTable['sample']) {
    this.table = table;
    this.sample = sample;
    this.columns = table.fields.map((field) => {
      const columns = columnsOf([field]);
      return columns.ok ? columns.value : [];
    });
  }

  append(time: PakbusTime, values: readonly PakbusValue[]): void {
    this.#slots[this.#stored % this.table.capacityRecords] = { number: this.nextNumber, time, values };
    this.#stored += 1;
    this.nextNumber += 1;
  }

  /** Oldest first. */
  records(): StoredRecord[] {
    const oldest = Math.max(0, this.#stored - this.table.capacityRecords) % this.table.capacityRecords;
    return [...this.#slots.slice(oldest), ...this.#slots.slice(0, oldest)];
  }
}

const controlOverheadBytes = 14;
/** Seconds that a logger asks to wait for, and the milliseconds that it may then take. */
const waitSeconds = 2;
const waitedAnswerMsMax = 5000;
const duplicateDelayMsMax = 10_000;
const loggerHello = { isRouter: false, hopMetric: 1, verifyIntervalSeconds: 300 } as const;

/** The machine; see the head of this module for how to drive it. */
export class PakbusLogger {
  readonly #options: PakbusLoggerOptions;
  readonly #random: Random;
  readonly #faults: LineFaults;
  readonly #deframer = new Deframer();
  readonly #outputs: PakbusLoggerOutput[] = [];
  #delayed: DelayedFrame[] = [];
  #program: SimulatedProgram;
  #definitions: Uint8Array = new Uint8Array(0);
  #rings: RingTable[] = [];
  #compileTime: PakbusTime;
  #clientHello: Hello | undefined;

  constructor(options: PakbusLoggerOptions, now: Moment) {
    this.#options = options;
    this.#random = options.random;
    this.#faults = options.faults ?? noFaults;
    this.#program = options.program;
    this.#compileTime = this.#clock(now);
    this.install(options.program, now);
  }

  /** What a client answered to this logger's hello, once it has. */
  get clientHello(): Hello | undefined {
    return this.#clientHello;
  }

  /** Loads a program: new table definitions, empty memory, record numbers from 0. */
  install(program: SimulatedProgram, now: Moment): void {
    this.#program = program;
    this.#compileTime = this.#clock(now);
    this.#definitions = encodeTableDefinitions(program.tables);
    const tables = decodeTableDefinitions(this.#definitions);
    invariant(tables.ok, 'a simulated program has tables that cannot be described');
    this.#rings = tables.value.map((table, i) => new RingTable(table, program.tables[i]?.sample));
    for (const ring of this.#rings) {
      const intervalMs = durationUs(ring.table.interval) / 1000;
      if (ring.sample !== undefined && intervalMs > 0) ring.nextSampleMs = Math.floor(this.#clockMs(now) / intervalMs + 1) * intervalMs;
    }
  }

  /** Stores a record: one value a column. Returns its number. */
  append(tableName: string, time: PakbusTime, values: readonly PakbusValue[]): number {
    const ring = this.#ring(tableName);
    ring.append(time, values);
    return ring.nextNumber - 1;
  }

  /** Leaves out record numbers, as a logger does that was too busy to store them. */
  skip(tableName: string, count: number): void {
    this.#ring(tableName).nextNumber += count;
  }

  handle(input: PakbusLoggerInput, now: Moment): void {
    this.#sampleUntil(this.#clockMs(now));
    const isDue = ({ at }: DelayedFrame) => at <= now.monotonicMs;
    for (const { bytes } of this.#delayed.filter(isDue)) this.#outputs.push({ type: 'send', bytes });
    this.#delayed = this.#delayed.filter((frame) => !isDue(frame));
    if (input.type === 'due') return;
    for (const packet of this.#deframer.push(input.bytes)) if (!this.#happens(this.#faults.dropRatio)) this.#receive(packet, now);
  }

  /** What to send next, until `undefined`. */
  poll(): PakbusLoggerOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(now: Moment): Deadline | undefined {
    let deadline: Deadline | undefined;
    for (const { at } of this.#delayed) deadline = earliest(deadline, { at, reason: 'delayed answer' });
    for (const { nextSampleMs } of this.#rings) {
      if (nextSampleMs === Number.POSITIVE_INFINITY) continue;
      deadline = earliest(deadline, { at: later(now.monotonicMs, nextSampleMs - this.#clockMs(now)), reason: 'next record' });
    }
    return deadline;
  }

  #ring(tableName: string): RingTable {
    const ring = this.#rings.find(({ table }) => table.name === tableName);
    invariant(ring !== undefined, `the simulated logger has no table ${tableName}`);
    return ring;
  }

  #clockMs(now: Moment): number {
    return now.wallMs + (this.#options.clockOffsetMs ?? 0);
  }

  #clock(now: Moment): PakbusTime {
    return pakbusTimeAt(this.#clockMs(now) * 1000);
  }

  #happens(ratio: number): boolean {
    return ratio > 0 && this.#random.float() < ratio;
  }

  #sampleUntil(clockMs: number): void {
    for (const ring of this.#rings) {
      while (ring.sample !== undefined && ring.nextSampleMs <= clockMs) {
        ring.append(pakbusTimeAt(ring.nextSampleMs * 1000), ring.sample(ring.nextNumber));
        ring.nextSampleMs += durationUs(ring.table.interval) / 1000;
      }
    }
  }

  #receive(bytes: Uint8Array, now: Moment): void {
    const packet = decodePacket(bytes);
    if (!packet.ok) return;
    const { linkState, physicalSource, physicalDestination, payload } = packet.value;
    const to = payload?.destination ?? physicalDestination;
    if (to !== this.#options.address && to !== broadcastAddress) return;
    if (payload === undefined) {
      if (linkState === linkStates.ring) this.#transmit(this.#linkPacket(physicalSource), now);
      return;
    }
    // Whoever rings is a new neighbour, and a logger wants to know its neighbours.
    if (linkState === linkStates.ring && to !== broadcastAddress) this.#greet(payload.source, now);
    const message = decodeMessage(payload.message);
    if (!message.ok) return;
    if (payload.protocol === protocols.control) this.#handleControl(payload, message.value, now);
    else this.#handleApplication(payload, message.value, now);
  }

  #linkPacket(to: number): Uint8Array {
    return encodePacket(linkStatePacket({ from: this.#options.address, to }, linkStates.ready));
  }

  #greet(to: number, now: Moment): void {
    const message = { type: controlTypes.hello, transaction: 1 + this.#random.below(255), body: encodeHello(loggerHello) };
    this.#send(to, protocols.control, message, now);
  }

  #handleControl(payload: PakbusPayload, message: PakbusMessage, now: Moment): void {
    if (message.type === controlTypes.hello) this.#answer(payload, message, encodeHello(loggerHello), now);
    else if (message.type === controlTypes.helloRequest) this.#greet(payload.source, now);
    else if (message.type === (controlTypes.hello | answerBit)) {
      const hello = decodeHello(message.body);
      if (hello.ok) this.#clientHello = hello.value;
    } else if (message.type !== controlTypes.bye && (message.type & answerBit) === 0) this.#refuse(payload, now);
  }

  #handleApplication(payload: PakbusPayload, message: PakbusMessage, now: Moment): void {
    const commands: ReadonlyMap<number, () => Uint8Array> = new Map([
      [applicationTypes.clock, () => encodeClockAnswer(this.#clock(now))],
      [applicationTypes.statistics, () => this.#statistics()],
      [applicationTypes.upload, () => this.#upload(message.body)],
      [applicationTypes.collect, () => this.#collect(message.body)],
    ]);
    const command = commands.get(message.type);
    if (command === undefined) this.#refuse(payload, now);
    else {
      const isDenied = securityCodeOf(message.body) !== (this.#options.securityCode ?? 0);
      this.#answer(payload, message, isDenied ? Uint8Array.of(responseCodes.denied) : command(), now);
    }
  }

  #refuse(payload: PakbusPayload, now: Moment): void {
    const { protocol, destination, source, message } = payload;
    const code = deliveryFailures.unknownCommand;
    const body = encodeDeliveryFailure({ code, protocol, destination, source, messageStart: message.subarray(0, 4) });
    this.#send(source, protocols.control, { type: controlTypes.deliveryFailure, transaction: 0, body }, now);
  }

  #statistics(): Uint8Array {
    return encodeStatisticsAnswer({
      operatingSystem: 'CR1000.Std.32',
      operatingSystemSignature: 0x3000,
      serialNumber: `E${this.#options.address}`,
      powerUpProgram: this.#program.name,
      compileState: 1,
      programName: this.#program.name,
      programSignature: signatureOf(this.#definitions, signatureOf(new TextEncoder().encode(this.#program.name))),
      compileTime: this.#compileTime,
      compileResult: `${this.#program.name} -- Compiled in PipelineMode.\r\n`,
    });
  }

  /** Bytes of a message's body, behind a response code and its own layout, that fit into a packet. */
  #roomBytes(layoutBytes: number): number {
    return (this.#options.packetBytesMax ?? 1000) - controlOverheadBytes - layoutBytes;
  }

  #upload(body: Uint8Array): Uint8Array {
    const command = decodeUploadCommand(body);
    if (!command.ok || command.value.fileName !== (this.#options.definitionsFile ?? '.TDF')) return Uint8Array.of(responseCodes.noSuchFile);
    const { offset, length } = command.value;
    return encodeUploadAnswer({ offset, bytes: this.#definitions.subarray(offset, offset + Math.min(length, this.#roomBytes(4))) });
  }

  #collect(body: Uint8Array): Uint8Array {
    const command = decodeCollectCommand(body);
    const ring = command.ok ? this.#rings[command.value.tableNumber - 1] : undefined;
    if (!command.ok || ring === undefined || ring.table.signature !== command.value.tableSignature) {
      return Uint8Array.of(responseCodes.tableChanged);
    }
    const selected = this.#select(ring, command.value.selection);
    const { blocks, count } = this.#blocks(ring, command.value, selected);
    return encodeCollectAnswer(ring.table.number, blocks, count < selected.length);
  }

  #select(ring: RingTable, selection: CollectSelection): StoredRecord[] {
    const records = ring.records();
    switch (selection.type) {
      case 'all':
        return records;
      case 'from-record': {
        const start = records.findIndex(({ number }) => number === selection.record);
        if (start >= 0) return records.slice(start);
        return selection.record >= ring.nextNumber && this.#options.futureRecords !== 'oldest' ? [] : records;
      }
      case 'newest':
        return records.slice(Math.max(0, records.length - selection.count));
      case 'record-range':
        return records.filter(({ number }) => number >= selection.from && number < selection.to);
      case 'time-range': {
        const [from, to] = [durationUs(selection.from), durationUs(selection.to)];
        return records.filter(({ time }) => durationUs(time) >= from && durationUs(time) < to);
      }
      case 'partial-record':
        return records.filter(({ number }) => number === selection.record);
    }
  }

  /** As many of the records as fit into a packet, as blocks that each have one first number and, in a table with an interval, one first time. */
  #blocks(ring: RingTable, command: CollectCommand, records: readonly StoredRecord[]): { blocks: AnswerBlock[]; count: number } {
    const blocks: AnswerBlock[] = [];
    const roomBytes = this.#roomBytes(1);
    let usedBytes = 0;
    let count = 0;
    while (count < records.length) {
      const block = this.#block(ring, command, records.slice(count), roomBytes - usedBytes);
      if (block === undefined) break;
      blocks.push(block);
      usedBytes += block.bytes.length + 8;
      count += block.type === 'records' ? block.count : 1;
      if (block.type === 'piece') break;
    }
    return { blocks, count };
  }

  #block(ring: RingTable, command: CollectCommand, records: readonly StoredRecord[], roomBytes: number): AnswerBlock | undefined {
    const { table } = ring;
    const first = records[0];
    if (first === undefined) return undefined;
    const isPeriodic = hasInterval(table);
    const writer = new ByteWriter();
    let count = 0;
    let bytes = 8;
    for (const record of records) {
      const expected = addIntervals(first.time, table.interval, count);
      const isNext = record.number === first.number + count && (!isPeriodic || durationUs(expected) === durationUs(record.time));
      const image = this.#image(ring, command.fieldNumbers, record, count === 0 || !isPeriodic);
      if (!isNext || bytes + image.length > roomBytes) break;
      writer.bytes(image);
      bytes += image.length;
      count += 1;
    }
    const { selection } = command;
    if (selection.type !== 'partial-record' && count > 0)
      return { type: 'records', firstRecord: first.number, count, bytes: writer.finish() };
    // Too long for a whole packet: send a piece. Too long for what is left of one: leave it to the next.
    if (roomBytes < this.#roomBytes(1)) return undefined;
    const byteOffset = selection.type === 'partial-record' ? selection.byteOffset : 0;
    const whole = this.#image(ring, command.fieldNumbers, first, true);
    return { type: 'piece', record: first.number, byteOffset, bytes: whole.subarray(byteOffset, byteOffset + roomBytes - 10) };
  }

  #image(ring: RingTable, fieldNumbers: readonly number[], record: StoredRecord, withTime: boolean): Uint8Array {
    const writer = new ByteWriter();
    if (withTime) writeTime(writer, ring.table.timeTypeCode, record.time);
    let value = 0;
    ring.columns.forEach((columns, i) => {
      for (const column of columns) {
        const content = record.values[value++];
        invariant(content !== undefined, `a record of table ${ring.table.name} has too few values`);
        if (fieldNumbers.length === 0 || fieldNumbers.includes(i + 1)) column.type.write(writer, content, column.textBytes);
      }
    });
    return writer.finish();
  }

  #answer(payload: PakbusPayload, command: PakbusMessage, body: Uint8Array, now: Moment): void {
    const protocol = payload.protocol === protocols.control ? protocols.control : protocols.application;
    const answer = { type: command.type | answerBit, transaction: command.transaction, body };
    if (protocol === protocols.application && this.#happens(this.#faults.waitRatio)) {
      const wait = encodePleaseWait({ commandType: command.type, waitSeconds });
      this.#send(payload.source, protocol, { type: applicationTypes.pleaseWait, transaction: command.transaction, body: wait }, now);
      const frame = framed(this.#messagePacket(payload.source, protocol, answer));
      this.#delayed.push({ at: later(now.monotonicMs, 1 + this.#random.below(waitedAnswerMsMax)), bytes: frame });
    } else this.#send(payload.source, protocol, answer, now);
  }

  #messagePacket(to: number, protocol: ProtocolNumber, message: PakbusMessage): Uint8Array {
    const link = { linkState: linkStates.ready, expectMore: expectMore.neutral };
    return encodePacket(messagePacket({ from: this.#options.address, to }, link, protocol, encodeMessage(message)));
  }

  #send(to: number, protocol: ProtocolNumber, message: PakbusMessage, now: Moment): void {
    this.#transmit(this.#messagePacket(to, protocol, message), now);
  }

  #transmit(packet: Uint8Array, now: Moment): void {
    if (this.#happens(this.#faults.dropRatio)) return;
    const sent = packet.slice();
    if (this.#happens(this.#faults.damageRatio)) {
      const at = this.#random.below(sent.length);
      sent[at] = (sent[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    this.#outputs.push({ type: 'send', bytes: framed(sent) });
    if (this.#happens(this.#faults.duplicateRatio)) {
      this.#delayed.push({ at: later(now.monotonicMs, this.#random.below(duplicateDelayMsMax)), bytes: framed(packet) });
    }
  }
}

/** A field of a simulated table: one value, or `elements` of them; `textBytes` is the length of a text of fixed length. */
export function simulatedField(
  name: string,
  typeName: string,
  {
    unit = '',
    processing = '',
    elements = 1,
    textBytes = 0,
  }: { unit?: string; processing?: string; elements?: number; textBytes?: number } = {},
): PakbusField {
  const type = dataTypeNamed(typeName);
  invariant(type !== undefined, `there is no PakBus data type ${typeName}`);
  return {
    isReadOnly: true,
    typeCode: type.code,
    name,
    aliases: [],
    processing,
    unit,
    description: processing,
    beginIndex: 1,
    dimension: type.isFixedText ? elements * textBytes : elements,
    subDimensions: type.isFixedText ? [elements, textBytes] : [elements],
  };
}
