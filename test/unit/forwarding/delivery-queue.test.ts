import { beforeEach, describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { type DeliveryChange, DeliveryQueue, type NewDelivery } from '../../../src/forwarding/delivery-queue.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [ada, ben, cat, dan] = [1, 2, 3, 4].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId, NodeId, NodeId];
const dataset = identifier<DatasetId>(new Uint8Array(32).fill(9));
const other = identifier<DatasetId>(new Uint8Array(32).fill(8));

let catalog: ReturnType<typeof openSqliteCatalog>;
let queue: DeliveryQueue;
beforeEach(() => {
  catalog = openSqliteCatalog(':memory:');
  queue = new DeliveryQueue(catalog);
});

/** A row ordered by ada's entry 10, for entry 1 of hers, unless told otherwise. */
function row(more: Partial<NewDelivery> = {}): NewDelivery {
  return {
    dataset,
    author: ada,
    first: 1,
    last: 1,
    destination: ben,
    order: { author: ada, sequence: 10 },
    priority: 'normal',
    sizeBytes: 0,
    custodySuffices: false,
    ...more,
  };
}

/** The dataset's own replication of ada's log. */
function own(destination: NodeId): NewDelivery {
  const { order: _, ...rest } = row({ last: Infinity, destination });
  return rest;
}

const states = (destination: NodeId) => queue.next(destination, 99).map(({ path, state }) => `${path} ${state}`);
const told = (changes: readonly DeliveryChange[]) =>
  changes.map(({ from, to, count, destination }) => `${count} ${from}-${to} ${destination === ben ? 'ben' : 'others'}`);
const holds = (holder: NodeId, lengths: readonly (readonly [NodeId, number])[], ownLength = 20) =>
  told(
    queue.held(
      holder,
      dataset,
      (author) => new Map(lengths).get(author) ?? 0,
      () => ownLength,
      50,
    ),
  );

describe('the queue', () => {
  it('serves by class, then deadline, then size, and outlives the process', () => {
    queue.add(row({ path: 'large', sizeBytes: 9 }), 1);
    queue.add(row({ path: 'small', sizeBytes: 1 }), 1);
    queue.add(row({ path: 'due', sizeBytes: 99, deadlineMs: 5 }), 1);
    queue.add(row({ path: 'urgent', sizeBytes: 999, priority: 'critical' }), 1);
    queue.add(row({ path: 'not his', destination: cat }), 1);
    queue = new DeliveryQueue(catalog);
    expect(states(ben)).toEqual(['urgent queued', 'due queued', 'small queued', 'large queued']);
    expect(queue.next(ben, 1)).toEqual([
      { id: 4, ...row({ path: 'urgent', sizeBytes: 999, priority: 'critical' }), state: 'queued', reason: 'ordered', sinceMs: 1 },
    ]);
  });

  it('asks of a receipt only what concerns it, and all of that after it was opened anew', () => {
    queue.add(row({ path: 'a' }), 1);
    queue = new DeliveryQueue(catalog);
    queue.add(row({ path: 'b', author: cat }), 1);
    const asked = new Set<NodeId>();
    const heldLength = (author: NodeId): number => {
      asked.add(author);
      return 20;
    };
    expect(told(queue.held(ben, dataset, heldLength, () => 20, 50))).toEqual(['1 queued-delivered ben', '1 queued-delivered ben']);
    queue.add(row({ path: 'c', author: ben, destination: cat }), 1);
    expect(told(queue.held(cat, dataset, heldLength, () => 20, 60))).toEqual(['1 queued-delivered others']);
    expect([...asked].sort()).toEqual([ada, ben, cat].sort());
    expect(queue.held(ben, other, heldLength, () => 20, 70)).toEqual([]);
  });

  it('ends what the destination has signed for, with its order, and puts the rest into the custody of who holds it', () => {
    queue.add(row({ path: 'a' }), 1);
    queue.add(row({ path: 'b', first: 7, last: 7 }), 1);
    queue.add(row({ path: 'a', destination: cat }), 1);
    // From before the order was known there.
    expect(holds(ben, [[ada, 9]])).toEqual([]);
    expect(holds(dan, [[ada, 10]])).toEqual(['2 queued-custody ben', '1 queued-custody others']);
    expect(queue.next(cat, 1)).toMatchObject([{ state: 'custody', via: dan, reason: `receipt of ${dan}`, sinceMs: 50 }]);
    expect(holds(dan, [[ada, 10]])).toEqual([]);
    expect(holds(ben, [[ada, 10]])).toEqual(['2 custody-delivered ben']);
    expect(states(ben)).toEqual([]);
    expect(holds(ben, [[ada, 10]])).toEqual([]);
  });

  it('does not take the author, or who ordered, for somebody who carries it on', () => {
    queue.add(row({ author: cat, order: { author: ada, sequence: 10 } }), 1);
    const everything = [
      [ada, 20],
      [cat, 20],
    ] as const;
    expect([holds(ada, everything), holds(cat, everything)]).toEqual([[], []]);
  });

  it('ends with custody where that is enough', () => {
    queue.add(row({ custodySuffices: true }), 1);
    expect(holds(dan, [[ada, 10]])).toEqual(['1 queued-delivered ben']);
  });

  it('keeps one row for a log and a subscriber, which waits again when the log has grown', () => {
    queue.add(own(ben), 1);
    expect(queue.ofReplication(dataset, ada)).toMatchObject([{ destination: ben, last: Infinity }]);
    expect(holds(ben, [[ada, 19]])).toEqual([]);
    expect(holds(ben, [[ada, 20]])).toEqual(['1 queued-delivered ben']);
    expect(told(queue.grew(dataset, ada, 60))).toEqual(['1 delivered-queued ben']);
    expect(queue.grew(dataset, ada, 60)).toEqual([]);
    expect(states(ben)).toEqual(['undefined queued']);
  });

  it('finds what covers an entry: itself, ranges around it, and of its paths the one that is asked for', () => {
    queue.add(row({ path: 'exact', first: 5, last: 5 }), 1);
    queue.add(row({ path: 'elsewhere', first: 5, last: 5 }), 1);
    queue.add(row({ first: 3, last: 8 }), 1);
    queue.add(row({ first: 1, last: 4 }), 1);
    queue.add(row({ first: 6, last: 8 }), 1);
    queue.add(row({ dataset: other, first: 1, last: 9 }), 1);
    queue.add(own(cat), 1);
    expect(queue.covering(dataset, ada, 5, 'exact').map(({ first, last, path }) => [first, last, path])).toEqual([
      [5, 5, 'exact'],
      [3, 8, undefined],
      [1, Infinity, undefined],
    ]);
    expect(queue.covering(dataset, ben, 5, 'exact')).toEqual([]);
  });

  it('knows whom something of a dataset is ordered for, until it is delivered; a cancelled order has to be told of, too', () => {
    queue.add(own(cat), 1);
    queue.add(row(), 1);
    expect([queue.addresses(ben, dataset), queue.addresses(ben, other), queue.addresses(cat, dataset)]).toEqual([true, false, false]);
    expect(told(queue.cancel(ada, 10, 5, dataset))).toEqual(['1 queued-failed ben']);
    expect(queue.cancel(ada, 10, 5, dataset)).toEqual([]);
    expect([queue.addresses(ben, dataset), states(ben)]).toEqual([true, []]);
    queue.add(row({ destination: cat, order: { author: ada, sequence: 11 } }), 1);
    holds(cat, [[ada, 11]]);
    expect(queue.addresses(cat, dataset)).toBe(false);
  });

  it('forgets what was ordered behind an entry, and says so of what had not ended: another order may stand under that number', () => {
    for (const sequence of [10, 11]) queue.add(row({ destination: ben, order: { author: ada, sequence } }), 1);
    queue.add(row({ destination: cat, order: { author: ada, sequence: 11 } }), 1);
    queue.add(row({ dataset: other, order: { author: ada, sequence: 11 } }), 1);
    queue.add(own(dan), 1);
    queue.cancel(ada, 11, 3, other);
    expect(told(queue.retract(ada, 10, 5, dataset))).toEqual(['1 queued-failed ben', '1 queued-failed others']);
    expect([10, 11].map((sequence) => queue.ofOrder(ada, sequence, dataset).length)).toEqual([1, 0]);
    expect(queue.ofOrder(ada, 11, other)).toHaveLength(1);
    expect(queue.ofReplication(dataset, ada)).toHaveLength(1);
    queue.add(row({ destination: dan, order: { author: ada, sequence: 11 } }), 6);
    expect(queue.ofOrder(ada, 11, dataset).map(({ state }) => state)).toEqual(['queued']);
  });

  it('changes the class of one order and of no other dataset that has an entry of that number', () => {
    queue.add(row({ path: 'a' }), 1);
    queue.add(row({ path: 'b', dataset: other }), 1);
    queue.reclassify(ada, 10, 'emergency', dataset);
    expect(queue.next(ben, 9).map(({ path, priority }) => `${path} ${priority}`)).toEqual(['a emergency', 'b normal']);
    expect(queue.ofOrder(ada, 10, other)).toHaveLength(1);
  });

  it('lets what was under way wait again when the contact ends, or the node was closed', () => {
    for (const path of ['a', 'b', 'c']) queue.add(row({ path }), 1);
    const [a, b] = queue.next(ben, 2);
    queue.move([a!], 'active', 'asked for', 2, ben);
    queue.move([b!], 'offered', 'a session stands', 2, ben);
    expect(queue.interrupted(cat, 'the contact ended', 3)).toEqual([]);
    expect(told(queue.interrupted(ben, 'the contact ended', 3))).toEqual(['1 active-partial ben', '1 offered-queued ben']);
    expect(states(ben)).toEqual(['a partial', 'b queued', 'c queued']);
    queue.move(queue.next(ben, 1), 'active', 'asked for', 4, ben);
    expect(told(new DeliveryQueue(catalog).recover(5))).toEqual(['1 active-partial ben']);
  });

  it('ends what has expired, however much it is, and says when the next does', () => {
    for (let n = 1; n <= 1500; n++) queue.add(row({ first: n, last: n, expiresMs: 100 }), 1);
    queue.add(row({ path: 'later', expiresMs: 200 }), 1);
    queue.add(row({ path: 'never' }), 1);
    expect(queue.nextExpiryMs()).toBe(100);
    expect(queue.expire(99)).toEqual([]);
    expect(queue.expire(100).reduce((sum, { count }) => sum + count, 0)).toBe(1500);
    expect(queue.nextExpiryMs()).toBe(200);
    queue.expire(1e9);
    expect([queue.nextExpiryMs(), states(ben)]).toEqual([undefined, ['never queued']]);
  });
});
