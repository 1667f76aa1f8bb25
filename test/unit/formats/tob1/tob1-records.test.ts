import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import { tob1Format } from '../../../../src/formats/tob1/tob1-format.ts';
import { may2023Seconds, padded, tenths, tob1File, tob1Header, tob1Record, words } from '../campbell-files.ts';
import { itemsOf, outline, readGrowing, readWhole, stampTexts } from '../reading.ts';

/** The items of a file with these records. */
function read(...records: readonly Uint8Array[]) {
  return readWhole(tob1Format, concatBytes(tob1Header(), ...records));
}

const values = concatBytes(tenths(5), padded('x', 6));

describe('a TOB1 record', () => {
  it('has its time, its number and its values', () => {
    const items = read(tob1Record(0), concatBytes(words(may2023Seconds + 1, 50_000_999, 4_294_967_295), values));
    expect(stampTexts(items)).toEqual(['2023-05-01 00:00:00', '2023-05-01 00:00:01.050000']);
    expect(itemsOf(items, 'record').map(({ recordNumber, cells }) => [recordNumber, cells])).toEqual([
      [0, ['10', 'ok']],
      [4_294_967_295, ['0.5', 'x']],
    ]);
  });

  it('may lack number and nanoseconds', () => {
    const cells = { names: ['SECONDS', 'A'], units: ['', ''], processing: ['', ''], types: ['ULONG', 'FP2'] };
    const [record] = itemsOf(readWhole(tob1Format, concatBytes(tob1Header(cells), words(may2023Seconds), tenths(7))), 'record');
    expect(record).toMatchObject({ stamp: { localUs: 1_682_899_200_000_000 }, cells: ['0.7'] });
    expect(record).not.toHaveProperty('recordNumber');
  });

  it('of zero bytes is a hole in the file', () => {
    const hole = new Uint8Array(tob1Record(0).length);
    expect(outline(read(tob1Record(0), hole, tob1Record(2)))).toEqual(['table', 'record', 'TOB1_NUL_RUN', 'record']);
  });

  it('with nanoseconds of a second or more is quarantined, and its neighbours go on', () => {
    const broken = concatBytes(words(may2023Seconds, 1_000_000_000, 1), values);
    expect(outline(read(tob1Record(0), broken, tob1Record(2)))).toEqual(['table', 'record', 'TOB1_BAD_STAMP', 'record']);
  });

  it('that is cut waits while the file grows, and is a defect when it does not', () => {
    const bytes = tob1File(3);
    const cut = bytes.subarray(0, bytes.length - 1);
    expect(outline(readWhole(tob1Format, cut))).toEqual(['table', 'record', 'record', 'TOB1_TAIL_CUT']);
    expect(readGrowing(tob1Format, bytes, [cut.length])).toEqual(readWhole(tob1Format, bytes));
  });

  it('may begin like a header and be none', () => {
    const seconds = new DataView(new TextEncoder().encode('"TOB').buffer).getUint32(0, true);
    expect(outline(read(concatBytes(words(seconds, 0x31, 3), values), tob1Record(1)))).toEqual(['table', 'record', 'record']);
  });
});
