import { describe, expect, it } from 'vitest';
import { concatBytes, utf8, utf8Text } from '../../../../src/core/bytes.ts';
import type { MergeResult } from '../../../../src/datasets/merge/merge-result.ts';
import { conflictCellsMax } from '../../../../src/datasets/merge/merge-result.ts';
import { mergeThreeWay } from '../../../../src/datasets/merge/merge-three-way.ts';

function merge(base: string | undefined, left: string, right: string, path = 'site/table.csv'): MergeResult {
  return mergeThreeWay({ base: base === undefined ? undefined : utf8(base), left: utf8(left), right: utf8(right), path });
}

function merged(base: string | undefined, left: string, right: string, path?: string): string | undefined {
  const [result, swapped] = [merge(base, left, right, path), merge(base, right, left, path)];
  if (result.outcome !== 'merged' || swapped.outcome !== 'merged') throw new Error(JSON.stringify(result));
  expect(utf8Text(swapped.bytes)).toBe(utf8Text(result.bytes));
  return utf8Text(result.bytes);
}

function cells(result: MergeResult) {
  if (result.outcome !== 'conflict') throw new Error(`no conflict: ${result.outcome}`);
  return result.cells;
}

const toa5 = (...rows: string[]) =>
  [
    '"TOA5","Ridge","CR1000X","12342","CR1000X.Std.03.02","CPU:met.CR1X","2438","Met"',
    '"TIMESTAMP","RECORD","AirT_C(42)","RH"',
    '"TS","RN","Deg C","% "',
    '"","","Smp","Avg"',
    ...rows,
    '',
  ].join('\r\n');
const ten = '"2026-05-01 10:00:00",10,13.23,49.31';
const eleven = '"2026-05-01 11:00:00",11,13.31,54.85';
const twelve = '"2026-05-01 12:00:00",12,13.36,"NAN"';

