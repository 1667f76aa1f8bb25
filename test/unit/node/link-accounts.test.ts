import { describe, expect, it } from 'vitest';
import { hourMs } from '../../../src/bandwidth/budget-period.ts';
import type { DatasetId, NodeId } from '../../../src/core/identifiers.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { LinkAccounts, linkOfPath } from '../../../src/node/link-accounts.ts';
import type { LinkBudget } from '../../../src/node/link-budgets.ts';
import { RateCaps } from '../../../src/node/rate-caps.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dayMs = 24 * hourMs;
const began = 20_000 * dayMs;
const at = (ms: number): Moment => ({ monotonicMs: ms as MonotonicMs, wallMs: (began + ms) as WallMs });
const peer = 'ab'.repeat(32) as NodeId;
const key = new Uint8Array(32).fill(7);

function setUp(catalog = openSqliteCatalog(':memory:')) {
  const caps = new RateCaps(catalog, at(0).monotonicMs);
  const accounts = new LinkAccounts({ catalog, caps, peerByKey: (each) => (each[0] === 7 ? peer : undefined) }, at(0));
  return { catalog, caps, accounts };
}

const all = (accounts: LinkAccounts) => accounts.usage(0 as WallMs, Number.MAX_SAFE_INTEGER as WallMs);
const monthly = (change: Partial<LinkBudget>): LinkBudget => ({ name: 'a', period: { kind: 'month' }, limitBytes: 1000, ...change });

describe('the link of a path', () => {
  it.each([
    ['udp://10.0.0.1:7077', 'udp://10.0.0.1'],
    ['tcp://ridge:7077#3', 'tcp://ridge'],
    ['udp://[fe80::1%eth0]:7077', 'udp://[fe80::1%eth0]'],
    ['something else', 'something else'],
  ])('%s is %s', (path, link) => expect(linkOfPath(path)).toBe(link));
});

