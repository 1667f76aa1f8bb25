import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../../src/core/outcome.ts';
import {
  type CollectSelection,
  decodeClockAnswer,
  decodeCollectCommand,
  decodePleaseWait,
  decodeStatisticsAnswer,
  decodeUploadAnswer,
  decodeUploadCommand,
  encodeCollectCommand,
  responseCodeOf,
} from '../../../../src/instruments/pakbus/application-messages.ts';
import { ByteWriter } from '../../../../src/instruments/pakbus/byte-writer.ts';
import {
  type AnswerBlock,
  decodeCollectAnswer,
  decodeWholeRecord,
  encodeCollectAnswer,
  type RecordLayout,
  recordLayout,
} from '../../../../src/instruments/pakbus/collect-answer.ts';
import {
  decodeDeliveryFailure,
  decodeHello,
  decodeMessage,
  hopMetricDurationMs,
} from '../../../../src/instruments/pakbus/control-messages.ts';
import { decodeDirectoryListing } from '../../../../src/instruments/pakbus/directory-listing.ts';
import { collectProcedure, uploadProcedure } from '../../../../src/instruments/pakbus/procedures.ts';
import type { PakbusTable } from '../../../../src/instruments/pakbus/table-definitions.ts';
import { simulatedField } from '../../../../src/simulation/pakbus-logger.ts';

const noBytes = new Uint8Array(0);
const zero = { seconds: 0, nanoseconds: 0 };
const table: PakbusTable = {
  number: 2,
  name: 'T',
  capacityRecords: 10,
  timeTypeCode: 12,
  timeIntoInterval: zero,
  interval: { seconds: 60, nanoseconds: 0 },
  signature: 1,
  fields: [simulatedField('A', 'Byte'), simulatedField('B', 'ASCIIZ')],
};

function layoutOf(overrides: Partial<PakbusTable> = {}, fieldNumbers: readonly number[] = []): RecordLayout {
  const layout = recordLayout({ ...table, ...overrides }, fieldNumbers);
  if (!layout.ok) throw new Error(layout.fault.message);
  return layout.value;
}

function block(firstRecord: number, ...values: [number, string][]): AnswerBlock {
  const writer = new ByteWriter().uint32(1000 + firstRecord * 60);
  for (const [a, b] of values) writer.uint8(a).zeroTerminatedText(b);
  return { type: 'records', firstRecord, count: values.length, bytes: writer.finish() };
}

function malformed(outcome: Outcome<unknown>): string | undefined {
  return outcome.ok ? undefined : outcome.fault.code;
}

describe('bodies that are too short', () => {
  test.each<[string, (body: Uint8Array) => Outcome<unknown>, number]>([
    ['message', decodeMessage, 1],
    ['hello', decodeHello, 3],
    ['delivery failure', decodeDeliveryFailure, 4],
    ['please wait', decodePleaseWait, 2],
    ['response code', responseCodeOf, 0],
    ['clock answer', decodeClockAnswer, 8],
    ['statistics answer', decodeStatisticsAnswer, 5],
    ['upload command', decodeUploadCommand, 9],
    ['upload answer', decodeUploadAnswer, 4],
    ['collect command', decodeCollectCommand, 6],
  ])('%s is malformed', (_, decode, length) => {
    const body = new Uint8Array(length);
    if (length > 2) body[2] = 3;
    expect(malformed(decode(body))).toBe('PAKBUS_MALFORMED');
  });
});

describe('a collect command', () => {
  test.each<CollectSelection>([
    { type: 'all' },
    { type: 'from-record', record: 0xffff_ffff },
    { type: 'newest', count: 1 },
    { type: 'record-range', from: 3, to: 9 },
    { type: 'time-range', from: { seconds: -1, nanoseconds: 5 }, to: { seconds: 7, nanoseconds: 9 } },
    { type: 'partial-record', record: 5, byteOffset: 980 },
  ])('comes back as it was written: $type', (selection) => {
    const command = { securityCode: 65535, tableNumber: 2, tableSignature: 0xabcd, selection, fieldNumbers: [1, 7] };
    expect(decodeCollectCommand(encodeCollectCommand(command))).toEqual({ ok: true, value: command });
  });

  test('of an unknown mode, or with too many fields, is malformed', () => {
    expect(malformed(decodeCollectCommand(Uint8Array.of(0, 0, 9, 0, 1, 0, 1, 0, 0)))).toBe('PAKBUS_MALFORMED');
    const fieldNumbers = Array.from({ length: 513 }, (_, i) => i + 1);
    const body = encodeCollectCommand({ securityCode: 0, tableNumber: 1, tableSignature: 1, selection: { type: 'all' }, fieldNumbers });
    expect(malformed(decodeCollectCommand(body))).toBe('PAKBUS_MALFORMED');
  });
});

