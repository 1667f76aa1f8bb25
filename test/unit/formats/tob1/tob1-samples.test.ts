import { describe, expect, it } from 'vitest';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { tob1Format } from '../../../../src/formats/tob1/tob1-format.ts';
import { counts, expectTiling, itemsOf, readGrowing, readWhole, sampleFolder } from '../reading.ts';

const samples = sampleFolder('tob1');
const files = [
  ['full16', 266],
  ['full27', 61],
] as const;

describe.skipIf(samples.skip)('real TOB1 files', () => {
  it.each(files)('%s: %i records, each cell as the text that CardConvert wrote', (file, records) => {
    const bytes = samples.read(`${file}.tob1.dat`);
    const items = readWhole(tob1Format, bytes);
    expectTiling(items, bytes.length);
    expect(tob1Format.sniff(bytes.subarray(0, 4096), file)).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: records });
    const converted = readWhole(toa5Format, samples.read(`${file}.cardconvert.toa5.dat`));
    const told = ({ stamp, recordNumber, cells }: ReturnType<typeof itemsOf<'record'>>[number]) => ({ stamp, recordNumber, cells });
    expect(itemsOf(items, 'record').map(told)).toEqual(itemsOf(converted, 'record').map(told));
  });

  it.each(files)('%s: the header says what the converted one says', (file) => {
    const [found] = itemsOf(readWhole(tob1Format, samples.read(`${file}.tob1.dat`)), 'table');
    const [converted] = itemsOf(readWhole(toa5Format, samples.read(`${file}.cardconvert.toa5.dat`)), 'table');
    const unkind = (fields = found?.table.fields) => fields?.map(({ kind, ...field }) => field);
    expect({ ...found?.table, format: 'toa5', fields: unkind() }).toEqual({ ...converted?.table, fields: unkind(converted?.table.fields) });
  });

  it('says of each column what kind of value it holds', () => {
    const [found] = itemsOf(readWhole(tob1Format, samples.read('full16.tob1.dat')), 'table');
    const kinds = Object.fromEntries(found?.table.fields.map(({ name, kind }) => [name, kind]) ?? []);
    expect(kinds).toMatchObject({
      text_val: 'text',
      'temp_Avg(1)': 'number',
      'temp_TMx(1)': 'time',
      toggle: 'boolean',
      'temp_bool8(1)': 'text',
    });
  });

  it('grows by any number of bytes', () => {
    const bytes = samples.read('full27.tob1.dat');
    expect(readGrowing(tob1Format, bytes, [1, 700, 783, 1000, 5000, 5001])).toEqual(readWhole(tob1Format, bytes));
  });
});
