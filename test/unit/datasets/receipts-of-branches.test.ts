import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { ReceiptBook } from '../../../src/datasets/receipts.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const writer = crypto.ed25519KeyPair(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(writer.publicKey);
const holder = crypto.ed25519KeyPair(new Uint8Array(32).fill(2));
const node = identifier<NodeId>(holder.publicKey);

/** Entries of two branches, which part behind the second. */
function branch(...bodies: readonly number[]): LogEntry[] {
  const logs = new LogStore(openSqliteCatalog(':memory:'), crypto);
  return bodies.map((body) => logs.append(dataset, author, writer.secretKey, Uint8Array.of(body)));
}
const left = branch(1, 2, 3, 4, 5);
const right = branch(1, 2, 33, 44, 55);

/** Somebody who has these entries, in this order. */
function holding(entries: readonly LogEntry[]) {
  const catalog = openSqliteCatalog(':memory:');
  const logs = new LogStore(catalog, crypto);
  for (const entry of entries) logs.accept(dataset, entry);
  return { logs, book: new ReceiptBook(catalog, crypto) };
}

/** The receipt of a node that has these entries, as it travels. */
function receipt(by: typeof holder, entries: readonly LogEntry[], wallMs = 1) {
  const vector = VersionVector.of([[author, entries.length]]);
  const { book } = holding(entries);
  // That it has written something is no reason for a receipt; that it does not subscribe is.
  const subscribed = by !== writer;
  const issued = book.issue(identifier<NodeId>(by.publicKey), by.secretKey, dataset, vector, subscribed, { wallMs, counter: 0 })!;
  return { ...issued, wallMs, counter: 0 };
}

/** What the book says of the receipt's signer: known to be held, and said to be. */
function counted(book: ReceiptBook, by = node): [number, number] {
  return [book.knownToHold(by, dataset, author), book.saidToHold(by, dataset).lengthOf(author)];
}

describe('a receipt for a log that stands here', () => {
  it('counts as far as it says when it means the same entries', () => {
    const { book } = holding(left);
    book.accept(receipt(holder, left.slice(0, 4)));
    expect(counted(book)).toEqual([4, 4]);
    expect([4, 5].map((sequence) => book.saysToHold(node, dataset, { author, sequence }))).toEqual([true, false]);
  });

  it('counts for nothing when it means other entries and nobody knows where they part', () => {
    const { book } = holding(left);
    book.accept(receipt(holder, right.slice(0, 4)));
    expect(counted(book)).toEqual([0, 0]);
  });

  it('counts up to where the branches part, once one has been seen or its author has said so', () => {
    const seen = holding([...left, right[2]!]);
    const told = holding(left);
    told.logs.noteDeparture(dataset, author, 2);
    told.logs.noteDeparture(dataset, author, 3);
    for (const { book } of [seen, told]) {
      book.accept(receipt(holder, right.slice(0, 4)));
      expect(counted(book)).toEqual([2, 2]);
    }
  });

  it('counts no more for what its signer held before it was set back', () => {
    const { book } = holding(left);
    book.accept(receipt(holder, left));
    book.accept(receipt(holder, left.slice(0, 1), 2));
    expect(counted(book)).toEqual([1, 1]);
  });
});

describe('a receipt for more than stands here', () => {
  it('is taken at its word, and frees no copy before it can be seen that it means the same entries', () => {
    const { book, logs } = holding(left.slice(0, 2));
    book.accept(receipt(holder, left));
    expect(counted(book)).toEqual([0, 5]);
    for (const entry of left) logs.accept(dataset, entry);
    expect(counted(book)).toEqual([5, 5]);
  });

  it('frees what an earlier one freed, which could be seen to mean the same entries', () => {
    const { book } = holding(left.slice(0, 3));
    book.accept(receipt(holder, left.slice(0, 3)));
    book.accept(receipt(holder, left, 2));
    expect(counted(book)).toEqual([3, 5]);
  });

  it('frees nothing that its signer wrote itself: it may have been set back and have written anew', () => {
    const { book } = holding(left.slice(0, 3));
    book.accept(receipt(writer, left.slice(0, 3)));
    expect(counted(book, author)).toEqual([3, 3]);
    book.accept(receipt(writer, right, 2));
    expect(counted(book, author)).toEqual([0, 5]);
  });

  it('is not taken at its word for a log that is known to have branches', () => {
    const { book, logs } = holding(left.slice(0, 3));
    logs.noteDeparture(dataset, author, 2);
    book.accept(receipt(holder, left));
    expect(counted(book)).toEqual([0, 2]);
  });
});

describe('a log that is given up for its branch', () => {
  it('takes along what was seen behind the place where the branch departs', () => {
    const { book, logs } = holding(left);
    book.accept(receipt(holder, left.slice(0, 4)));
    book.accept(receipt(holder, [...left, ...branch(1, 2, 3, 4, 5, 6).slice(5)], 2));
    expect(counted(book)).toEqual([4, 6]);
    for (const entry of right) logs.accept(dataset, entry);
    book.retract(dataset, author, 2);
    expect(counted(book)).toEqual([2, 2]);
  });

  it('is not believed to be held again by a new receipt that says of it what the last one said', () => {
    const { book, logs } = holding(left);
    book.accept(receipt(holder, left.slice(0, 4)));
    for (const entry of right.slice(0, 3)) logs.accept(dataset, entry);
    logs.adopt(dataset, author, logs.branches(dataset, author)[0]!, false);
    book.retract(dataset, author, 2);
    book.accept(receipt(holder, left.slice(0, 4), 2));
    expect(counted(book)).toEqual([2, 2]);
  });

  it('is said anew by whoever holds as many entries of the other branch', () => {
    const { book, logs } = holding(left);
    const issue = (wallMs: number) =>
      book.issue(node, holder.secretKey, dataset, VersionVector.of([[author, 5]]), true, { wallMs, counter: 0 });
    expect(issue(1)).toBeDefined();
    expect(issue(2)).toBeUndefined();
    for (const entry of right) logs.accept(dataset, entry);
    logs.adopt(dataset, author, logs.branches(dataset, author)[0]!, false);
    const said = issue(3);
    expect(said?.marks).toEqual(right[4]!.signature.slice(0, 3));
  });
});
