import { describe, expect, it } from 'vitest';
import { hobowareCsvFormat } from '../../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import { type HobowareDialectName, hobowareCsvText } from '../../../../src/simulation/logger-files.ts';
import { bytesOf, expectTiling, itemsOf, latin1, outline, readWhole, stampText, stampTexts } from '../reading.ts';

function read(content: string | Uint8Array): ReturnType<typeof readWhole> {
  const bytes = typeof content === 'string' ? bytesOf(content) : content;
  const items = readWhole(hobowareCsvFormat, bytes);
  expectTiling(items, bytes.length);
  return items;
}

function tableOf(content: string) {
  const table = itemsOf(read(content), 'table')[0]?.table;
  if (!table) throw new Error('no table was found');
  return table;
}

const dialects: HobowareDialectName[] = ['bom-ampm', 'no-number-iso', 'ampm-nospace', 'german-semicolon', 'with-events-and-details'];
const made = { title: 'Creek', serial: '10246226', firstLocalUs: Date.UTC(2023, 4, 1, 22) * 1000, intervalUs: 6e8, rows: 60, seed: 5 };

describe('HOBOware dialects', () => {
  it.each(dialects)('%s: the same readings come out, with the zone of the header', (dialect) => {
    const items = read(hobowareCsvText({ ...made, dialect }));
    expect(itemsOf(items, 'defect')).toEqual([]);
    const table = itemsOf(items, 'table')[0]?.table;
    expect([table?.station, table?.table, table?.serial]).toEqual(['Creek', 'Creek', '10246226']);
    expect(table?.fields.map(({ unit, sensorSerial }) => [unit, sensorSerial])).toEqual([
      ['°C', '10246226'],
      ['%', '10246226'],
    ]);
    const records = itemsOf(items, 'record');
    const reference = itemsOf(read(hobowareCsvText({ ...made, dialect: 'bom-ampm' })), 'record');
    expect(records.map(({ cells }) => cells)).toEqual(reference.map(({ cells }) => cells));
    expect(records.map(({ stamp }) => stamp.localUs)).toEqual(
      Array.from({ length: 60 }, (_, row) => made.firstLocalUs + row * made.intervalUs),
    );
    const offsets = {
      'bom-ampm': -360,
      'no-number-iso': -240,
      'ampm-nospace': -240,
      'german-semicolon': 60,
      'with-events-and-details': -360,
    };
    expect(new Set(records.map(({ stamp }) => stamp.offsetMinutes))).toEqual(new Set([offsets[dialect]]));
    expect(records.every((record) => record.recordNumber === undefined)).toBe(true);
  });

  it.each(dialects)('%s is recognised from its first 4 KiB', (dialect) => {
    expect(hobowareCsvFormat.sniff(bytesOf(hobowareCsvText({ ...made, dialect })).subarray(0, 4096), 'x.csv')).toBeGreaterThan(0.9);
  });

  it('may be written in Windows-1252', () => {
    const text = hobowareCsvText({ ...made, dialect: 'german-semicolon' });
    expect(read(latin1(text)).filter(({ type }) => type !== 'other').length).toBe(read(text).length);
    expect(itemsOf(read(latin1(text)), 'table')[0]?.table.fields[0]?.unit).toBe('°C');
  });

  it('may have no title, no row numbers and no zone: then the stamp has no offset', () => {
    const items = read('"Date Time","Temp, °C"\n05/16/09 11:00:00,1.5\n');
    expect(items).toMatchObject([
      { type: 'table', table: { station: '', attributes: { dateHeading: 'Date Time' } } },
      { type: 'record', cells: ['1.5'] },
    ]);
    expect(itemsOf(items, 'record')[0]?.stamp).toEqual({ localUs: Date.UTC(2009, 4, 16, 11) * 1000 });
  });

  it('may use tabs, decimal commas, and no quotation marks or commas in headings', () => {
    const items = read('Date Time  GMT-06 00\tTemp (°C)  #97\tCoupler Detached  #97\r\n16.05.09 23:00:00,5\t-1,50\t\r\n');
    expect(items).toMatchObject([
      { type: 'table', table: { serial: '97', fields: [{ name: 'Temp', unit: '°C', sensorSerial: '97' }] } },
      { type: 'record', cells: ['-1.50'], stamp: { localUs: Date.UTC(2009, 4, 16, 23, 0, 0, 500) * 1000, offsetMinutes: -360 } },
    ]);
  });

  it('may have date and time in two columns', () => {
    const items = read('"#","Date","Time, GMT-07:00","Temp, °F"\n1,08/18/10,02:00:00 PM,69.557\n');
    expect(stampTexts(items)).toEqual(['2010-08-18 14:00:00']);
    expect(itemsOf(items, 'record')[0]).toMatchObject({ cells: ['69.557'], stamp: { offsetMinutes: -420 } });
  });

  it('may call the column of dates Time, or by any name with a zone', () => {
    expect(stampTexts(read('"#","Time, GMT+01:00","Temp, °C"\n1,13/08/10 02:00:00,1\n'))).toEqual(['2010-08-13 02:00:00']);
    expect(stampTexts(read('"Дата, GMT+02:00","Temp, °C"\n13/08/10 02:00:00,1\n'))).toEqual(['2010-08-13 02:00:00']);
    expect(stampTexts(read('"N.º","Fecha Tiempo","Temp, °C"\n1,13/08/10 02:00:00,1\n'))).toEqual(['2010-08-13 02:00:00']);
  });

  it('may be padded by a spreadsheet', () => {
    const items = read('\ufeffPlot Title: Creek,,,,\n"Date Time, GMT-04:00","Temp, °C",,,\n10/13/2018 0:01,9.35,,,\n,,,,\n');
    expect(outline(items)).toEqual(['table', 'record', 'other']);
    expect(itemsOf(items, 'table')[0]?.table).toMatchObject({ station: 'Creek', fields: [{ name: 'Temp' }] });
  });

  it('may have blank lines anywhere', () => {
    expect(outline(read('\n"Plot Title: x"\n\n"Date Time","Temp, °C"\n\n10/13/2018 0:01,1\n\n'))).toEqual([
      'other',
      'table',
      'other',
      'record',
      'other',
    ]);
  });

  it('may hold single zero bytes in headings and values', () => {
    const items = read('"Date Time","Events\0 (1.0), Units"\n10/13/2018 0:01,1\0\n10/13/2018 0:02,\0\n');
    expect(itemsOf(items, 'table')[0]?.table.fields[0]).toMatchObject({ name: 'Events (1.0)', unit: 'Units' });
    expect(itemsOf(items, 'record').map(({ cells }) => cells)).toEqual([['1'], [null]]);
  });

  it('may end without a line end, as editors leave files', () => {
    expect(outline(read('"Date Time","Temp, °C","RH, %"\n10/13/2018 0:01,1,50'))).toEqual(['table', 'record']);
    expect(outline(read('"Date Time","Temp, °C","RH, %"\n10/13/2018 0:01,1'))).toEqual(['table', 'HOBOWARE_COLUMN_COUNT']);
  });
});

