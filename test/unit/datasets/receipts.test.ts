import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { ReceiptBook } from '../../../src/datasets/receipts.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(1));
const node = identifier<NodeId>(pair.publicKey);

function newBook(): { book: ReceiptBook; catalog: Catalog } {
  const catalog = openSqliteCatalog(':memory:');
  return { book: new ReceiptBook(catalog, crypto), catalog };
}

/** Whose log is held. */
const author = identifier<NodeId>(new Uint8Array(32).fill(5));
const upTo = (length: number, own = 0) =>
  VersionVector.of([
    [author, length],
    [node, own],
  ]);

/** A receipt as it travels. */
function claim(length: number, wallMs: number, counter = 0) {
  const receipt = newBook().book.issue(node, pair.secretKey, dataset, upTo(length), true, { wallMs, counter })!;
  return { node, dataset, vector: receipt.vector, marks: receipt.marks, wallMs, counter, subscribed: true, signature: receipt.signature };
}

describe('our own receipts', () => {
  it('are issued only when they say something new', () => {
    const { book } = newBook();
    const issue = (length: number, wallMs: number) => book.issue(node, pair.secretKey, dataset, upTo(length), true, { wallMs, counter: 0 });
    expect(issue(3, 100)?.vector.lengthOf(author)).toBe(3);
    expect(issue(3, 200)).toBeUndefined();
    expect(issue(4, 300)?.vector.lengthOf(author)).toBe(4);
    expect(issue(2, 400)?.vector.lengthOf(author)).toBe(2);
    expect(book.of(node, dataset)?.instant.wallMs).toBe(400);
  });

  it('are not issued because the node wrote something itself, and are when it holds less of that than it said', () => {
    const { book } = newBook();
    const issue = (own: number, wallMs: number, length = 3) =>
      book.issue(node, pair.secretKey, dataset, upTo(length, own), true, { wallMs, counter: 0 })?.vector.lengthOf(node);
    expect(issue(0, 100)).toBe(0);
    expect(issue(7, 200)).toBeUndefined();
    expect(issue(8, 300, 4)).toBe(8);
    expect(issue(5, 400, 4)).toBe(5);
  });

  it('are issued when the node subscribes or unsubscribes', () => {
    const { book } = newBook();
    const issue = (subscribed: boolean, wallMs: number) =>
      book.issue(node, pair.secretKey, dataset, VersionVector.empty, subscribed, { wallMs, counter: 0 })?.subscribed;
    // To subscribe is what every member does until it says otherwise.
    expect(issue(true, 100)).toBeUndefined();
    expect(issue(false, 200)).toBe(false);
    expect(issue(false, 300)).toBeUndefined();
    expect(issue(true, 400)).toBe(true);
    expect(book.of(node, dataset)?.subscribed).toBe(true);
  });

  it('are newer than the last even when the clock was set back, so that others take them', () => {
    const { book } = newBook();
    const others = newBook().book;
    for (const [length, wallMs] of [
      [1, 5000],
      [2, 10],
      [3, 11],
    ] as const) {
      const receipt = book.issue(node, pair.secretKey, dataset, upTo(length), true, { wallMs, counter: 0 })!;
      const wire = { ...receipt, wallMs: receipt.instant.wallMs, counter: receipt.instant.counter };
      expect(others.accept(wire)).toMatchObject({ ok: true, value: { instant: receipt.instant } });
    }
    expect(others.of(node, dataset)?.vector.lengthOf(author)).toBe(3);
  });
});

