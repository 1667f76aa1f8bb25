import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { csixmlFormat } from '../../../../src/formats/csixml/csixml-format.ts';
import { csixmlText } from '../campbell-files.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from '../reading.ts';

const samples = sampleFolder('csixml');

function read(text: string) {
  const bytes = bytesOf(text);
  const items = readWhole(csixmlFormat, bytes);
  expectTiling(items, bytes.length);
  return items;
}

const head = '<head><fields><field name="A" process="Smp" type="xsd:float" units="m"/></fields></head>';
const good = '<r no="7" time="2023-05-01T00:10:00"><v1>12.50</v1></r>';

/** A document with this as its data. */
function documentOf(data: string): string {
  return `<csixml version="1.0">${head}<data>${data}</data></csixml>`;
}

describe.skipIf(samples.skip)('the example of a document', () => {
  it('has one table and five records', () => {
    const bytes = samples.read('toxx_doc_example.xml');
    const items = readWhole(csixmlFormat, bytes);
    expectTiling(items, bytes.length);
    expect(csixmlFormat.sniff(bytes, 'x')).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: 5, other: 2 });
    expect(itemsOf(items, 'table')[0]?.table).toEqual({
      format: 'csixml',
      station: 'Ridge Station',
      table: 'Ridge_Table',
      model: 'CR1000X',
      serial: '12345',
      attributes: { operatingSystem: 'CR1000X.Std.03.02', program: 'CPU:ridge_station.CR1X', signature: '54321' },
      fields: [
        { name: 'panel_temp', unit: '°C', processing: 'Smp', kind: 'number' },
        { name: 'battery_voltage', unit: 'volts', processing: 'Smp', kind: 'number' },
        { name: 'battery_voltage_Min', unit: 'volts', processing: 'Min', kind: 'number' },
      ],
    });
    expect(stampTexts(items)).toEqual(
      [45, 50, 55].map((minute) => `2020-03-08 19:${minute}:00`).concat('2020-03-08 20:00:00', '2020-03-08 20:05:00'),
    );
    expect(itemsOf(items, 'record')[2]).toMatchObject({ recordNumber: 2, cells: ['26.85', '12.94', '12.94'] });
  });
});

describe('a CSIXML document', () => {
  it('keeps the digits and words of its values', () => {
    expect(itemsOf(read(csixmlText(1)), 'record')[0]?.cells).toEqual(['0.50', 'NAN', 'a < b']);
  });

  it('may have no data, no logger and no record numbers', () => {
    expect(outline(read(documentOf('')))).toEqual(['table', 'other']);
    const [record] = itemsOf(read(documentOf('<r time="2023-05-01 00:10:00.05"><v1>1</v1></r>')), 'record');
    expect(record?.stamp.localUs).toBe(1_682_899_800_050_000);
    expect(record).not.toHaveProperty('recordNumber');
  });

  it('may have empty values, blanks and comments anywhere', () => {
    const text = documentOf(
      `\n<!-- <r> --> <r no='7'\ttime = "2023-05-01 00:10:00"\n> <v1/> <!-- -- > --> </r >${good.replace('12.50', ' 1<!-- , -->2\n')}`,
    );
    expect(itemsOf(read(text), 'record').map(({ cells }) => cells)).toEqual([[null], ['12']]);
  });

  it.each([
    ['&amp;&lt;&gt;&quot;&apos;', '&<>"\''],
    ['&#176;C', '°C'],
    ['&#xB0;C', '°C'],
    ['&#x1F321;', '🌡'],
  ])('writes %s for %s', (reference, text) => {
    expect(itemsOf(read(documentOf(good.replace('12.50', reference))), 'record')[0]?.cells).toEqual([text]);
    const withUnit = read(documentOf(good).replace('units="m"', `units="${reference}"`));
    expect(itemsOf(withUnit, 'table')[0]?.table.fields[0]?.unit).toBe(text);
  });

  it('may hold a > in an attribute, and elements that are not known', () => {
    const text = documentOf(good).replace('units="m"', 'units="> m"').replace('<data>', '<note><x a="1"/>y</note><data>');
    const items = read(text);
    expect(itemsOf(items, 'table')[0]?.table.fields[0]?.unit).toBe('> m');
    expect(outline(items)).toContain('record');
  });

  it('may stand behind a byte-order mark, and follow another one', () => {
    expect(outline(read(`\ufeff${documentOf(good)}\n${documentOf(good)}${documentOf(good).replace('"A"', '"B"')}\n`))).toEqual([
      ...['table', 'record', 'other'],
      ...['other', 'record', 'other'],
      ...['table', 'record', 'other', 'other'],
    ]);
  });
});

