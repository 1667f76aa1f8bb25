import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import {
  type CollectSelection,
  encodeClockCommand,
  encodeCollectCommand,
  encodeStatisticsCommand,
  encodeUploadCommand,
} from '../../../src/instruments/pakbus/application-messages.ts';
import { decodeCollectAnswer, recordLayout } from '../../../src/instruments/pakbus/collect-answer.ts';
import { decodeMessage, encodeMessage, type PakbusMessage } from '../../../src/instruments/pakbus/control-messages.ts';
import { Deframer, framed } from '../../../src/instruments/pakbus/framing.ts';
import {
  decodePacket,
  encodePacket,
  linkStatePacket,
  linkStates,
  messagePacket,
  type PakbusPacket,
  type ProtocolNumber,
} from '../../../src/instruments/pakbus/packet.ts';
import { pakbusTimeAt } from '../../../src/instruments/pakbus/pakbus-time.ts';
import { decodeTableDefinitions, encodeTableDefinitions } from '../../../src/instruments/pakbus/table-definitions.ts';
import {
  noFaults,
  PakbusLogger,
  type PakbusLoggerOptions,
  type SimulatedTable,
  simulatedField,
} from '../../../src/simulation/pakbus-logger.ts';
import { weatherLogger, weatherValues } from '../../../src/simulation/pakbus-weather-station.ts';

const startMs = Date.UTC(2026, 0, 1);

function at(elapsedMs: number): Moment {
  return { monotonicMs: elapsedMs as MonotonicMs, wallMs: (startMs + elapsedMs) as WallMs };
}

const table: SimulatedTable = {
  name: 'Ring',
  capacityRecords: 10,
  timeTypeCode: 14,
  timeIntoInterval: { seconds: 0, nanoseconds: 0 },
  interval: { seconds: 60, nanoseconds: 0 },
  fields: [simulatedField('N', 'UInt4')],
};

const definitions = decodeTableDefinitions(encodeTableDefinitions([table]));
const described = definitions.ok ? definitions.value[0]! : undefined;

function makeLogger(options: Partial<PakbusLoggerOptions> = {}): PakbusLogger {
  return new PakbusLogger({ address: 5, random: seededRandom(1), program: { name: 'p', tables: [table] }, ...options }, at(0));
}

function fill(logger: PakbusLogger, from: number, to: number): void {
  for (let i = from; i < to; i++) logger.append('Ring', pakbusTimeAt((startMs + i * 60_000) * 1000), [i]);
}

function drain(logger: PakbusLogger): Uint8Array[] {
  const sent: Uint8Array[] = [];
  for (let output = logger.poll(); output !== undefined; output = logger.poll()) sent.push(output.bytes);
  return sent;
}

function packetsIn(frames: readonly Uint8Array[]): PakbusPacket[] {
  return frames
    .flatMap((frame) => new Deframer().push(frame))
    .flatMap((bytes) => {
      const packet = decodePacket(bytes);
      return packet.ok ? [packet.value] : [];
    });
}

function messagesIn(frames: readonly Uint8Array[]): PakbusMessage[] {
  return packetsIn(frames).flatMap(({ payload }) => {
    const message = decodeMessage(payload?.message ?? new Uint8Array(0));
    return message.ok ? [message.value] : [];
  });
}

function ask(
  logger: PakbusLogger,
  protocol: ProtocolNumber,
  type: number,
  body: Uint8Array,
  { now = at(0), to = 5, linkState = linkStates.ready }: { now?: Moment; to?: number; linkState?: number } = {},
): Uint8Array[] {
  const packet = messagePacket({ from: 4094, to }, { linkState, expectMore: 2 }, protocol, encodeMessage({ type, transaction: 9, body }));
  logger.handle({ type: 'bytes', bytes: framed(encodePacket(packet)) }, now);
  return drain(logger);
}

/** Numbers of the records that a collect command is answered with. */
function collected(logger: PakbusLogger, selection: CollectSelection): number[] {
  const body = encodeCollectCommand({ securityCode: 0, tableNumber: 1, tableSignature: described!.signature, selection, fieldNumbers: [] });
  const layout = recordLayout(described!);
  const answer = layout.ok ? decodeCollectAnswer(messagesIn(ask(logger, 1, 0x09, body))[0]!.body, layout.value) : layout;
  if (!answer.ok) throw new Error(answer.fault.message);
  return answer.value.runs.flat().map(({ number }) => number);
}

