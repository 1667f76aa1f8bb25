import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import { limits } from '../../../../src/core/limits.ts';
import { tob3Format } from '../../../../src/formats/tob3/tob3-format.ts';
import { tob3Cells, tob3Frame, tob3Header } from '../campbell-files.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readWhole, stampTexts } from '../reading.ts';

function outlineOf(bytes: Uint8Array): string[] {
  const items = readWhole(tob3Format, bytes);
  expectTiling(items, bytes.length);
  return outline(items);
}

/** The framing line with one cell changed. */
function framing(index: number, cell: string) {
  return { framing: tob3Cells.framing.with(index, cell) };
}

describe('a TOB3 header', () => {
  it('defines the table', () => {
    expect(itemsOf(readWhole(tob3Format, tob3Header()), 'table')[0]?.table).toEqual({
      format: 'tob3',
      station: 'Ridge',
      table: 'Fast',
      model: 'CR1000',
      serial: '77',
      attributes: {
        operatingSystem: 'CR1000.Std.32',
        program: 'CPU:met.CR1',
        signature: '4062',
        created: '2023-05-01 00:00:00',
        interval: '250 MSEC',
      },
      fields: [
        { name: 'AirT', unit: 'Deg C', processing: 'Smp', kind: 'number' },
        { name: 'Wind', unit: 'm/s', processing: 'Smp', kind: 'number' },
      ],
    });
  });

  it('is legal without data, and without what stands behind the time resolution', () => {
    expect(outlineOf(tob3Header({ framing: tob3Cells.framing.slice(0, 6) }))).toEqual(['table']);
  });

  it.each([
    ['2 SEC', 2],
    ['1500 MSEC', 1.5],
    ['500000 USEC', 0.5],
    ['250000000 NSEC', 0.25],
    ['10 Min', 600],
    ['1 HR', 3600],
    ['1 HOUR', 3600],
    ['1 DAY', 86_400],
  ])('with an interval of %s has records so far apart', (interval, seconds) => {
    const items = readWhole(tob3Format, concatBytes(tob3Header(framing(1, interval)), tob3Frame(0)));
    const [first = 0, second = 0] = itemsOf(items, 'record').map(({ stamp }) => stamp.localUs);
    expect(second - first).toBe(seconds * 1e6);
  });

  it.each([
    ['SecMsec', '2023-05-01 00:00:00.050000'],
    ['Sec100Usec', '2023-05-01 00:00:00.005000'],
    ['Sec10Usec', '2023-05-01 00:00:00.000500'],
    ['SecUsec', '2023-05-01 00:00:00.000050'],
  ])('with times in %s reads fractions of a second so', (resolution, stamp) => {
    const frame = tob3Frame(0);
    frame[4] = 50;
    expect(stampTexts(readWhole(tob3Format, concatBytes(tob3Header(framing(5, resolution)), frame)))[0]).toBe(stamp);
  });

  it.each([
    ['in which lines have different numbers of cells', { units: ['a'] }, 'TOB3_HEADER_MISMATCH'],
    ['with too few cells in its first line', { environment: ['TOB3', 'Ridge'] }, 'TOB3_HEADER_MISMATCH'],
    ['with too few cells in its second line', { framing: tob3Cells.framing.slice(0, 5) }, 'TOB3_HEADER_MISMATCH'],
    ['with a name that stands twice', { names: ['A', 'A'] }, 'TOB3_BAD_FIELDS'],
    ['with an unknown type', { types: ['FP2', 'FP9'] }, 'TOB3_UNKNOWN_TYPE'],
    ['with an interval in no unit', framing(1, '5'), 'TOB3_BAD_FRAMING'],
    ['with an interval in an unknown unit', framing(1, '5 MOONS'), 'TOB3_BAD_FRAMING'],
    ['with an interval that is no number', framing(1, 'often'), 'TOB3_BAD_FRAMING'],
    ['with an interval of millennia', framing(1, '999999 DAY'), 'TOB3_BAD_FRAMING'],
    ['with a frame too small for a record', framing(2, '21'), 'TOB3_BAD_FRAMING'],
    ['with a frame over the limit', framing(2, `${limits.instrumentLineBytesMax + 1}`), 'TOB3_BAD_FRAMING'],
    ['with a stamp of more than 16 bits', framing(4, '65536'), 'TOB3_BAD_FRAMING'],
    ['with an unknown time resolution', framing(5, 'Sec0Usec'), 'TOB3_BAD_FRAMING'],
    ['with control characters', { names: ['A\x07', 'B'] }, 'TOB3_HEADER_BAD_TEXT'],
    ['in which a quotation mark is missing', { units: ['Deg "C', ''] }, 'TOB3_HEADER_CUT'],
  ])('%s gives a defect of the file, and the data go to quarantine', (_, cells, code) => {
    expect(outlineOf(concatBytes(tob3Header(cells), tob3Frame(0)))).toEqual([code, 'TOB3_DATA_WITHOUT_TABLE']);
  });

  it('that is cut gives a defect of the file', () => {
    expect(outlineOf(tob3Header().subarray(0, 150))).toEqual(['TOB3_HEADER_CUT']);
    expect(outlineOf(bytesOf('"TO'))).toEqual(['TOB3_HEADER_CUT']);
  });
});

describe('a file that is no TOB3', () => {
  it('is refused, and its bytes go to quarantine in blocks, also when reading resumes', () => {
    const bytes = concatBytes(bytesOf('"TOB2",'), new Uint8Array(2 * limits.instrumentLineBytesMax));
    expect(counts(readWhole(tob3Format, bytes, 1000))).toEqual({ TOB3_NOT_TOB3: 1, TOB3_DATA_WITHOUT_TABLE: 3 });
    expect(tob3Format.sniff(bytes, 'x')).toBe(0);
    const reader = tob3Format.reader();
    reader.push(bytes);
    const resumed = tob3Format.reader(reader.position());
    expect(counts(resumed.push(bytes.subarray(0, limits.instrumentLineBytesMax)))).toEqual({ TOB3_DATA_WITHOUT_TABLE: 1 });
  });

  it('is refused when it is empty', () => {
    expect(outlineOf(new Uint8Array(0))).toEqual(['TOB3_EMPTY']);
  });
});