describe('a collect answer', () => {
  test('joins blocks that follow each other and parts those that do not', () => {
    const body = encodeCollectAnswer(2, [block(3, [1, 'a'], [2, 'b']), block(5, [3, '']), block(9, [4, 'd'])], true);
    const answer = decodeCollectAnswer(body, layoutOf());
    expect(answer).toMatchObject({
      ok: true,
      value: {
        hasMore: true,
        runs: [
          [
            { number: 3, time: { seconds: 1180 }, cells: ['1', 'a'] },
            { number: 4, time: { seconds: 1240 }, cells: ['2', 'b'] },
            { number: 5, time: { seconds: 1300 }, cells: ['3', null] },
          ],
          [{ number: 9, time: { seconds: 1540 }, cells: ['4', 'd'] }],
        ],
      },
    });
  });

  test('without blocks, or with a block of no records, has no records', () => {
    const nothing = { ok: true, value: { runs: [], hasMore: false } };
    expect(decodeCollectAnswer(Uint8Array.of(0), layoutOf())).toEqual(nothing);
    expect(decodeCollectAnswer(Uint8Array.of(0, 0), layoutOf())).toEqual(nothing);
    expect(decodeCollectAnswer(Uint8Array.of(0, 0, 2, 0, 0, 0, 9, 0, 0, 0), layoutOf())).toEqual(nothing);
    expect(decodeCollectAnswer(Uint8Array.of(0, 0, 2, 0, 0, 0, 9, 0, 0, 1, 2, 3, 4, 0), layoutOf())).toEqual(nothing);
  });

  test('of some fields has their cells only', () => {
    const body = encodeCollectAnswer(2, [{ type: 'records', firstRecord: 0, count: 1, bytes: Uint8Array.of(0, 0, 0, 1, 0x61, 0) }], false);
    expect(decodeCollectAnswer(body, layoutOf({}, [2]))).toMatchObject({ ok: true, value: { runs: [[{ cells: ['a'] }]] } });
  });

  test.each<[string, Uint8Array]>([
    ['of another table', encodeCollectAnswer(3, [block(3, [1, 'a'])], false)],
    ['that repeats a record', encodeCollectAnswer(2, [block(3, [1, 'a'], [2, 'b']), block(4, [3, 'c'])], false)],
    ['that goes back', encodeCollectAnswer(2, [block(3, [1, 'a']), block(1, [3, 'c'])], false)],
    [
      'with fewer records than it says',
      encodeCollectAnswer(2, [{ type: 'records', firstRecord: 0, count: 32_767, bytes: noBytes }], false),
    ],
    ['cut in its header', Uint8Array.of(0, 0, 2, 0, 0, 0, 0)],
    ['cut in its piece', Uint8Array.of(0, 0, 2, 0, 0, 0, 0, 0x80, 0, 0)],
  ])('%s is malformed', (_, body) => {
    expect(malformed(decodeCollectAnswer(body, layoutOf()))).toBe('PAKBUS_MALFORMED');
  });

  test('with a piece says of which record and from where', () => {
    const piece = { record: 7, byteOffset: 70_000, bytes: Uint8Array.of(1, 2, 3) };
    const body = encodeCollectAnswer(2, [{ type: 'piece', ...piece }], true);
    expect(decodeCollectAnswer(body, layoutOf())).toEqual({ ok: true, value: { runs: [], piece, hasMore: true } });
  });

  test('needs times of a known type', () => {
    expect(recordLayout({ ...table, timeTypeCode: 9 })).toMatchObject({ ok: false, fault: { code: 'PAKBUS_TYPE_UNKNOWN' } });
  });
});

