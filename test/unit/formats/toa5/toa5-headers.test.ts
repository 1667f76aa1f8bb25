import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { bytesOf, expectTiling, itemsOf, latin1, outline, readWhole } from '../reading.ts';

const environment = '"TOA5","Ridge","CR1000X","38412","CR1000X.Std.07.02","CPU:Ridge.CR1X","41235","Ten"';
const names = '"TIMESTAMP","RECORD","AirT_C(42)","AirT_TMx"';
const units = '"TS","RN","Deg C","% "';
const processing = '"","","Avg","TMx"';
const header = [environment, names, units, processing];
const row = '"2021-06-18 20:00:00",9,13.14,"2021-06-18 19:59:30"';

function text(...lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('');
}

function read(content: string | Uint8Array): string[] {
  const bytes = typeof content === 'string' ? latin1(content) : content;
  const items = readWhole(toa5Format, bytes);
  expectTiling(items, bytes.length);
  return outline(items);
}

describe('TOA5 header', () => {
  it('becomes the table, with names and units as written', () => {
    const table = itemsOf(readWhole(toa5Format, latin1(text(...header))), 'table')[0];
    expect(table?.range).toEqual({ offset: 0, length: text(...header).length });
    expect(table?.table).toEqual({
      format: 'toa5',
      station: 'Ridge',
      table: 'Ten',
      model: 'CR1000X',
      serial: '38412',
      attributes: { operatingSystem: 'CR1000X.Std.07.02', program: 'CPU:Ridge.CR1X', signature: '41235' },
      fields: [
        { name: 'AirT_C(42)', unit: 'Deg C', processing: 'Avg', kind: 'number' },
        { name: 'AirT_TMx', unit: '% ', processing: 'TMx', kind: 'time' },
      ],
    });
  });

  it('keeps cells behind the name of the table', () => {
    const table = itemsOf(readWhole(toa5Format, latin1(text(`${environment},"60 MIN"`, names, units, processing))), 'table')[0];
    expect(table?.table.attributes).toMatchObject({ 'environment 9': '60 MIN' });
  });

  it('may lack RECORD and have TIMESTAMP in any place', () => {
    const items = readWhole(toa5Format, latin1(text(environment, '"A","TIMESTAMP"', '"V","TS"', '"Smp",""', '1.5,"2021-06-18 20:00:00"')));
    expect(outline(items)).toEqual(['table', 'record']);
    expect(items[1]).toMatchObject({ cells: ['1.5'] });
    expect(items[1]).not.toHaveProperty('recordNumber');
  });

  it('may have units in UTF-8 or in Latin-1', () => {
    const lines = text(environment, names, '"TS","RN","W/m²","µS"', processing);
    for (const bytes of [bytesOf(lines), latin1(lines)]) {
      expect(itemsOf(readWhole(toa5Format, bytes), 'table')[0]?.table.fields.map(({ unit }) => unit)).toEqual(['W/m²', 'µS']);
    }
  });

  it('may begin with a byte-order mark, and may have lost its quotation marks in a spreadsheet', () => {
    expect(read(bytesOf(`\ufeff${text(...header, row)}`))).toEqual(['table', 'record']);
    expect(read(text(...header, row).replaceAll('"', ''))).toEqual(['table', 'record']);
  });

  it('may follow blank lines', () => {
    expect(read(text('', '', ...header, row))).toEqual(['other', 'other', 'table', 'record']);
  });

  it('alone is a table without records', () => {
    expect(read(text(...header))).toEqual(['table']);
  });
});

describe('TOA5 header in mid-file', () => {
  it('is passed over when it repeats the open table', () => {
    expect(read(text(...header, row, ...header, row))).toEqual(['table', 'record', 'other', 'record']);
  });

  it('opens a new table when anything in it differs', () => {
    const changed = environment.replace('41235', '41236');
    expect(read(text(...header, row, changed, names, units, processing, row))).toEqual(['table', 'record', 'table', 'record']);
  });

  it('moves the columns of the rows behind it', () => {
    const moved = ['"RECORD","TIMESTAMP","AirT_C(42)","AirT_TMx"', '"RN","TS","Deg C","% "', processing];
    const items = readWhole(toa5Format, latin1(text(...header, row, environment, ...moved, '10,"2021-06-18 20:10:00",13.5,""')));
    expect(outline(items)).toEqual(['table', 'record', 'other', 'record']);
    expect(items[3]).toMatchObject({ recordNumber: 10, cells: ['13.5', null] });
  });

  it('that cannot be read ends the table, and the next good one opens it again', () => {
    expect(read(text(...header, row, environment, names, row, row, ...header, row))).toEqual([
      'table',
      'record',
      'TOA5_HEADER_CUT',
      'TOA5_ROW_WITHOUT_TABLE',
      'TOA5_ROW_WITHOUT_TABLE',
      'table',
      'record',
    ]);
  });
});

