import { beforeEach, describe, expect, it } from 'vitest';
import { identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { Contacts } from '../../../src/forwarding/contacts.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [alice, bob] = [1, 2].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId];
const at = (ms: number) => ms as MonotonicMs;

let catalog: ReturnType<typeof openSqliteCatalog>;
let contacts: Contacts;
beforeEach(() => {
  catalog = openSqliteCatalog(':memory:');
  contacts = new Contacts(catalog, seededRandom(1), at(0));
});

/** Fails every attempt until `endMs`, and tells when each was made. */
function attempts(endMs: number, startMs = 0): { atMs: number; address: string }[] {
  const made: { atMs: number; address: string }[] = [];
  for (let now = startMs; now <= endMs; now = Math.max(now, contacts.nextDeadline()?.at ?? Number.POSITIVE_INFINITY)) {
    for (const { peer, address } of contacts.due(at(now))) {
      made.push({ atMs: now, address });
      contacts.failed(peer, at(now));
    }
  }
  return made;
}

describe('reaching a peer', () => {
  it('begins at once, and an attempt under way is not made twice', () => {
    contacts.add(alice, ['udp:a'], at(5));
    expect(contacts.nextDeadline()).toMatchObject({ at: 5 });
    expect(contacts.due(at(4))).toEqual([]);
    expect(contacts.due(at(5))).toEqual([{ peer: alice, address: 'udp:a' }]);
    expect(contacts.due(at(1e9))).toEqual([]);
    expect(contacts.nextDeadline()).toBeUndefined();
  });

  it('goes on for ever, with pauses that grow to a minute', () => {
    contacts.add(alice, ['udp:a'], at(0));
    const made = attempts(1_200_000);
    const pauses = made.slice(1).map(({ atMs }, index) => atMs - made[index]!.atMs);
    expect(pauses[0]).toBeLessThanOrEqual(625);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(75_000);
    expect(Math.min(...pauses.slice(20))).toBeGreaterThanOrEqual(45_000);
    expect(new Set(pauses).size).toBeGreaterThan(20);
  });

  it('finds who has not answered for long within a 20th of that, and in ten minutes at most; at once what is hinted at', () => {
    contacts.add(alice, ['udp:a'], at(0));
    const made = attempts(86_400_000).map(({ atMs }) => atMs);
    for (const [index, atMs] of made.slice(1).entries())
      expect(atMs - made[index]!).toBeLessThanOrEqual(1.25 * Math.min(600_000, Math.max(60_000, made[index]! / 20)));
    expect(made.length).toBeLessThan(250);
    contacts.hint(new Set(), at(86_400_000));
    const again = attempts(87_600_000, 86_400_000).map(({ atMs }) => atMs);
    expect(Math.max(...again.slice(1).map((atMs, index) => atMs - again[index]!))).toBeLessThanOrEqual(75_000);
  });

  it('tries every address in turn before it waits longer', () => {
    contacts.add(alice, ['udp:a', 'tcp:b', 'udp:c'], at(0));
    const made = attempts(2200);
    expect(made.map(({ address }) => address).slice(0, 4)).toEqual(['udp:a', 'tcp:b', 'udp:c', 'udp:a']);
    expect(made.slice(1, 3).every(({ atMs }, index) => atMs - made[index]!.atMs <= 625)).toBe(true);
  });

  it('stops while a session stands, and begins with short pauses when it ends', () => {
    contacts.add(alice, ['udp:a'], at(0));
    attempts(100_000);
    contacts.connected(alice);
    expect(contacts.nextDeadline()).toBeUndefined();
    contacts.failed(alice, at(200_000));
    expect(contacts.nextDeadline()!.at).toBeLessThanOrEqual(200_625);
    // Told twice, it is one failure.
    const { at: due } = contacts.nextDeadline()!;
    contacts.failed(alice, at(200_600));
    expect(contacts.nextDeadline()!.at).toBe(due);
  });

  it('starts over at a hint, for those without a session', () => {
    contacts.add(alice, ['udp:a'], at(0));
    contacts.add(bob, ['udp:b'], at(0));
    attempts(600_000);
    contacts.hint(new Set([bob]), at(600_001));
    expect(contacts.due(at(600_001)).map(({ peer }) => peer)).toContain(alice);
    contacts.failed(alice, at(600_001));
    expect(contacts.nextDeadline()!.at).toBeLessThanOrEqual(600_626);
  });

  it('uses new addresses at once, keeps them over a restart, and ignores an empty list', () => {
    contacts.add(alice, ['udp:a'], at(0));
    contacts.add(alice, ['udp:new'], at(7));
    contacts.add(alice, [], at(8));
    contacts.add(bob, [], at(8));
    expect([contacts.addresses(alice), contacts.addresses(bob)]).toEqual([['udp:new'], []]);
    contacts = new Contacts(catalog, seededRandom(1), at(100));
    expect(contacts.due(at(100))).toEqual([{ peer: alice, address: 'udp:new' }]);
  });

  it('tries a peer that nobody named where it was last heard, once it falls silent or this node restarted', () => {
    contacts.heard(bob, 'udp:old');
    contacts.heard(bob, 'udp:here');
    contacts.heard(bob, 'udp:here');
    expect([contacts.addresses(bob), contacts.nextDeadline()]).toEqual([['udp:here'], undefined]);
    contacts.failed(bob, at(10));
    expect(contacts.nextDeadline()!.at).toBeLessThanOrEqual(635);
    contacts = new Contacts(catalog, seededRandom(1), at(100));
    expect(contacts.due(at(100))).toEqual([{ peer: bob, address: 'udp:here' }]);
  });

  it('keeps to the addresses it was given for a peer that is heard elsewhere', () => {
    contacts.add(alice, ['udp:a'], at(0));
    contacts.heard(alice, 'udp:roaming');
    expect(contacts.addresses(alice)).toEqual(['udp:a']);
  });

  it('forgets a peer for good, wherever its addresses came from', () => {
    contacts.add(alice, ['udp:a'], at(0));
    contacts.heard(bob, 'udp:here');
    contacts.failed(bob, at(1));
    contacts.remove(alice);
    contacts.remove(bob);
    expect([contacts.addresses(alice), contacts.addresses(bob), contacts.nextDeadline()]).toEqual([[], [], undefined]);
    contacts = new Contacts(catalog, seededRandom(1), at(100));
    expect(contacts.due(at(100))).toEqual([]);
  });

  it('tries a peer at the instant at which earlier contacts let it be expected, and often from then on', () => {
    let now = 0;
    contacts = new Contacts(catalog, seededRandom(1), at(0), {
      opensInMs: () => 0,
      expectedInMs: () => (now < 600_000 ? 600_000 - now : 1_200_000),
    });
    contacts.add(alice, ['udp:a'], at(0));
    const made: number[] = [];
    for (; now < 610_000; now = contacts.nextDeadline()!.at) {
      made.push(now);
      expect(contacts.due(at(now))).toHaveLength(1);
      contacts.failed(alice, at(now));
    }
    expect(made).toContain(600_000);
    expect(made.filter((ms) => ms > 600_000).length).toBeGreaterThanOrEqual(3);
  });

  it('takes no notice of peers it was not asked to reach', () => {
    contacts.connected(bob);
    contacts.failed(bob, at(1));
    expect(contacts.nextDeadline()).toBeUndefined();
  });

  it('leaves a peer alone until its window opens, and says so', () => {
    let opensInMs: number | undefined = 600_000;
    contacts = new Contacts(catalog, seededRandom(1), at(0), { opensInMs: () => opensInMs, expectedInMs: () => undefined });
    contacts.add(alice, ['udp:a'], at(0));
    expect(contacts.due(at(0))).toHaveLength(1);
    contacts.failed(alice, at(0));
    expect(contacts.nextDeadline()).toEqual({ at: 600_000, reason: 'the window of a peer opens' });
    contacts.hint(new Set(), at(5));
    expect(contacts.due(at(5))).toHaveLength(1);
    opensInMs = 0;
    contacts.failed(alice, at(600_000));
    expect(contacts.nextDeadline()).toMatchObject({ reason: 'try to reach a peer again' });
    expect(contacts.nextDeadline()!.at).toBeLessThanOrEqual(600_625);
    opensInMs = undefined;
    contacts.windowsChanged(alice, true, at(600_001));
    expect(contacts.nextDeadline()).toBeDefined();
    contacts.windowsChanged(alice, false, at(600_001));
    expect(contacts.nextDeadline()).toBeUndefined();
    contacts.windowsChanged(bob, false, at(600_001));
    expect(contacts.nextDeadline()).toBeUndefined();
  });
});