describe('a record in pieces', () => {
  const image = Uint8Array.of(0, 0, 0, 1, 9, 0x61, 0);

  test('is whole only with its last byte', () => {
    for (let length = 0; length < image.length; length++) {
      expect(decodeWholeRecord(image.subarray(0, length), layoutOf(), 4)).toEqual({ ok: true, value: undefined });
    }
    expect(decodeWholeRecord(image, layoutOf(), 4)).toMatchObject({ ok: true, value: { number: 4, cells: ['9', 'a'] } });
    expect(malformed(decodeWholeRecord(Uint8Array.of(...image, 0), layoutOf(), 4))).toBe('PAKBUS_MALFORMED');
  });

  function answer(blocks: readonly AnswerBlock[]) {
    return { body: encodeCollectAnswer(2, blocks, false), packet: noBytes, elapsedMs: 1 };
  }

  function piece(record: number, byteOffset: number, bytes: Uint8Array): AnswerBlock {
    return { type: 'piece', record, byteOffset, bytes };
  }

  test('is asked for from where it stopped, and any other piece is ignored', () => {
    const procedure = collectProcedure(layoutOf(), { type: 'all' }, 0);
    expect(procedure.accept(answer([piece(4, 3, image.subarray(3, 5))])).type).toBe('ignore');
    expect(procedure.accept(answer([piece(4, 0, image.subarray(0, 3))]))).toMatchObject({
      type: 'continue',
      command: {
        body: encodeCollectCommand({
          securityCode: 0,
          tableNumber: 2,
          tableSignature: 1,
          selection: { type: 'partial-record', record: 4, byteOffset: 3 },
          fieldNumbers: [],
        }),
      },
    });
    expect(procedure.accept(answer([piece(4, 0, image.subarray(0, 3))])).type).toBe('ignore');
    expect(procedure.accept(answer([piece(5, 3, image.subarray(3))])).type).toBe('ignore');
    expect(procedure.accept(answer([block(5, [1, 'a'])])).type).toBe('ignore');
    expect(procedure.accept(answer([piece(4, 3, image.subarray(3))]))).toMatchObject({ type: 'done', result: { hasMore: true } });
  });

  test('behind whole records is left for the next command', () => {
    const procedure = collectProcedure(layoutOf(), { type: 'all' }, 0);
    const step = procedure.accept(answer([block(3, [1, 'a']), piece(4, 0, image.subarray(0, 3))]));
    expect(step).toMatchObject({ type: 'done', result: { hasMore: true, runs: [[{ number: 3 }]] } });
  });

  test('without progress or end fails', () => {
    const stuck = collectProcedure(layoutOf(), { type: 'all' }, 0);
    expect(stuck.accept(answer([piece(4, 0, noBytes)]))).toMatchObject({ type: 'fail', fault: { code: 'PAKBUS_MALFORMED' } });
    const tooLong = collectProcedure(layoutOf(), { type: 'all' }, 0);
    expect(tooLong.accept(answer([piece(4, 0, new Uint8Array(1000))]))).toMatchObject({
      type: 'fail',
      fault: { code: 'PAKBUS_MALFORMED' },
    });
    const endless = collectProcedure(layoutOf(), { type: 'all' }, 0);
    const step = endless.accept(answer([piece(4, 0, new Uint8Array(1024 * 1024 + 1).fill(0x61))]));
    expect(step).toMatchObject({ type: 'fail', fault: { code: 'PAKBUS_MALFORMED' } });
  });
});

describe('a file', () => {
  test('without end is given up, and a piece that was not asked for is ignored', () => {
    const procedure = uploadProcedure('.TDF', 0);
    const answer = (offset: number, length: number) => ({
      body: new ByteWriter().uint8(0).uint32(offset).bytes(new Uint8Array(length)).finish(),
      packet: noBytes,
      elapsedMs: 1,
    });
    expect(procedure.accept(answer(7, 5)).type).toBe('ignore');
    expect(procedure.accept(answer(0, 0xf_ffff)).type).toBe('continue');
    expect(procedure.accept(answer(0xf_ffff, 2))).toMatchObject({ type: 'fail', fault: { code: 'PAKBUS_FILE_TOO_LONG' } });
  });
});

describe('other codes', () => {
  test('a hop metric stands for a time, and anything over 7 for the longest', () => {
    expect([0, 1, 2, 7, 255].map(hopMetricDurationMs)).toEqual([200, 1000, 5000, 1_800_000, 1_800_000]);
  });

  test.each<[string, Uint8Array]>([
    ['of another version', Uint8Array.of(2)],
    ['of nothing', noBytes],
    ['cut in an entry', Uint8Array.of(1, 0x41, 0, 0, 0)],
    ['without end', new Uint8Array(1 + 7 * 65_536).fill(1, 0, 1)],
  ])('a directory listing %s is malformed', (_, bytes) => {
    expect(malformed(decodeDirectoryListing(bytes))).toBe('PAKBUS_DIRECTORY_MALFORMED');
  });
});
