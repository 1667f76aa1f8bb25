import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import { limits } from '../../../../src/core/limits.ts';
import { tob1Format } from '../../../../src/formats/tob1/tob1-format.ts';
import { tob1Cells, tob1File, tob1Header, tob1Record } from '../campbell-files.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readWhole } from '../reading.ts';

function outlineOf(bytes: Uint8Array): string[] {
  const items = readWhole(tob1Format, bytes);
  expectTiling(items, bytes.length);
  return outline(items);
}

/** The outline of a file of two records under a header of these cells. */
function outlineWith(cells: Partial<typeof tob1Cells>): string[] {
  return outlineOf(tob1File(2, tob1Header(cells)));
}

describe('a TOB1 header', () => {
  it('defines the table, in which time and record number are no fields', () => {
    expect(itemsOf(readWhole(tob1Format, tob1File(1)), 'table')[0]?.table).toEqual({
      format: 'tob1',
      station: 'Ridge',
      table: 'Ten',
      model: 'CR1000',
      serial: '77',
      attributes: { operatingSystem: 'CR1000.Std.32', program: 'CPU:met.CR1', signature: '4062' },
      fields: [
        { name: 'AirT_Avg', unit: 'Deg C', processing: 'Avg', kind: 'number' },
        { name: 'Note', unit: '', processing: 'Smp', kind: 'text' },
      ],
    });
  });

  it('is legal without data', () => {
    expect(outlineOf(tob1Header())).toEqual(['table']);
  });

  it('may name types in any case', () => {
    expect(outlineWith({ types: ['ULONG', 'ULONG', 'ULONG', 'fp2', 'ascii(6)'] })).toEqual(['table', 'record', 'record']);
  });

  it('is passed over where it is repeated between records, and makes another table where it differs', () => {
    const other = tob1Header({ environment: [...tob1Cells.environment.slice(0, 7), 'Other'] });
    expect(outlineOf(concatBytes(tob1File(1), tob1File(1), tob1File(1, other)))).toEqual([
      'table',
      'record',
      'other',
      'record',
      'table',
      'record',
    ]);
  });

  it('is found in any pieces behind records shorter than its first cell', () => {
    const cells = { names: ['SECONDS', 'A'], units: ['', ''], processing: ['', ''], types: ['ULONG', 'FP2'] };
    const short = concatBytes(tob1Header(cells), tob1Record(0).subarray(0, 6));
    const bytes = concatBytes(short, short);
    expect(outlineOf(bytes)).toEqual(['table', 'record', 'other', 'record']);
    expect(readWhole(tob1Format, bytes, 1)).toEqual(readWhole(tob1Format, bytes));
  });

  it.each([
    ['in which lines have different numbers of cells', { units: ['a', 'b'] }, 'TOB1_HEADER_MISMATCH'],
    ['with too few cells in its first line', { environment: ['TOB1', 'Ridge'] }, 'TOB1_HEADER_MISMATCH'],
    ['with a name that stands twice', { names: ['SECONDS', 'NANOSECONDS', 'RECORD', 'A', 'A'] }, 'TOB1_BAD_FIELDS'],
    ['with a column that has no name', { names: ['SECONDS', 'NANOSECONDS', 'RECORD', 'A', ''] }, 'TOB1_BAD_FIELDS'],
    ['with an unknown type', { types: ['ULONG', 'ULONG', 'ULONG', 'FP5', 'ASCII(6)'] }, 'TOB1_UNKNOWN_TYPE'],
    ['with a text of no length', { types: ['ULONG', 'ULONG', 'ULONG', 'FP2', 'ASCII(0)'] }, 'TOB1_UNKNOWN_TYPE'],
    [
      'with a record over the limit',
      { types: ['ULONG', 'ULONG', 'ULONG', 'FP2', `ASCII(${limits.instrumentLineBytesMax})`] },
      'TOB1_UNKNOWN_TYPE',
    ],
    ['without seconds', { names: ['TIME', 'NANOSECONDS', 'RECORD', 'A', 'B'] }, 'TOB1_NO_TIMESTAMP'],
    ['with seconds of a type that are none', { types: ['IEEE4', 'ULONG', 'ULONG', 'FP2', 'ASCII(6)'] }, 'TOB1_NO_TIMESTAMP'],
    ['with control characters', { names: ['SECONDS', 'NANOSECONDS', 'RECORD', 'A\x07', 'B'] }, 'TOB1_HEADER_BAD_TEXT'],
    ['in which a quotation mark is missing', { units: ['', '', '', 'Deg "C', ''] }, 'TOB1_HEADER_CUT'],
  ])('%s gives a defect of the file, and the data go to quarantine', (_, cells, code) => {
    expect(outlineWith(cells)).toEqual([code, 'TOB1_DATA_WITHOUT_TABLE']);
  });

  it.each([
    [1, 'TOB1_BAD_FIELDS'],
    [2, 'TOB1_HEADER_BAD_TEXT'],
  ])('of %i columns more than a table may have cannot be read', (more, code) => {
    const all = (cell: (index: number) => string) => Array.from({ length: limits.fieldsPerTableMax + more }, (_, index) => cell(index));
    const none = all(() => '');
    expect(outlineWith({ names: all((index) => `f${index}`), units: none, processing: none, types: all(() => 'FP2') })[0]).toBe(code);
  });

  it('with a line over the limit cannot be read', () => {
    const bytes = concatBytes(bytesOf('"TOB1","'), new Uint8Array(limits.instrumentLineBytesMax).fill(0x61));
    expect(outlineOf(bytes)).toEqual(['TOB1_HEADER_BAD_TEXT', 'TOB1_DATA_WITHOUT_TABLE']);
  });

  it('that is cut gives a defect of the file', () => {
    expect(outlineOf(tob1Header().subarray(0, 100))).toEqual(['TOB1_HEADER_CUT']);
    expect(outlineOf(bytesOf('"TOB'))).toEqual(['TOB1_HEADER_CUT']);
  });
});

describe('a file that is no TOB1', () => {
  it('is refused, and its bytes go to quarantine in blocks', () => {
    const bytes = concatBytes(bytesOf('"TOB5",'), new Uint8Array(2 * limits.instrumentLineBytesMax));
    expect(counts(readWhole(tob1Format, bytes))).toEqual({ TOB1_NOT_TOB1: 1, TOB1_DATA_WITHOUT_TABLE: 3 });
    expect(tob1Format.sniff(bytes, 'x')).toBe(0);
  });

  it('is refused when it is empty', () => {
    expect(outlineOf(new Uint8Array(0))).toEqual(['TOB1_EMPTY']);
  });
});

describe('a reader that resumes behind a bad header', () => {
  it('goes on giving up what follows', () => {
    const bytes = concatBytes(tob1Header({ units: ['a'] }), tob1Record(0));
    const reader = tob1Format.reader();
    reader.push(bytes);
    const resumed = tob1Format.reader(reader.position());
    expect(outline([...resumed.push(tob1Record(0)), ...resumed.end({ complete: true })])).toEqual(['TOB1_DATA_WITHOUT_TABLE']);
  });
});