describe('ring memory', () => {
  test('holds the newest records, and every selection takes its share', () => {
    const logger = makeLogger();
    fill(logger, 0, 14);
    const time = (i: number) => pakbusTimeAt((startMs + i * 60_000) * 1000);
    expect(collected(logger, { type: 'all' })).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(collected(logger, { type: 'from-record', record: 11 })).toEqual([11, 12, 13]);
    expect(collected(logger, { type: 'from-record', record: 2 })).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(collected(logger, { type: 'from-record', record: 14 })).toEqual([]);
    expect(collected(logger, { type: 'newest', count: 2 })).toEqual([12, 13]);
    expect(collected(logger, { type: 'record-range', from: 6, to: 8 })).toEqual([6, 7]);
    expect(collected(logger, { type: 'time-range', from: time(6), to: time(8) })).toEqual([6, 7]);
  });

  test('answers a future record with everything where it is that kind of logger', () => {
    const logger = makeLogger({ futureRecords: 'oldest' });
    fill(logger, 0, 3);
    expect(collected(logger, { type: 'from-record', record: 3 })).toEqual([0, 1, 2]);
  });

  test('fits its answers into packets', () => {
    const logger = makeLogger({ packetBytesMax: 60, program: { name: 'p', tables: [{ ...table, capacityRecords: 100 }] } });
    fill(logger, 0, 100);
    const layout = decodeTableDefinitions(encodeTableDefinitions([{ ...table, capacityRecords: 100 }]));
    const signature = layout.ok ? layout.value[0]!.signature : 0;
    const body = encodeCollectCommand({
      securityCode: 0,
      tableNumber: 1,
      tableSignature: signature,
      selection: { type: 'all' },
      fieldNumbers: [],
    });
    const [packet] = new Deframer().push(ask(logger, 1, 0x09, body)[0]!);
    expect(packet!.length).toBeLessThanOrEqual(60);
    expect(packet!.length).toBeGreaterThan(50);
  });

  test('refuses another table signature and an unknown table', () => {
    const logger = makeLogger();
    for (const [tableNumber, tableSignature] of [
      [1, described!.signature ^ 1],
      [2, described!.signature],
    ] as const) {
      const body = encodeCollectCommand({ securityCode: 0, tableNumber, tableSignature, selection: { type: 'all' }, fieldNumbers: [] });
      expect(toHex(messagesIn(ask(logger, 1, 0x09, body))[0]!.body)).toBe('07');
    }
    expect(toHex(messagesIn(ask(logger, 1, 0x09, Uint8Array.of(0, 0, 99)))[0]!.body)).toBe('07');
  });

  test('has to be named as the program names it, and filled as it is laid out', () => {
    const logger = makeLogger();
    expect(() => logger.append('Other', pakbusTimeAt(0), [])).toThrow('has no table Other');
    logger.append('Ring', pakbusTimeAt(0), []);
    expect(() => collected(logger, { type: 'all' })).toThrow('too few values');
    expect(() => simulatedField('x', 'Float')).toThrow('no PakBus data type Float');
  });
});

describe('a logger', () => {
  test('answers a ring with ready, and greets who rings with a message', () => {
    const logger = makeLogger();
    logger.handle({ type: 'bytes', bytes: framed(encodePacket(linkStatePacket({ from: 4094, to: 5 }, linkStates.ring))) }, at(0));
    expect(packetsIn(drain(logger))).toEqual([linkStatePacket({ from: 5, to: 4094 }, linkStates.ready)]);
    const messages = messagesIn(ask(logger, 1, 0x17, encodeClockCommand(0), { linkState: linkStates.ring }));
    expect(messages.map(({ type }) => type)).toEqual([0x09, 0x97]);
  });

  test('hears its own address and the one for everybody', () => {
    const logger = makeLogger();
    expect(ask(logger, 0, 0x09, new Uint8Array(4), { to: 6 })).toEqual([]);
    expect(messagesIn(ask(logger, 0, 0x0e, new Uint8Array(0), { to: 4095 })).map(({ type }) => type)).toEqual([0x09]);
  });

  test('refuses commands that it does not know, and keeps quiet at goodbyes and rubbish', () => {
    const logger = makeLogger();
    expect(messagesIn(ask(logger, 1, 0x20, Uint8Array.of(1))).map(({ type }) => type)).toEqual([0x81]);
    expect(messagesIn(ask(logger, 0, 0x0f, Uint8Array.of(1))).map(({ type }) => type)).toEqual([0x81]);
    expect(ask(logger, 0, 0x0d, new Uint8Array(0))).toEqual([]);
    expect(ask(logger, 0, 0x89, new Uint8Array(0))).toEqual([]);
    const cut = encodePacket(messagePacket({ from: 4094, to: 5 }, { linkState: linkStates.ready, expectMore: 2 }, 1, Uint8Array.of(1)));
    logger.handle({ type: 'bytes', bytes: framed(cut) }, at(0));
    logger.handle({ type: 'bytes', bytes: Uint8Array.of(0xbd, 1, 2, 3, 4, 5, 6, 0xbd) }, at(0));
    expect(drain(logger)).toEqual([]);
  });

  test('has no other files', () => {
    const body = encodeUploadCommand({ securityCode: 0, fileName: 'CPU:x.CR1', isLast: false, offset: 0, length: 9 });
    expect(toHex(messagesIn(ask(makeLogger(), 1, 0x1d, body))[0]!.body)).toBe('0d');
  });

  test('denies everything without the security code', () => {
    const logger = makeLogger({ securityCode: 7 });
    expect(toHex(messagesIn(ask(logger, 1, 0x18, encodeStatisticsCommand(8)))[0]!.body)).toBe('01');
    expect(messagesIn(ask(logger, 1, 0x18, encodeStatisticsCommand(7)))[0]!.body[0]).toBe(0);
  });

  test('states another program signature for another program', () => {
    const logger = makeLogger();
    const before = messagesIn(ask(logger, 1, 0x18, encodeStatisticsCommand(0)))[0]!;
    logger.install({ name: 'q', tables: [table] }, at(0));
    expect(messagesIn(ask(logger, 1, 0x18, encodeStatisticsCommand(0)))[0]!.body).not.toEqual(before.body);
    expect(collected(logger, { type: 'all' })).toEqual([]);
  });

  test('stores records by its own clock, at every interval, and sleeps in between', () => {
    const sampling = { ...table, sample: (n: number) => [n * 10] };
    const logger = makeLogger({ program: { name: 'p', tables: [sampling] }, clockOffsetMs: 15_000 });
    expect(logger.nextDeadline(at(0))).toEqual({ at: 45_000, reason: 'next record' });
    logger.handle({ type: 'due' }, at(44_999));
    expect(collected(logger, { type: 'all' })).toEqual([]);
    logger.handle({ type: 'due' }, at(45_000 + 2 * 60_000));
    expect(collected(logger, { type: 'all' })).toEqual([0, 1, 2]);
    expect(makeLogger().nextDeadline(at(0))).toBeUndefined();
  });
});

