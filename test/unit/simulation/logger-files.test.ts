import { describe, expect, it } from 'vitest';
import { hobowareCsvFormat } from '../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import { toa5Format } from '../../../src/formats/toa5/toa5-format.ts';
import { hobowareCsvText, type LoggerColumn, toa5Text, weatherStationColumns } from '../../../src/simulation/logger-files.ts';
import { bytesOf, counts, itemsOf, readWhole, stampTexts } from '../formats/reading.ts';

const intervalUs = 600_000_000;
const base = { station: 'Ridge', table: 'Ten', firstLocalUs: Date.UTC(2024, 5, 1) * 1000, intervalUs, firstRecord: 100, seed: 9 };

function columnValues(text: string, column: number): number[] {
  const cells = itemsOf(readWhole(toa5Format, bytesOf(text)), 'record').map((record) => record.cells[column]);
  return cells.filter((cell) => cell !== 'NAN').map(Number);
}

describe('made TOA5 files', () => {
  it('are read back whole, with every row in its place', () => {
    const items = readWhole(toa5Format, bytesOf(toa5Text({ ...base, rows: 300, withHeader: true })));
    expect(counts(items)).toEqual({ table: 1, record: 300 });
    const records = itemsOf(items, 'record');
    expect(records.map(({ recordNumber }) => recordNumber)).toEqual(Array.from({ length: 300 }, (_, row) => 100 + row));
    expect(records.map(({ stamp }) => stamp.localUs)).toEqual(
      Array.from({ length: 300 }, (_, row) => base.firstLocalUs + row * intervalUs),
    );
    const table = itemsOf(items, 'table')[0]?.table;
    expect([table?.station, table?.table, table?.fields.length]).toEqual(['Ridge', 'Ten', 10]);
  });

  it('are the same bytes for the same seed, and others for another', () => {
    const made = (seed: number) => toa5Text({ ...base, seed, rows: 50, withHeader: true });
    expect(made(9)).toBe(made(9));
    expect(made(9)).not.toBe(made(10));
  });

  it('may be written in any number of calls', () => {
    const whole = toa5Text({ ...base, rows: 100, withHeader: true });
    let grown = toa5Text({ ...base, rows: 0, withHeader: true });
    for (let row = 0; row < 100; row += 7) {
      grown += toa5Text({
        ...base,
        firstLocalUs: base.firstLocalUs + row * intervalUs,
        firstRecord: base.firstRecord + row,
        rows: Math.min(7, 100 - row),
        withHeader: false,
      });
    }
    expect(grown).toBe(whole);
  });

  it('have values of two decimals within the limits of their columns, and no negative zero', () => {
    const text = toa5Text({ ...base, rows: 2000, withHeader: true });
    expect(text).not.toContain('-0.00');
    weatherStationColumns.forEach(({ min, max }, column) => {
      const values = columnValues(text, column);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(min);
      expect(Math.max(...values)).toBeLessThanOrEqual(max);
    });
    for (const { cells } of itemsOf(readWhole(toa5Format, bytesOf(text)), 'record')) {
      for (const cell of cells) expect(cell).toMatch(/^(-?\d+\.\d\d|NAN)$/);
    }
  });

  it('now and then lack a reading', () => {
    const missing = toa5Text({ ...base, rows: 2000, withHeader: false }).split('"NAN"').length - 1;
    expect(missing).toBeGreaterThan(10);
    expect(missing).toBeLessThan(100);
  });

  it('have warm afternoons and no sun at night', () => {
    const text = toa5Text({ ...base, rows: 144 * 20, withHeader: true });
    const records = itemsOf(readWhole(toa5Format, bytesOf(text)), 'record');
    const mean = (column: number, hour: number) => {
      const cells = records.filter(({ stamp }) => (stamp.localUs / 3_600_000_000) % 24 === hour).map(({ cells }) => cells[column]);
      const values = cells.filter((cell) => cell !== 'NAN').map(Number);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    expect(mean(2, 15)).toBeGreaterThan(mean(2, 3) + 8);
    expect(mean(6, 0)).toBe(0);
    expect(mean(6, 12)).toBeGreaterThan(500);
  });

  it('may have other columns, and rows faster than a second', () => {
    const sonic: LoggerColumn = {
      name: 'Ux',
      unit: 'm/s',
      processing: 'Smp',
      mean: 0,
      daily: 0,
      peakHour: 0,
      weather: 1,
      noise: 2,
      min: -9,
      max: 9,
    };
    const text = toa5Text({ ...base, fields: [sonic], intervalUs: 50_000, rows: 3, withHeader: true });
    const items = readWhole(toa5Format, bytesOf(text));
    expect(stampTexts(items)).toEqual(['2024-06-01 00:00:00', '2024-06-01 00:00:00.050000', '2024-06-01 00:00:00.100000']);
    expect(text).toContain('"2024-06-01 00:00:00.05",101,');
    expect(itemsOf(items, 'table')[0]?.table.fields).toEqual([{ name: 'Ux', unit: 'm/s', processing: 'Smp', kind: 'number' }]);
  });
});

describe('made HOBOware exports', () => {
  const made = { title: 'Creek', serial: '20551795', firstLocalUs: Date.UTC(2024, 5, 1, 11, 50) * 1000, intervalUs, rows: 4, seed: 2 };

  it('are the same text for the same seed', () => {
    expect(hobowareCsvText({ ...made, dialect: 'bom-ampm' })).toBe(hobowareCsvText({ ...made, dialect: 'bom-ampm' }));
    expect(hobowareCsvText({ ...made, dialect: 'bom-ampm' })).not.toBe(hobowareCsvText({ ...made, seed: 3, dialect: 'bom-ampm' }));
  });

  it.each([
    ['bom-ampm', '\ufeff"Plot Title: Creek"\n"#","Date Time, GMT-06:00",', '1,06/01/24 11:50:00 AM,', '2,06/01/24 12:00:00 PM,'],
    ['no-number-iso', '\ufeff"Plot Title: Creek"\n"Date Time, GMT-04:00",', '2024/06/01 11:50:00,', '2024/06/01 12:00:00,'],
    ['ampm-nospace', '\ufeffPlot Title: Creek,,,\r\n"#",', '1,06/01/24 11:50:00AM,', '2,06/01/24 12:00:00PM,'],
    ['german-semicolon', '"Plot-Titel: Creek"\r\n"Anz.";"Datum Zeit, GMT+01:00";', '1;01.06.24 11:50:00;', '3;01.06.24 12:00:00;'],
    ['with-events-and-details', '\ufeff"Plot Title: Creek"\n"#",', '1,06/01/24 11:50:00,', '3,06/01/24 12:00:00,'],
  ] as const)('of dialect %s look like that', (dialect, beginning, firstRow, nextRow) => {
    const text = hobowareCsvText({ ...made, dialect });
    expect(text.startsWith(beginning)).toBe(true);
    const lines = text.split(/\r?\n/);
    expect(lines[2]?.startsWith(firstRow)).toBe(true);
    expect(lines.some((line) => line.startsWith(nextRow))).toBe(true);
  });

  it('have midnight and noon as 12 o’clock', () => {
    const text = hobowareCsvText({ ...made, firstLocalUs: Date.UTC(2024, 5, 1) * 1000, intervalUs: 12 * 36e8, dialect: 'bom-ampm' });
    expect(text).toContain('1,06/01/24 12:00:00 AM,');
    expect(text).toContain('2,06/01/24 12:00:00 PM,');
  });

  it('may have events and details, and lack readings', () => {
    const text = hobowareCsvText({ ...made, rows: 2500, dialect: 'with-events-and-details' });
    const items = readWhole(hobowareCsvFormat, bytesOf(text));
    expect(counts(items)).toEqual({ table: 1, record: 2500, event: 3, other: 10 });
    expect(text).toContain('Samples: 2,500');
    const missing = itemsOf(items, 'record').filter(({ cells }) => cells.includes(null)).length;
    expect(missing).toBeGreaterThan(2);
    expect(missing).toBeLessThan(30);
  });
});
