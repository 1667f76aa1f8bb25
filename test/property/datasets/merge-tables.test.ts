import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8, utf8Text } from '../../../src/core/bytes.ts';
import type { ConflictCell, MergeResult } from '../../../src/datasets/merge/merge-result.ts';
import { mergeThreeWay } from '../../../src/datasets/merge/merge-three-way.ts';

/**
 * The dumb implementation: a table is a map from minute to a map from column to value. It knows nothing of bytes, quotes or order, and its files are written out sorted.
 */
type Table = Map<number, Map<string, string>>;

const columns = ['A', 'B'] as const;

const cellValue = fc.constantFrom('1', '2.50', '"x,y"', '');
const tableRow = fc
  .tuple(...columns.map(() => cellValue))
  .map((values) => new Map(columns.map((column, index) => [column as string, values[index] as string])));
const table: fc.Arbitrary<Table> = fc.array(fc.tuple(fc.nat({ max: 11 }), tableRow), { maxLength: 8 }).map((rows) => new Map(rows));

type Edit = { minute: number; change: 'remove' | 'insert' | 'set'; column: string; value: string; row: Map<string, string> };
const edit: fc.Arbitrary<Edit> = fc.record({
  minute: fc.nat({ max: 11 }),
  change: fc.constantFrom('remove', 'insert', 'set', 'set'),
  column: fc.constantFrom(...columns),
  value: cellValue,
  row: tableRow,
});

function edited(from: Table, edits: readonly Edit[]): Table {
  const to: Table = new Map([...from].map(([minute, row]) => [minute, new Map(row)]));
  for (const { minute, change, column, value, row } of edits) {
    if (change === 'remove') to.delete(minute);
    else if (change === 'insert' && !to.has(minute)) to.set(minute, new Map(row));
    else to.get(minute)?.set(column, value);
  }
  return to;
}

const stamp = (minute: number) => `"2026-05-01 12:${String(minute).padStart(2, '0')}:00"`;

function written(from: Table): Uint8Array {
  const header =
    '"TOA5","site","CR1000X","1","os","prog","1","Met"\r\n"TIMESTAMP","RECORD","A","B"\r\n"TS","RN","",""\r\n"","","Smp","Smp"\r\n';
  const rows = [...from]
    .sort(([a], [b]) => a - b)
    .map(([minute, row]) => `${stamp(minute)},${100 + minute},${columns.map((column) => row.get(column)).join(',')}\r\n`);
  return utf8(header + rows.join(''));
}

/** The merged table, or the places of conflict as `minute column`, with an empty column for a row removed on one side and changed on the other. */
function dumbMerge(base: Table, left: Table, right: Table): { table: Table; conflicts: Set<string> } {
  const merged: Table = new Map();
  const conflicts = new Set<string>();
  const same = (a: Map<string, string> | undefined, b: Map<string, string> | undefined) =>
    JSON.stringify([...(a ?? [])]) === JSON.stringify([...(b ?? [])]);
  for (const minute of new Set([...base.keys(), ...left.keys(), ...right.keys()])) {
    const [b, l, r] = [base.get(minute), left.get(minute), right.get(minute)];
    if (l !== undefined && r !== undefined) {
      const row = new Map<string, string>();
      for (const column of columns) {
        const [bc, lc, rc] = [b?.get(column), l.get(column) as string, r.get(column) as string];
        if (lc !== rc && lc !== bc && rc !== bc) conflicts.add(`${minute} ${column}`);
        row.set(column, lc === bc ? rc : lc);
      }
      merged.set(minute, row);
    } else {
      const kept = l ?? r;
      if (kept === undefined) continue;
      if (b === undefined) merged.set(minute, kept);
      else if (!same(b, kept)) conflicts.add(`${minute} `);
    }
  }
  return { table: merged, conflicts };
}

function places(cells: readonly ConflictCell[]): Set<string> {
  return new Set(cells.map(({ row, column }) => `${Number(/12:(\d\d)/.exec(row)?.[1])} ${column}`));
}

const shown = (result: MergeResult) =>
  result.outcome === 'merged' ? utf8Text(result.bytes) : result.outcome === 'conflict' ? places(result.cells) : result.reason;

