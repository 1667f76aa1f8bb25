import { describe, expect, it } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { type CarriedGrant, type CarriedItem, Carrying } from '../../../src/mesh/carrying.ts';
import { itemTag } from '../../../src/mesh/carrying-digest.ts';
import { carriageTerms, unlimitedTickets } from '../../../src/mesh/copy-tickets.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const [self, a, b, c, writer] = [nameOf(0), nameOf(1), nameOf(2), nameOf(3), nameOf(4)];
const hourMs = 3_600_000;

function at(ms: number): MonotonicMs {
  return ms as MonotonicMs;
}

function item(key: string, subscribers: readonly ShortName[], priority: PriorityClass = 'normal', from = writer, bytes = 10): CarriedItem {
  return { key, writer: from, subscribers, bytes, priority };
}

const granted: CarriedGrant = { tickets: 16, copies: 2, served: 0 };

function machine(spaceBytes = 1000, members = 20): Carrying {
  return new Carrying({ self, members, spaceBytes }, at(0));
}

/** A peer turns up and tells that it has met these, so many milliseconds apart. */
function meet(carrying: Carrying, peer: ShortName, now: number, intervals: readonly (readonly [ShortName, number])[] = []): void {
  carrying.meet(peer, at(now));
  carrying.digestFor(peer, at(now));
  const meetings = intervals.map(([node, intervalMs]) => ({ node, intervalMs, delayMs: intervalMs }));
  carrying.learn(peer, { freeBytes: 1000, meetings, held: [], receipts: [] }, at(now));
}

function offered(carrying: Carrying, peer: ShortName, now: number): string[] {
  return carrying.offersTo(peer, at(now)).map(({ key, why }) => `${key} ${why}`);
}

function released(carrying: Carrying): string[] {
  const keys: string[] = [];
  for (let output = carrying.poll(); output !== undefined; output = carrying.poll()) keys.push(`${output.key} ${output.why}`);
  return keys;
}

