import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PriorityClass, priorityClasses } from '../../../src/core/priority.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type Candidate, inOrder } from '../../../src/forwarding/selection.ts';

interface Item extends Candidate {
  readonly id: number;
}

interface Contact {
  readonly fromMs: number;
  readonly toMs: number;
}

const rateBytesPerSecond = 1000;
/** One object of a class is worth more than all those of the classes behind it that a case has. */
const valueByClass: Readonly<Record<PriorityClass, number>> = { emergency: 512, critical: 64, normal: 8, bulk: 1 };

/** Value of what is complete before its deadline when objects move over these contacts in the order that `order` gives at the beginning of each. What was begun is kept. */
function delivered(
  items: readonly Item[],
  contacts: readonly Contact[],
  order: (left: readonly Item[], contact: Contact) => readonly Item[],
): number {
  const left = new Map(items.map((item) => [item.id, item.leftBytes]));
  let value = 0;
  for (const contact of contacts) {
    let atMs = contact.fromMs;
    const present = items.flatMap((item) => (left.has(item.id) ? [{ ...item, leftBytes: left.get(item.id) as number }] : []));
    for (const { id, leftBytes, expiresMs = Infinity, priority } of order(present, contact)) {
      const bytes = Math.min(leftBytes, ((contact.toMs - atMs) * rateBytesPerSecond) / 1000);
      atMs += (bytes / rateBytesPerSecond) * 1000;
      if (bytes < leftBytes) {
        left.set(id, leftBytes - bytes);
        break;
      }
      left.delete(id);
      if (atMs <= expiresMs + 1e-6) value += valueByClass[priority];
    }
  }
  return value;
}

/** Knows the contacts, as the reference does. */
function scheduler(contacts: readonly Contact[]): (left: readonly Item[], contact: Contact) => readonly Item[] {
  return (left, { fromMs }) =>
    inOrder(left, { nowMs: fromMs, rateBytesPerSecond, contacts: contacts.filter((each) => each.toMs > fromMs) });
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) yield items;
  for (const [index, first] of items.entries())
    for (const rest of permutations([...items.slice(0, index), ...items.slice(index + 1)])) yield [first, ...rest];
}

/** The best of all orders, where the order may change once with every contact only by leaving out what is complete: an order of all objects says what moves when. */
function best(items: readonly Item[], contacts: readonly Contact[]): number {
  let most = 0;
  for (const order of permutations(items)) {
    const rank = new Map(order.map(({ id }, index) => [id, index]));
    most = Math.max(
      most,
      delivered(items, contacts, (left) => [...left].sort((a, b) => (rank.get(a.id) ?? 0) - (rank.get(b.id) ?? 0))),
    );
  }
  return most;
}

/** Objects of all classes, some large, some soon expiring, and one to four contacts; at the end of the last everything expires. */
function drawnCase(seed: number): { readonly items: Item[]; readonly contacts: Contact[] } {
  const random = seededRandom(seed);
  const contacts: Contact[] = [];
  const count = 1 + random.below(4);
  for (let atMs = 0, index = 0; index < count; index++) {
    const fromMs = atMs + random.below(20_000);
    atMs = fromMs + 3000 + random.below(25_000);
    contacts.push({ fromMs, toMs: atMs });
  }
  const endMs = contacts.at(-1)?.toMs ?? 0;
  const items = Array.from({ length: 2 + random.below(5) }, (_, id): Item => {
    const leftBytes = random.below(4) === 0 ? 20_000 + random.below(60_000) : 200 + random.below(12_000);
    const expiresMs = random.below(3) === 0 ? Math.min(endMs, 5000 + random.below(100_000)) : endMs;
    return { id, priority: priorityClasses[random.below(4)] as PriorityClass, leftBytes, expiresMs };
  });
  return { items, contacts };
}

describe('what is chosen for a contact', () => {
  it('is worth at least 0.95 of what the best of all orders delivers over the contacts of a case', () => {
    const shares: number[] = [];
    for (let seed = 1; seed <= 300; seed++) {
      const { items, contacts } = drawnCase(seed);
      const most = best(items, contacts);
      if (most > 0) shares.push(delivered(items, contacts, scheduler(contacts)) / most);
    }
    expect(shares.length).toBeGreaterThan(250);
    expect(shares.reduce((sum, share) => sum + share, 0) / shares.length).toBeGreaterThanOrEqual(0.95);
    expect(shares.filter((share) => share < 0.95).length / shares.length).toBeLessThan(0.1);
  });

  it('is the largest number of objects of one class that any choice finishes in time, in one contact', () => {
    const item = fc.record({
      leftBytes: fc.integer({ min: 1, max: 20_000 }),
      expiresMs: fc.integer({ min: 1, max: 40_000 }),
    });
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1000, max: 40_000 }), (drawn, toMs) => {
        const items = drawn.map((each, id): Item => ({ id, priority: 'normal', ...each }));
        const contacts = [{ fromMs: 0, toMs }];
        expect(delivered(items, contacts, scheduler(contacts))).toBe(best(items, contacts));
      }),
      { numRuns: 150 },
    );
  });

  it('never puts a class before a more urgent one, and loses nothing but what expired', () => {
    const item = fc.record({
      priority: fc.constantFrom(...priorityClasses),
      leftBytes: fc.nat(1e6),
      deadlineMs: fc.option(fc.nat(1e5), { nil: undefined }),
      expiresMs: fc.option(fc.nat(1e5), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 40 }),
        fc.record({
          nowMs: fc.nat(1e5),
          rateBytesPerSecond: fc.option(fc.nat(1e5), { nil: undefined }),
          toMs: fc.option(fc.nat(2e5), { nil: undefined }),
        }),
        (drawn, { nowMs, rateBytesPerSecond: rate, toMs }) => {
          const items = drawn.map(
            ({ priority, leftBytes, deadlineMs, expiresMs }): Candidate => ({
              priority,
              leftBytes,
              ...(deadlineMs === undefined ? {} : { deadlineMs }),
              ...(expiresMs === undefined ? {} : { expiresMs }),
            }),
          );
          const ordered = inOrder(items, {
            nowMs,
            ...(rate === undefined ? {} : { rateBytesPerSecond: rate }),
            ...(toMs === undefined ? {} : { contacts: [{ fromMs: 0, toMs }] }),
          });
          const useful = ordered.filter(({ expiresMs }) => expiresMs === undefined);
          const ranks = useful.map(({ priority }) => priorityClasses.indexOf(priority));
          expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
          expect(new Set(ordered)).toEqual(new Set(items.filter((each) => (each.expiresMs ?? Infinity) > nowMs)));
          expect(ordered.length).toBe(new Set(ordered).size);
        },
      ),
    );
  });
});