describe('HOBOware tables', () => {
  it('keep labels, and loggers other than the first', () => {
    const table = tableOf('"Plot Title: a: b, c"\n"Date Time, GMT+00:00","Temp, °C (LGR S/N: 1, LBL: in)","Abs Pres, psi (LGR S/N: 2)"\n');
    expect(table).toMatchObject({ station: 'a: b, c', serial: '1' });
    expect(table.attributes).toEqual({ dateHeading: 'Date Time, GMT+00:00', 'label Temp': 'in', 'logger Abs Pres': '2' });
  });

  it.each([
    ['labels', ['Temp, °C (SEN S/N: 1, LBL: in)', 'Temp, °C (SEN S/N: 1, LBL: out)'], ['Temp (in)', 'Temp (out)']],
    ['sensors', ['Temp, °C (SEN S/N: 1)', 'Temp, °C (SEN S/N: 2)', 'RH, % (SEN S/N: 2)'], ['Temp (1)', 'Temp (2)', 'RH']],
    ['loggers', ['Temp, °C (LGR S/N: 1)', 'Temp, °C (LGR S/N: 2)'], ['Temp (1)', 'Temp (2)']],
    ['positions', ['Temp, °F', 'Temp, °F', 'Temp, °C'], ['Temp', 'Temp (2)', 'Temp (3)']],
    ['positions that are free', ['Temp (2), °F', 'Temp, °F', 'Temp, °F', 'Temp (3), °F'], ['Temp (2)', 'Temp', 'Temp (3)', 'Temp (3) (4)']],
    ['positions where there is no name', ['Temp, °F', '', 'RH, %'], ['Temp', '(2)', 'RH']],
  ])('tell fields of one name apart by their %s', (_, headings, names) => {
    const table = tableOf(`"Date Time",${headings.map((heading) => `"${heading}"`).join(',')}\n`);
    expect(table.fields.map(({ name }) => name)).toEqual(names);
  });
});

