import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { csijsonFormat } from '../../../src/formats/csijson/csijson-format.ts';
import { csixmlFormat } from '../../../src/formats/csixml/csixml-format.ts';
import { mixedArrayFormat, mixedArrayFormatFor } from '../../../src/formats/mixed-array/mixed-array-format.ts';
import type { RecordFormat } from '../../../src/formats/record-stream.ts';
import { toaci1Format } from '../../../src/formats/toaci1/toaci1-format.ts';
import { tob1Format } from '../../../src/formats/tob1/tob1-format.ts';
import { tob3Format } from '../../../src/formats/tob3/tob3-format.ts';
import {
  csijsonText,
  csixmlText,
  dividedFlag,
  toaci1Text,
  tob1File,
  tob1Header,
  tob1Record,
  tob3DividedFrame,
  tob3Frame,
  tob3Header,
  tob3MinorFrame,
  tob3Residue,
} from '../../unit/formats/campbell-files.ts';
import { bytesOf, counts, readGrowing, readWhole } from '../../unit/formats/reading.ts';
import { damaged, expectSound } from './reader-soundness.ts';

/** What no input may break in any of Campbell's formats: no exception, ranges that follow each other, records that fit their table, the same items however the bytes arrive. */

const arrays =
  '213,2010,48,2200,240.21,-.058\r\n111,2010,48,2400,-6999\r\n\r\n213,2010,49,1,240.2,.1\r\n213,2010,49\r\n101,330,2100,1\r\n101,330,2110,1\r\n';
const undatedArrays = '201,364,2350,1.5\n201,364,2400,2\n202,1,0,3,4\n201,365,2400,2\n201,1,10,2.5\n';
const frameBytes = 80;
const divided = [tob3MinorFrame(8, 2), tob3MinorFrame(12, 1)];

const files: [name: string, format: RecordFormat, bytes: Uint8Array][] = [
  ['toaci1', toaci1Format, bytesOf(toaci1Text(3) + toaci1Text(2).replace('Hourly', 'Daily'))],
  ['mixed-array', mixedArrayFormat, bytesOf(arrays)],
  ['mixed-array without years', mixedArrayFormatFor({ timeColumns: ['day', 'hour-minute'], year: 2015 }), bytesOf(undatedArrays)],
  ['tob1', tob1Format, concatBytes(tob1File(4), tob1File(2, tob1Header({ units: ['', '', '', '', 'text'] })), tob1Record(9))],
  [
    'tob3',
    tob3Format,
    concatBytes(tob3Header(), tob3Frame(0), tob3Frame(4), tob3Residue(1), tob3Frame(8, 0xffff ^ 4711), tob3Residue(2), tob3Residue(3)),
  ],
  [
    'tob3 with divided frames',
    tob3Format,
    concatBytes(
      tob3Header({ framing: ['Fast', '250 MSEC', `${frameBytes}`, '400', '4711', 'Sec100Usec'] }),
      tob3DividedFrame(frameBytes, divided),
      tob3DividedFrame(frameBytes, [...divided].reverse(), dividedFlag | 0x2000),
      tob3Residue(4, frameBytes),
    ),
  ],
  ['csixml', csixmlFormat, bytesOf(csixmlText(3) + csixmlText(1) + csixmlText(1, 'Day'))],
  ['csijson', csijsonFormat, bytesOf(`${csijsonText(3)}${csijsonText(0)}{"head":null,"data":null}${csijsonText(1, { fields: [] })}`)],
];

/** Bytes that mean something in these formats. */
const alphabet = '\0\0\r\n",,<>{}[]:/&;-"0129 AENT\x01\x7f\xb0\xff\xef';

describe.each(files)('reading %s', (_, format, bytes) => {
  it('is sound when the file is cut at any byte, and complete', () => {
    for (let length = 0; length <= bytes.length; length++) expectSound(readWhole(format, bytes.subarray(0, length)), length);
  });

  it('is sound when the file is cut at any byte, and still growing', () => {
    const whole = readWhole(format, bytes);
    expect(counts(whole).record).toBeGreaterThan(2);
    for (let length = 0; length <= bytes.length; length++) {
      const reader = format.reader();
      const items = [...reader.push(bytes.subarray(0, length)), ...reader.end({ complete: false })];
      expectSound(items, reader.position().offset);
      expect(items).toEqual(whole.slice(0, items.length));
    }
  });

  it('gives the same items when it is interrupted at any byte', () => {
    const whole = readWhole(format, bytes);
    for (let length = 0; length <= bytes.length; length++) expect(readGrowing(format, bytes, [length])).toEqual(whole);
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
        const confidence = format.sniff(broken.subarray(0, 4096), 'x');
        expect(confidence >= 0 && confidence <= 1).toBe(true);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });
});

describe.each(files)('reading arbitrary bytes as %s', (_, format, bytes) => {
  it('is sound', () => {
    const piece = fc.nat(bytes.length).chain((from) => fc.nat(40).map((length) => bytes.subarray(from, from + length)));
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(piece, { maxLength: 30 }).map((parts) => concatBytes(bytes.subarray(0, 400), ...parts)),
    );
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 50 }), (input, pushBytes) => {
        const whole = readWhole(format, input);
        expectSound(whole, input.length);
        expect(readWhole(format, input, pushBytes)).toEqual(whole);
      }),
      { seed: 20241122, numRuns: 400 },
    );
  });
});

describe('the formats', () => {
  const formats = [...new Set(files.map(([, format]) => format))];

  it.each(files)('leave a file of %s to its own', (_, format, bytes) => {
    const best = formats.toSorted((a, b) => b.sniff(bytes.subarray(0, 4096), 'x') - a.sniff(bytes.subarray(0, 4096), 'x'))[0];
    expect(best?.id).toBe(format.id);
  });
});
