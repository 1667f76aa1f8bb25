import { describe, expect, it } from 'vitest';
import { seabirdCnvFormat } from '../../../src/formats/seabird-cnv/seabird-cnv-format.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from './reading.ts';

interface Made {
  names: string[];
  start?: string;
  more?: string;
  rows?: string[];
}

function cnv({ names, start = 'Feb 09 2015 08:26:04', more = '', rows = [] }: Made): string {
  const named = names.map((name, index) => `# name ${index} = ${name}: Something [x]\n`).join('');
  const times = start === '' ? '' : `# start_time = ${start}\n`;
  return `* Sea-Bird SBE 37 Data File:\n# nquan = ${names.length}\n${named}${times}# bad_flag = -9.990e-29\n${more}# file_type = ascii\n*END*\n${rows.map((row) => `${row}\n`).join('')}`;
}

const read = (text: string) => readWhole(seabirdCnvFormat, bytesOf(text));
const stampsOf = (made: Made) => stampTexts(read(cnv(made)));
const offsetOf = (made: Made) => itemsOf(read(cnv(made)), 'record')[0]?.stamp.offsetMinutes;

const samples = sampleFolder('seabird-cnv');

describe.skipIf(samples.skip)('real Sea-Bird files', () => {
  it.each([
    ['hotin.cnv', 11, 111, 'SBE19plus', '01906679', '2015-02-09 08:26:17.914000', '2015-02-09 08:30:46.651000', undefined, 0.95],
    // The day of the year has six decimals, which is a tenth of a second.
    ['pira001.cnv', 11, 282, 'SBE 9', '', '2011-08-24 08:03:30.268800', '2011-08-24 08:03:41.932800', 0, 1],
    ['sbe19plus_binavg.cnv', 6, 23, 'SBE19plus', '01906398', '2019-07-02 15:48:50.750000', '2019-07-02 15:50:18.875000', undefined, 0.95],
  ])('%s has %i columns and %i rows', (file, fields, rows, model, serial, first, last, offsetMinutes, confidence) => {
    const bytes = samples.read(file);
    const items = readWhole(seabirdCnvFormat, bytes);
    expectTiling(items, bytes.length);
    expect(seabirdCnvFormat.sniff(bytes.subarray(0, 4096), file)).toBe(confidence);
    expect(counts(items)).toEqual({ table: 1, record: rows });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table).toMatchObject({ model, serial, attributes: { bad_flag: '-9.990e-29' } });
    expect(table?.fields.length).toBe(fields);
    const stamps = stampTexts(items);
    expect([stamps[0], stamps.at(-1)]).toEqual([first, last]);
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBe(offsetMinutes);
  });

  it('name columns apart that have the same name, and keep units as written', () => {
    const table = itemsOf(readWhole(seabirdCnvFormat, samples.read('hotin.cnv')), 'table')[0]?.table;
    expect(table?.fields.slice(6).map(({ name, unit }) => [name, unit])).toEqual([
      ['sal00', 'PSU'],
      ['depSM', 'salt water, m'],
      ['sal00 (9)', 'PSU'],
      ['depSM (10)', 'salt water, m'],
      ['flag', ''],
    ]);
    expect(table?.attributes['name depSM']).toBe('Depth [salt water, m], lat = 48.38');
  });

  it('of raw data are not recognised, and refused when read', () => {
    const bytes = samples.read('19plus_V2_trim.hex');
    expect(seabirdCnvFormat.sniff(bytes.subarray(0, 4096), '19plus_V2_trim.hex')).toBe(0);
    expect(outline(readWhole(seabirdCnvFormat, bytes))[0]).toBe('CNV_HEADER_MALFORMED');
  });
});

