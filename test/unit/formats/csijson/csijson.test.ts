import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { csijsonFormat } from '../../../../src/formats/csijson/csijson-format.ts';
import { csijsonHead, csijsonText } from '../campbell-files.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from '../reading.ts';

const samples = sampleFolder('csijson');

function read(text: string) {
  const bytes = bytesOf(text);
  const items = readWhole(csijsonFormat, bytes);
  expectTiling(items, bytes.length);
  return items;
}

/** An answer with this text as `data`, and this behind it. */
function answer(data: string, behind = '}'): string {
  return `{"head": ${JSON.stringify(csijsonHead)}, "data": ${data}${behind}`;
}

const good = '{"time": "2023-05-01T00:10:00", "no": 7, "vals": [12.50, "a"]}';

describe.skipIf(samples.skip)("a real logger's answer", () => {
  it('has one table and five records', () => {
    const bytes = samples.read('cr6_since_record.json');
    const items = readWhole(csijsonFormat, bytes);
    expectTiling(items, bytes.length);
    expect(counts(items)).toEqual({ table: 1, record: 5, other: 1 });
    expect(csijsonFormat.sniff(bytes.subarray(0, 4096), 'x')).toBe(0.95);
    const [table] = itemsOf(items, 'table');
    expect(table?.table).toMatchObject({ station: '1844', table: 'Table1', model: 'CR6', attributes: { signature: '55431' } });
    expect(table?.table.fields[4]).toEqual({ name: 'SlrkW', unit: 'kW/m^2', processing: 'Smp', kind: 'number' });
    const [first] = itemsOf(items, 'record');
    expect(first?.recordNumber).toBe(18570);
    expect(first?.cells.slice(4, 9)).toEqual(['0.161', '0.183819', '0.346', '243.6', '1386']);
    expect(stampTexts(items)[0]).toBe('2017-04-10 06:30:00');
  });
});

