import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { solinstXleFormat } from '../../../src/formats/solinst-xle/solinst-xle-format.ts';
import { bytesOf, expectTiling, itemsOf, latin1, outline, readGrowing, readWhole, stampTexts } from './reading.ts';

// There is no real file to test with. This one has the elements that public programs for reading XLE look for.
const header = `<?xml version="1.0" encoding="ISO-8859-1"?>
<Body_xle>
  <File_info><Date>2020/05/07</Date><Time>10:00:00</Time><Created_by>Version 4.4</Created_by></File_info>
  <Instrument_info><Instrument_type>LTC_Jr</Instrument_type><Model_number>M10</Model_number><Serial_number>2015678</Serial_number><Battery_level>90</Battery_level></Instrument_info>
  <Instrument_info_data_header><Project_ID>Wells &amp; springs &#35;1 &no;</Project_ID><Location>Well 7</Location><Longtitude>0.000</Longtitude><Sample_rate>30050</Sample_rate>
    <Schedule /><Num_log>2</Num_log></Instrument_info_data_header>
  <Ch1_data_header><Identification>LEVEL</Identification><Unit>m</Unit><Parameters><Offset Val="0.0" Unit="m" /></Parameters></Ch1_data_header>
  <Ch2_data_header><Identification>TEMPERATURE</Identification><Unit>\u00b0C</Unit><Parameters /></Ch2_data_header>
  <Data>
`;
const log = (time: string, values = '<ch1>3.770</ch1><ch2>0.4</ch2>') =>
  `    <Log id="1"><Date>2019/11/20</Date><Time>${time}</Time><ms>0</ms>${values}</Log>\r\n`;
const footer = '  </Data>\n</Body_xle>\n';

const read = (text: string) => readWhole(solinstXleFormat, bytesOf(text));
const outlineOf = (text: string) => outline(read(text));

