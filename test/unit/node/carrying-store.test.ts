import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { Moment } from '../../../src/core/time.ts';
import { MeetingHistory, meetingPeersMax } from '../../../src/mesh/meeting-history.ts';
import { CarryingStore } from '../../../src/node/carrying-store.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(new Uint8Array(32).fill(2));
const other = identifier<NodeId>(new Uint8Array(32).fill(3));
const hourMs = 3_600_000;
const [self, a, b, c] = [nameOf(0), nameOf(1), nameOf(2), nameOf(3)];

function moment(monotonicMs: number, wallMs: number): Moment {
  return { monotonicMs, wallMs } as Moment;
}

/** A store with the history that it holds, in one run of a process. */
function run(catalog: ReturnType<typeof openSqliteCatalog>, now: Moment) {
  const store = new CarryingStore(catalog, now);
  const history = new MeetingHistory(self, store.at(now), store.history(now));
  return { store, history, save: (at: Moment) => store.saveHistory(history.takeChanges(store.at(at)), at) };
}

describe('the time of carrying', () => {
  it('goes on by the wall clock from one run to the next, and by the monotonic clock within one', () => {
    const catalog = openSqliteCatalog(':memory:');
    const first = run(catalog, moment(500, 1_000_000));
    expect(first.store.at(moment(500, 1_000_000))).toBe(0);
    expect(first.store.at(moment(700, 9_000_000))).toBe(200);
    first.save(moment(700, 9_000_000));
    const second = new CarryingStore(catalog, moment(3, 9_000_000 + hourMs));
    expect(second.at(moment(3, 0))).toBe(200 + hourMs);
    expect(second.at(moment(13, 0))).toBe(210 + hourMs);
  });

  it('never goes back, and not on by years, when the wall clock is set meanwhile', () => {
    const catalog = openSqliteCatalog(':memory:');
    run(catalog, moment(0, 10 ** 12)).save(moment(1000, 10 ** 12));
    expect(new CarryingStore(catalog, moment(0, 5)).at(moment(0, 5))).toBe(1000);
    expect(new CarryingStore(catalog, moment(0, 2 * 10 ** 12)).at(moment(0, 0))).toBe(1000 + 60 * 24 * hourMs);
  });
});

describe('the history of meetings', () => {
  it('is the same after a restart, and counts the time between as one in which nobody was met', () => {
    const catalog = openSqliteCatalog(':memory:');
    const first = run(catalog, moment(0, 0));
    for (const [peer, hour] of [
      [a, 1],
      [b, 2],
      [a, 3],
    ] as const) {
      const at = moment(hour * hourMs, hour * hourMs);
      first.history.met(peer, first.store.at(at));
      first.history.learn(peer, [{ node: c, intervalMs: hourMs, delayMs: hourMs }], first.store.at(at));
      first.history.left(peer, first.store.at(at));
      first.save(at);
    }
    const later = moment(7, 6 * hourMs);
    const second = run(catalog, later);
    const at = second.store.at(later);
    expect(at).toBe(6 * hourMs);
    for (const peer of [a, b, c]) expect(second.history.rate(peer, at)).toBeCloseTo(first.history.rate(peer, at), 12);
    expect(second.history.rateBetween(a, c)).toBeCloseTo(1 / hourMs, 12);
    expect(second.history.delayMs(c, at)).toBeCloseTo(first.history.delayMs(c, at), 6);
    expect(second.history.entriesFor(b, at)).toEqual(first.history.entriesFor(b, at));
  });

  it('of a node that was killed in a contact has that contact as far as it was written', () => {
    const catalog = openSqliteCatalog(':memory:');
    const first = run(catalog, moment(0, 0));
    first.history.met(a, first.store.at(moment(hourMs, hourMs)));
    first.save(moment(hourMs, hourMs));
    const second = run(catalog, moment(0, 2 * hourMs));
    const untouched = new MeetingHistory(self, first.store.at(moment(0, 0)));
    untouched.met(a, first.store.at(moment(hourMs, 0)));
    untouched.left(a, first.store.at(moment(hourMs, 0)));
    expect(second.history.rate(a, second.store.at(moment(0, 0)))).toBe(untouched.rate(a, first.store.at(moment(2 * hourMs, 0))));
  });

  it('keeps no more rows than there are peers remembered', () => {
    const catalog = openSqliteCatalog(':memory:');
    const { store, history, save } = run(catalog, moment(0, 0));
    for (let i = 1; i <= meetingPeersMax + 20; i++) {
      const at = moment(i * 1000, i * 1000);
      history.met(nameOf(i), store.at(at));
      history.learn(nameOf(i), [{ node: nameOf(1000 + i), intervalMs: hourMs, delayMs: hourMs }], store.at(at));
      history.left(nameOf(i), store.at(at));
      save(at);
    }
    const { peers, paths } = store.history(moment(0, 0));
    expect([peers.length, paths.length]).toEqual([meetingPeersMax, meetingPeersMax]);
    expect(peers[0]?.node).toBe(nameOf(21));
  });
});

describe('entries that are written down', () => {
  const entry = { dataset, author, sequence: 7 };

  it('are given back in the order in which they came, until they are removed', () => {
    const store = new CarryingStore(openSqliteCatalog(':memory:'), moment(0, 0));
    const at = (ms: number) => store.at(moment(ms, 0));
    store.save({ ...entry, isOwn: false, tickets: 4, copies: 2, sinceAt: at(20) });
    store.save({ ...entry, sequence: 8, isOwn: true, tickets: 1, copies: 3, sinceAt: at(10) });
    expect(store.entries().map(({ sequence }) => sequence)).toEqual([8, 7]);
    expect(store.entry(entry)).toEqual({ ...entry, isOwn: false, tickets: 4, copies: 2, sinceAt: 20 });
    store.remove(entry);
    expect(store.entry(entry)).toBeUndefined();
  });

  it('are granted to a node once', () => {
    const store = new CarryingStore(openSqliteCatalog(':memory:'), moment(0, 0));
    expect([store.noteGrant(entry, other), store.noteGrant(entry, other), store.noteGrant(entry, author)]).toEqual([true, false, true]);
    store.remove(entry);
    expect(store.noteGrant(entry, other)).toBe(true);
  });

  it('that were given up are remembered, the latest twenty thousand', () => {
    const catalog = openSqliteCatalog(':memory:');
    const store = new CarryingStore(catalog, moment(0, 0));
    catalog.transaction(() => {
      for (let sequence = 1; sequence <= 20_010; sequence++) store.noteGivenUp({ ...entry, sequence });
      store.noteGivenUp({ ...entry, sequence: 15 });
    });
    const givenUp = store.givenUp();
    expect(givenUp.length).toBeLessThanOrEqual(20_000);
    expect([givenUp[0]?.sequence, givenUp.at(-1)?.sequence]).toEqual([12, 15]);
  });
});
