import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const otherDataset = identifier<DatasetId>(new Uint8Array(32).fill(8));

function author(number: number): { node: NodeId; key: Uint8Array } {
  const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(number));
  return { node: identifier<NodeId>(pair.publicKey), key: pair.secretKey };
}

const alice = author(1);
const bob = author(2);

function newStore(): LogStore {
  return new LogStore(openSqliteCatalog(':memory:'), crypto);
}

/** The entries of a log with these bodies, as its author writes them. */
function written(bodies: readonly string[], by = alice, into = dataset): LogEntry[] {
  const store = newStore();
  return bodies.map((body) => store.append(into, by.node, by.key, utf8(body)));
}

function codeOf(outcome: ReturnType<LogStore['accept']>): string {
  return outcome.ok ? outcome.value : outcome.fault.code;
}

describe('a log of our own', () => {
  it('numbers entries from 1, without gaps, for each dataset apart', () => {
    const store = newStore();
    const sequences = ['a', 'b'].map((body) => store.append(dataset, alice.node, alice.key, utf8(body)).sequence);
    expect([...sequences, store.append(otherDataset, alice.node, alice.key, utf8('a')).sequence]).toEqual([1, 2, 1]);
    expect(store.length(dataset, alice.node)).toBe(2);
    expect([...store.lengths(dataset)]).toEqual([[alice.node, 2]]);
  });

  it('is taken by somebody who has only the entries', () => {
    const store = newStore();
    expect(written(['a', 'b', 'c']).map((entry) => codeOf(store.accept(dataset, entry)))).toEqual(['stored', 'stored', 'stored']);
    expect(store.read(dataset, alice.node, 1, 9, 1e6).map((entry) => new TextDecoder().decode(entry.body))).toEqual(['a', 'b', 'c']);
  });

  it('refuses a body over the limit, and leaves no trace of it', () => {
    const store = newStore();
    expect(() => store.append(dataset, alice.node, alice.key, new Uint8Array(limits.logEntryBytesMax + 1))).toThrow(RangeError);
    expect(store.length(dataset, alice.node)).toBe(0);
    expect(store.append(dataset, alice.node, alice.key, new Uint8Array(limits.logEntryBytesMax)).sequence).toBe(1);
  });
});

