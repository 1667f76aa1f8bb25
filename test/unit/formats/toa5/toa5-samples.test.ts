import { describe, expect, it } from 'vitest';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { counts, expectTiling, itemsOf, outline, readWhole, sampleFolder, stampTexts } from '../reading.ts';

const samples = sampleFolder('toa5');

describe.skipIf(samples.skip)('real TOA5 files', () => {
  it.each([
    ['hourly.dat', 'Hourly', 5, 3, '2021-06-18 21:00:00', '2021-06-18 23:00:00', [10, 12]],
    ['cr3000_table214.dat', 'Table214', 86, 2, '2009-11-30 23:59:00', '2009-12-01 23:59:00', [19, 20]],
    ['cr3000_grow1.dat', 'Table213', 65, 64, '2009-11-30 22:00:00', '2009-11-30 23:03:00', [27411, 27474]],
    ['cr3000_grow2.dat', 'Table213', 65, 124, '2009-11-30 22:00:00', '2009-12-01 00:03:00', [27411, 27534]],
    ['cr3000_grow4.dat', 'Table213', 65, 295, '2009-11-30 22:00:00', '2009-12-01 02:58:00', [27411, 27649]],
  ])('%s: table %s with %i fields and %i rows', (file, table, fields, rows, first, last, numbers) => {
    const bytes = samples.read(file);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    expect(toa5Format.sniff(bytes.subarray(0, 4096), file)).toBe(1);
    expect(itemsOf(items, 'table').map((item) => [item.table.table, item.table.fields.length])).toEqual([[table, fields]]);
    expect(counts(items)).toEqual({ table: 1, record: rows, ...(file === 'cr3000_grow4.dat' && { TOA5_TAIL_CUT: 1 }) });
    const stamps = stampTexts(items);
    expect([stamps[0], stamps.at(-1)]).toEqual([first, last]);
    const records = itemsOf(items, 'record');
    expect([records[0]?.recordNumber, records.at(-1)?.recordNumber]).toEqual(numbers);
  });

  it('keep array subscripts in names and a trailing space in a unit', () => {
    const table = itemsOf(readWhole(toa5Format, samples.read('hourly.dat')), 'table')[0]?.table;
    expect(table?.fields[3]?.name).toBe('AirT_C(42)');
    expect(table?.fields[4]).toEqual({ name: 'RelHumid_Avg(3)', unit: '% ', processing: 'Avg', kind: 'number' });
  });

  it.each([
    ['bad01.dat', ['TOA5_EMPTY']],
    ['bad03.dat', ['other', 'other', 'TOA5_EMPTY']],
    ['bad04.dat', ['TOA5_NOT_TOA5']],
    ['bad06.dat', ['TOA5_HEADER_CUT']],
    ['bad07.dat', ['TOA5_HEADER_CUT']],
    ['bad09.dat', ['TOA5_HEADER_CUT']],
    ['bad11.dat', ['TOA5_HEADER_MISMATCH', 'TOA5_ROW_WITHOUT_TABLE']],
    ['bad12.dat', ['TOA5_DUPLICATE_FIELD', 'TOA5_ROW_WITHOUT_TABLE']],
  ])('%s gives %j', (file, expected) => {
    const bytes = samples.read(file);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(expected);
  });
});

const oracles = ['tob1/full16', 'tob1/full27', 'tob3/long19', 'tob3/long26', 'tob3/partial3'].map((file) => `${file}.cardconvert.toa5.dat`);
const folder = sampleFolder('.');

describe.skipIf(folder.skip)('TOA5 files of CardConvert', () => {
  it.each(oracles)('%s is read without a defect', (file) => {
    const [directory = '', name = ''] = file.split('/');
    const bytes = sampleFolder(directory).read(name);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    const lines = bytes.reduce((sum, byte) => sum + (byte === 0x0a ? 1 : 0), 0);
    expect(counts(items)).toEqual({ table: 1, record: lines - 4 });
  });

  it('have the times of maxima as fields of kind time', () => {
    const table = itemsOf(readWhole(toa5Format, sampleFolder('tob1').read('full16.cardconvert.toa5.dat')), 'table')[0]?.table;
    expect(table?.fields.filter(({ kind }) => kind === 'time').map(({ name }) => name)).toEqual(['temp_TMx(1)']);
  });
});
