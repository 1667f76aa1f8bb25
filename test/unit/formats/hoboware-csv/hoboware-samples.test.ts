import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hobowareCsvFormat } from '../../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { counts, expectTiling, itemsOf, readWhole, sampleFolder, stampText, stampTexts } from '../reading.ts';

const samples = sampleFolder('hoboware-csv');

interface Sample {
  fields: [name: string, unit: string][];
  offsetMinutes: number;
  rows: number;
  first: string;
  last: string;
  lastCells: string[];
  events?: number;
  details?: number;
}

const files: Record<string, Sample> = {
  '2010_h01st_prcp.csv': {
    fields: [['Events (1.0)', 'Units']],
    offsetMinutes: -360,
    rows: 1458,
    first: '2009-05-06 11:04:53',
    last: '2010-04-08 18:20:45',
    lastCells: ['81026.00'],
    details: 21,
  },
  '2010_h01st_temp.csv': {
    fields: [['H08 Temp.', '°F']],
    offsetMinutes: -360,
    rows: 6746,
    first: '2009-05-06 11:11:57',
    last: '2010-04-08 17:11:57',
    lastCells: ['61.48'],
    details: 26,
  },
  '20200416_A03_PRCP.csv': {
    fields: [['Event', 'Event']],
    offsetMinutes: -360,
    rows: 794,
    first: '2019-03-26 17:00:00',
    last: '2020-04-16 15:26:29',
    lastCells: ['792.00'],
    events: 10,
    details: 103,
  },
  'charlies_air.csv': {
    fields: [['Air Temp', '°C']],
    offsetMinutes: -240,
    rows: 2976,
    first: '2017-07-26 17:00:00',
    last: '2017-09-26 16:30:00',
    lastCells: ['22.142'],
  },
  'cond_ampm_nospace.csv': {
    fields: [
      ['High Range', 'μS/cm'],
      ['Temp', '°C'],
    ],
    offsetMinutes: -240,
    rows: 1184,
    first: '2024-05-07 09:00:00',
    last: '2024-05-15 14:10:00',
    lastCells: ['36318.6', '16.82'],
  },
  'pendant_gmt+01.csv': {
    fields: [['Temp', '°F']],
    offsetMinutes: 60,
    rows: 1993,
    first: '2019-10-10 11:00:00',
    last: '2019-10-17 09:00:00',
    lastCells: ['70.824'],
    events: 7,
  },
  'russwood_do.csv': {
    fields: [
      ['DO conc', 'mg/L'],
      ['WaterTemp', '°C'],
      ['DO Adj Conc', 'mg/L'],
      ['DO Percent Sat', '%'],
      ['Abs Pres', 'psi'],
    ],
    offsetMinutes: -240,
    rows: 5017,
    first: '2018-10-11 17:01:00',
    last: '2019-05-08 17:01:00',
    lastCells: ['10.47', '6.84', '10.26', '88.5', '13.9873'],
  },
  'sal_raw.csv': {
    fields: [
      ['High Range', 'μS/cm'],
      ['Temp', '°C'],
    ],
    offsetMinutes: -240,
    rows: 1441,
    first: '2024-05-21 13:00:00',
    last: '2024-05-31 13:00:00',
    lastCells: ['29789.5', '16.71'],
  },
};

describe.skipIf(samples.skip)('real HOBOware exports', () => {
  it.each(Object.entries(files))('%s', (file, expected) => {
    const bytes = samples.read(file);
    expect(hobowareCsvFormat.sniff(bytes.subarray(0, 4096), file)).toBe(0.95);
    const items = readWhole(hobowareCsvFormat, bytes, 1000);
    expectTiling(items, bytes.length);
    expect(counts(items)).toEqual({
      table: 1,
      record: expected.rows,
      ...(expected.events && { event: expected.events }),
      ...(expected.details && { other: expected.details }),
    });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table?.fields.map(({ name, unit }) => [name, unit])).toEqual(expected.fields);
    const stamps = stampTexts(items);
    expect([stamps[0], stamps.at(-1)]).toEqual([expected.first, expected.last]);
    const records = itemsOf(items, 'record');
    expect(new Set(records.map(({ stamp }) => stamp.offsetMinutes))).toEqual(new Set([expected.offsetMinutes]));
    expect(records.at(-1)?.cells).toEqual(expected.lastCells);
    expect(records.every(({ stamp }, row) => row === 0 || stamp.localUs >= (records[row - 1]?.stamp.localUs ?? 0))).toBe(true);
  });

  it('cond_details.txt, the details alone, is not taken for one', () => {
    const bytes = samples.read('cond_details.txt');
    expect(hobowareCsvFormat.sniff(bytes.subarray(0, 4096), 'cond_details.txt')).toBe(0);
    const items = readWhole(hobowareCsvFormat, bytes);
    expectTiling(items, bytes.length);
    expect(items[0]).toMatchObject({ type: 'defect', scope: 'file', code: 'HOBOWARE_NO_HEADER' });
    expect(counts(items).record).toBeUndefined();
  });

  it('have their events between the readings', () => {
    const events = itemsOf(readWhole(hobowareCsvFormat, samples.read('pendant_gmt+01.csv')), 'event');
    expect(events.map(({ name, stamp }) => `${stampText(stamp.localUs)} ${name}`)).toEqual([
      '2019-10-10 11:00:02 Coupler Detached',
      '2019-10-17 08:20:12 Coupler Attached',
      '2019-10-17 08:20:56 Coupler Detached',
      '2019-10-17 09:03:14 Coupler Attached',
      '2019-10-17 09:03:16 Host Connected',
      '2019-10-17 09:03:34 Stopped',
      '2019-10-17 09:03:34 End Of File',
    ]);
  });
});

describe.skipIf(samples.skip)('sniffing all sample files', () => {
  it('claims the files of the two formats and no others', () => {
    const root = new URL('../../../../../shared/samples/', import.meta.url);
    const claimed: string[] = [];
    for (const folder of readdirSync(root)) {
      if (!statSync(new URL(folder, root)).isDirectory()) continue;
      for (const file of readdirSync(new URL(`${folder}/`, root))) {
        const head = new Uint8Array(readFileSync(new URL(`${folder}/${encodeURIComponent(file)}`, root)).subarray(0, 4096));
        const sure = { toa5: toa5Format.sniff(head, file), 'hoboware-csv': hobowareCsvFormat.sniff(head, file) };
        const expected = file.includes('.toa5.') ? 'toa5' : folder;
        for (const [format, confidence] of Object.entries(sure)) {
          if (confidence > 0) claimed.push(format);
          if (confidence > 0 && format !== expected) expect.fail(`${folder}/${file} is claimed for ${format}`);
        }
      }
    }
    expect(claimed.filter((format) => format === 'hoboware-csv').length).toBe(8);
    expect(claimed.filter((format) => format === 'toa5').length).toBe(15);
  });
});