describe('a CSIXML head', () => {
  it.each([
    ['has a field without a name', head.replace('name="A" ', '')],
    ['has a name that stands twice', head.replace('<fields>', '<fields><field name="A"/>')],
    [
      'has too many fields',
      head.replace('<fields>', `<fields>${Array.from({ length: limits.fieldsPerTableMax }, (_, i) => `<field name="f${i}"/>`).join('')}`),
    ],
    [
      'is too long',
      head
        .replace('"m"', `"${'m'.repeat(limits.instrumentLineBytesMax - 100)}"`)
        .replace(
          '<fields>',
          `<fields>${['b', 'c', 'd', 'e'].map((name) => `<field name="${name}" units="${'x'.repeat(limits.instrumentLineBytesMax - 100)}"/>`).join('')}`,
        ),
    ],
    ['has a torn tag', head.replace('units="m"/>', 'units="m"')],
    ['has an element that does not end', head.replace('</fields>', '')],
    ['does not end', head.replace('</head>', '')],
    ['has a text with an unknown reference', head.replace('<fields>', '&deg;<fields>')],
    ['nests too deep', head.replace('<fields>', '<a><b><c><d><e><f><g><fields>')],
  ])('that %s gives a defect of the file, and its records go to quarantine', (_, bad) => {
    expect(outline(read(documentOf(good + good).replace(head, bad)))).toEqual([
      'CSIXML_BAD_HEAD',
      'CSIXML_RECORD_WITHOUT_TABLE',
      'CSIXML_RECORD_WITHOUT_TABLE',
      'other',
    ]);
  });

  it('that is missing leaves the records without a table, also behind a document that had one', () => {
    expect(outline(read(documentOf(good) + documentOf(good).replace(head, '')))).toEqual([
      'table',
      'record',
      'other',
      'CSIXML_RECORD_WITHOUT_TABLE',
      'other',
    ]);
  });

  it('that the document ends in gives a defect of the file', () => {
    expect(outline(read(`<csixml>${head.replace('</head>', '')}</csixml>`))).toEqual(['CSIXML_BAD_HEAD']);
  });
});

describe('a CSIXML record', () => {
  it.each([
    ['with too few values', '<r no="7" time="2023-05-01T00:10:00"></r>', 'CSIXML_COLUMN_COUNT'],
    ['with too many values', good.replace('</r>', '<v2>1</v2></r>'), 'CSIXML_COLUMN_COUNT'],
    ['with values in another order', good.replaceAll('v1', 'v2'), 'CSIXML_BAD_RECORD'],
    ['with text between its values', good.replace('<v1>', 'x<v1>'), 'CSIXML_BAD_RECORD'],
    ['with an element in a value', good.replace('12', '<b>12</b>'), 'CSIXML_BAD_RECORD'],
    ['with an unknown reference', good.replace('12', '&deg;'), 'CSIXML_BAD_RECORD'],
    ['with a reference to no character', good.replace('12', '&#0;'), 'CSIXML_BAD_RECORD'],
    ['with an & alone', good.replace('12', '& 12'), 'CSIXML_BAD_RECORD'],
    ['with a value that does not end', good.replace('</v1>', ''), 'CSIXML_BAD_RECORD'],
    ['with a torn value', good.replace('</v1>', '</v'), 'CSIXML_BAD_RECORD'],
    ['with a section of raw text', good.replace('12.50', '<![CDATA[12]]>'), 'CSIXML_BAD_RECORD'],
    ['with too long a value', good.replace('12.50', '1'.repeat(limits.instrumentLineBytesMax)), 'CSIXML_BAD_RECORD'],
    ['that does not end', good.replace('</r>', ''), 'CSIXML_BAD_RECORD'],
    ['without a time', good.replace('time=', 'at='), 'CSIXML_BAD_STAMP'],
    ['with an impossible time', good.replace('05-01', '02-30'), 'CSIXML_BAD_STAMP'],
    ['with a number that is none', good.replace('"7"', '"-7"'), 'CSIXML_BAD_RECORD_NUMBER'],
    ['of which the tag is torn', good.replace('time="2023-05-01T00:10:00">', 'time="2023'), 'CSIXML_UNREADABLE'],
  ])('%s is quarantined, and its neighbours go on', (_, bad, code) => {
    const kinds = outline(read(documentOf(good + bad + good)));
    expect(kinds.slice(0, 3)).toEqual(['table', 'record', code]);
    expect(kinds.slice(-2)).toEqual(['record', 'other']);
  });

  it('that does not end before the data do is quarantined', () => {
    expect(outline(read(documentOf(good + good.replace('</r>', ''))))).toEqual(['table', 'record', 'CSIXML_BAD_RECORD', 'other']);
  });

  it('is found where the tag of the data is torn', () => {
    expect(outline(read(documentOf(good).replace('<data>', '<dat')))).toEqual([
      'table',
      'CSIXML_UNREADABLE',
      'record',
      'CSIXML_UNREADABLE',
      'other',
    ]);
  });

  it.each(['xyz', '\0\0\0', '</x>', '<!DOCTYPE a>', '&deg;'])('may have %j beside it, which is quarantined alone', (bad) => {
    expect(outline(read(documentOf(good + bad + good)))).toEqual(['table', 'record', 'CSIXML_UNREADABLE', 'record', 'other']);
  });
});

