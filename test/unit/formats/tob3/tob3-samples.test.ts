import { describe, expect, it } from 'vitest';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { tob3Format } from '../../../../src/formats/tob3/tob3-format.ts';
import { counts, expectTiling, itemsOf, readGrowing, readWhole, sampleFolder } from '../reading.ts';

const samples = sampleFolder('tob3');
const files = [
  ['long19', 199],
  ['long26', 198],
  ['partial3', 2024],
] as const;

describe.skipIf(samples.skip)('real TOB3 files', () => {
  it.each(files)('%s: %i records, each cell as the text that CardConvert wrote', (file, records) => {
    const bytes = samples.read(`${file}.tob3.dat`);
    const items = readWhole(tob3Format, bytes);
    expectTiling(items, bytes.length);
    expect(tob3Format.sniff(bytes.subarray(0, 4096), file)).toBe(1);
    // What lay on the card before, behind the last good frame.
    expect(counts(items)).toEqual({ table: 1, record: records, other: 1 });
    const converted = readWhole(toa5Format, samples.read(`${file}.cardconvert.toa5.dat`));
    const told = ({ stamp, recordNumber, cells }: ReturnType<typeof itemsOf<'record'>>[number]) => ({ stamp, recordNumber, cells });
    expect(itemsOf(items, 'record').map(told)).toEqual(itemsOf(converted, 'record').map(told));
  });

  it.each(files)('%s: the header says what the converted one says', (file) => {
    const [found] = itemsOf(readWhole(tob3Format, samples.read(`${file}.tob3.dat`)), 'table');
    const [converted] = itemsOf(readWhole(toa5Format, samples.read(`${file}.cardconvert.toa5.dat`)), 'table');
    const unkind = (fields = found?.table.fields) => fields?.map(({ kind, ...field }) => field);
    const { created, interval, ...attributes } = found?.table.attributes ?? {};
    expect({ ...found?.table, format: 'toa5', attributes, fields: unkind() }).toEqual({
      ...converted?.table,
      fields: unkind(converted?.table.fields),
    });
    expect(interval).toBe('5 MSEC');
    expect(created).toMatch(/^2026-02-/);
  });

  it('is filled from one visit to the next', () => {
    const bytes = samples.read('long19.tob3.dat');
    expect(readGrowing(tob3Format, bytes, [5, 1024, 1500, 10_000, 23_748, 25_000])).toEqual(readWhole(tob3Format, bytes));
  });
});
