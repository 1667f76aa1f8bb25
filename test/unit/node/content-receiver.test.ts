import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import type { DatasetId, Hash, NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { failure, success } from '../../../src/core/outcome.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { TransferJournal } from '../../../src/forwarding/transfer-journal.ts';
import type { WantedContent } from '../../../src/forwarding/want-list.ts';
import { ContentReceiver } from '../../../src/node/content-receiver.ts';
import type { ReceiverOutput } from '../../../src/node/content-receiving.ts';
import type { OpenedTransfer } from '../../../src/node/content-tasks.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { objectsPerWantMax } from '../../../src/session/messages.ts';

const at = 0 as MonotonicMs;
const root = new Uint8Array(32).fill(7) as Hash;
const wanted: WantedContent = {
  root,
  sizeBytes: 300,
  depth: 1,
  priority: 'bulk',
  dataset: 'b2'.repeat(32) as DatasetId,
  path: 'a.bin',
  author: 'a1'.repeat(32) as NodeId,
  sequence: 1,
};
/** Number of the first content that is asked for. */
const first = 2;
const hashOf = (value: number): Hash => new Uint8Array(32).fill(value) as Hash;

function transferOf(groups: number): OpenedTransfer {
  return {
    content: wanted,
    planObject: Uint8Array.of(0, 1),
    planId: new Uint8Array(16).fill(2),
    groups: Array.from({ length: groups }, () => ({ targetBytes: 5 * 1024 * 1024 })),
  } as unknown as OpenedTransfer;
}

function start() {
  const journal = new TransferJournal(openSqliteCatalog(':memory:'));
  const receiver = new ContentReceiver(journal, nodeCrypto);
  receiver.start(wanted, [hashOf(3)]);
  const outputs = (each: ContentReceiver = receiver): ReceiverOutput[] => {
    const all: ReceiverOutput[] = [];
    for (let output = each.poll(); output !== undefined; output = each.poll())
      if (output.type !== 'begun' && output.type !== 'planned') all.push(output);
    return all;
  };
  const give = (object: number, bytes: Uint8Array, each: ContentReceiver = receiver, number = first): void =>
    each.handleData(number * objectsPerWantMax + object, 0, bytes, true, at);
  return { journal, receiver, outputs, give };
}

describe('a receiver of contents', () => {
  it('asks, understands the plan, stores what arrives in any order, and finishes once', () => {
    const { receiver, outputs, give, journal } = start();
    expect(outputs()).toMatchObject([{ type: 'want', want: { number: first, root, bases: [hashOf(3)] } }]);
    expect([receiver.active, receiver.asked, receiver.askedFor(toHex(root))]).toEqual([1, 1, 'coming']);
    give(2, Uint8Array.of(22));
    give(0, Uint8Array.of(0, 1));
    expect(receiver.pollTask()).toMatchObject({ type: 'open', planObject: Uint8Array.of(0, 1) });
    receiver.opened(first, success(transferOf(2)));
    expect(receiver.pollTask()).toMatchObject({ type: 'store', group: 1, encoded: Uint8Array.of(22) });
    receiver.stored(first, 1, success([hashOf(2)]));
    expect(outputs()).toEqual([]);
    give(1, Uint8Array.of(11));
    expect(receiver.pollTask()).toMatchObject({ type: 'store', group: 0 });
    receiver.stored(first, 0, success([hashOf(1)]));
    expect(outputs()).toEqual([{ type: 'progress', number: first, storedBytes: 10 * 1024 * 1024 }]);
    expect(receiver.pollTask()).toMatchObject({ type: 'finish', hashes: [hashOf(1), hashOf(2)] });
    expect(receiver.pollTask()).toBeUndefined();
    receiver.finished(first, success(undefined));
    expect(outputs()).toMatchObject([{ type: 'complete', root }]);
    expect(journal.plan(root)).toBeUndefined();
    expect(receiver.askedFor(toHex(root))).toBe('no');
  });

  it('takes a content from the other end beside another peer, counts what that brings, and leaves finishing to it', () => {
    const { receiver, journal, give, outputs } = start();
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(3)));
    receiver.handleData(first * objectsPerWantMax + 1, 0, Uint8Array.of(5), false, at);
    receiver.journal();
    const other = new ContentReceiver(journal, nodeCrypto);
    other.startBeside(wanted, 'back', (object) => receiver.arrival(toHex(root))?.isTaken(object) ?? false);
    other.opened(first, success(transferOf(3)));
    expect(outputs(other)).toMatchObject([{ type: 'want', want: { fromEnd: true, resume: { held: [] } } }]);
    expect([receiver.endOf(toHex(root)), other.endOf(toHex(root)), other.arrival(toHex(root))?.isTaken(1)]).toEqual([
      'front',
      'back',
      false,
    ]);
    for (const group of [2, 1]) {
      give(group + 1, Uint8Array.of(9), other);
      other.stored(first, group, success([hashOf(group)]));
      expect(receiver.handleStoredBeside(transferOf(3), group, true)).toBe(false);
    }
    give(1, Uint8Array.of(9));
    receiver.stored(first, 0, success([hashOf(0)]));
    expect(other.handleStoredBeside(transferOf(3), 0, true)).toBe(true);
    expect(other.askedFor(toHex(root))).toBe('no');
    expect(journal.groups(root)).toEqual([0, 1, 2]);
  });

  it.each<[string, (receiver: ContentReceiver) => void]>([
    ['lacks it', (receiver) => receiver.handleLack(first)],
    ['plans it differently', (receiver) => receiver.handleData(first * objectsPerWantMax, 0, Uint8Array.of(0, 2), true, at)],
  ])('does without a peer beside another one that %s', (_, differs) => {
    const { journal, receiver, give, outputs } = start();
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(3)));
    const other = new ContentReceiver(journal, nodeCrypto);
    other.startBeside(wanted, 'back', () => false);
    other.opened(first, success(transferOf(3)));
    outputs(other);
    differs(other);
    expect(outputs(other)).toEqual([
      { type: 'withdraw', number: first },
      { type: 'apart', root },
    ]);
    expect(receiver.askedFor(toHex(root))).toBe('coming');
  });

  it('goes on in another session where the journal ends', () => {
    const { receiver, journal, give, outputs } = start();
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(3)));
    receiver.stored(first, 0, success([hashOf(1)]));
    receiver.handleData(first * objectsPerWantMax + 2, 0, Uint8Array.of(5, 6, 7), false, at);
    expect(receiver.nextDeadline()).toMatchObject({ at: 1000 });
    receiver.journal();
    expect(receiver.nextDeadline()).toBeUndefined();
    const next = new ContentReceiver(journal, nodeCrypto);
    next.start(wanted, []);
    expect(next.pollTask()).toMatchObject({ type: 'open', bases: [hashOf(3)] });
    next.opened(first, success(transferOf(3)));
    const prefixHash = nodeCrypto.sha256(Uint8Array.of(5, 6, 7)).slice(0, 8);
    expect(outputs(next)).toMatchObject([
      { type: 'want', want: { resume: { held: [{ first: 0, count: 1 }], partials: [{ group: 1, offset: 3, prefixHash }] } } },
    ]);
    next.handleData(first * objectsPerWantMax + 2, 3, Uint8Array.of(8), true, at);
    expect(next.pollTask()).toMatchObject({ type: 'store', group: 1, encoded: Uint8Array.of(5, 6, 7, 8) });
  });

  it('begins afresh when what was journalled can no longer be used, or the sender plans anew', () => {
    const { receiver, journal, give, outputs } = start();
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(1)));
    const next = new ContentReceiver(journal, nodeCrypto);
    next.start(wanted, []);
    next.opened(first, failure('BASE_GONE', 'local', 'gone'));
    expect(outputs(next)).toMatchObject([{ type: 'want' }]);
    expect(journal.plan(root)).toBeUndefined();
    next.pollTask();
    give(0, Uint8Array.of(9), next);
    expect(next.pollTask()).toMatchObject({ type: 'open', planObject: Uint8Array.of(9) });
    next.opened(first, success(transferOf(0)));
    expect(next.pollTask()).toMatchObject({ type: 'finish' });
  });

  it('leaves out a base that is gone here when it asks again, and for the rest of the session', () => {
    const gone = failure('BASE_GONE', 'local', 'gone');
    const withBase = Uint8Array.of(1, 1);
    const failures: ((receiver: ContentReceiver) => void)[] = [
      (receiver) => receiver.opened(first, gone),
      (receiver) => [receiver.opened(first, success(transferOf(1))), receiver.stored(first, 0, gone)],
      (receiver) => [receiver.opened(first, success(transferOf(1))), receiver.answered(first, 0, gone)],
    ];
    for (const fail of failures) {
      const { receiver, journal, give, outputs } = start();
      outputs();
      give(0, withBase);
      fail(receiver);
      expect(outputs()).toMatchObject([
        { type: 'withdraw', number: first },
        { type: 'want', want: { root, bases: [] } },
      ]);
      expect(journal.plan(root)).toBeUndefined();
      receiver.start({ ...wanted, root: hashOf(9) }, [hashOf(4), hashOf(3)]);
      expect(outputs()).toMatchObject([{ type: 'want', want: { bases: [hashOf(4)] } }]);
    }
  });

  it('resumes without a base that is gone here, which the peer hears of in one want', () => {
    const { receiver, journal, give, outputs } = start();
    give(0, Uint8Array.of(1, 1));
    receiver.opened(first, success({ ...transferOf(2), planObject: Uint8Array.of(1, 1) }));
    outputs();
    const next = new ContentReceiver(journal, nodeCrypto);
    next.start(wanted, []);
    next.opened(first, failure('BASE_GONE', 'local', 'gone'));
    const [want, ...more] = outputs(next);
    expect([want, more]).toMatchObject([{ type: 'want', want: { root, bases: [] } }, []]);
  });

  it('says what failed, with whose fault it was, and withdraws', () => {
    const cases: [string, (receiver: ContentReceiver, give: (object: number, bytes: Uint8Array) => void) => void][] = [
      ['PLAN_BAD', (receiver) => receiver.opened(first, failure('PLAN_BAD', 'peer', 'x'))],
      [
        'CHUNK_WRONG',
        (receiver) => [receiver.opened(first, success(transferOf(1))), receiver.stored(first, 0, failure('CHUNK_WRONG', 'peer', 'x'))],
      ],
      [
        'CONTENT_WRONG',
        (receiver) => [receiver.opened(first, success(transferOf(1))), receiver.finished(first, failure('CONTENT_WRONG', 'peer', 'x'))],
      ],
      ['TRANSFER_OBJECT_UNKNOWN', (receiver, give) => [receiver.opened(first, success(transferOf(1))), give(2, Uint8Array.of(1))]],
      ['TRANSFER_WITHOUT_PLAN', (_receiver, give) => Array.from({ length: 65 }, (_, index) => give(index + 1, Uint8Array.of(1)))],
    ];
    for (const [code, run] of cases) {
      const { receiver, outputs, give } = start();
      outputs();
      run(receiver, give);
      expect(outputs()).toMatchObject([
        { type: 'withdraw', number: first },
        { type: 'failed', root, fault: { code } },
      ]);
      expect(receiver.asked).toBe(0);
      // What comes afterwards belongs to nothing.
      give(0, Uint8Array.of(1));
      receiver.opened(first, success(transferOf(1)));
      receiver.stored(first, 0, success([]));
      receiver.finished(first, success(undefined));
      expect(outputs()).toEqual([]);
    }
  });

  it('holds no more of unfinished objects than the limit', () => {
    const { receiver, outputs } = start();
    outputs();
    const piece = new Uint8Array(8 * 1024 * 1024);
    for (let object = 1; object <= limits.assemblyBytesMax / piece.length + 1; object++)
      receiver.handleData(first * objectsPerWantMax + object, 0, piece, false, at);
    expect(outputs()).toMatchObject([{ type: 'withdraw' }, { type: 'failed', fault: { code: 'TRANSFER_TOO_LARGE', blame: 'peer' } }]);
  });

  it.each<[string, (receiver: ContentReceiver, count: number) => void]>([
    [
      'shreds with gaps between them',
      (receiver, count) => receiver.handleData(first * objectsPerWantMax + 1, 2 * count, Uint8Array.of(1), false, at),
    ],
    [
      'objects of which nothing comes',
      (receiver, count) => receiver.handleData(first * objectsPerWantMax + count, 0, new Uint8Array(0), false, at),
    ],
  ])('counts what %s take of memory, not only their bytes', (_, shred) => {
    const { receiver, outputs } = start();
    outputs();
    for (let count = 1; count <= limits.assemblyBytesMax / 256 && receiver.asked > 0; count++) shred(receiver, count);
    expect(outputs()).toMatchObject([{ type: 'withdraw' }, { type: 'failed', fault: { code: 'TRANSFER_TOO_LARGE', blame: 'peer' } }]);
  });

  it('counts what was journalled and is gone on with among what it holds', () => {
    const { receiver, journal, give, outputs } = start();
    const part = new Uint8Array(8 * 1024 * 1024);
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(9)));
    for (const object of [1, 2]) receiver.handleData(first * objectsPerWantMax + object, 0, part, false, at);
    receiver.journal();
    const next = new ContentReceiver(journal, nodeCrypto);
    next.start(wanted, []);
    next.opened(first, success(transferOf(9)));
    outputs(next);
    for (let object = 3; object <= 9; object++) next.handleData(first * objectsPerWantMax + object, 0, part, false, at);
    expect(outputs(next)).toMatchObject([{ type: 'withdraw' }, { type: 'failed', fault: { code: 'TRANSFER_TOO_LARGE' } }]);
  });

  it('answers questions about a base, also those that come before the plan is understood', () => {
    const { receiver, outputs, give } = start();
    outputs();
    receiver.handleBaseQuery(first, 1, Uint8Array.of(7));
    receiver.handleBaseQuery(99, 1, Uint8Array.of(7));
    expect(receiver.pollTask()).toBeUndefined();
    give(0, Uint8Array.of(0, 1));
    receiver.pollTask();
    receiver.opened(first, success(transferOf(2)));
    expect(receiver.pollTask()).toMatchObject({ type: 'answer', number: first, group: 1, query: Uint8Array.of(7) });
    receiver.answered(first, 1, success(Uint8Array.of(8)));
    receiver.answered(99, 1, success(Uint8Array.of(8)));
    expect(outputs()).toEqual([{ type: 'base-blocks', number: first, group: 1, answer: Uint8Array.of(8), priority: 'bulk' }]);
  });

  it('refuses questions about groups that there are not, too many of them before the plan, and malformed ones', () => {
    const cases: [string, (receiver: ContentReceiver) => void][] = [
      [
        'TRANSFER_OBJECT_UNKNOWN',
        (receiver) => [receiver.opened(first, success(transferOf(2))), receiver.handleBaseQuery(first, 2, new Uint8Array(1))],
      ],
      [
        'TRANSFER_WITHOUT_PLAN',
        (receiver) =>
          Array.from({ length: limits.baseSearchesMax + 1 }, (_, group) => receiver.handleBaseQuery(first, group, new Uint8Array(1))),
      ],
      ['BASE_QUERY_MALFORMED', (receiver) => receiver.answered(first, 0, failure('BASE_QUERY_MALFORMED', 'peer', 'x'))],
    ];
    for (const [code, run] of cases) {
      const { receiver, outputs } = start();
      outputs();
      run(receiver);
      expect(outputs()).toMatchObject([{ type: 'withdraw' }, { type: 'failed', fault: { code } }]);
    }
  });

  it('asks again, from where it was, when the peer took the base for something else, and tells it nothing of that base any more', () => {
    const { receiver, outputs, give } = start();
    give(0, Uint8Array.of(0, 1));
    receiver.pollTask();
    receiver.opened(first, success(transferOf(2)));
    receiver.stored(first, 0, success([hashOf(1)]));
    outputs();
    receiver.stored(first, 1, failure('GROUP_MISMATCH', 'peer', 'x'));
    expect(outputs()).toEqual([{ type: 'withdraw', number: first }]);
    const reopen = receiver.pollTask();
    expect(reopen).toMatchObject({ type: 'open' });
    const { number } = reopen as { number: number };
    receiver.opened(number, success(transferOf(2)));
    expect(outputs()).toMatchObject([{ type: 'want', want: { number, resume: { held: [{ first: 0, count: 1 }] } } }]);
    receiver.handleBaseQuery(number, 1, Uint8Array.of(7));
    expect(receiver.pollTask()).toBeUndefined();
    expect(outputs()).toMatchObject([{ type: 'base-blocks', number, group: 1, answer: new Uint8Array(0) }]);
  });

  it('keeps a number that the peer lacks, and takes it up when the bytes come after all', () => {
    const { receiver, give } = start();
    receiver.handleLack(first);
    receiver.handleLack(9);
    expect([receiver.active, receiver.asked, receiver.askedFor(toHex(root))]).toEqual([0, 1, 'lacked']);
    give(0, Uint8Array.of(1));
    expect(receiver.askedFor(toHex(root))).toBe('coming');
    receiver.withdraw(hashOf(1));
    receiver.withdraw(root);
    expect(receiver.asked).toBe(0);
  });

  it('follows a content that comes unasked, and asks for nothing', () => {
    const receiver = new ContentReceiver(new TransferJournal(openSqliteCatalog(':memory:')), nodeCrypto);
    expect(receiver.startPushed(1, wanted, [hashOf(3)])).toBe(true);
    expect(receiver.poll()).toBeUndefined();
    expect(receiver.askedFor(toHex(root))).toBe('coming');
    receiver.handleData(objectsPerWantMax, 0, Uint8Array.of(0, 1), true, at);
    expect(receiver.pollTask()).toMatchObject({ type: 'open', number: 1, bases: [hashOf(3)] });
    receiver.opened(1, success(transferOf(0)));
    receiver.pollTask();
    receiver.finished(1, success(undefined));
    expect([receiver.poll(), receiver.poll()].at(-1)).toMatchObject({ type: 'complete', root });
  });

  it('does not follow what it has asked for already, what came before it was announced, or a number of its own', () => {
    const { receiver } = start();
    expect(receiver.startPushed(1, wanted, [])).toBe(false);
    const other = { ...wanted, root: hashOf(9) };
    receiver.handleData(3 * objectsPerWantMax, 0, Uint8Array.of(1), false, at);
    expect(receiver.startPushed(3, other, [])).toBe(false);
    expect(receiver.startPushed(3, other, [])).toBe(false);
    expect(receiver.startPushed(8, other, [])).toBe(false);
    expect(receiver.startPushed(9, other, [])).toBe(true);
  });
});