const sides = fc.record({ base: table, left: fc.array(edit, { maxLength: 5 }), right: fc.array(edit, { maxLength: 5 }) });

it('merging tables does what merging maps of maps does', () => {
  fc.assert(
    fc.property(sides, fc.boolean(), ({ base, left, right }, known) => {
      const [l, r] = [edited(base, left), edited(base, right)];
      const result = mergeThreeWay({ base: known ? written(base) : undefined, left: written(l), right: written(r), path: 'met.dat' });
      const expected = dumbMerge(known ? base : new Map(), l, r);
      expect(shown(result)).toEqual(expected.conflicts.size > 0 ? expected.conflicts : utf8Text(written(expected.table)));
    }),
    { numRuns: 1500 },
  );
});

// Lines in any order and writing, with some that are no rows: what the dumb implementation knows nothing of.
const lineBreak = fc.constantFrom('\n', '\r\n');
const quoting = fc.constantFrom('', '"');
const anyRow = fc.record({
  minute: fc.nat({ max: 5 }),
  a: fc.constantFrom('1', '2'),
  b: fc.constantFrom('x', 'y'),
  quote: quoting,
  before: fc.constantFrom('', '', '', '\n', '# note\n'),
});
const anyFile = fc
  .record({
    rows: fc.array(anyRow, { maxLength: 6 }),
    ending: lineBreak,
    open: fc.boolean(),
    torn: fc.constantFrom('', '', '12:0', '12:03,1'),
    unique: fc.boolean(),
  })
  .map(({ rows, ending, open, torn, unique }) => {
    const seen = new Set<number>();
    const kept = rows.filter(({ minute }) => !unique || (!seen.has(minute) && seen.add(minute)));
    const lines = kept
      .map(({ minute, a, b, quote, before }) => `${before}${quote}12:0${minute}${quote},${quote}${a}${quote},${b}\n`)
      .join('');
    const text = `time,a,b\n${lines}${torn}`;
    return utf8((open ? text.replace(/\n$/, '') : text).replaceAll('\n', ending));
  });

it('merging does not depend on which side is left, and merging the result again changes nothing', () => {
  const counts = { merged: 0, conflict: 0 };
  fc.assert(
    fc.property(fc.option(anyFile, { nil: undefined }), anyFile, anyFile, (base, left, right) => {
      const result = mergeThreeWay({ base, left, right, path: 'a.csv' });
      const swapped = mergeThreeWay({ base, left: right, right: left, path: 'a.csv' });
      if (result.outcome !== 'merged') {
        expect(swapped.outcome).toBe(result.outcome);
        if (result.outcome === 'conflict' && swapped.outcome === 'conflict') {
          counts.conflict++;
          expect(places(swapped.cells)).toEqual(places(result.cells));
        }
        return;
      }
      counts.merged++;
      expect(shown(swapped)).toBe(shown(result));
      for (const side of [left, right]) {
        expect(shown(mergeThreeWay({ base, left: result.bytes, right: side, path: 'a.csv' }))).toBe(shown(result));
        expect(shown(mergeThreeWay({ base: side, left: result.bytes, right: side, path: 'a.csv' }))).toBe(shown(result));
      }
    }),
    { numRuns: 2000 },
  );
  expect(counts.merged).toBeGreaterThan(100);
  expect(counts.conflict).toBeGreaterThan(100);
});

it('no bytes make a merge throw', () => {
  const piece = fc.constantFrom(
    'time',
    'id',
    ',',
    ';',
    '"',
    '""',
    '\n',
    '\r',
    '\r\n',
    '12:00',
    '1',
    '#',
    '\ufeff',
    '"TOA5"',
    '{',
    '}',
    '[',
    ']',
    ':',
    '"id":',
    '\\',
    'µ',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(piece, { maxLength: 40 }).map((pieces) => utf8(pieces.join(''))),
  );
  fc.assert(
    fc.property(fc.option(bytes, { nil: undefined }), bytes, bytes, fc.constantFrom('a.csv', 'a.json', 'a'), (base, left, right, path) => {
      const result = mergeThreeWay({ base, left, right, path });
      expect(mergeThreeWay({ base, left: right, right: left, path }).outcome).toBe(result.outcome);
    }),
    { numRuns: 1500 },
  );
});