describe('the end of a CSIXML file', () => {
  it.each(['</data>', good, good.slice(0, 40), '<!-- '])('within a document leaves the records before it: %j', (tail) => {
    const text = documentOf(good).replace('</data></csixml>', '');
    expect(outline(read(text + tail)).slice(0, 2)).toEqual(['table', 'record']);
    expect(outline(read(text + tail)).at(-1)).toBe('CSIXML_TAIL_CUT');
  });

  it('may be the beginning of another document', () => {
    const cut = documentOf(good).replace('</r></data></csixml>', '\n');
    expect(outline(read(`${cut}<?xml version="1.0"?>${documentOf(good)}`))).toEqual([
      'table',
      'CSIXML_TAIL_CUT',
      'other',
      'record',
      'other',
    ]);
  });

  it('within a document is pending while the file grows', () => {
    const text = csixmlText(3);
    expect(readGrowing(csixmlFormat, bytesOf(text), [100, text.length - 60, text.length - 3])).toEqual(read(text));
  });

  it.each([
    ['', ['CSIXML_EMPTY']],
    [' \n<!-- -->\n', ['CSIXML_EMPTY']],
    ['<html><b/></html>', ['CSIXML_NOT_CSIXML', 'CSIXML_UNREADABLE', 'CSIXML_UNREADABLE']],
    ['<!DOCTYPE csixml>', ['CSIXML_NOT_CSIXML']],
    ['text', ['CSIXML_NOT_CSIXML']],
  ])('of %j gives %j', (text, expected) => {
    expect(outline(read(text))).toEqual(expected);
  });

  it('may hold other things than documents, which are quarantined', () => {
    expect(outline(read(`${documentOf(good)}xyz`))).toEqual(['table', 'record', 'other', 'CSIXML_UNREADABLE']);
  });
});

describe('CSIXML that could fill the memory', () => {
  it('is cut: text in many pieces, and markup without an end', () => {
    const pieces = '1234567890<!-- -->'.repeat(limits.instrumentLineBytesMax / 8);
    expect(outline(read(documentOf(good.replace('12.50', pieces) + good)))).toEqual(['table', 'CSIXML_BAD_RECORD', 'record', 'other']);
    const endless = `${documentOf(good).replace('</data>', '<!-- ')}${'x'.repeat(3 * limits.instrumentLineBytesMax)}`;
    expect(counts(read(endless))).toMatchObject({ table: 1, record: 1 });
    expect(readWhole(csixmlFormat, bytesOf(endless), 50_000)).toEqual(read(endless));
  });
});

describe('recognising CSIXML', () => {
  it.each([
    [csixmlText(0), 1],
    ['<!-- made by x -->\n<csixml version="1.0">', 1],
    ['<csixmlish>', 0],
    ['<html><csixml>', 0],
    ['', 0],
  ])('%j with confidence %d', (text, confidence) => {
    expect(csixmlFormat.sniff(bytesOf(text), 'x')).toBe(confidence);
  });
});