describe('the time of a row', () => {
  it.each([
    [['timeK'], '86400', '2000-01-02 00:00:00'],
    [['timeQ', 'timeS'], '86400 5', '2000-01-02 00:00:00'],
    [['timeN'], '86400', '1970-01-02 00:00:00'],
    [['x', 'timeY'], '1 86400.5', '1970-01-02 00:00:00.500000'],
    [['timeJV2', 'timeS'], '41.5 7', '2015-02-10 12:00:00'],
    [['timeSCP'], '40.000000', '2015-02-09 00:00:00'],
    [['timeJ', 'timeS'], '41.5 7.125', '2015-02-09 08:26:11.125000'],
    [['timeM'], '1.5', '2015-02-09 08:27:34'],
    [['timeH'], '24', '2015-02-10 08:26:04'],
    [['timeJ'], '40.25', '2015-02-09 06:00:00'],
  ])('with the columns %j and the values %s is %s', (names, row, expected) => {
    expect(stampsOf({ names, rows: [row] })).toEqual([expected]);
  });

  it('is counted where only the interval is known: by scans, else by rows, also those that cannot be used', () => {
    const more = '# interval = seconds: 0.5\n';
    expect(stampsOf({ names: ['scan', 'x'], more, rows: ['1 7', '5 7'] })).toEqual(['2015-02-09 08:26:04', '2015-02-09 08:26:06']);
    expect(stampsOf({ names: ['x'], more, rows: ['1', '1 2', '3'] })).toEqual(['2015-02-09 08:26:04', '2015-02-09 08:26:05']);
    const skipped = `${more}# datcnv_skipover = 50\n`;
    expect(stampsOf({ names: ['scan', 'x'], more: skipped, rows: ['51 7'] })).toEqual(['2015-02-09 08:26:29']);
    expect(outline(read(cnv({ names: ['x'], more: skipped })))).toEqual(['CNV_NO_TIME']);
  });

  it('goes on into the next year, where days begin again and where they count on', () => {
    const start = 'Dec 31 2015 12:00:00';
    expect(stampsOf({ names: ['timeJV2'], start, rows: ['365.5', '1.5', '2.5', '366.0', '1.0'] })).toEqual([
      '2015-12-31 12:00:00',
      '2016-01-01 12:00:00',
      '2016-01-02 12:00:00',
      '2016-12-31 00:00:00',
      '2017-01-01 00:00:00',
    ]);
    expect(stampsOf({ names: ['timeJV2'], start, rows: ['365.5', '366.5', '600', '390'] }).slice(1)).toEqual([
      '2016-01-01 12:00:00',
      '2016-08-22 00:00:00',
      '2016-01-25 00:00:00',
    ]);
  });

  it('is UTC where the header shows it, and has no offset elsewhere', () => {
    expect(offsetOf({ names: ['timeQ'], rows: ['1'] })).toBe(0);
    expect(offsetOf({ names: ['timeK'], rows: ['1'] })).toBeUndefined();
    expect(offsetOf({ names: ['timeS'], start: "Feb 09 2015 08:26:04 [Instrument's time stamp, header]", rows: ['1'] })).toBeUndefined();
    expect(offsetOf({ names: ['timeS'], start: 'Feb 09 2015 08:26:04 [NMEA time, header]', rows: ['1'] })).toBe(0);
    expect(offsetOf({ names: ['timeS'], start: 'Feb 09 2015 08:26:04 [System UTC, first data scan.]', rows: ['1'] })).toBe(0);
  });

  it.each([
    [{ names: ['timeS'], start: '' }],
    [{ names: ['timeS'], start: 'Feb 30 2015 08:26:04' }],
    [{ names: ['timeS'], start: 'Xxx 03 2015 08:26:04' }],
    [{ names: ['timeJ'], start: 'Feb 09 2015 08:26:04 [System UpLoad Time]' }],
    [{ names: ['prdM'], more: '# interval = decibars: 1\n' }],
  ])('cannot be known from %j', (made: Made) => {
    expect(outline(read(cnv(made)))).toEqual(['CNV_NO_TIME']);
  });

  it.each(['-9.990e-29', 'nan', '1e300', '-99999999999'])('is no stamp when it is %s', (value) => {
    expect(outline(read(cnv({ names: ['timeS', 'x'], rows: [`${value} 1`, '1 1'] })))).toEqual(['table', 'CNV_BAD_STAMP', 'record']);
  });

  it('is no stamp when it is a day that no deployment reaches, and the rows behind it are not moved', () => {
    const items = read(cnv({ names: ['timeJ'], rows: ['40.5', '4000', '-1', '41.5'] }));
    expect(outline(items)).toEqual(['table', 'record', 'CNV_BAD_STAMP', 'CNV_BAD_STAMP', 'record']);
    expect(stampTexts(items).at(-1)).toBe('2015-02-10 12:00:00');
  });
});