describe('a CSIJSON answer', () => {
  it('defines its table', () => {
    expect(itemsOf(read(csijsonText(0)), 'table')[0]?.table).toEqual({
      format: 'csijson',
      station: 'Ridge',
      table: 'Ten',
      model: 'CR1000',
      serial: '77',
      attributes: { operatingSystem: 'CR1000.Std.32', program: 'CPU:met.CR1', signature: '4062' },
      fields: [
        { name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' },
        { name: 'Note', unit: '', processing: 'Smp', kind: 'text' },
      ],
    });
  });

  it('says by its types what kind of values there are', () => {
    const fields = ['xsd:float', 'xsd:dateTime', 'xsd:boolean', 'xsd:string', 'xsd:unsignedShort'].map((type) => ({ name: type, type }));
    const [table] = itemsOf(read(csijsonText(0, { fields })), 'table');
    expect(table?.table.fields.map(({ kind }) => kind)).toEqual(['number', 'time', 'boolean', 'text', 'number']);
  });

  it.each(['null', '[]', '[ ]'])('may have %s for data', (data) => {
    expect(outline(read(answer(data)))).toEqual(['table', 'other']);
  });

  it('keeps the digits of numbers, texts and the words for missing values', () => {
    const vals = ['[13.10, "NAN"]', '[-0.50, null]', '[1.5e-07, ""]', '["INF", true]', '[1E+20, "\\u00b0\\"\\n"]'];
    const items = read(answer(`[${vals.map((val) => good.replace('[12.50, "a"]', val)).join()}]`));
    expect(itemsOf(items, 'record').map(({ cells }) => cells)).toEqual([
      ['13.10', 'NAN'],
      ['-0.50', null],
      ['1.5e-07', null],
      ['INF', 'true'],
      ['1E+20', '°"\n'],
    ]);
  });

  it('may write times with a space and a fraction, and records without numbers', () => {
    const [record] = itemsOf(read(answer('[{"vals": [1, 2], "time": "2023-05-01 00:10:00.05"}]')), 'record');
    expect(record?.stamp.localUs).toBe(1_682_899_800_050_000);
    expect(record).not.toHaveProperty('recordNumber');
  });

  it('may say that there is more, and other things', () => {
    expect(outline(read(answer(`[${good}]`, ', "more": true, "x": {"data": [1, "]"]}, "y": -1}')))).toEqual(['table', 'record', 'other']);
  });

  it('may stand behind a byte-order mark', () => {
    expect(outline(read(`\ufeff${csijsonText(1)}`))).toEqual(['table', 'record', 'other', 'other']);
  });

  it('may follow another one: a repeated head is passed over, another one is another table', () => {
    const other = csijsonText(1, { ...csijsonHead, signature: 1 });
    expect(outline(read(csijsonText(1) + csijsonText(1) + other))).toEqual([
      ...['table', 'record', 'other'],
      ...['other', 'record', 'other'],
      ...['table', 'record', 'other', 'other'],
    ]);
  });

  it('that is not in UTF-8 is read as Windows-1252', () => {
    const bytes = Uint8Array.from(bytesOf(csijsonText(1).replace('Deg C', '#C')), (byte) => (byte === 0x23 ? 0xb0 : byte));
    expect(itemsOf(readWhole(csijsonFormat, bytes), 'table')[0]?.table.fields[0]?.unit).toBe('°C');
  });
});

describe('a CSIJSON head', () => {
  it.each([
    ['is null', 'null'],
    ['is no object', '[]'],
    ['has no fields', '{"environment": {}}'],
    ['has a field without a name', '{"fields": [{"type": "xsd:float"}]}'],
    ['has a name that stands twice', '{"fields": [{"name": "A"}, {"name": "A"}]}'],
    [
      'has too many fields',
      JSON.stringify({ fields: Array.from({ length: limits.fieldsPerTableMax + 1 }, (_, i) => ({ name: `f${i}` })) }),
    ],
    ['is no JSON', '{"fields" }'],
    ['nests too deep', '['.repeat(40) + ']'.repeat(40)],
  ])('that %s gives a defect of the file, and its records go to quarantine', (_, head) => {
    expect(outline(read(`{"head": ${head}, "data": [${good}, ${good}]}`))).toEqual([
      'CSIJSON_BAD_HEAD',
      'CSIJSON_RECORD_WITHOUT_TABLE',
      'CSIJSON_RECORD_WITHOUT_TABLE',
      'other',
    ]);
  });

  it('that comes behind the data, or not at all, is missing', () => {
    const late = `{"data": [${good}], "head": ${JSON.stringify(csijsonHead)}}`;
    expect(outline(read(`${csijsonText(1)}{"data": [${good}]}${late}`)).slice(3)).toEqual([
      ...['CSIJSON_RECORD_WITHOUT_TABLE', 'other'],
      ...['CSIJSON_RECORD_WITHOUT_TABLE', 'other', 'other'],
    ]);
  });
});

describe('a CSIJSON record', () => {
  it.each([
    ['17', 'CSIJSON_BAD_RECORD'],
    ['"a"', 'CSIJSON_BAD_RECORD'],
    ['{"time": "2023-05-01T00:10:00", "no": 7}', 'CSIJSON_BAD_RECORD'],
    ['{"no": 7, "vals": [1, 2]}', 'CSIJSON_BAD_RECORD'],
    [good.replace('7', '7.5'), 'CSIJSON_BAD_RECORD'],
    [good.replace('7', '"7"'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50', '[12.50]'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50', '012.50'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50', 'NAN'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50', '"\\x"'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50,', '12.50'), 'CSIJSON_BAD_RECORD'],
    [good.replace('"no":', '"no"'), 'CSIJSON_BAD_RECORD'],
    [good.replace('"no"', 'no'), 'CSIJSON_BAD_RECORD'],
    [good.replace('12.50, ', ''), 'CSIJSON_COLUMN_COUNT'],
    [good.replace('05-01', '02-30'), 'CSIJSON_BAD_STAMP'],
    [good.replace('00:10:00', '00:10:00Z'), 'CSIJSON_BAD_STAMP'],
  ])('%s is quarantined, and its neighbours go on', (bad, code) => {
    expect(outline(read(answer(`[${good}, ${bad}, ${good}]`)))).toEqual(['table', 'record', code, 'record', 'other']);
  });
});

describe('broken CSIJSON', () => {
  it.each([
    ['a missing comma', answer(`[${good} ${good}]`), ['table', 'record', 'CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a missing colon', '{"head" 1}', ['CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a missing name', '{1: 2}', ['CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a name that is none', '{"\\x": 2}', ['CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a missing value', '{"head":, "data": []}', ['CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a missing element', answer('[1,,2]'), ['table', 'CSIJSON_BAD_RECORD', 'CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a bracket of the other kind', answer('[}'), ['table', 'CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a comma at the end of the data', answer('[1,]'), ['table', 'CSIJSON_BAD_RECORD', 'CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a control character in a text', '{"head\x01": 1}', ['CSIJSON_BROKEN', 'CSIJSON_UNREADABLE']],
    ['a brace too many', '{}}', ['other', 'CSIJSON_UNREADABLE']],
  ])('with %s is given up to the end of the line, and the next answer is read', (_, text, expected) => {
    expect(outline(read(text))).toEqual(expected);
    const items = read(`${text}\n${csijsonText(1)}`);
    expect(outline(items).slice(0, expected.length)).toEqual(expected);
    expect(outline(items).slice(-3)).toEqual(['record', 'other', 'other']);
  });

  it('in which a line ends within a text goes on with the next line', () => {
    expect(outline(read(`{"head": {"a\n${csijsonText(1)}`))).toEqual(['CSIJSON_BROKEN', 'table', 'record', 'other', 'other']);
  });

  it('with a value over the limit is given up, and what follows goes to quarantine in pieces', () => {
    const text = `{"x": "${'a'.repeat(5 * limits.instrumentLineBytesMax)}"}\n${csijsonText(1)}`;
    const items = read(text);
    expect(counts(items)).toEqual({ CSIJSON_BROKEN: 1, CSIJSON_UNREADABLE: 2, table: 1, record: 1, other: 2 });
    expect(readGrowing(csijsonFormat, bytesOf(text), [4 * limits.instrumentLineBytesMax + 9, 5 * limits.instrumentLineBytesMax])).toEqual(
      items,
    );
    expect(readWhole(csijsonFormat, bytesOf(text), 100_000)).toEqual(items);
  });
});

describe('the end of a CSIJSON file', () => {
  it.each([answer(`[${good}`, ''), answer(`[${good}, {"time": "2023`, ''), answer(`[${good}]`, ''), answer(`[${good}]`, ', "more": tru')])(
    'within an answer leaves the records before it: %j',
    (text) => {
      expect(outline(read(text))).toEqual(['table', 'record', 'CSIJSON_TAIL_CUT']);
    },
  );

  it('within an answer is pending while the file grows', () => {
    const text = csijsonText(3);
    expect(readGrowing(csijsonFormat, bytesOf(text), [text.length - 20, text.length - 3])).toEqual(read(text));
  });

  it.each([
    ['', ['CSIJSON_EMPTY']],
    [' \n', ['CSIJSON_EMPTY']],
    ['<html>\n', ['CSIJSON_NOT_CSIJSON', 'CSIJSON_UNREADABLE']],
    ['[]', ['CSIJSON_NOT_CSIJSON', 'CSIJSON_UNREADABLE']],
  ])('of %j gives %j', (text, expected) => {
    expect(outline(read(text))).toEqual(expected);
  });
});

describe('recognising CSIJSON', () => {
  it.each([
    [csijsonText(0), 0.95],
    ['{"head": {"x": 1}}', 0.5],
    ['{"data": []}', 0],
    ['', 0],
  ])('%j with confidence %d', (text, confidence) => {
    expect(csijsonFormat.sniff(bytesOf(text), 'x')).toBe(confidence);
  });
});