describe('what is offered', () => {
  it('goes to subscribers first, then by class, then to whom is likely to meet them', () => {
    const carrying = machine();
    carrying.created(item('far', [c], 'normal', self), at(0));
    carrying.created(item('near', [b], 'normal', self), at(0));
    carrying.created(item('alarm', [c], 'emergency', self), at(0));
    carrying.created(item('own', [a], 'bulk', self), at(0));
    meet(carrying, a, hourMs, [[b, hourMs]]);
    expect(offered(carrying, a, hourMs)).toEqual(['own subscriber', 'alarm late', 'near late', 'far late']);
  });

  it('goes rather to whom meets a subscriber itself than to whom knows a way that seems as short, and to that rather than to whom knows of none', () => {
    const carrying = machine();
    for (const [key, to] of [
      ['none', nameOf(9)],
      ['way', c],
      ['itself', b],
    ] as const)
      carrying.created(item(key, [to], 'normal', self), at(0));
    carrying.meet(a, at(hourMs));
    const meetings = [
      { node: c, intervalMs: Number.POSITIVE_INFINITY, delayMs: hourMs },
      { node: b, intervalMs: 2 * hourMs, delayMs: 2 * hourMs },
    ];
    carrying.learn(a, { freeBytes: 1000, meetings, held: [], receipts: [] }, at(hourMs));
    expect(offered(carrying, a, hourMs)).toEqual(['itself late', 'way late', 'none late']);
  });

  it('goes first of what fewest others were seen to hold, as they told last, each counted once however often it names it', () => {
    const carrying = machine();
    for (const key of ['x', 'y']) carrying.created(item(key, [c], 'normal', self), at(0));
    const sees = (peer: ShortName, now: number, held: readonly string[]) => {
      carrying.meet(peer, at(now));
      carrying.learn(peer, { freeBytes: 0, meetings: [], held: held.map(itemTag), receipts: [] }, at(now));
      carrying.ended(peer, at(now));
    };
    sees(nameOf(5), 1000, ['x']);
    sees(nameOf(6), 1000, ['x']);
    sees(nameOf(7), 1000, ['y', 'y', 'y', 'y']);
    meet(carrying, a, 2000);
    expect(offered(carrying, a, 2000)).toEqual(['y late', 'x late']);
    sees(nameOf(5), 3000, ['y']);
    expect(offered(carrying, a, 3000)).toEqual(['x late', 'y late']);
  });

  it('is nothing to somebody who is not here, holds it, or wrote it', () => {
    const carrying = machine();
    carrying.received(item('x', [c], 'normal', a), b, granted, at(0));
    carrying.created(item('y', [c], 'normal', self), at(0));
    expect(offered(carrying, a, 0)).toEqual([]);
    carrying.meet(a, at(1000));
    carrying.learn(a, { freeBytes: 0, meetings: [], held: [itemTag('y')], receipts: [] }, at(1000));
    expect(offered(carrying, a, 1000)).toEqual([]);
    carrying.ended(a, at(2000));
    expect(offered(carrying, a, 2000)).toEqual([]);
  });

  it('ends with the tickets, and subscribers need none', () => {
    const carrying = machine();
    carrying.received(item('x', [b, c]), writer, { tickets: 1, copies: 3, served: 0 }, at(0));
    meet(carrying, a, hourMs);
    meet(carrying, b, hourMs);
    expect(offered(carrying, a, hourMs)).toEqual([]);
    expect(offered(carrying, b, hourMs)).toEqual(['x subscriber']);
  });

  it('is left to writer and subscribers where they meet anyway, until it is late', () => {
    const carrying = machine();
    for (let hour = 1; hour <= 10; hour++) {
      meet(carrying, b, hour * hourMs);
      carrying.ended(b, at(hour * hourMs));
    }
    carrying.created(item('x', [b], 'normal', self), at(10 * hourMs));
    carrying.created(item('alarm', [b], 'emergency', self), at(10 * hourMs));
    meet(carrying, a, 11 * hourMs);
    expect(offered(carrying, a, 11 * hourMs)).toEqual(['alarm late']);
    carrying.ended(a, at(11 * hourMs));
    const late = 10 * hourMs + carriageTerms.normal.patienceMs;
    meet(carrying, a, late);
    expect(offered(carrying, a, late)).toEqual(['alarm late', 'x late']);
  });

  it('is left to subscribers who meet each other', () => {
    const carrying = machine();
    for (let hour = 1; hour <= 10; hour++) {
      meet(carrying, b, hour * hourMs, [[c, hourMs]]);
      carrying.ended(b, at(hour * hourMs));
    }
    carrying.created(item('x', [b, c], 'normal', self), at(10 * hourMs));
    carrying.created(item('y', [c, nameOf(9)], 'normal', self), at(10 * hourMs));
    meet(carrying, a, 10 * hourMs);
    expect(offered(carrying, a, 10 * hourMs)).toEqual(['y late']);
  });

  it('is one copy, that does not spread, for a straggler among many who are reached', () => {
    const carrying = machine(1000, 1000);
    const near = [nameOf(11), nameOf(12), nameOf(13), nameOf(14)];
    for (let hour = 1; hour <= 10; hour++)
      for (const peer of near) {
        meet(carrying, peer, hour * hourMs);
        carrying.ended(peer, at(hour * hourMs));
      }
    carrying.created(item('x', [...near, c], 'normal', self), at(20 * hourMs));
    meet(carrying, a, 20 * hourMs);
    meet(carrying, b, 20 * hourMs);
    expect(offered(carrying, a, 20 * hourMs)).toEqual(['x late']);
    expect(carrying.handOver('x', a).tickets).toBe(1);
    expect(offered(carrying, b, 20 * hourMs)).toEqual([]);
  });

  it('is one copy for each who is late where a node meets many of the members again and again, until it has waited long enough', () => {
    const copiesAt = (members: number, ageMs: number): number => {
      const carrying = machine(1000, members);
      const near = Array.from({ length: 8 }, (_, i) => nameOf(20 + i));
      for (let hour = 1; hour <= 10; hour++)
        for (const peer of near) {
          meet(carrying, peer, hour * hourMs);
          carrying.ended(peer, at(hour * hourMs));
        }
      carrying.created(item('x', [b, c], 'normal', self), at(10 * hourMs));
      const now = 10 * hourMs + ageMs;
      let copies = 0;
      for (const peer of near) {
        meet(carrying, peer, now);
        if (offered(carrying, peer, now).length === 0) continue;
        carrying.handOver('x', peer);
        copies++;
      }
      return copies;
    };
    expect(copiesAt(1000, 0)).toBe(8);
    expect(copiesAt(21, 0)).toBe(2);
    expect(copiesAt(22, 0)).toBe(8);
    expect(copiesAt(21, carriageTerms.normal.patienceMs)).toBe(8);
  });

  it('follows a plan that somebody declared', () => {
    const carrying = machine();
    carrying.plan([{ node: c, fromAt: at(2 * hourMs), untilAt: at(2 * hourMs) }]);
    expect(carrying.delayMs(c, at(hourMs))).toBe(hourMs);
    expect(carrying.digestFor(a, at(hourMs)).meetings).toEqual([{ node: c, intervalMs: Number.POSITIVE_INFINITY, delayMs: hourMs }]);
  });
});