describe('TOA5 header defects', () => {
  it('name an empty file', () => {
    expect(read('')).toEqual(['TOA5_EMPTY']);
    expect(read('\r\n\n')).toEqual(['other', 'other', 'TOA5_EMPTY']);
  });

  it.each([
    ['another version', text(environment.replace('TOA5', 'TOA6'))],
    ['another name that begins alike', text(environment.replace('TOA5', 'TOA55'))],
    ['rows without a header', text(row)],
    ['some other text', 'hello'],
    ['the first letters of a header', '"TOA5'],
    ['zero bytes', '\0\0\0\0'],
    ['a first line over the limit', 'x'.repeat(limits.instrumentLineBytesMax)],
  ])('name a file that is no TOA5: %s', (_, content) => {
    expect(read(content)).toEqual(['TOA5_NOT_TOA5']);
  });

  it('name a header that ends with the file, at any byte', () => {
    const whole = text(...header);
    for (let length = '"TOA5",'.length; length < whole.length; length++) {
      expect(read(whole.slice(0, length))).toEqual(['TOA5_HEADER_CUT']);
    }
  });

  it('name a header cut by rows, by another header, or inside a line', () => {
    expect(read(text(environment, names, row))).toEqual(['TOA5_HEADER_CUT', 'TOA5_ROW_WITHOUT_TABLE']);
    expect(read(text(environment, names, ...header, row))).toEqual(['TOA5_HEADER_CUT', 'table', 'record']);
    expect(read(text(environment, names, '"TS","RN","De', processing))).toEqual(['TOA5_HEADER_CUT', 'TOA5_ROW_WITHOUT_TABLE']);
  });

  it.each([
    ['TOA5_HEADER_MISMATCH', environment, names, '"TS","RN","Deg C"', processing],
    ['TOA5_HEADER_MISMATCH', environment, names, units, '"","","Avg"'],
    ['TOA5_HEADER_MISMATCH', '"TOA5","Ridge","CR1000X"', names, units, processing],
    ['TOA5_DUPLICATE_FIELD', environment, '"TIMESTAMP","RECORD","A","A"', units, processing],
    ['TOA5_UNNAMED_FIELD', environment, '"TIMESTAMP","RECORD","A",""', units, processing],
    ['TOA5_NO_TIMESTAMP', environment, '"TS","RECORD","A","B"', units, processing],
    ['TOA5_HEADER_BAD_TEXT', environment, '"TIMESTAMP","REC\x01ORD","A","B"'],
    ['TOA5_HEADER_BAD_TEXT', environment, '"TIMESTAMP","REC\0ORD","A","B"'],
    ['TOA5_TOO_MANY_FIELDS', environment, `"TIMESTAMP"${',"x"'.repeat(limits.fieldsPerTableMax + 1)}`],
  ])('are %s and leave the rows behind without a table', (code, ...lines) => {
    const items = readWhole(toa5Format, latin1(text(...lines, row, row)));
    expectTiling(items, text(...lines, row, row).length);
    expect(outline(items)).toEqual([code, 'TOA5_ROW_WITHOUT_TABLE', 'TOA5_ROW_WITHOUT_TABLE']);
    expect(items[0]).toMatchObject({ scope: 'file', range: { offset: 0, length: text(...lines).length } });
  });

  it('name more fields than a table may have, when the last one is one too many', () => {
    const columns = limits.fieldsPerTableMax + 1;
    const row4097 = (cell: (index: number) => string) => Array.from({ length: columns }, (_, index) => cell(index)).join(',');
    const lines = text(
      environment,
      row4097((index) => (index === 0 ? 'TIMESTAMP' : `f${index}`)),
      row4097(() => ''),
      row4097(() => ''),
    );
    expect(read(lines)).toEqual(['TOA5_TOO_MANY_FIELDS']);
  });

  it('name a header line with a NUL run or over the limit', () => {
    expect(read(`${text(environment)}"TIME\0\0\0${text(names)}`)).toEqual(['TOA5_HEADER_BAD_TEXT', 'TOA5_ROW_WITHOUT_TABLE']);
    expect(read(`${text(environment)}${'x'.repeat(limits.instrumentLineBytesMax)}`)).toEqual(['TOA5_HEADER_BAD_TEXT']);
  });
});

describe('TOA5 sniffing', () => {
  it('is certain of a file that begins with a header, and of no other', () => {
    const certain = [text(...header), environment, '\xef\xbb\xbf"TOA5","x', 'TOA5,x'];
    expect(certain.map((content) => toa5Format.sniff(latin1(content), 'a.dat'))).toEqual([1, 1, 1, 1]);
    const foreign = ['', '"TOA5', '"TOA5"', '"TOA6","x"', '"TOACI1","x"', '"TOB1","x"', 'TOA55,', row, '\0\0\0\0\0\0\0\0'];
    expect(foreign.map((content) => toa5Format.sniff(latin1(content), 'a.dat'))).toEqual(foreign.map(() => 0));
  });
});