describe('merging logger tables', () => {
  it('unites rows that both sides appended, in order of time, and takes the same row once', () => {
    const thirteen = '"2026-05-01 13:00:00",13,13.40,50.0';
    expect(merged(toa5(ten), toa5(ten, eleven, thirteen), toa5(ten, eleven, twelve))).toBe(toa5(ten, eleven, twelve, thirteen));
  });

  it('keeps a backfilled row where its side put it', () => {
    expect(merged(toa5(ten, twelve), toa5(ten, eleven, twelve), toa5(twelve))).toBe(toa5(eleven, twelve));
  });

  it('lets each side correct its own cells of one row', () => {
    const left = eleven.replace('13.31', '13.30');
    const right = eleven.replace('54.85', '"54.8"');
    expect(merged(toa5(ten, eleven), toa5(ten, left), toa5(ten, right))).toBe(toa5(ten, '"2026-05-01 11:00:00",11,13.30,"54.8"'));
  });

  it('names the cell that both sides changed, and no others', () => {
    const result = merge(
      toa5(ten, eleven),
      toa5(ten, eleven.replace('13.31', '13.30')),
      toa5(ten.replace('49', '48'), eleven.replace('13.31', '13.4')),
    );
    expect(cells(result)).toEqual([{ row: '2026-05-01 11:00:00 11', column: 'AirT_C(42)', base: '13.31', left: '13.30', right: '13.4' }]);
    expect(result).toMatchObject({ reason: 'one place was changed in different ways on both sides' });
  });

  it('does not decide between a row removed and the same row changed', () => {
    const changed = eleven.replace('13.31', '13.30');
    expect(cells(merge(toa5(ten, eleven), toa5(ten), toa5(ten, changed)))).toEqual([
      { row: '2026-05-01 11:00:00 11', column: '', base: eleven, right: changed },
    ]);
    expect(cells(merge(toa5(ten, eleven), toa5(ten, changed), toa5(ten)))).toEqual([
      { row: '2026-05-01 11:00:00 11', column: '', base: eleven, left: changed },
    ]);
  });

  it('names differing cells of rows that both sides created', () => {
    expect(cells(merge(undefined, toa5(ten, eleven), toa5(eleven.replace('54', '55'), twelve)))).toEqual([
      { row: '2026-05-01 11:00:00 11', column: 'RH', left: '54.85', right: '55.85' },
    ]);
    expect(merged(undefined, toa5(ten, eleven), toa5(eleven, twelve))).toBe(toa5(ten, eleven, twelve));
  });

  it('keeps rows apart that share a time but not a record number', () => {
    const again = '"2026-05-01 10:00:00",11,13.30,49.00';
    expect(merged(toa5(), toa5(ten), toa5(again))).toBe(toa5(ten, again));
  });

  it('does not mix tables with different headers', () => {
    const other = toa5(ten, eleven).replace('Deg C', 'Deg F');
    expect(cells(merge(toa5(ten), toa5(ten, twelve), other))).toEqual([
      { row: 'header line 3', column: 'column 3', base: 'Deg C', left: 'Deg C', right: 'Deg F' },
    ]);
    expect(merge(undefined, toa5(ten), toa5(ten).replace('"RH"', '"RH","P"')).outcome).toBe('conflict');
  });

  it('does not use a base whose columns were others', () => {
    const old = toa5(ten).replace('"RH"', '"Humidity"').replace('49.31', '1');
    expect(merged(old, toa5(ten, eleven), toa5(ten, twelve))).toBe(toa5(ten, eleven, twelve));
  });

  it('merges the two-line headers of older loggers, whatever the file is called', () => {
    const header = '"TOACI1","Site 56","Hourly"\n"TMSTAMP","RECNBR","BattV"\n';
    expect(merged(`${header}1,1,2\n`, `${header}1,1,2\n2,2,2\n`, `${header}1,1,3\n`, 'Hourly')).toBe(`${header}1,1,3\n2,2,2\n`);
  });

  it('finishes a row that was cut off where a side has the whole of it', () => {
    const cut = toa5(ten).concat(eleven.slice(0, 25));
    expect(merged(cut, toa5(ten, eleven), cut.replace('49.31', '49.32'))).toBe(toa5(ten.replace('49.31', '49.32'), eleven));
    // Both sides have only a part: the longer one stays.
    const longer = toa5(ten).concat(eleven.slice(0, 27));
    expect(merged(toa5(ten), cut, longer)).toBe(longer);
    // Parts of different rows.
    expect(cells(merge(toa5(ten), cut, toa5(ten).concat(twelve.slice(0, 25))))[0]).toMatchObject({ row: 'last line' });
  });
});