describe('an entry from a peer', () => {
  const [first, second, third] = written(['a', 'b', 'c']) as [LogEntry, LogEntry, LogEntry];

  it('is known when it comes again, whatever signature comes with it', () => {
    const store = newStore();
    store.accept(dataset, first);
    expect(codeOf(store.accept(dataset, first))).toBe('known');
    expect(codeOf(store.accept(dataset, { ...first, signature: new Uint8Array(64) }))).toBe('known');
    expect(store.forkedAuthors(dataset)).toEqual([]);
  });

  it('waits for the entries before it', () => {
    const store = newStore();
    expect(codeOf(store.accept(dataset, second))).toBe('LOG_GAP');
    store.accept(dataset, first);
    expect(codeOf(store.accept(dataset, third))).toBe('LOG_GAP');
    expect(store.length(dataset, alice.node)).toBe(1);
  });

  it.each([
    ['another author', { ...first, author: bob.node }],
    ['another body', { ...first, body: utf8('x') }],
    ['a flipped bit in its signature', { ...first, signature: first.signature.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) }],
    ['a short signature', { ...first, signature: first.signature.slice(1) }],
    ['another place in the log', { ...second, sequence: 1 }],
  ])('is refused with %s', (_, forged) => {
    const store = newStore();
    expect(codeOf(store.accept(dataset, forged))).toBe('LOG_SIGNATURE');
    expect(store.lengths(dataset).size).toBe(0);
  });

  it('is refused in another dataset', () => {
    expect(codeOf(newStore().accept(otherDataset, first))).toBe('LOG_SIGNATURE');
  });

  it('is refused behind another past than its author had', () => {
    const store = newStore();
    store.accept(dataset, written(['x'])[0]!);
    expect(codeOf(store.accept(dataset, second))).toBe('LOG_SIGNATURE');
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('is refused at position %d, which no log has', (sequence) => {
    const store = newStore();
    expect(codeOf(store.accept(dataset, { ...first, sequence }))).toBe('LOG_POSITION');
    store.accept(dataset, first);
    expect(codeOf(store.accept(dataset, { ...first, sequence }))).toBe('LOG_POSITION');
  });

  it('is refused when it is too large', () => {
    expect(codeOf(newStore().accept(dataset, { ...first, body: new Uint8Array(limits.logEntryBytesMax + 1) }))).toBe('LOG_ENTRY_TOO_LARGE');
  });

  it('is refused from an author beyond the limit, while known ones go on', () => {
    const catalog = openSqliteCatalog(':memory:');
    const store = new LogStore(catalog, crypto);
    store.accept(dataset, first);
    catalog.transaction(() => {
      for (let n = 1; n < limits.authorsPerDatasetMax; n++) {
        const bytes = new Uint8Array(32);
        new DataView(bytes.buffer).setUint32(0, n);
        catalog.run('INSERT INTO log (dataset, author, length, head) VALUES (?, ?, 1, ?)', new Uint8Array(32).fill(7), bytes, bytes);
      }
    });
    const refused = store.accept(dataset, written(['b'], bob)[0]!);
    expect(refused).toMatchObject({ ok: false, fault: { code: 'LOG_AUTHORS_FULL', blame: 'local' } });
    expect(codeOf(store.accept(dataset, second))).toBe('stored');
  });
});

describe('a forked log', () => {
  const [first, second, third] = written(['a', 'b', 'c']) as [LogEntry, LogEntry, LogEntry];
  const [, otherSecond] = written(['a', 'B']) as [LogEntry, LogEntry];

  const [, , otherThird] = written(['a', 'B', 'C']) as [LogEntry, LogEntry, LogEntry];

  it('keeps what came first, is named, and takes what follows on either branch', () => {
    const store = newStore();
    store.accept(dataset, first);
    store.accept(dataset, second);
    expect(codeOf(store.accept(dataset, otherThird))).toBe('LOG_SIGNATURE');
    expect(codeOf(store.accept(dataset, otherSecond))).toBe('forked');
    expect(store.forkedAuthors(dataset)).toEqual([alice.node]);
    expect(codeOf(store.accept(dataset, otherSecond))).toBe('branch-known');
    expect(codeOf(store.accept(dataset, otherThird))).toBe('branched');
    expect(codeOf(store.accept(dataset, third))).toBe('stored');
    expect(store.read(dataset, alice.node, 1, 9, 1e6)).toEqual([first, second, third]);
    const [branch] = store.branches(dataset, alice.node);
    expect(branch).toMatchObject({ after: 1, length: 3, isOwn: false });
    expect(store.readBranch(alice.node, branch!)).toMatchObject([otherSecond, otherThird]);
  });

  it('is refused entries of a branch that its author did not sign', () => {
    const store = newStore();
    for (const entry of [first, second, otherSecond]) store.accept(dataset, entry);
    expect(codeOf(store.accept(dataset, { ...otherThird, signature: first.signature }))).toBe('LOG_SIGNATURE');
    expect(codeOf(store.accept(dataset, { ...otherSecond, body: utf8('forged') }))).toBe('LOG_SIGNATURE');
    expect(store.branches(dataset, alice.node)).toHaveLength(1);
  });

  it('takes a branch in the place of what it has, which is a branch then, and goes on there', () => {
    const store = newStore();
    for (const entry of [first, second, third, otherSecond, otherThird]) store.accept(dataset, entry);
    store.adopt(dataset, alice.node, store.branches(dataset, alice.node)[0]!, false);
    expect(store.read(dataset, alice.node, 1, 9, 1e6)).toEqual([first, otherSecond, otherThird]);
    const [given] = store.branches(dataset, alice.node);
    expect(given).toMatchObject({ after: 1, length: 3, isOwn: false });
    expect(store.readBranch(alice.node, given!)).toMatchObject([second, third]);
    const [, , , otherFourth] = written(['a', 'B', 'C', 'D']) as LogEntry[];
    expect(codeOf(store.accept(dataset, otherFourth!))).toBe('stored');
    expect(codeOf(store.accept(dataset, third))).toBe('branch-known');
    store.settle(dataset, alice.node, [given!]);
    expect([store.forkedAuthors(dataset), store.branches(dataset, alice.node)]).toEqual([[], []]);
    const reader = newStore();
    for (const entry of store.read(dataset, alice.node, 1, 9, 1e6)) expect(codeOf(reader.accept(dataset, entry))).toBe('stored');
  });

  it('is known to be mended to the author who gave a branch up, and keeps it', () => {
    const store = newStore();
    for (const entry of [first, second, otherSecond]) store.accept(dataset, entry);
    store.adopt(dataset, alice.node, store.branches(dataset, alice.node)[0]!, true);
    store.settle(dataset, alice.node, store.branches(dataset, alice.node));
    expect(store.forkedAuthors(dataset)).toEqual([]);
    expect(codeOf(store.accept(dataset, second))).toBe('branch-known');
    expect(codeOf(store.accept(dataset, third))).toBe('branched');
  });

  it('keeps a limited number of branches, and says so of more', () => {
    const store = newStore();
    for (const entry of [first, second]) store.accept(dataset, entry);
    const codes = Array.from({ length: limits.branchesPerLogMax + 1 }, (_, index) =>
      codeOf(store.accept(dataset, written(['a', `other ${index}`])[1]!)),
    );
    expect(codes).toEqual([...Array.from({ length: limits.branchesPerLogMax }, () => 'forked'), 'LOG_FORKED']);
  });

  it('takes a branch that departs from the middle of another', () => {
    const [, , thirdAside] = written(['a', 'B', 'aside']) as [LogEntry, LogEntry, LogEntry];
    const store = newStore();
    for (const entry of [first, second, otherSecond, otherThird]) store.accept(dataset, entry);
    expect(codeOf(store.accept(dataset, thirdAside))).toBe('branched');
    expect(codeOf(store.accept(dataset, thirdAside))).toBe('branch-known');
    const [one, other] = store.branches(dataset, alice.node);
    expect(store.readBranch(alice.node, one!)).toMatchObject([otherSecond, otherThird]);
    expect(store.readBranch(alice.node, other!)).toMatchObject([otherSecond, thirdAside]);
    expect(other).toMatchObject({ after: 1, length: 3, bytes: otherSecond.body.length + thirdAside.body.length });
    store.adopt(dataset, alice.node, other!, false);
    // The one that shares an entry with the new copy departs behind it.
    const [departing, given] = store.branches(dataset, alice.node);
    expect([departing, given]).toMatchObject([
      { after: 2, length: 3 },
      { after: 1, length: 2 },
    ]);
    expect(store.readBranch(alice.node, departing!)).toMatchObject([otherThird]);
    store.adopt(dataset, alice.node, given!, false);
    // And behind the common beginning again when the copy is another.
    const left = store.branches(dataset, alice.node).map((branch) => store.readBranch(alice.node, branch));
    expect(left).toMatchObject([
      [otherSecond, otherThird],
      [otherSecond, thirdAside],
    ]);
    expect(store.read(dataset, alice.node, 1, 9, 1e6)).toEqual([first, second]);
  });

  it('does not count branches that its author gave up', () => {
    const store = newStore();
    for (const entry of [first, second]) store.accept(dataset, entry);
    const codes = Array.from({ length: limits.branchesPerLogMax + 1 }, (_, index) => {
      const code = codeOf(store.accept(dataset, written(['a', `other ${index}`])[1]!));
      store.claim(store.branches(dataset, alice.node).at(-1)!);
      return code;
    });
    expect(new Set(codes)).toEqual(new Set(['forked']));
  });

  it('gives a later branch another number than one that is gone had', () => {
    const store = newStore();
    const begun = (entry: LogEntry): number => {
      expect(codeOf(store.accept(dataset, entry))).toBe('forked');
      return store.branches(dataset, alice.node).at(-1)!.id;
    };
    for (const entry of [first, second]) store.accept(dataset, entry);
    const gone = begun(otherSecond);
    store.settle(dataset, alice.node, store.branches(dataset, alice.node));
    expect(begun(written(['a', 'later'])[1]!)).not.toBe(gone);
  });

  it('keeps a limited number of bytes of a branch, and goes on with the log', () => {
    const catalog = openSqliteCatalog(':memory:');
    const store = new LogStore(catalog, crypto);
    for (const entry of [first, second, otherSecond]) store.accept(dataset, entry);
    catalog.run('UPDATE log_branch SET bytes = ?', limits.branchBytesMax);
    expect(codeOf(store.accept(dataset, otherThird))).toBe('LOG_FORKED');
    expect(codeOf(store.accept(dataset, third))).toBe('stored');
  });

  it('has other heads where it has other entries, though as many', () => {
    const [one, other] = [newStore(), newStore()];
    for (const entry of [first, second]) one.accept(dataset, entry);
    for (const entry of [first, otherSecond]) other.accept(dataset, entry);
    expect(one.lengths(dataset)).toEqual(other.lengths(dataset));
    expect(one.heads(dataset)).not.toEqual(other.heads(dataset));
  });

  it('is not what a forged second entry makes of it', () => {
    const store = newStore();
    store.accept(dataset, first);
    store.accept(dataset, second);
    expect(codeOf(store.accept(dataset, { ...second, body: utf8('forged') }))).toBe('LOG_SIGNATURE');
    expect(store.forkedAuthors(dataset)).toEqual([]);
    expect(codeOf(store.accept(dataset, third))).toBe('stored');
  });

  it('concerns one dataset and one author', () => {
    const store = newStore();
    for (const entry of [first, second, otherSecond]) store.accept(dataset, entry);
    expect(codeOf(store.accept(dataset, written(['b'], bob)[0]!))).toBe('stored');
    expect(codeOf(store.accept(otherDataset, written(['b'], alice, otherDataset)[0]!))).toBe('stored');
  });
});

describe('reading a log', () => {
  it('ends early once enough bytes are there, but gives one entry at least', () => {
    const store = newStore();
    for (const body of ['a'.repeat(100), 'b'.repeat(100), 'c'.repeat(100)]) store.append(dataset, alice.node, alice.key, utf8(body));
    const read = (from: number, to: number, bytesMax: number) =>
      store.read(dataset, alice.node, from, to, bytesMax).map(({ sequence }) => sequence);
    expect(read(1, 3, 1)).toEqual([1]);
    expect(read(1, 3, 165)).toEqual([1, 2]);
    expect(read(2, 3, 1e9)).toEqual([2, 3]);
    expect(read(4, 9, 1e9)).toEqual([]);
    expect(store.read(dataset, bob.node, 1, 9, 1e9)).toEqual([]);
  });
});

describe('entries that fit nowhere', () => {
  /** A store that counts what it hashes, with a log of 400 entries and, where it is said, a branch of it of 300. */
  function counting(withBranch: boolean) {
    let hashedBytes = 0;
    const counter = {
      ...crypto,
      sha256: (bytes: Uint8Array) => {
        hashedBytes += bytes.length;
        return crypto.sha256(bytes);
      },
    };
    const store = new LogStore(openSqliteCatalog(':memory:'), counter);
    const bodies = (text: string, count: number) => Array.from({ length: count }, (_, index) => `${text} ${index}`.padEnd(1000));
    for (const entry of written(bodies('log', 400))) store.accept(dataset, entry);
    if (withBranch) for (const entry of written(bodies('branch', 300))) store.accept(dataset, entry);
    const bytesOf = (work: () => void): number => {
      hashedBytes = 0;
      work();
      return hashedBytes;
    };
    const forged = (sequence: number): string =>
      codeOf(store.accept(dataset, { author: alice.node, sequence, body: utf8('forged'), signature: new Uint8Array(64) }));
    return { store, forged, bytesOf };
  }

  it.each([
    ['into a log', false, ['LOG_SIGNATURE', 'LOG_SIGNATURE', 'LOG_SIGNATURE', 'LOG_GAP']],
    ['into a log with a branch', true, ['LOG_SIGNATURE', 'LOG_SIGNATURE', 'LOG_SIGNATURE', 'LOG_GAP']],
  ])('%s cost no more than a few dozen entries to refuse', (_, withBranch, codes) => {
    const { forged, bytesOf } = counting(withBranch);
    for (const [index, sequence] of [63, 255, 399, 402].entries())
      expect(bytesOf(() => expect(forged(sequence)).toBe(codes[index]))).toBeLessThan(70 * 1200);
  });

  it('into a log that was given up for its branch cost that once', () => {
    const { store, forged, bytesOf } = counting(true);
    const [branch] = store.branches(dataset, alice.node);
    expect(store.adopt(dataset, alice.node, branch!, false)).not.toBe(branch!.id);
    expect(store.branches(dataset, alice.node)).toMatchObject([{ after: 0, length: 400, bytes: 400_000, isOwn: false }]);
    for (const sequence of [299, 398]) forged(sequence);
    for (const sequence of [150, 298, 399]) expect(bytesOf(() => forged(sequence))).toBeLessThan(70 * 1200);
  });

  it('and branches share the room that there is for them', () => {
    const catalog = openSqliteCatalog(':memory:');
    const store = new LogStore(catalog, crypto);
    for (const body of ['log', 'one', 'two', 'three']) store.accept(dataset, written([body])[0]!);
    const third = Math.floor(limits.branchBytesMax / 3);
    catalog.run('UPDATE log_branch SET bytes = ?', third);
    expect(codeOf(store.accept(dataset, written(['four'])[0]!))).toBe('LOG_FORKED');
    catalog.run('UPDATE log_branch SET bytes = ?', third - 2);
    expect(codeOf(store.accept(dataset, written(['four'])[0]!))).toBe('forked');
  });
});
