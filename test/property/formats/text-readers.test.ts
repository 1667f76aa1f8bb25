import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { hobowareCsvFormat } from '../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import type { ReaderPosition, RecordFormat } from '../../../src/formats/record-stream.ts';
import { toa5Format } from '../../../src/formats/toa5/toa5-format.ts';
import { type HobowareDialectName, hobowareCsvText, toa5Text } from '../../../src/simulation/logger-files.ts';
import { bytesOf, itemsOf, readGrowing, readWhole } from '../../unit/formats/reading.ts';
import { damaged, expectSound } from './reader-soundness.ts';

/** What no input may break: no exception, ranges that follow each other, records that fit their table. */

const toa5 = { station: 'Ridge', table: 'Ten', firstLocalUs: 1.6e15, intervalUs: 6e8, firstRecord: 1, seed: 3 };
const hobo = { title: 'Creek', serial: '1', firstLocalUs: Date.UTC(2023, 4, 1, 23) * 1000, intervalUs: 6e8, rows: 8, seed: 5 };
const dialects: HobowareDialectName[] = ['bom-ampm', 'no-number-iso', 'ampm-nospace', 'german-semicolon', 'with-events-and-details'];

const files: [name: string, format: RecordFormat, bytes: Uint8Array][] = [
  [
    'toa5',
    toa5Format,
    bytesOf(toa5Text({ ...toa5, rows: 4, withHeader: true }) + toa5Text({ ...toa5, table: 'Day', rows: 3, withHeader: true })),
  ],
  ...dialects.map((dialect): (typeof files)[number] => [
    dialect,
    hobowareCsvFormat,
    bytesOf(hobowareCsvText({ ...hobo, dialect }) + hobowareCsvText({ ...hobo, rows: 3, dialect })),
  ]),
];

/** Bytes that mean something in these formats. */
const alphabet = '\0\0\r\n\n",,;\t#"0129/.:- AMPGT\x01\xb0\xff\xef';

describe.each(files)('reading %s', (_, format, bytes) => {
  it('is sound when the file is cut at any byte, and complete', () => {
    for (let length = 0; length <= bytes.length; length++) expectSound(readWhole(format, bytes.subarray(0, length)), length);
  });

  it('is sound when the file is cut at any byte, and still growing', () => {
    const whole = readWhole(format, bytes);
    for (let length = 0; length <= bytes.length; length++) {
      const reader = format.reader();
      const items = [...reader.push(bytes.subarray(0, length)), ...reader.end({ complete: false })];
      expectSound(items, reader.position().offset);
      expect(items).toEqual(whole.slice(0, items.length));
    }
  });

  it('is sound whatever happened to the file, and the same in pieces and as it grew', () => {
    for (let seed = 1; seed <= 250; seed++) {
      const random = seededRandom(seed);
      const broken = damaged(bytes, random, alphabet);
      const whole = readWhole(format, broken);
      try {
        expectSound(whole, broken.length);
        expect(readWhole(format, broken, 1 + random.below(100))).toEqual(whole);
        const lengths = Array.from({ length: 3 }, () => random.below(broken.length + 1)).sort((a, b) => a - b);
        expect(readGrowing(format, broken, lengths)).toEqual(whole);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });

  it('never takes bytes for certain that it cannot read', () => {
    for (let seed = 1; seed <= 250; seed++) {
      const broken = damaged(bytes, seededRandom(seed), alphabet).subarray(0, 4096);
      const confidence = format.sniff(broken, 'x');
      expect(confidence >= 0 && confidence <= 1).toBe(true);
    }
  });
});

describe.each([toa5Format, hobowareCsvFormat])('reading arbitrary bytes as $id', (format) => {
  it('is sound', () => {
    const pieces = fc.constantFrom('"TOA5",', 'Date Time', '\n', '\r\n', ',', '"', '05/06/09 11:00', '\0\0', '2021-06-18 20:00:00', 'a');
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(pieces, { maxLength: 60 }).map((parts) => bytesOf(parts.join(''))),
    );
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 50 }), (bytes, pushBytes) => {
        const whole = readWhole(format, bytes);
        expectSound(whole, bytes.length);
        expect(readWhole(format, bytes, pushBytes)).toEqual(whole);
      }),
      { seed: 20241122, numRuns: 1000 },
    );
  });
});

describe('memory', () => {
  it('of a reader does not grow with the file: its position is all it needs', () => {
    const rows = bytesOf(toa5Text({ ...toa5, rows: 500, withHeader: false }));
    const reader = toa5Format.reader();
    reader.push(bytesOf(toa5Text({ ...toa5, rows: 0, withHeader: true })));
    const sizes: number[] = [];
    for (let round = 0; round < 20; round++) {
      expect(itemsOf(reader.push(rows), 'record').length).toBe(500);
      const position: ReaderPosition = reader.position();
      sizes.push(JSON.stringify({ ...position, offset: 0 }).length);
    }
    expect(new Set(sizes).size).toBe(1);
  });
});