describe('copies', () => {
  it('are divided with their tickets', () => {
    const carrying = machine();
    carrying.created(item('x', [c], 'bulk', self), at(0));
    meet(carrying, a, hourMs);
    expect(offered(carrying, a, hourMs)).toEqual(['x late']);
    expect(carrying.handOver('x', a)).toEqual({ tickets: 4, copies: 2, served: 0 });
    expect(carrying.tickets('x')).toBe(4);
    expect(carrying.tickets('y')).toBe(0);
    expect(carriageTerms.normal.tickets).toBe(unlimitedTickets);
  });

  it('that the writer gave away long ago are followed by one at a time, and only of its own', () => {
    const carrying = machine(1000, 1000);
    const { patienceMs } = carriageTerms.bulk;
    carrying.created(item('x', [c], 'bulk', self), at(0));
    carrying.received(item('y', [c], 'bulk'), writer, { tickets: 1, copies: 2, served: 0 }, at(0));
    const carriers = [11, 12, 13, 14, 15, 16].map(nameOf);
    for (const carrier of carriers) meet(carrying, carrier, hourMs);
    const [first, second, third, fourth, fifth, sixth] = carriers as [ShortName, ShortName, ShortName, ShortName, ShortName, ShortName];
    for (const carrier of [first, second, third]) {
      expect(offered(carrying, carrier, hourMs)).toEqual(['x late']);
      carrying.handOver('x', carrier);
    }
    expect(offered(carrying, fourth, 4 * patienceMs - 1)).toEqual([]);
    meet(carrying, fourth, 4 * patienceMs);
    meet(carrying, fifth, 4 * patienceMs);
    expect(offered(carrying, fourth, 4 * patienceMs)).toEqual(['x late']);
    expect(carrying.handOver('x', fourth)).toEqual({ tickets: 1, copies: 5, served: 0 });
    expect(offered(carrying, fifth, 4 * patienceMs)).toEqual([]);
    meet(carrying, sixth, 5 * patienceMs);
    expect(offered(carrying, sixth, 5 * patienceMs)).toEqual(['x late']);
  });

  it('are released when all subscribers are known to have the item, and not taken again', () => {
    const carrying = machine();
    const x = item('x', [b, c]);
    expect(carrying.received(x, writer, granted, at(0))).toBe(true);
    carrying.served(x, b);
    expect(released(carrying)).toEqual([]);
    carrying.served(x, c);
    expect(released(carrying)).toEqual(['x served']);
    expect(carrying.carriedBytes).toBe(0);
    expect(carrying.accepts(x, at(1))).toEqual({ takes: false, why: 'served' });
    expect(carrying.received(item('y', [b]), writer, { ...granted, served: 1 }, at(1))).toBe(false);
  });

  it('are released on receipts that a peer tells, and those are told on, once', () => {
    const carrying = machine();
    carrying.received(item('x', [b]), writer, granted, at(0));
    carrying.meet(a, at(0));
    carrying.learn(a, { freeBytes: 0, meetings: [], held: [], receipts: [{ tag: itemTag('x'), served: 1 }] }, at(0));
    expect(released(carrying)).toEqual(['x served']);
    expect(carrying.digestFor(c, at(0)).receipts).toEqual([{ tag: itemTag('x'), served: 1 }]);
    // The peer never answered: it may not have heard.
    expect(carrying.digestFor(c, at(0)).receipts).toHaveLength(1);
    meet(carrying, c, 1);
    expect(carrying.digestFor(c, at(2)).receipts).toEqual([]);
  });

  it('are told more than fit in several contacts', () => {
    const carrying = machine();
    for (let i = 0; i < 600; i++) carrying.served(item(`item ${i}`, [b]), b);
    expect(carrying.digestFor(a, at(0)).receipts).toHaveLength(512);
    meet(carrying, a, 0);
    expect(carrying.digestFor(a, at(0)).receipts).toHaveLength(88);
  });

  it('that reach a subscriber are its own', () => {
    const carrying = machine(0);
    const x = item('x', [self, c]);
    expect(carrying.accepts(x, at(0))).toEqual({ takes: true, why: 'wanted', instead: [] });
    expect(carrying.received(x, writer, granted, at(0))).toBe(true);
    expect(carrying.carriedBytes).toBe(0);
    expect(carrying.accepts(x, at(0))).toEqual({ takes: false, why: 'held' });
    carrying.served(x, c);
    expect(released(carrying)).toEqual([]);
    expect(carrying.accepts(x, at(0))).toEqual({ takes: false, why: 'served' });
  });

  it('of what the receiver wrote are not taken', () => {
    expect(machine().accepts(item('x', [c], 'normal', self), at(0))).toEqual({ takes: false, why: 'served' });
  });

  it('count the first 32 subscribers', () => {
    const carrying = machine();
    const many = item(
      'x',
      Array.from({ length: 40 }, (_, i) => nameOf(100 + i)),
    );
    carrying.received(many, writer, granted, at(0));
    for (const node of many.subscribers.slice(0, 32)) carrying.served(many, node);
    expect(released(carrying)).toEqual(['x served']);
  });
});