describe('merging other tables', () => {
  it.each([
    ['semicolons', 'time;t', '10:00;1', '10:05;2', '10:10;3'],
    ['tabs', 'Date Time\tt', '2026-05-01 10:00\t1', '2026-05-01 10:05\t2', '2026-05-01 10:10\t3'],
    ['a separate date and time', 'Date,Time,t', '2026-05-01,10:00,1', '2026-05-01,10:05,2', '2026-05-02,09:00,3'],
    ['parts of a time', 'Year,DOY,Hour,t', '2026,9,1,1', '2026,9,2,2', '2026,10,0,3'],
    ['American dates', 'Date Time, GMT-04:00|t', '05/31/26 11:00:00 PM|1', '06/01/26 12:00:00 AM|2', '06/01/26 01:00:00 PM|3'],
    ['European dates', 'time,t', '31.05.2026 23:00,1', '01.06.2026 00:00,2', '01.06.2026 13:00,3'],
    ['days before months', 'time,t', '13/05/2026,1', '01/06/2026,2', '02/06/2026,3'],
    ['two digits of a year', 'date,t', '12/31/99,1', '01/01/00,2', '01/02/00,3'],
    ['seconds since 1970', 'epoch,t', '999999999,1', '1000000000,2', '1000000001,3'],
    ['record numbers', '#,t', '9,1', '10,2', '11,3'],
    ['identifiers', 'site_id,t', 'A2,1', 'B1,2', 'C,3'],
    ['half days written with points', 'time,t', '11:00 a.m.,1', '12:30 p.m.,2', '1:00 p.m.,3'],
  ])('finds the key and the order in %s', (_, header, one, two, three) => {
    const file = (...rows: string[]) => [header, ...rows, ''].join('\n');
    expect(merged(undefined, file(one, three), file(two))).toBe(file(one, two, three));
    expect(merged(file(one), file(one, two), file(one, three))).toBe(file(one, two, three));
  });

  it('keeps files in which the newest row is on top so', () => {
    expect(
      merged('time,t\n10:02,1\n10:01,1\n', 'time,t\n10:05,1\n10:02,1\n10:01,1\n', 'time,t\n10:06,2\n10:03,2\n10:02,1\n10:01,1\n'),
    ).toBe('time,t\n10:06,2\n10:05,1\n10:03,2\n10:02,1\n10:01,1\n');
  });

  it('takes title, comment and unit lines as part of the header', () => {
    const header = '\ufeff"Plot Title: Creek"\n# logger 7\n"#","Date Time","Temp"\n,yyyy-mm-dd,degC\n';
    expect(merged(`${header}1,2026-05-01,5\n`, `${header}1,2026-05-01,5\n2,2026-05-02,6\n`, `${header}1,2026-05-01,5.5\n`)).toBe(
      `${header}1,2026-05-01,5.5\n2,2026-05-02,6\n`,
    );
    expect(merge(header, `${header}1,2026-05-01,5\n`, header.replace('logger 7', 'logger 8'), 'a.txt').outcome).toBe('conflict');
  });

  it('tells rows of several stations with the same time apart by station', () => {
    const file = (...rows: string[]) => ['time,station,t', ...rows, ''].join('\n');
    expect(merged(file('1,A,5', '1,B,6'), file('1,A,5.5', '1,B,6'), file('1,A,5', '1,B,6', '2,A,7'))).toBe(
      file('1,A,5.5', '1,B,6', '2,A,7'),
    );
  });

  it('takes rows of a repeated key as one, so that no row comes out that nobody wrote', () => {
    const file = (...rows: string[]) => ['time,a,b', ...rows, ''].join('\n');
    // Cell by cell, the left side's first row and the right side's first row would mix.
    expect(cells(merge(file('1,x,y', '1,p,q'), file('1,z,y', '1,x,y', '1,p,q'), file('1,x,w', '1,p,q')))).toHaveLength(1);
    expect(merged(file('1,x,y', '1,p,q', '2,a,b'), file('1,z,y', '1,x,y', '1,p,q', '2,a,b'), file('1,x,y', '1,p,q', '2,a,c'))).toBe(
      file('1,z,y', '1,x,y', '1,p,q', '2,a,c'),
    );
    expect(merged(file('1,x,y', '1,p,q'), file('1,x,y', '1,p,q', '2,a,b'), file('1,p,q'))).toBe(file('1,p,q', '2,a,b'));
  });

  it('gives the same again when its result is merged with what went into it, also where rows were moved or repeated', () => {
    const file = (...rows: string[]) => ['time,a', ...rows, ''].join('\n');
    const histories: [string | undefined, string, string][] = [
      [file('12:05,y'), file('12:01,x', '12:05,y'), file('12:05,x', '12:01,x', '# note', '12:05,x')],
      [undefined, file('12:03,x', '12:04,y'), file('12:04,y', '12:00,x', '12:03,x')],
      [file('12:01,x'), file(), file('12:01,x', '12:02,y', '12:02,z')],
      [`${file()}12:0`, file('"12:03",y'), `${file('12:03,y')}12:0`],
    ];
    for (const [base, left, right] of histories) {
      const result = merged(base, left, right) as string;
      expect(merged(base, result, left)).toBe(result);
      expect(merged(base, right, result)).toBe(result);
    }
  });

  it('merges rows with more or fewer cells than the header as units', () => {
    const file = (...rows: string[]) => ['id,a,b', ...rows, ''].join('\n');
    expect(merged(file('1,x', '2,y,z'), file('1,x,w', '2,y,z'), file('"1","x"', '2,q,z'))).toBe(file('1,x,w', '2,q,z'));
    expect(merged(file('1,x', '2,y,z'), file('"1",x', '2,y,z'), file('1,x,5', '2,q,z'))).toBe(file('1,x,5', '2,q,z'));
    expect(cells(merge(file('1,x'), file('1,x,w'), file('1,y,w,v')))).toEqual([
      { row: '1', column: 'a', base: 'x', left: 'x', right: 'y' },
      { row: '1', column: 'column 4', right: 'v' },
    ]);
  });

  it('takes a change of quotes or line endings for no change of content', () => {
    const resaved = '"id","a","b"\r\n"1","x","y"\r\n"2","5","6"\r\n';
    expect(merged('id,a,b\n1,x,y\n2,5,6\n', resaved, 'id,a,b\n1,x,z\n2,5,6\n3,7,8\n')).toBe(
      '"id","a","b"\r\n"1","x",z\r\n"2","5","6"\r\n3,7,8\r\n',
    );
    // Removed here and only quoted there: removed.
    expect(merged('id,a,b\n1,x,y\n2,5,6\n', resaved, 'id,a,b\n1,x,y\n')).toBe('"id","a","b"\r\n"1","x","y"\r\n');
  });

  it('copies what it does not merge byte for byte, in whatever encoding', () => {
    const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
    const base = latin('id,\u00b5S\n1, 5.00 \n2,"6"\r\n');
    const left = latin('id,\u00b5S\n1, 5.00 \n2,"6"\r\n3,\u00e9\n');
    const right = latin('id,\u00b5S\n1, 5.00 \n2,"6"\r\n4,\u00b0');
    const result = mergeThreeWay({ base, left, right, path: 'a.csv' });
    expect(result).toEqual({ outcome: 'merged', bytes: latin('id,\u00b5S\n1, 5.00 \n2,"6"\r\n3,\u00e9\n4,\u00b0') });
  });

  it('reads cells with delimiters, doubled quotes and line breaks in them', () => {
    const file = (...rows: string[]) => ['id,note,n', ...rows, ''].join('\n');
    const note = '1,"calm, then\n""gale""\nat noon",5';
    expect(merged(file(note, '2,x,6'), file(note.replace(',5', ',7'), '2,x,6'), file(note, '2,y,6'))).toBe(
      file(note.replace(',5', ',7'), '2,y,6'),
    );
    const windows = (text: string) => text.replaceAll('\n', '\r\n');
    expect(merged(windows(file(note)), windows(file(note, '2,x,6')), windows(file(note, '3,y,6')))).toBe(
      windows(file(note, '2,x,6', '3,y,6')),
    );
    const [swift, far] = [file(note, '2,x,6'), `1,"${'xxxxxxx\n'.repeat(40_000)}`];
    expect(merged(swift, swift.replace('x,6', 'x,7'), swift + far)).toBe(swift.replace('x,6', 'x,7') + far);
    const twice = merge(file(note), file(note.replace(',5', ',7')), file(note.replace(',5', ',8')));
    expect(cells(twice)).toEqual([{ row: '1', column: 'n', base: '5', left: '7', right: '8' }]);
    // A stray quote opens nothing; one that never closes is a character.
    expect(merged(file('1,5" pipe,1', '2,x,6'), file('1,5" pipe,2', '2,x,6'), file('1,5" pipe,1', '2,y,6'))).toBe(
      file('1,5" pipe,2', '2,y,6'),
    );
    expect(merged(file('1,"open,1', '2,x,6'), file('1,"open,1', '2,"z,6'), file('1,"open,1', '2,x,6', '3,y,6'))).toBe(
      file('1,"open,1', '2,"z,6', '3,y,6'),
    );
  });

  it('keeps comments and blank lines with the row behind them, and says when both sides changed them', () => {
    const file = (comment: string, ...rows: string[]) => `id,a\n1,x\n${comment}\n2,y\n${rows.map((row) => `${row}\n`).join('')}`;
    expect(merged(file('# sensor cleaned'), file('# sensor cleaned', '3,z'), file('# sensor washed'))).toBe(file('# sensor washed', '3,z'));
    expect(cells(merge(file('# a'), file('# b'), file('# c')))).toEqual([
      { row: 'lines before 2', column: '', base: '# a\n', left: '# b\n', right: '# c\n' },
    ]);
    expect(cells(merge('id,a\n1,x\n# end\n', 'id,a\n1,x\n# END\n', 'id,a\n1,x\n# fin\n'))[0]).toMatchObject({
      row: 'last lines',
      left: '# END\n',
    });
    expect(merged('id,a\n1,x\n\n', 'id,a\n1,x\n\n2,y\n', 'id,a\n1,z\n\n')).toBe('id,a\n1,z\n\n2,y\n');
  });

  it('merges into a file that was created without content', () => {
    expect(merged('', 'id,a\n1,x\n', 'id,a\n2,y')).toBe('id,a\n1,x\n2,y');
    expect(merged(undefined, 'id,a', 'id,a\n2,y')).toBe('id,a\n2,y');
  });

  it('lists no more cells than it may, and says how many there are', () => {
    const file = (value: string) =>
      ['id,a', ...Array.from({ length: conflictCellsMax + 5 }, (_, id) => `${id},${value.repeat(300)}`), ''].join('\n');
    const result = merge(file('x'), file('y'), file('z'));
    expect(cells(result)).toHaveLength(conflictCellsMax);
    expect(cells(result)[0]?.left).toBe(`${'y'.repeat(255)}…`);
    expect(result).toMatchObject({ reason: `${conflictCellsMax + 5} places were changed in different ways on both sides` });
  });
});

