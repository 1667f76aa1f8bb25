import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { FieldNodeEvent } from '../../src/node/node-event.ts';
import { chain, expectFile, hour, minute, onDisk, type Pair, publish, radio, second, type Trio } from './camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);

/** The states that deliveries to a node came into, as they are reported. */
function steps(events: readonly FieldNodeEvent[], destination: string): string[] {
  return events.flatMap((event) =>
    event.type === 'delivery' && event.destination === destination && event.order !== undefined ? [event.to] : [],
  );
}

test('a file is sent to one member that does not subscribe, which gets that file and nothing else, and its sender sees every step', async () => {
  const camp = await chain(601, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  await publish(camp, a, 'season.raw', noise(1, 80_000));
  await publish(camp, a, 'note.txt', 'for the ridge');
  const events: FieldNodeEvent[] = [];
  a.node.onEvent((event) => events.push(event));
  const order = a.node.forwarding.send(camp.dataset, { paths: ['note.*'], to: [b.node.id], priority: 'critical' });
  expect(a.node.forwarding.queue(b.node.id)).toMatchObject([{ path: 'note.txt', priority: 'critical', order, sizeBytes: 13 }]);
  await camp.world.runFor(5 * minute);
  expect(new TextDecoder().decode(await onDisk(b, 'note.txt'))).toBe('for the ridge');
  expect(await onDisk(b, 'season.raw')).toBeUndefined();
  expect(steps(events, b.node.id).at(-1)).toBe('delivered');
  expect(a.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'delivered', reason: 'receipt of the destination' }]);
  expect(b.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'delivered' }]);
  expect(a.node.forwarding.queue(b.node.id)).toEqual([]);
});

test('where a file is can be asked for while it moves: how much, over whom, who has it, and when it will be there', async () => {
  const camp = await chain(602, ['camp', 'ridge', 'coast'], { ...radio, rateBytesPerSecond: 1200 });
  const [a, b, c] = camp.nodes as Trio;
  camp.world.linkBetween('ridge', 'coast').cut();
  await publish(camp, a, 'photo.raw', noise(2, 100_000));
  const of = (node: typeof a, destination: typeof a) =>
    node.node.forwarding.where(camp.dataset, 'photo.raw').find((each) => each.destination === destination.node.id)!;
  await camp.world.runFor(40 * second);
  const moving = of(a, b);
  expect(moving).toMatchObject({ state: 'active', reason: 'asked for', via: b.node.id, sizeBytes: 100_000, custodians: [] });
  expect(moving.movedBytes).toBeGreaterThan(10_000);
  expect(moving.movedBytes).toBeLessThan(90_000);
  expect(moving.expected!.atMs).toBeGreaterThan(0);
  expect(of(a, c)).toMatchObject({ state: 'queued', movedBytes: 0 });
  camp.world.linkBetween('camp', 'ridge').cut();
  await camp.world.runFor(10 * minute);
  expect(of(a, b)).toMatchObject({ state: 'partial', reason: 'the contact ended' });
  camp.world.linkBetween('camp', 'ridge').heal();
  await expectFile(camp.world, b, 'photo.raw', noise(2, 100_000));
  await camp.world.runFor(minute);
  expect(of(a, b)).toMatchObject({ state: 'delivered', movedBytes: 100_000 });
  expect(of(a, c)).toMatchObject({ state: 'custody', custodians: [b.node.id] });
  camp.world.linkBetween('ridge', 'coast').heal();
  await expectFile(camp.world, c, 'photo.raw', noise(2, 100_000));
  await camp.world.runFor(minute);
  expect(of(a, c)).toMatchObject({ state: 'delivered', custodians: [b.node.id] });
  expect(a.node.forwarding.where(camp.dataset, 'nothing')).toEqual([]);
});

test('an order outlives a crash, and ends when its expiry comes, with the wake-up for it explained', async () => {
  const camp = await chain(603, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  camp.world.linkBetween('camp', 'ridge').cut();
  await publish(camp, a, 'warning.txt', 'storm');
  const order = a.node.forwarding.send(camp.dataset, {
    paths: ['warning.txt'],
    to: [b.node.id],
    expiresMs: Math.floor(a.clock.now().wallMs) + hour,
  });
  a.kill();
  await camp.world.finish(a.start());
  expect(a.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'queued' }]);
  await camp.world.runFor(hour + minute);
  expect(a.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'expired', reason: 'its expiry has come' }]);
  camp.world.linkBetween('camp', 'ridge').heal();
  await camp.world.runFor(hour);
  expect(await onDisk(b, 'warning.txt')).toBeUndefined();
});

