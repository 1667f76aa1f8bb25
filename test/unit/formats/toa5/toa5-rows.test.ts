import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { toa5Defects } from '../../../../src/formats/toa5/defects.ts';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { bytesOf, codes, expectTiling, itemsOf, latin1, outline, readWhole, stampTexts } from '../reading.ts';

const header = [
  '"TOA5","Ridge","CR1000X","38412","CR1000X.Std.07.02","CPU:Ridge.CR1X","41235","Ten"',
  '"TIMESTAMP","RECORD","AirT_C_Avg","AirT_C_TMx","Note"',
  '"TS","RN","Deg C","",""',
  '"","","Avg","TMx","Smp"',
];
const first = '"2021-06-18 20:00:00",9,13.14,"2021-06-18 19:59:30","ok"';
const second = '"2021-06-18 20:10:00",10,13.20,"2021-06-18 20:02:00","ok"';

function file(...rows: readonly string[]): Uint8Array {
  return latin1([...header, ...rows].map((line) => `${line}\r\n`).join(''));
}

/** Reads a file with one bad row between two good ones, and returns the code the bad one got. */
function codeBetweenGoodRows(bad: string): string | undefined {
  const bytes = file(first, bad, second);
  const items = readWhole(toa5Format, bytes);
  expectTiling(items, bytes.length);
  expect(itemsOf(items, 'record').map(({ recordNumber }) => recordNumber)).toEqual([9, 10]);
  const defects = itemsOf(items, 'defect');
  expect(defects.length).toBe(1);
  const { range, scope } = defects[0]!;
  expect(scope).toBe('record');
  expect(new TextDecoder('latin1').decode(bytes.subarray(range.offset, range.offset + range.length))).toBe(`${bad}\r\n`);
  return defects[0]?.code;
}