describe('faults', () => {
  const clock = (logger: PakbusLogger) => ask(logger, 1, 0x17, encodeClockCommand(0));

  test('drop everything at a ratio of one', () => {
    expect(clock(makeLogger({ faults: { ...noFaults, dropRatio: 1 } }))).toEqual([]);
  });

  test('damage leaves a frame with a wrong signature', () => {
    const frames = clock(makeLogger({ faults: { ...noFaults, damageRatio: 1 } }));
    expect(frames).toHaveLength(1);
    expect(packetsIn(frames)).toEqual([]);
  });

  test('a duplicate comes later, and the same', () => {
    const logger = makeLogger({ faults: { ...noFaults, duplicateRatio: 1 } });
    const [first] = clock(logger);
    const deadline = logger.nextDeadline(at(0))!;
    expect(deadline.reason).toBe('delayed answer');
    logger.handle({ type: 'due' }, at(deadline.at - 1));
    expect(drain(logger)).toEqual([]);
    logger.handle({ type: 'due' }, at(deadline.at));
    expect(drain(logger)).toEqual([first]);
    expect(logger.nextDeadline(at(deadline.at))).toBeUndefined();
  });

  test('a put-off answer comes behind a please-wait of the same transaction', () => {
    const logger = makeLogger({ faults: { ...noFaults, waitRatio: 1 } });
    expect(messagesIn(clock(logger))).toMatchObject([{ type: 0xa1, transaction: 9 }]);
    logger.handle({ type: 'due' }, at(logger.nextDeadline(at(0))!.at));
    expect(messagesIn(drain(logger))).toMatchObject([{ type: 0x97, transaction: 9 }]);
  });

  test('the same seed has the same faults', () => {
    const conversation = (seed: number) => {
      const faults = { dropRatio: 0.3, duplicateRatio: 0.3, waitRatio: 0.3, damageRatio: 0.3 };
      const logger = makeLogger({ random: seededRandom(seed), faults });
      return Array.from({ length: 50 }, () => clock(logger).map(toHex)).flat();
    };
    expect(conversation(5)).toEqual(conversation(5));
    expect(conversation(5)).not.toEqual(conversation(6));
  });
});

describe('the weather station', () => {
  test('has values that follow from the seed and the record alone', () => {
    expect(weatherValues(1, 5)).toEqual(weatherValues(1, 5));
    expect(weatherValues(1, 5)).not.toEqual(weatherValues(2, 5));
  });

  test('goes on storing at its interval', () => {
    const logger = weatherLogger({ address: 5, seed: 1, records: 3, intervalSeconds: 10 }, at(0));
    expect(logger.nextDeadline(at(0))).toEqual({ at: 10_000, reason: 'next record' });
    logger.handle({ type: 'due' }, at(10_000));
    expect(logger.nextDeadline(at(10_000))).toEqual({ at: 20_000, reason: 'next record' });
    expect(logger.append('Weather', pakbusTimeAt(0), weatherValues(1, 4))).toBe(4);
    expect(() => weatherLogger({ address: 5, seed: 1, records: 3, intervalSeconds: 0 }, at(0))).toThrow('at an interval');
  });
});