describe('a row of a .cnv file', () => {
  const names = ['timeS', 'a', 'b'];
  const run = '      1.000-9.990e-29 -123456.78-98765.4321'.replace(' -123456.78', '-1234567.890');

  it('may have values that run together', () => {
    const row = `${'1.000'.padStart(11)}${'-1234567.89'}${'-98765.4321'}`;
    expect(row).toHaveLength(33);
    expect(itemsOf(read(cnv({ names, rows: [row] })), 'record')[0]?.cells).toEqual(['1.000', '-1234567.89', '-98765.4321']);
  });

  it.each([run, '1.000 2', '1.000 2 3 4', `${'1.000'.padStart(11)}${'x'.repeat(22)}`])('%j has too few or too many values', (row) => {
    expect(outline(read(cnv({ names, rows: [row, '2 3 4'] })))).toEqual(['table', 'CNV_COLUMN_COUNT', 'record']);
  });

  it('may be damaged', () => {
    expect(outline(read(cnv({ names, rows: ['1 2\x01 3', '1\0\0', '1 2 3'] }).trimEnd()))).toEqual([
      'table',
      'CNV_BAD_TEXT',
      'CNV_NUL_RUN',
      'other',
      'record',
    ]);
  });
});

describe('the header of a .cnv file', () => {
  const good = cnv({ names: ['timeS'], rows: ['1'] });

  it('says what the operator noted', () => {
    const text = good.replace('# nquan', '** Ship: Merian\n** Station: 54\n** \n* <XML a="b">\n* x = y\n# nquan');
    expect(itemsOf(read(text), 'table')[0]?.table).toMatchObject({ station: '54', attributes: { 'note 1': 'Ship: Merian', x: 'y' } });
  });

  it('may come again in a joined file', () => {
    expect(outline(read(good + good + cnv({ names: ['timeS', 'x'], rows: ['1 2'] })))).toEqual([
      'table',
      'record',
      'other',
      'record',
      'table',
      'record',
    ]);
  });

  it.each([
    [['CNV_EMPTY'], ''],
    [['CNV_NO_HEADER', 'CNV_ROW_WITHOUT_TABLE'], 'hello\n1\n'],
    [['CNV_HEADER_CUT'], good.slice(0, good.indexOf('*END*'))],
    [['CNV_HEADER_MALFORMED'], good.replace('*END*\n', '')],
    [['CNV_HEADER_MALFORMED', 'CNV_ROW_WITHOUT_TABLE'], good.replace('nquan = 1', 'nquan = 2')],
    [['CNV_HEADER_MALFORMED', 'CNV_ROW_WITHOUT_TABLE'], good.replace('name 0', 'name 1')],
    [['CNV_HEADER_MALFORMED'], good.replace('Something', 'Some\x02thing')],
    [['CNV_BINARY', 'CNV_ROW_WITHOUT_TABLE'], good.replace('ascii', 'binary')],
  ])('gives %j where it is damaged so', (expected, text) => {
    expect(outline(read(text)).slice(0, expected.length)).toEqual(expected);
  });

  it('is taken as certain only when columns are in sight, and by the name of the file else', () => {
    expect(seabirdCnvFormat.sniff(bytesOf(good), 'x')).toBe(1);
    expect(seabirdCnvFormat.sniff(bytesOf('* Sea-Bird SBE 9 Data File:\n'), 'X.CNV')).toBe(0.95);
    expect(seabirdCnvFormat.sniff(bytesOf('* Sea-Bird SBE 9 Data File:\n'), 'x.btl')).toBe(0);
    expect(seabirdCnvFormat.sniff(bytesOf('hello'), 'x.cnv')).toBe(0);
  });
});

describe('a .cnv file that grows', () => {
  it.each([
    [{ names: ['timeJV2', 'x'], start: 'Dec 31 2015 12:00:00', rows: ['365.5 1', '1.5 2', '2.5 3'] }],
    [{ names: ['x'], more: '# interval = seconds: 600\n', rows: ['1', 'bad row', '3'] }],
  ])('gives the same items: %j', (made: Made) => {
    const bytes = bytesOf(cnv(made));
    const lengths = Array.from({ length: bytes.length }, (_, index) => index);
    expect(readGrowing(seabirdCnvFormat, bytes, lengths)).toEqual(readWhole(seabirdCnvFormat, bytes));
  });
});
