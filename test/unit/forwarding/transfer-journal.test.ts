import { beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import type { DatasetId, Hash } from '../../../src/core/identifiers.ts';
import { TransferJournal } from '../../../src/forwarding/transfer-journal.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const hash = (n: number) => new Uint8Array(32).fill(n) as Hash;
const [one, two] = [hash(101), hash(102)];

let catalog: ReturnType<typeof openSqliteCatalog>;
let journal: TransferJournal;
beforeEach(() => {
  catalog = openSqliteCatalog(':memory:');
  journal = new TransferJournal(catalog);
});

const parts = (root: Hash) => journal.parts(root).map(({ object, bytes }) => `${object} ${new TextDecoder().decode(bytes)}`);

describe('the journal of incomplete contents', () => {
  it('keeps plan, bases and stored groups over restarts', () => {
    journal.begin(one, utf8('plan'), [hash(1), hash(2)]);
    journal.addGroup(one, 1, [hash(5)]);
    journal.addGroup(one, 0, [hash(3), hash(4)]);
    journal = new TransferJournal(catalog);
    expect(journal.plan(one)).toEqual({ planObject: utf8('plan'), bases: [hash(1), hash(2)] });
    expect(journal.groups(one)).toEqual([0, 1]);
    expect(journal.hashes(one)).toEqual([hash(3), hash(4), hash(5)]);
    expect(journal.plan(two)).toBeUndefined();
  });

  it('drops what was here by another plan', () => {
    journal.begin(one, utf8('plan'), []);
    journal.addGroup(one, 0, [hash(3)]);
    journal.addPart(one, 2, 0, utf8('x'));
    journal.begin(one, utf8('other'), []);
    expect([journal.plan(one)?.bases, journal.groups(one), parts(one)]).toEqual([[], [], []]);
  });

  it('joins what arrived of an object, up to the first gap', () => {
    journal.addPart(one, 1, 0, utf8('ab'));
    journal.addPart(one, 1, 2, utf8('c'));
    journal.addPart(one, 1, 4, utf8('e'));
    journal.addPart(one, 2, 5, utf8('behind a gap'));
    journal.addPart(one, 3, 0, utf8('x'));
    journal.addPart(two, 1, 0, utf8('other'));
    expect(parts(one)).toEqual(['1 abc', '3 x']);
    journal.addPart(one, 1, 3, utf8('d'));
    expect(parts(one)).toEqual(['1 abcde', '3 x']);
  });

  it('joins a day of pieces from a slow link at once', () => {
    const pieces = 20_000;
    catalog.transaction(() => {
      for (let at = 0; at < pieces; at++) journal.addPart(one, 1, at * 4, Uint8Array.of(at, at >> 8, 0, 0));
    });
    expect(journal.parts(one)[0]?.bytes).toHaveLength(pieces * 4);
  });

  it('drops the beginning of an object that is stored, or begins anew', () => {
    for (const object of [1, 2, 3]) journal.addPart(one, object, 0, utf8('x'));
    journal.addGroup(one, 0, [hash(3)]);
    journal.dropParts(one, 3);
    expect(parts(one)).toEqual(['2 x']);
  });

  it('forgets a content that is complete, and no other', () => {
    for (const root of [one, two]) {
      journal.begin(root, utf8('plan'), []);
      journal.addGroup(root, 0, [hash(3)]);
      journal.addPart(root, 2, 0, utf8('x'));
    }
    journal.forget(one);
    expect([journal.plan(one), journal.groups(one), parts(one)]).toEqual([undefined, [], []]);
    expect([journal.groups(two), parts(two)]).toEqual([[0], ['2 x']]);
  });

  it('forgets on opening what nobody wants any more', () => {
    journal.begin(one, utf8('plan'), []);
    journal.addPart(two, 1, 0, utf8('x'));
    journal.addGroup(hash(103), 0, [hash(3)]);
    journal.retain((root) => root[0] === 101);
    expect([journal.plan(one) !== undefined, parts(two), journal.groups(hash(103))]).toEqual([true, [], []]);
  });

  it('keeps in mind which superseded contents are fetched as bases, until they are complete or given up', () => {
    const dataset = 'd5'.repeat(32) as DatasetId;
    journal.begin(one, utf8('plan'), []);
    journal.finishAsBase(one, dataset, 'a.dat');
    journal.finishAsBase(two, dataset, 'b.dat');
    journal.begin(one, utf8('another plan'), []);
    expect(journal.basesUnderWay(dataset, 'a.dat').map((root) => root[0])).toEqual([101]);
    expect(journal.basesUnderWay('d6'.repeat(32) as DatasetId, 'a.dat')).toEqual([]);
    journal.forget(one);
    expect([journal.basesUnderWay(dataset, 'a.dat'), journal.basesUnderWay(dataset, 'b.dat').length]).toEqual([[], 1]);
    journal.retain(() => false);
    expect(journal.basesUnderWay(dataset, 'b.dat')).toEqual([]);
  });

  it('knows about how much of a content is here', () => {
    expect(journal.arrivedBytes(one, 1e6)).toBe(0);
    journal.begin(one, utf8('plan'), []);
    journal.addGroup(one, 0, [hash(1), hash(2)]);
    journal.addPart(one, 2, 0, new Uint8Array(100));
    expect([journal.arrivedBytes(one, 1e6), journal.arrivedBytes(one, 5000)]).toEqual([2 * 65_536 + 100, 5000]);
  });
});