describe('room', () => {
  it('is made by what is worth less, and that is not taken again', () => {
    const carrying = machine(20);
    meet(carrying, b, hourMs);
    carrying.ended(b, at(hourMs));
    carrying.received(item('far', [c]), a, granted, at(2 * hourMs));
    carrying.received(item('near', [b]), a, granted, at(2 * hourMs));
    const third = item('near too', [b]);
    expect(carrying.accepts(third, at(2 * hourMs))).toEqual({ takes: true, why: 'better', instead: ['far'] });
    expect(carrying.received(third, a, granted, at(2 * hourMs))).toBe(true);
    expect(released(carrying)).toEqual(['far room']);
    expect(carrying.carriedBytes).toBe(20);
    expect(carrying.accepts(item('far', [c]), at(2 * hourMs))).toEqual({ takes: false, why: 'given-up' });
    expect(carrying.accepts(item('far too', [c]), at(2 * hourMs))).toEqual({ takes: false, why: 'full' });
  });

  it('is not made for what is worth little more', () => {
    const carrying = machine(10);
    carrying.received(item('one', [b]), a, granted, at(0));
    expect(carrying.accepts(item('two', [b, c]), at(0))).toEqual({ takes: false, why: 'full' });
    expect(carrying.accepts(item('four', [b, c, nameOf(8), nameOf(9)]), at(0))).toMatchObject({ takes: true, instead: ['one'] });
  });

  it('is made by less urgent classes for more urgent ones, never the other way', () => {
    const carrying = machine(10);
    meet(carrying, b, hourMs);
    carrying.received(item('photos', [b], 'bulk'), a, granted, at(hourMs));
    expect(carrying.accepts(item('alarm', [c], 'emergency'), at(hourMs))).toMatchObject({ takes: true, instead: ['photos'] });
    carrying.received(item('alarm', [c], 'emergency'), a, granted, at(hourMs));
    expect(carrying.accepts(item('more', [b], 'bulk'), at(hourMs))).toEqual({ takes: false, why: 'full' });
  });

  it('is taken back from the least, and own data stays', () => {
    const carrying = machine(20);
    meet(carrying, b, hourMs);
    carrying.received(item('far', [c]), a, granted, at(hourMs));
    carrying.received(item('near', [b]), a, granted, at(hourMs));
    carrying.created(item('mine', [c], 'bulk', self), at(hourMs));
    carrying.setSpace(10, at(hourMs));
    expect(released(carrying)).toEqual(['far room']);
    carrying.setSpace(0, at(hourMs));
    expect(released(carrying)).toEqual(['near room']);
    expect(carrying.has('mine')).toBe(true);
    carrying.forget('mine');
    carrying.forget('mine');
    expect(carrying.has('mine')).toBe(false);
  });

  it('ends at the size of the table', () => {
    const carrying = machine(1e9);
    for (let i = 0; i < 20_000; i++) carrying.created(item(`${i}`, [c], 'normal', self), at(0));
    expect(carrying.created(item('one more', [c], 'normal', self), at(0))).toBe(false);
    expect(carrying.digestFor(a, at(0)).held).toHaveLength(1024);
  });
});

describe('members', () => {
  it('that are many make strangers rare', () => {
    const carrying = machine(1000, 3);
    meet(carrying, b, hourMs);
    carrying.ended(b, at(hourMs));
    carrying.created(item('x', [c], 'normal', self), at(hourMs));
    meet(carrying, a, hourMs);
    // Both of the other two were met in the second half: the last one will be, too.
    expect(offered(carrying, a, hourMs)).toEqual([]);
    carrying.setMembers(1000);
    expect(offered(carrying, a, hourMs)).toEqual(['x late']);
  });
});

it('takes no more tickets than the writer of an item had, however often they are granted', () => {
  const carrying = machine();
  carrying.received(item('photos', [c], 'bulk'), a, { tickets: 0, copies: 2, served: 0 }, at(0));
  carrying.grant('photos', 4);
  expect(carrying.tickets('photos')).toBe(4);
  for (let times = 0; times < 20; times++) carrying.grant('photos', 0xffff);
  expect(carrying.tickets('photos')).toBe(carriageTerms.bulk.tickets);
});