describe('what is not merged', () => {
  const outcome = (base: Uint8Array | undefined, left: Uint8Array, right: Uint8Array, path: string) =>
    mergeThreeWay({ base, left, right, path }).outcome;

  it.each([
    ['binary content', 'id,a\n1,\0\n', 'id,a\n2,\0\n', 'a.csv'],
    ['prose', 'At the time, we left.\n', 'At the time, they left.\n', 'notes.md'],
    ['a table without a key', 'a,b\n1,2\n', 'a,b\n3,4\n', 'a.csv'],
    ['a table without a header', '1,2\n', '3,4\n', 'a.csv'],
    ['half a logger header', '"TOA5","x"\n"TIMESTAMP","RECORD"\n', '"TOA5","x"\n"TIMESTAMP","RECORD"\n"TS","RN"\n', 'a.dat'],
    ['a logger table without a key', '"TOACI1","x"\n"A","B"\n1,2\n', '"TOACI1","x"\n"A","B"\n3,4\n', 'a.dat'],
    ['different formats', 'id,a\n1,2\n', '{"id":1}', 'a.csv'],
    ['nothing on one side', '', 'id,a\n1,2\n', 'a.csv'],
  ])('is %s', (_, left, right, path) => {
    expect(outcome(undefined, utf8(left), utf8(right), path)).toBe('not-mergeable');
    expect(outcome(utf8('something else'), utf8(left), utf8(right), path)).toBe('not-mergeable');
  });

  it('is a file that is too large, unless one side left it alone', () => {
    const large = (digit: string) => concatBytes(utf8('id,a\n'), new Uint8Array(64 * 1024 * 1024).fill(digit.charCodeAt(0)));
    const [base, left] = [large('1'), large('2')];
    expect(outcome(base, left, utf8('id,a\n'), 'a.csv')).toBe('not-mergeable');
    expect(outcome(base, left, base, 'a.csv')).toBe('merged');
  });

  it('is a table of too many lines', () => {
    const many = (row: string) => utf8(`id,a\n${row.repeat(1_000_000)}`);
    expect(outcome(undefined, many('1\n'), many('2\n'), 'a.csv')).toBe('not-mergeable');
  });

  it('does not hinder taking the version that alone was changed, or that both made', () => {
    const [a, b] = [Uint8Array.of(0, 1), Uint8Array.of(0, 2)];
    expect(mergeThreeWay({ base: a, left: a, right: b, path: 'x' })).toEqual({ outcome: 'merged', bytes: b });
    expect(mergeThreeWay({ base: a, left: b, right: a, path: 'x' })).toEqual({ outcome: 'merged', bytes: b });
    expect(mergeThreeWay({ base: a, left: b, right: b.slice(), path: 'x' })).toEqual({ outcome: 'merged', bytes: b });
  });
});