describe('a receipt from a peer', () => {
  it('replaces an older one and is not replaced by it', () => {
    const { book } = newBook();
    expect(book.accept(claim(5, 200))).toMatchObject({ ok: true, value: { node, dataset, subscribed: true, instant: { wallMs: 200 } } });
    expect(book.accept(claim(4, 100))).toEqual({ ok: true, value: 'known' });
    expect(book.accept(claim(9, 200))).toEqual({ ok: true, value: 'known' });
    expect(book.accept(claim(3, 200, 1))).toMatchObject({ ok: true, value: { instant: { wallMs: 200, counter: 1 } } });
    expect(book.of(node, dataset)?.vector.lengthOf(author)).toBe(3);
  });

  it.each([
    ['a longer vector', (honest: ReturnType<typeof claim>) => ({ ...honest, vector: upTo(99) })],
    ['another dataset', (honest: ReturnType<typeof claim>) => ({ ...honest, dataset: identifier<DatasetId>(new Uint8Array(32).fill(9)) })],
    ['another node', (honest: ReturnType<typeof claim>) => ({ ...honest, node: identifier<NodeId>(new Uint8Array(32).fill(9)) })],
    ['another time', (honest: ReturnType<typeof claim>) => ({ ...honest, wallMs: 201 })],
    ['another subscription', (honest: ReturnType<typeof claim>) => ({ ...honest, subscribed: false })],
    ['another branch', (honest: ReturnType<typeof claim>) => ({ ...honest, marks: new Uint8Array(3).fill(1) })],
    ['another counter', (honest: ReturnType<typeof claim>) => ({ ...honest, counter: 1 })],
  ])('is refused with %s than was signed', (_, forge) => {
    const { book } = newBook();
    expect(book.accept(forge(claim(5, 200)))).toMatchObject({ ok: false, fault: { code: 'RECEIPT_SIGNATURE', blame: 'peer' } });
    expect(book.all()).toEqual([]);
  });

  it.each([
    ['a time that no integer column holds', { wallMs: 1e300 }],
    ['a negative counter', { counter: -1 }],
    ['a log of which no branch is said', { marks: new Uint8Array(0) }],
  ])('is malformed with %s', (_, change) => {
    const refused = newBook().book.accept({ ...claim(5, 200), ...change });
    expect(refused).toMatchObject({ ok: false, fault: { code: 'RECEIPT_MALFORMED', blame: 'peer' } });
  });

  it('is refused for more datasets than a team may have, while known ones go on', () => {
    const { book, catalog } = newBook();
    book.accept(claim(1, 100));
    catalog.run(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO receipt (node, dataset, vector, wall_ms, counter, signature) SELECT ?, CAST(printf('%032d', i) AS BLOB), x'80', 0, 0, x'00' FROM n`,
      limits.datasetsPerTeamMax - 1,
      pair.publicKey,
    );
    const other = newBook().book.issue(node, pair.secretKey, identifier<DatasetId>(new Uint8Array(32).fill(9)), upTo(1), true, {
      wallMs: 1,
      counter: 0,
    })!;
    const wire = { ...other, wallMs: 1, counter: 0 };
    expect(book.accept(wire)).toMatchObject({ ok: false, fault: { code: 'RECEIPTS_FULL', blame: 'local' } });
    expect(book.accept(claim(2, 200))).toMatchObject({ ok: true, value: { instant: { wallMs: 200 } } });
  });
});

describe('a book of receipts', () => {
  it('has equal digests exactly when it holds the same receipts', () => {
    const [one, two] = [newBook().book, newBook().book];
    expect(one.digest()).toEqual(two.digest());
    one.accept(claim(5, 200));
    expect(one.digest()).not.toEqual(two.digest());
    two.accept(claim(4, 100));
    two.accept(claim(5, 200));
    expect(one.digest()).toEqual(two.digest());
    expect(one.digest()).toHaveLength(4);
  });

  it('lists receipts of all datasets or of one', () => {
    const { book } = newBook();
    book.accept(claim(5, 200));
    expect(book.all().map((receipt) => receipt.dataset)).toEqual([dataset]);
    expect(book.all(dataset)).toHaveLength(1);
    expect(book.all(identifier<DatasetId>(new Uint8Array(32).fill(9)))).toEqual([]);
    expect(book.of(node, identifier<DatasetId>(new Uint8Array(32).fill(9)))).toBeUndefined();
  });

  it('claims nothing by a row that storage has damaged', () => {
    const { book, catalog } = newBook();
    book.accept(claim(5, 200));
    catalog.run(`UPDATE receipt SET vector = x'ff'`);
    expect(book.of(node, dataset)?.vector.size).toBe(0);
  });
});