describe('TOA5 records', () => {
  it('have the stamp, the record number and a cell for each field', () => {
    const items = readWhole(toa5Format, file(first));
    expect(outline(items)).toEqual(['table', 'record']);
    expect(items[1]).toMatchObject({
      stamp: { localUs: Date.UTC(2021, 5, 18, 20) * 1000 },
      recordNumber: 9,
      cells: ['13.14', '2021-06-18 19:59:30', 'ok'],
    });
    expect(itemsOf(items, 'record')[0]?.stamp).not.toHaveProperty('offsetMinutes');
  });

  it('keep the digits, NAN and INF as written, and an empty cell as nothing', () => {
    const row = (value: string) => `"2021-06-18 20:00:00",9,${value},"",""`;
    const values = ['-0.50', '1.00E-05', '"NAN"', 'NAN', '"INF"', '-INF', '', '""', '7999'];
    const records = itemsOf(readWhole(toa5Format, file(...values.map(row))), 'record');
    expect(records.map(({ cells }) => cells[0])).toEqual(['-0.50', '1.00E-05', 'NAN', 'NAN', 'INF', '-INF', null, null, '7999']);
  });

  it('may end their lines with LF, CRLF or both in turn', () => {
    const text = `${header.join('\n')}\n${first}\r\n${second}\n`;
    expect(outline(readWhole(toa5Format, bytesOf(text)))).toEqual(['table', 'record', 'record']);
  });

  it.each([
    ['2021-06-18 20:00:00', '2021-06-18 20:00:00'],
    ['2021-06-18 20:00:00.1', '2021-06-18 20:00:00.100000'],
    ['2021-06-18 20:00:00.05', '2021-06-18 20:00:00.050000'],
    ['2021-06-18 20:00:00.000001', '2021-06-18 20:00:00.000001'],
    ['2021-06-18 20:00:00.1234567', '2021-06-18 20:00:00.123456'],
    ['2021-06-18 20:00:00.029000999', '2021-06-18 20:00:00.029000'],
    ['2021-06-18 20:00', '2021-06-18 20:00:00'],
    ['2021-06-18 24:00:00', '2021-06-19 00:00:00'],
    ['2024-02-29 23:59:59', '2024-02-29 23:59:59'],
  ])('take the stamp %s', (written, expected) => {
    expect(stampTexts(readWhole(toa5Format, file(`"${written}",1,1,,`)))).toEqual([expected]);
    expect(stampTexts(readWhole(toa5Format, file(`${written},1,1,,`)))).toEqual([expected]);
  });

  it.each([
    '2021-02-29 20:00:00',
    '2021-13-01 20:00:00',
    '2021-06-18 25:00:00',
    '2021-06-18 20:60:00',
    '2021-06-18T20:00:00',
    '2021-06-18 20:00:00.',
    '2021-06-18 20:00:00.1x',
    '2021-06-18 20:00:00.1234567890',
    '2021-06-18 20:00:00,5',
    '2021-06-18 20-00-00',
    '06/18/2021 20:00',
    '2021-06-18 20:00:0',
    '0000-00-00 00:00:00',
    'NAN',
    '',
  ])('with the stamp %j are quarantined', (written) => {
    expect(codeBetweenGoodRows(`"${written}",1,1,,`)).toBe('TOA5_BAD_STAMP');
  });

  it.each(['NAN', '', '-1', '1.5', '1234567890123456'])('with the record number %j are quarantined', (written) => {
    expect(codeBetweenGoodRows(`"2021-06-18 20:05:00",${written},1,,`)).toBe('TOA5_BAD_RECORD_NUMBER');
  });

  it('of too few or too many cells are quarantined, and their neighbours go on', () => {
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00",1,1,')).toBe('TOA5_COLUMN_COUNT');
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00",1,1,,,')).toBe('TOA5_COLUMN_COUNT');
    expect(codeBetweenGoodRows('x')).toBe('TOA5_COLUMN_COUNT');
    expect(codeBetweenGoodRows(','.repeat(limits.fieldsPerTableMax * 2))).toBe('TOA5_COLUMN_COUNT');
  });

  it('with broken quoting are quarantined, and swallow no neighbour', () => {
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00",1,1,"",")')).toBe('TOA5_BAD_QUOTING');
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00"x,1,1,"",""')).toBe('TOA5_BAD_QUOTING');
  });

  it('with control characters or a stray zero byte are quarantined', () => {
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00",1,1\x1b,"",""')).toBe('TOA5_BAD_BYTES');
    expect(codeBetweenGoodRows('"2021-06-18 20:05:00",1,1\0,"",""')).toBe('TOA5_BAD_BYTES');
  });

  it('may hold text in UTF-8 or Latin-1', () => {
    const row = '"2021-06-18 20:00:00",9,1,"","caf\xe9"';
    expect(itemsOf(readWhole(toa5Format, file(row)), 'record')[0]?.cells[2]).toBe('café');
    const utf8 = bytesOf([...header, row, ''].join('\r\n'));
    expect(itemsOf(readWhole(toa5Format, utf8), 'record')[0]?.cells[2]).toBe('café');
  });

  it('behind a NUL run are kept, and the torn row before it is quarantined with the run', () => {
    const bytes = file(first, `"2021-06-18 20:05:00",1,1\0\0\0\0\0${second}`);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(['table', 'record', 'TOA5_NUL_RUN', 'record']);
    expect(items[3]).toMatchObject({ recordNumber: 10 });
  });

  it('around a line over the limit are kept', () => {
    const bytes = file(first, 'x'.repeat(limits.instrumentLineBytesMax + 1), second);
    const items = readWhole(toa5Format, bytes, 65_536);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(['table', 'record', 'TOA5_LINE_TOO_LONG', 'TOA5_LINE_TOO_LONG', 'record']);
  });

  it('without a line end are not used, as their last digits may be missing', () => {
    const bytes = file(first, second).subarray(0, -2);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(['table', 'record', 'TOA5_TAIL_CUT']);
  });

  it('may be separated by blank lines', () => {
    const bytes = file(first, '', '  ', second);
    const items = readWhole(toa5Format, bytes);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(['table', 'record', 'other', 'other', 'record']);
  });
});

describe('TOA5 defect codes', () => {
  it('begin with the name of the format and have a message', () => {
    for (const [code, { message }] of Object.entries(toa5Defects)) {
      expect(code).toMatch(/^TOA5_[A-Z0-9_]+$/);
      expect(message.length).toBeGreaterThan(5);
    }
    expect(codes(readWhole(toa5Format, file('x')))).toEqual(['TOA5_COLUMN_COUNT']);
  });
});