describe('an XLE file', () => {
  it('has a field for each channel, and the settings that do not change between downloads', () => {
    const bytes = latin1(header + log('12:00:00') + log('12:05:00.5'.slice(0, 8)) + footer);
    const items = readWhole(solinstXleFormat, bytes);
    expectTiling(items, bytes.length);
    expect(solinstXleFormat.sniff(bytes.subarray(0, 4096), 'a.xle')).toBe(1);
    expect(outline(items)).toEqual(['table', 'record', 'record', 'other', 'other']);
    expect(itemsOf(items, 'table')[0]?.table).toEqual({
      format: 'solinst-xle',
      station: 'Well 7',
      table: 'Well 7',
      model: 'LTC_Jr M10',
      serial: '2015678',
      attributes: { Project_ID: 'Wells & springs #1 &no;', Longtitude: '0.000', sampleIntervalSeconds: '300.5' },
      fields: [
        { name: 'LEVEL', unit: 'm', processing: '', kind: 'number' },
        { name: 'TEMPERATURE', unit: '°C', processing: '', kind: 'number' },
      ],
    });
    expect(stampTexts(items)).toEqual(['2019-11-20 12:00:00', '2019-11-20 12:05:00']);
    expect(itemsOf(items, 'record')[0]).toMatchObject({ stamp: { localUs: expect.any(Number) }, cells: ['3.770', '0.4'] });
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBeUndefined();
  });

  it('may stand in one line, have milliseconds, decimal commas and empty values', () => {
    const text = (header + log('12:00:00', '<ch1>1,5</ch1><ch2/>').replace('<ms>0', '<ms>250') + footer).replaceAll('\n', '');
    const items = read(text);
    expect(itemsOf(items, 'record')[0]?.cells).toEqual(['1.5', null]);
    expect(stampTexts(items)).toEqual(['2019-11-20 12:00:00.250000']);
  });

  it.each([
    [['XLE_EMPTY'], ''],
    [['XLE_EMPTY'], '\r\n '],
    [['XLE_HEADER_CUT'], '<Body_xle>'],
    [['table', 'other'], header],
    [['XLE_HEADER_CUT'], header.slice(0, -9)],
    [['table', 'XLE_STRAY_TEXT'], `${header}<Data>`],
    [['table', 'record', 'other'], header.replace('<Data>', '<Data x="">') + log('12:00:00')],
    [['XLE_NOT_XLE', 'other'], header.replace('Body_xle', 'Body') + log('12:00:00')],
    [['XLE_HEADER_MALFORMED', 'other'], header.replaceAll('_data_header', '') + log('12:00:00')],
    [['XLE_HEADER_MALFORMED', 'other'], header.replace('LEVEL', 'LE\0VEL') + log('12:00:00')],
    [['table', 'other', 'other'], header + footer],
    [['table', 'XLE_BAD_LOG', 'record', 'other'], header + log('25:00:00') + log('12:00:00')],
    [['table', 'XLE_BAD_LOG', 'record', 'other'], header + log('12:00') + log('12:00:00')],
    [['table', 'XLE_BAD_LOG', 'other'], header + log('12:00:00', '<ch1>1</ch1>')],
    [['table', 'XLE_BAD_LOG', 'other'], header + log('12:00:00', '<ch1>1</ch1><ch2>1</ch2><ch3>1</ch3>')],
    [['table', 'XLE_BAD_LOG', 'other'], header + log('12:00:00', '<ch1>1</ch1><ch2>1\0</ch2>')],
    [['table', 'XLE_BAD_LOG', 'record', 'other'], header + log('12:00:00').slice(0, 60) + log('12:00:00')],
    [['table', 'XLE_BAD_LOG', 'other', 'other'], header + log('12:00:00').slice(0, 60) + footer],
    [
      ['table', 'XLE_STRAY_TEXT', 'record', 'XLE_STRAY_TEXT', 'record', 'other'],
      `${header}what?${log('12:00:00')}</Log>${log('12:00:00')}`,
    ],
    [['table', 'XLE_TAIL_CUT'], header + log('12:00:00').slice(0, 60)],
    [['table', 'record', 'XLE_STRAY_TEXT'], `${header + log('12:00:00')}<Lo`],
    [['table', 'XLE_STRAY_TEXT', 'record', 'other'], `${header}<Logger>${log('12:00:00')}`],
  ])('gives %j where it is damaged so', (expected, text) => {
    expect(outlineOf(text)).toEqual(expected);
  });

  it('may hold text without an end: it is passed in parts that do not depend on how the file comes', () => {
    const junk = 'x'.repeat(2 * limits.instrumentLineBytesMax + 100);
    const stray = bytesOf(header + junk + log('12:00:00'));
    const whole = readWhole(solinstXleFormat, stray);
    expect(outline(whole)).toEqual(['table', 'XLE_STRAY_TEXT', 'XLE_STRAY_TEXT', 'XLE_STRAY_TEXT', 'record', 'other']);
    expect(readWhole(solinstXleFormat, stray, 100_003)).toEqual(whole);
    expect(readGrowing(solinstXleFormat, stray, [3000, 300_000, 300_001])).toEqual(whole);
    const endless = bytesOf(`${header}<Log id="1">${junk}${log('12:00:00')}`);
    expect(outline(readWhole(solinstXleFormat, endless))).toEqual([
      'table',
      'XLE_STRAY_TEXT',
      'XLE_STRAY_TEXT',
      'XLE_STRAY_TEXT',
      'record',
      'other',
    ]);
    const headless = bytesOf('<Body_xle>'.repeat(120_000));
    const refused = readWhole(solinstXleFormat, headless);
    expect(outline(refused).slice(0, 2)).toEqual(['XLE_HEADER_CUT', 'other']);
    expect(readWhole(solinstXleFormat, headless, 100_003)).toEqual(refused);
  });

  it('gives the same items when it is read as it grows', () => {
    const bytes = bytesOf(header + log('12:00:00') + log('12:05:00').slice(0, 50) + log('12:10:00') + footer);
    const lengths = Array.from({ length: bytes.length }, (_, index) => index);
    expect(readGrowing(solinstXleFormat, bytes, lengths)).toEqual(readWhole(solinstXleFormat, bytes));
  });
});