test('rules and orders change the class of what is under way, and it passes what was before it', async () => {
  const camp = await chain(604, ['camp', 'ridge'], { ...radio, rateBytesPerSecond: 1200 });
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.raw', noise(3, 60_000));
  await publish(camp, a, 'film.raw', noise(4, 200_000));
  await camp.world.runFor(20 * second);
  a.node.forwarding.setPriorityRules(camp.dataset, [
    { priority: 'bulk', sizeBytesMin: 100_000 },
    { priority: 'critical', glob: '*.txt' },
  ]);
  await publish(camp, a, 'urgent.txt', new TextDecoder('latin1').decode(noise(5, 20_000)));
  const order = a.node.forwarding.send(camp.dataset, {
    paths: ['film.raw'],
    subscribers: true,
    deadlineMs: Math.floor(a.clock.now().wallMs) + hour,
  });
  expect(a.node.forwarding.order(camp.dataset, order)).toMatchObject([{ priority: 'bulk', destination: b.node.id }]);
  await camp.world.runFor(90 * second);
  expect(b.node.forwarding.priorityRules(camp.dataset)).toHaveLength(2);
  expect(await onDisk(b, 'urgent.txt')).toBeDefined();
  expect(await onDisk(b, 'film.raw')).toBeUndefined();
  a.node.forwarding.setPriority(camp.dataset, order, 'emergency');
  await expectFile(camp.world, b, 'film.raw', noise(4, 200_000));
  await expectFile(camp.world, b, 'a.raw', noise(3, 60_000));
});

test('a cancelled order is not delivered', async () => {
  const camp = await chain(605, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  camp.world.linkBetween('camp', 'ridge').cut();
  await publish(camp, a, 'secret.txt', 'not for the ridge after all');
  const order = a.node.forwarding.send(camp.dataset, { to: [b.node.id] });
  a.node.forwarding.cancel(camp.dataset, order);
  camp.world.linkBetween('camp', 'ridge').heal();
  await camp.world.runFor(hour);
  expect(a.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'failed', reason: 'cancelled' }]);
  expect(await onDisk(b, 'secret.txt')).toBeUndefined();
});

test('what cannot be sent is refused with its reason', async () => {
  const camp = await chain(606, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  const code = (call: () => unknown): string => {
    try {
      call();
      return 'none';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const { forwarding } = a.node;
  expect(code(() => forwarding.send(camp.dataset, { paths: ['*.none'], subscribers: true }))).toBe('NOTHING_TO_SEND');
  await publish(camp, a, 'a.txt', 'a');
  expect(code(() => forwarding.send(camp.dataset, {}))).toBe('RECIPIENT_UNKNOWN');
  expect(code(() => forwarding.send(camp.dataset, { to: [a.node.id] }))).toBe('RECIPIENT_UNKNOWN');
  expect(code(() => forwarding.send(camp.dataset, { to: [b.node.id], deadlineMs: 0.5 }))).toBe('ORDER_INVALID');
  expect(code(() => forwarding.cancel(camp.dataset, { author: b.node.id, sequence: 1 }))).toBe('ORDER_UNKNOWN');
  expect(code(() => forwarding.setPriorityRules(camp.dataset, [{ priority: 'bulk', glob: '' }]))).toBe('PRIORITY_RULES_INVALID');
  expect(code(() => forwarding.setContactWindows(b.node.id, [{ fromMs: 2, toMs: 1 }]))).toBe('CONTACT_WINDOW_INVALID');
});

test('a member with declared windows is left alone outside of them, and the node sleeps until the next opens', async () => {
  const camp = await chain(607, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  camp.world.linkBetween('camp', 'ridge').cut();
  await camp.world.runFor(10 * minute);
  const start = camp.world.nowMs;
  const now = Math.floor(b.clock.now().wallMs);
  const windows = [{ fromMs: now + hour, toMs: now + hour + 10 * minute }];
  b.node.forwarding.setContactWindows(a.node.id, windows);
  expect(b.node.forwarding.contactWindows(a.node.id)).toEqual(windows);
  b.kill();
  await camp.world.finish(b.start());
  await camp.world.runFor(20 * minute);
  expect(b.node.nextWakeUp()).toMatchObject({ reason: 'the window of a peer opens' });
  expect(b.node.forwarding.forecast(a.node.id)).toEqual({ next: { atMs: now + hour, confidence: 1, reason: 'declared' } });
  camp.world.linkBetween('camp', 'ridge').heal();
  expect(b.node.connectedPeers()).toEqual([]);
  await camp.world.runUntil(start + hour + minute);
  expect(b.node.connectedPeers()).toEqual([a.node.id]);
});
