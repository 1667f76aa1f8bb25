import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { diffContents } from '../../../src/datasets/merge/content-diff.ts';

const cell = fc.constantFrom('', '1', '2.50', 'a b', '"q,x"');
const rows = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 30 }), cell, cell), { selector: ([id]) => id, maxLength: 12 });
type Rows = readonly (readonly [number, string, string])[];
const table = (body: Rows) => utf8(['id,u,v', ...body.map((row) => row.join(','))].map((line) => `${line}\n`).join(''));

const document = fc.dictionary(fc.constantFrom('a', 'b', 'c', '~/'), fc.oneof(fc.integer(), fc.constantFrom('x', 'y'), fc.boolean()));

describe('a difference of contents', () => {
  it('of tables counts what a naive comparison of rows counts, in any order of rows', () => {
    fc.assert(
      fc.property(rows, rows, (before, after) => {
        const [old, fresh] = [new Map(before.map((row) => [row[0], row])), new Map(after.map((row) => [row[0], row]))];
        const removed = before.filter(([id]) => !fresh.has(id)).length;
        const added = after.filter(([id]) => !old.has(id)).length;
        const changed = before.reduce((sum, [id, u, v]) => {
          const row = fresh.get(id);
          return row === undefined ? sum : sum + Number(row[1] !== u) + Number(row[2] !== v);
        }, 0);
        const difference = diffContents(table(before), table(after), 't.csv');
        expect(difference).toMatchObject({ format: 'table', added, removed, changed });
        if (difference.format === 'table') expect(difference.places).toHaveLength(added + removed + changed);
      }),
      { numRuns: 200, seed: 11 },
    );
  });

  it('of JSON counts members, and is nothing for documents that only look different', () => {
    fc.assert(
      fc.property(document, document, (before, after) => {
        const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
        const count = (test: (key: string) => boolean) => [...keys].filter(test).length;
        expect(diffContents(utf8(JSON.stringify(before)), utf8(JSON.stringify(after, null, 2)), 'x.json')).toMatchObject({
          format: 'json',
          added: count((key) => !Object.hasOwn(before, key)),
          removed: count((key) => !Object.hasOwn(after, key)),
          changed: count((key) => Object.hasOwn(before, key) && Object.hasOwn(after, key) && before[key] !== after[key]),
        });
      }),
      { numRuns: 200, seed: 12 },
    );
  });

  it('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom('a.csv', 'a.json', 'a.dat', 'a'),
        (a, b, path) => {
          expect(['table', 'json', 'opaque']).toContain(diffContents(a, b, path).format);
        },
      ),
      { numRuns: 500, seed: 13 },
    );
  });

  it('says why when it can say nothing', () => {
    const reason = (before: string, after: string, path: string) => {
      const found = diffContents(utf8(before), utf8(after), path);
      return found.format === 'opaque' ? found.reason : found.format;
    };
    expect(reason('id,a\n1,2\n', 'id,b\n1,2\n', 'x.csv')).toContain('other columns');
    expect(reason('a\0b', 'c', 'x.csv')).toContain('binary');
    expect(reason('{', '[]', 'x.json')).toContain('valid JSON');
    expect(reason('plain words', 'other words', 'x.txt')).toContain('not both versions are tables');
    expect(reason('{"a":[1,2]}', '{"a":[1,3]}', 'x.json')).toBe('json');
  });

  it('lists header lines that changed, a limited number of places, and cut texts', () => {
    const many = (value: string) => utf8(`id,v\n${Array.from({ length: 1500 }, (_, at) => `${at},${value}`).join('\n')}\n`);
    const found = diffContents(many('x'), many('y'.repeat(400)), 'x.csv');
    if (found.format !== 'table') throw new Error('a table was expected');
    expect([found.changed, found.places.length]).toEqual([1500, 1000]);
    expect(found.places[0]?.after).toHaveLength(256);
    const toa5 = (program: string) =>
      utf8(
        `"TOA5","s","CR6","1","os","${program}","2","t"\n"TIMESTAMP","RECORD","T"\n"TS","RN","C"\n"","","Avg"\n"2026-01-01 00:00:00",1,2\n`,
      );
    expect(diffContents(toa5('a'), toa5('b'), 'x.dat')).toMatchObject({ changed: 1, places: [{ row: 'header line 1' }] });
  });
});