describe('a receiver of contents that are passed on', () => {
  it('asks anew, with what is here by then, when a peer lacks the rest of what was under way', () => {
    const { receiver, give, outputs, journal } = start();
    expect(receiver.begins(first * objectsPerWantMax)).toBe(root);
    give(0, Uint8Array.of(0, 1));
    expect(receiver.begins(first * objectsPerWantMax)).toBeUndefined();
    receiver.opened(first, success(transferOf(2)));
    receiver.handleLack(first);
    expect([receiver.askedFor(toHex(root)), receiver.begins(first * objectsPerWantMax)]).toEqual(['lacked', root]);
    receiver.handleData(first * objectsPerWantMax + 1, 0, Uint8Array.of(5, 6), false, at);
    expect(receiver.heardAt(toHex(root))).toEqual({ at });
    outputs();
    receiver.handleLack(first);
    expect(outputs()).toEqual([{ type: 'withdraw', number: first }]);
    expect([receiver.askedFor(toHex(root)), receiver.heardAt(toHex(root))]).toEqual(['no', undefined]);
    expect(journal.parts(root)).toMatchObject([{ object: 1, bytes: Uint8Array.of(5, 6) }]);
  });

  it('shows what is coming in to those who pass it on, by its plan', () => {
    const { receiver, give } = start();
    expect(receiver.objects(toHex(root), '02'.repeat(16))).toBeUndefined();
    give(0, Uint8Array.of(0, 1));
    receiver.opened(first, success(transferOf(2)));
    const events: ReceiverOutput[] = [];
    for (let output = receiver.poll(); output !== undefined; output = receiver.poll()) events.push(output);
    expect(events.at(-1)).toMatchObject({ type: 'begun', root });
    receiver.handleData(first * objectsPerWantMax + 1, 0, Uint8Array.of(5, 6), false, at);
    expect([...(receiver.objects(toHex(root), '02'.repeat(16)) ?? [])].map(([object]) => object)).toEqual([1]);
    expect(receiver.objects(toHex(root), '03'.repeat(16))).toBeUndefined();
  });
});