describe('HOBOware events and details', () => {
  const header =
    '"#","Date Time, GMT-06:00","Temp, °C (LGR S/N: 1, SEN S/N: 1)","Host Connected (LGR S/N: 1)","End Of File (LGR S/N: 1)"\n';

  function parts(row: string): [string, string][] {
    const items = read(`${header}${row}\n`).slice(1);
    const bytes = bytesOf(`${header}${row}\n`);
    return items.map((item) => [
      item.type === 'event' ? item.name : item.type,
      new TextDecoder().decode(bytes.subarray(item.range.offset, item.range.offset + item.range.length)),
    ]);
  }

  it('share the bytes of their row out', () => {
    expect(parts('1,05/16/09 11:00:00,1.5,,')).toEqual([['record', '1,05/16/09 11:00:00,1.5,,\n']]);
    expect(parts('1,05/16/09 11:00:02,,Logged,Logged,Série: °C')).toEqual([
      ['Host Connected', '1,05/16/09 11:00:02,,Logged,'],
      ['End Of File', 'Logged,'],
      ['other', 'Série: °C\n'],
    ]);
    expect(parts('1,05/16/09 11:00:02,1.5,,Logged')).toEqual([
      ['record', '1,05/16/09 11:00:02,1.5,,'],
      ['End Of File', 'Logged\n'],
    ]);
  });

  it('have the time of their row and the cell as detail', () => {
    const [event] = itemsOf(read(`${header}1,05/16/09 11:00:02,,Logged,\n`), 'event');
    expect(event).toMatchObject({ name: 'Host Connected', detail: 'Logged', stamp: { offsetMinutes: -360 } });
    expect(stampText(event?.stamp.localUs ?? 0)).toBe('2009-05-16 11:00:02');
  });

  it('take German names of events to English ones', () => {
    const items = read(hobowareCsvText({ ...made, dialect: 'german-semicolon' }));
    expect(itemsOf(items, 'event').map(({ name }) => name)).toEqual(['Coupler Detached', 'Host Connected', 'End Of File']);
  });

  it('may hold the delimiter in details, and go on below the data', () => {
    expect(parts('1,05/16/09 11:00:00,1.5,,,Samples: 1,458')).toEqual([
      ['record', '1,05/16/09 11:00:00,1.5,,,'],
      ['other', 'Samples: 1,458\n'],
    ]);
    expect(parts(',,,,,Battery: good')).toEqual([['other', ',,,,,Battery: good\n']]);
  });

  it('may stand under a heading of their own', () => {
    const items = read('"Date Time","Temp, °C","Details"\n05/16/09 11:00:00,1.5,Details\n05/16/09 12:00:00,1.5,\n');
    expect(itemsOf(items, 'table')[0]?.table.fields.length).toBe(1);
    expect(outline(items)).toEqual(['table', 'record', 'other', 'record']);
  });

  it('are no excuse for numbers to the right of the values', () => {
    expect(parts('1,05/16/09 11:00:00,1.5,,,7.5')).toEqual([['defect', '1,05/16/09 11:00:00,1.5,,,7.5\n']]);
  });

  it('leave a row of no values and no events a record of nothing', () => {
    expect(itemsOf(read(`${header}1,05/16/09 11:00:00,,,\n`), 'record')[0]?.cells).toEqual([null]);
  });
});

describe('HOBOware date order in a file', () => {
  const header = '"Date Time","Temp, °C"\n';
  const rows = (...dates: readonly string[]) => header + dates.map((date) => `${date},1\n`).join('');

  it('found late is applied to the rows before', () => {
    expect(stampTexts(read(rows('05/06/2009 1:00', '05/13/2009 1:00')))).toEqual(['2009-05-06 01:00:00', '2009-05-13 01:00:00']);
    expect(stampTexts(read(rows('05/06/2009 1:00', '13/06/2009 1:00')))).toEqual(['2009-06-05 01:00:00', '2009-06-13 01:00:00']);
    expect(stampTexts(read(rows('18/05/06 23:30', '18/05/07 0:30')))).toEqual(['2018-05-06 23:30:00', '2018-05-07 00:30:00']);
  });

  it('is the dialect’s where the dates leave it open', () => {
    expect(stampTexts(read(rows('05/06/2009 1:00')))).toEqual(['2009-05-06 01:00:00']);
    expect(stampTexts(read(rows('05.06.2009 1:00')))).toEqual(['2009-06-05 01:00:00']);
    expect(stampTexts(read(rows('05/06/2009 1:00').replaceAll(',1', ';1').replace('","', '";"')))).toEqual(['2009-06-05 01:00:00']);
  });

  it('keeps defects, blank lines and NUL runs between the waiting rows in their places', () => {
    const text = `${rows('05/06/2009 1:00', 'broken')}\n\0\0\0${rows('05/13/2009 1:00').slice(header.length)}`;
    expect(outline(read(text))).toEqual(['table', 'record', 'HOBOWARE_BAD_STAMP', 'other', 'HOBOWARE_NUL_RUN', 'record']);
  });
});