describe('the accounts of links', () => {
  it('write a row when more would leave than is covered, and not for every packet', () => {
    const { accounts, catalog } = setUp();
    const flow = accounts.flow('udp://a:1', key);
    let writes = 0;
    let before = 0;
    for (let packet = 0; packet < 1000; packet++) {
      accounts.begin(at(packet));
      flow.book('sent', 'data', 1000);
      accounts.settle();
      const row = catalog.get<{ sent_data: number; ahead: number }>('SELECT sent_data, ahead FROM link_traffic');
      const covered = (row?.sent_data ?? 0) + (row?.ahead ?? 0);
      expect(covered).toBeGreaterThanOrEqual((packet + 1) * 1000);
      if (covered !== before) writes++;
      before = covered;
    }
    expect(writes).toBeLessThan(100);
  });

  it('write a row a few times a second on a fast link, and are never ahead by more than goes in one', () => {
    const { accounts, catalog } = setUp();
    const flow = accounts.flow('tcp://a:1', key);
    const bytesPerMs = 10_000;
    let writes = 0;
    let before: unknown;
    for (let ms = 1; ms <= 2000; ms++) {
      accounts.begin(at(ms));
      flow.book('sent', 'data', bytesPerMs);
      accounts.settle();
      const row = catalog.get<{ sent_data: number; ahead: number }>('SELECT sent_data, ahead FROM link_traffic');
      expect(row?.ahead).toBeLessThanOrEqual(1000 * bytesPerMs);
      if (row?.sent_data !== before) writes++;
      before = row?.sent_data;
    }
    expect(writes).toBeLessThan(15);
  });

  it('cost at most a 64th of the budget when the node is killed', () => {
    const { accounts, catalog } = setUp();
    accounts.setBudget(monthly({ limitBytes: 64_000 }));
    accounts.flow('udp://a:1', key).book('sent', 'data', 20_000);
    accounts.settle();
    expect(setUp(catalog).accounts.budgets()[0]?.usedBytes).toBe(21_000);
    expect(all(setUp(catalog).accounts)).toMatchObject([{ peer, sent: { data: 20_000 }, unaccountedBytes: 1000 }]);
  });

  it('keep hours apart for 62 days and sums for ever', () => {
    const { accounts } = setUp();
    const flow = accounts.flow('udp://a:1', key);
    for (let day = 0; day < 70; day++) {
      accounts.begin(at(day * dayMs));
      accounts.settle();
      flow.book('sent', 'data', 1);
      flow.book('received', 'control', 2);
      accounts.settle();
    }
    const usage = all(accounts);
    expect(usage.reduce((sum, { sent, received }) => sum + sent.data + received.control, 0)).toBe(210);
    expect(usage[0]?.fromMs).toBe(0);
    expect(usage.length).toBe(1 + 63);
    expect(accounts.usage((began + 60 * dayMs) as WallMs, (began + 62 * dayMs) as WallMs).length).toBe(2);
  });

  it('tell no more strangers apart than there can be links', () => {
    const { accounts } = setUp();
    for (let host = 0; host < 5000; host++)
      accounts.flow(`udp://10.0.${host >> 8}.${host & 255}:1`, undefined).book('received', 'control', 10);
    const usage = all(accounts);
    expect(usage.length).toBe(4097);
    expect(usage.find(({ link }) => link === 'other')?.received.control).toBe((5000 - 4096) * 10);
  });

  it('know a newcomer by introduction before the log names it', () => {
    const { accounts } = setUp();
    const stranger = new Uint8Array(32).fill(9);
    accounts.introduce(stranger, 'cd'.repeat(32) as NodeId);
    accounts.flow('udp://b:1', stranger).book('sent', 'handshake', 5);
    expect(all(accounts)).toMatchObject([{ peer: 'cd'.repeat(32), sent: { handshake: 5 } }]);
  });

  it('count what went before a budget was set, by address, member and class', () => {
    const { accounts, catalog } = setUp();
    const flow = accounts.flow('udp://10.64.0.7:1', key);
    flow.book('sent', 'data', 100);
    accounts.classify('udp://10.64.0.7:1', peer, 'iridium');
    flow.book('sent', 'data', 30);
    flow.book('received', 'data', 7);
    accounts.setBudget(monthly({ name: 'address', address: 'udp://10.*.0.*' }));
    accounts.setBudget(monthly({ name: 'class', linkClass: 'iridium' }));
    accounts.setBudget(monthly({ name: 'other class', linkClass: 'gsm' }));
    accounts.setBudget(monthly({ name: 'peer', peer, counts: 'sent' }));
    accounts.setBudget(monthly({ name: 'elsewhere', address: 'udp://10.65.*' }));
    accounts.setBudget(monthly({ name: 'exactly', address: 'udp://10.64.0.7' }));
    const used = () => Object.fromEntries(accounts.budgets().map(({ budget, usedBytes }) => [budget.name, usedBytes]));
    expect(used()).toEqual({ address: 137, class: 37, 'other class': 0, peer: 130, elsewhere: 0, exactly: 137 });
    expect(setUp(catalog).accounts.flow('udp://10.64.0.7:9', key).allowanceBytes('bulk')).toBeLessThanOrEqual(1000 - 137);
    accounts.removeBudget('exactly');
    expect(used().exactly).toBeUndefined();
  });

  it('say which budget blocks and until when, and never where it is too small at all', () => {
    const { accounts } = setUp();
    accounts.setBudget(monthly({ reserveBytes: { critical: 400, emergency: 100 } }));
    expect(accounts.blocking('udp://a:1', peer, 'bulk', 500)).toBeUndefined();
    expect(accounts.blocking('udp://a:1', peer, 'bulk', 501)).toEqual({ budget: expect.objectContaining({ name: 'a' }) });
    const flow = accounts.flow('udp://a:1', key);
    expect(flow.availableAt(501, 'bulk')).toBe(Infinity);
    flow.book('sent', 'data', 300);
    expect(accounts.blocking('udp://a:1', peer, 'bulk', 400)?.untilMs).toBeGreaterThan(began);
    expect(['bulk', 'normal', 'critical', 'emergency'].map((each) => flow.allowanceBytes(each as 'bulk'))).toEqual([200, 200, 600, 700]);
    expect(flow.availableAt(400, 'bulk')).toBeGreaterThan(0);
    expect(flow.availableAt(400, 'critical')).toBe(-Infinity);
  });

  it.each([
    ['no name', { name: '' }],
    ['reserves beyond the limit', { reserveBytes: { critical: 900, emergency: 101 } }],
    ['a period without end', { period: { kind: 'rolling', hours: 1489 } }],
    ['half a byte', { limitBytes: 0.5 }],
    ['a field nobody knows', { limit: 5 }],
  ])('refuse a budget with %s', (_, change) => {
    expect(() => setUp().accounts.setBudget(monthly(change as Partial<LinkBudget>))).toThrow(
      expect.objectContaining({ code: 'BUDGET_MALFORMED' }),
    );
  });

  it('keep no more than 256 budgets', () => {
    const { accounts } = setUp();
    for (let i = 0; i < 256; i++) accounts.setBudget(monthly({ name: `budget ${i}` }));
    accounts.setBudget(monthly({ name: 'budget 7', limitBytes: 5 }));
    expect(() => accounts.setBudget(monthly({ name: 'one more' }))).toThrow(expect.objectContaining({ code: 'BUDGET_MALFORMED' }));
  });
});

describe('rate caps and weights', () => {
  it('are kept over restarts, and removed', () => {
    const { catalog, caps } = setUp();
    const dataset = 'ef'.repeat(32) as DatasetId;
    caps.set({ peer }, 1000, at(0).monotonicMs);
    caps.set({ dataset }, 500, at(0).monotonicMs);
    caps.setWeight(dataset, 3);
    const again = setUp(catalog);
    expect(again.caps.list()).toEqual([
      { dataset, rateBytesPerSecond: 500 },
      { peer, rateBytesPerSecond: 1000 },
    ]);
    expect([again.caps.weightOf(dataset), again.caps.weightOf(undefined)]).toEqual([3, 1]);
    const flow = again.accounts.flow('udp://a:1', key);
    flow.book('sent', 'data', 3000);
    expect(flow.allowanceBytes('bulk')).toBe(0);
    expect(flow.allowanceBytes('emergency')).toBe(Infinity);
    expect(flow.availableAt(100, 'normal')).toBeCloseTo(3000);
    again.caps.set({ peer }, undefined, at(0).monotonicMs);
    expect(flow.allowanceBytes('bulk')).toBe(Infinity);
  });

  it.each([
    ['nobody', {}, 5],
    ['two', { peer, dataset: 'ef'.repeat(32) as DatasetId }, 5],
    ['nothing a second', { peer }, 0],
    ['no number', { peer }, Number.NaN],
  ])('refuse a cap for %s', (_, subject, rate) => {
    expect(() => setUp().caps.set(subject, rate, at(0).monotonicMs)).toThrow(expect.objectContaining({ code: 'CAP_MALFORMED' }));
    expect(() => setUp().caps.setWeight('ef' as DatasetId, 0)).toThrow(expect.objectContaining({ code: 'CAP_MALFORMED' }));
  });
});
