import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CborValue } from '../../../src/core/cbor.ts';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { Dot } from '../../../src/datasets/log-entry.ts';
import {
  decodeTagOperation,
  encodeTagOperation,
  entriesOf,
  isTagName,
  TagBook,
  type TagOperation,
  tagsPerAuthorMax,
} from '../../../src/datasets/tags.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const [a, b] = [11, 12].map((byte) => identifier<NodeId>(new Uint8Array(32).fill(byte))) as [NodeId, NodeId];
const version = VersionVector.of([
  [a, 3],
  [b, 5],
]);

interface Entry {
  readonly dot: Dot;
  readonly operation: TagOperation;
}

function take(book: TagBook, { dot, operation }: Entry): void {
  const header = { instant: { wallMs: dot.sequence * 10, counter: 0 }, clockQuality: 'ntp' as const };
  expect(book.apply(dataset, dot, header, encodeTagOperation(operation)).ok).toBe(true);
}

const set = (author: NodeId, sequence: number, name: string): Entry => ({
  dot: { author, sequence },
  operation: { type: 'set', name, version },
});
const remove = (author: NodeId, sequence: number, tag: Dot): Entry => ({ dot: { author, sequence }, operation: { type: 'remove', tag } });

describe('tags', () => {
  it('come out as they went in, the earliest first, also after a restart', () => {
    const catalog = openSqliteCatalog(':memory:');
    const book = new TagBook(catalog);
    take(book, set(b, 2, 'later'));
    take(book, set(a, 1, 'earlier'));
    expect(book.tags(dataset)).toEqual([
      { author: a, sequence: 1, name: 'earlier', version, instant: { wallMs: 10, counter: 0 }, clockQuality: 'ntp' },
      { author: b, sequence: 2, name: 'later', version, instant: { wallMs: 20, counter: 0 }, clockQuality: 'ntp' },
    ]);
    expect(new TagBook(catalog).tags(dataset)).toEqual(book.tags(dataset));
    expect(book.tag(dataset, 'later')?.version.compare(version)).toBe('equal');
  });

  it('leave out of their version what they say does not belong to it, also after a restart', () => {
    const catalog = openSqliteCatalog(':memory:');
    const without = [{ node: b, from: 2, to: 3 }];
    take(new TagBook(catalog), { dot: { author: a, sequence: 1 }, operation: { type: 'set', name: 'x', version, without } });
    const tag = new TagBook(catalog).tag(dataset, 'x')!;
    expect(tag.without).toEqual(without);
    const belongs = (author: NodeId) => [1, 2, 3, 4, 5, 6].filter((sequence) => entriesOf(tag).contains({ author, sequence }));
    expect([belongs(a), belongs(b)]).toEqual([
      [1, 2, 3],
      [1, 4, 5],
    ]);
  });

  it.each([
    ['that is cut', [new Uint8Array(32), 1]],
    ['that ends before it begins', [new Uint8Array(32), 3, 2]],
    ['of nobody', [new Uint8Array(31), 1, 2]],
    ['that is nothing', []],
  ])('are malformed with a range left out %s', (_, ranges) => {
    expect(decodeTagOperation(['set', 'x', version.toCbor(), ranges])).toMatchObject({ ok: false, fault: { code: 'TAG_MALFORMED' } });
  });

  it('are the same in whatever order entries of different authors arrive', () => {
    const entries = [
      set(a, 1, 'x'),
      set(b, 1, 'x'),
      remove(b, 2, { author: a, sequence: 1 }),
      set(a, 2, 'y'),
      remove(a, 3, { author: b, sequence: 1 }),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (order) => {
        const book = new TagBook(openSqliteCatalog(':memory:'));
        for (const entry of [...order, ...order]) take(book, entry);
        expect(book.tags(dataset).map(({ name, author }) => [name, author])).toEqual([['y', a]]);
      }),
      { numRuns: 30, seed: 5 },
    );
  });

  it('of one author are limited, and removing one makes room', () => {
    const book = new TagBook(openSqliteCatalog(':memory:'));
    for (let at = 1; at <= tagsPerAuthorMax + 1; at++) take(book, set(a, at, `t${at}`));
    expect(book.tags(dataset)).toHaveLength(tagsPerAuthorMax);
    take(book, remove(a, 9000, { author: a, sequence: 1 }));
    take(book, set(a, 9001, 'again'));
    expect(book.tag(dataset, 'again')).toBeDefined();
  });

  it('are refused when an entry is not of the format, whatever it says', () => {
    for (const payload of [
      null,
      1,
      [],
      ['set'],
      ['set', '', [new Uint8Array(0)]],
      ['remove', new Uint8Array(31), 1],
      ['remove', new Uint8Array(32), 0],
    ] as CborValue[])
      expect(decodeTagOperation(payload)).toMatchObject({ ok: false, fault: { code: 'TAG_MALFORMED', blame: 'peer' } });
    expect(decodeTagOperation(['set', 'x', [new Uint8Array(31), 1]])).toMatchObject({ ok: false, fault: { code: 'VECTOR_MALFORMED' } });
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => decodeTagOperation(value as CborValue)).not.toThrow();
      }),
      { numRuns: 200, seed: 6 },
    );
    expect([isTagName('ok'), isTagName(''), isTagName('\ud800'), isTagName('x'.repeat(257))]).toEqual([true, false, false, false]);
  });
});

describe('tags that their author takes back', () => {
  it('are gone, and what was removed can be set anew', () => {
    const book = new TagBook(openSqliteCatalog(':memory:'));
    for (const entry of [set(a, 1, 'x'), set(b, 4, 'y'), set(a, 2, 'w'), remove(a, 3, { author: a, sequence: 2 }), set(a, 4, 'z')])
      take(book, entry);
    expect(book.tags(dataset).map(({ name }) => name)).toEqual(['x', 'z', 'y']);
    book.retract(dataset, a, 1);
    expect(book.tags(dataset).map(({ name }) => name)).toEqual(['x', 'y']);
    take(book, set(a, 2, 'w'));
    expect(book.tags(dataset).map(({ name }) => name)).toEqual(['x', 'w', 'y']);
  });
});
