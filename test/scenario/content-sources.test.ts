import { afterEach, expect, test, vi } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { ContentTasks } from '../../src/node/content-tasks.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { type Camp, chain, expectFile, folder, hour, minute, type Pair, publish, second } from './camp.ts';

const lan: LinkModel = { delayMs: 1, rateBytesPerSecond: 12_500_000, queueBytes: 256_000 };
const radio: LinkModel = { delayMs: 40, rateBytesPerSecond: 32_000, queueBytes: 32_000 };
const path = 'scan.las';

/** Two holders of a file, and a hut that is about to hear both. */
async function twoHolders(seed: number, models: { readonly valley: LinkModel; readonly ridge: LinkModel }): Promise<Camp> {
  const camp = await chain(seed, ['valley', 'ridge'], lan);
  const { world } = camp;
  const [valley, ridge] = camp.nodes as Pair;
  const hut = await world.add('hut');
  const links = [world.link('valley', 'hut', models.valley), world.link('ridge', 'hut', models.ridge)];
  await world.finish(hut.node.join(valley.node.createInvite({ role: 'coordinator' })), hour);
  expect(await world.until(() => hut.node.datasets().length === 1 && ridge.node.members().length === 3, hour)).toBe(true);
  hut.node.addContact(ridge.node.id, ['udp://ridge:7077']);
  hut.directory(folder);
  hut.node.attach(camp.dataset, folder);
  await world.runFor(10 * second);
  for (const link of links) link.cut();
  await publish(camp, valley, path, scan);
  await expectFile(world, ridge, path, scan);
  await world.runFor(minute);
  return { ...camp, nodes: world.nodes };
}

/** Bytes that came to the hut from a holder, headers counted. */
function cameFrom({ world }: Camp, ...holders: string[]): number {
  return holders.reduce((sum, holder) => sum + world.linkBetween(holder, 'hut').trafficFrom(holder).bytes, 0);
}

/** Lets the hut hear these holders, and returns how long the file took, in seconds, and how many bytes came. */
async function fetched(camp: Camp, ...holders: string[]): Promise<{ readonly seconds: number; readonly cameBytes: number }> {
  const { world } = camp;
  const before = cameFrom(camp, ...holders);
  for (const holder of holders) world.linkBetween(holder, 'hut').heal();
  for (const holder of holders) world.node(holder).node.hint();
  const from = world.nowMs;
  await expectFile(world, world.node('hut'), path, scan, 2 * hour);
  return { seconds: (world.nowMs - from) / second, cameBytes: cameFrom(camp, ...holders) - before };
}

const scan = seededRandom(841).bytes(6 * 2 ** 20);
/** Bytes that come when one holder sends it alone. */
const aloneBytes = scan.length * 1.07;
/** How long one takes alone, in seconds. */
const aloneSeconds = aloneBytes / 32_000;

afterEach(() => vi.restoreAllMocks());

test('a file that two neighbours hold comes from both at once, in little more than half the time', async () => {
  const both = await fetched(await twoHolders(841, { valley: radio, ridge: radio }), 'valley', 'ridge');
  const one = await fetched(await twoHolders(841, { valley: radio, ridge: radio }), 'valley');
  expect(one.seconds / both.seconds).toBeGreaterThan(1.7);
  expect(one.cameBytes).toBeLessThan(aloneBytes);
  expect(both.cameBytes).toBeLessThan(one.cameBytes * 1.01);
});

test('where both are heard over the same radio channel nothing is gained, and next to nothing lost', async () => {
  const shared: LinkModel = { ...radio, channel: 'vhf' };
  const { seconds, cameBytes } = await fetched(await twoHolders(842, { valley: shared, ridge: shared }), 'valley', 'ridge');
  expect(seconds).toBeLessThan(aloneSeconds * 1.08);
  expect(cameBytes).toBeLessThan(aloneBytes * 1.01);
});

test.each(['valley', 'ridge'])('%s dies half-way: the other goes on, and less than a hundredth comes twice', async (dead) => {
  const camp = await twoHolders(843, { valley: radio, ridge: radio });
  camp.world.at(camp.world.nowMs + 60 * second, () => camp.world.node(dead).kill());
  const { seconds, cameBytes } = await fetched(camp, 'valley', 'ridge');
  expect(cameBytes).toBeLessThan(aloneBytes * 1.01);
  expect(seconds).toBeLessThan(aloneSeconds - 60 + 15);
});

test.each(['valley', 'ridge'])('%s is eight times slower: the other takes over what would take it long', async (slow) => {
  const models = { valley: radio, ridge: radio, [slow]: { ...radio, rateBytesPerSecond: 4000 } };
  const { seconds, cameBytes } = await fetched(await twoHolders(844, models), 'valley', 'ridge');
  expect(seconds).toBeLessThan(aloneSeconds);
  expect(cameBytes).toBeLessThan(aloneBytes * 1.01);
});

test('a neighbour over a satellite is not asked for what comes over a radio', async () => {
  const satellite: LinkModel = { delayMs: 300, rateBytesPerSecond: 32_000, queueBytes: 64_000 };
  const camp = await twoHolders(846, { valley: radio, ridge: satellite });
  const before = cameFrom(camp, 'ridge');
  camp.world.linkBetween('valley', 'hut').heal();
  camp.world.node('valley').node.hint();
  await camp.world.runFor(10 * second);
  await fetched(camp, 'valley', 'ridge');
  expect(cameFrom(camp, 'ridge') - before).toBeLessThan(20_000);
});

test.each([0, 1])('one of two holders lies (%i): it is found out by its first group, and all comes from the other', async (liar) => {
  const camp = await twoHolders(845, { valley: radio, ridge: radio });
  const honest = ContentTasks.prototype.encode;
  const senders: ContentTasks[] = [];
  vi.spyOn(ContentTasks.prototype, 'encode').mockImplementation(async function (this: ContentTasks, ...parameters) {
    if (!senders.includes(this)) senders.push(this);
    const encoded = await honest.apply(this, parameters);
    if (senders[liar] === this && encoded?.kind === 'encoded') {
      const at = encoded.bytes.length - 1;
      encoded.bytes[at] = (encoded.bytes[at] as number) ^ 1;
    }
    return encoded;
  });
  const { cameBytes } = await fetched(camp, 'valley', 'ridge');
  expect(senders.length).toBe(2);
  expect(camp.world.node('hut').events.filter(({ type }) => type === 'fault')).toMatchObject([{ fault: { code: 'CHUNK_WRONG' } }]);
  expect(cameBytes).toBeLessThan(aloneBytes + 1.2 * 2 ** 20);
});

test('a holder whose memory failed it once is asked again after a minute, as nobody else has it', async () => {
  const camp = await twoHolders(847, { valley: radio, ridge: radio });
  const honest = ContentTasks.prototype.encode;
  let failures = 1;
  vi.spyOn(ContentTasks.prototype, 'encode').mockImplementation(async function (this: ContentTasks, ...parameters) {
    const encoded = await honest.apply(this, parameters);
    const last = encoded?.kind === 'encoded' ? encoded.bytes.length - 1 : 0;
    if (encoded?.kind === 'encoded' && failures-- > 0) encoded.bytes[last] = (encoded.bytes[last] as number) ^ 1;
    return encoded;
  });
  const { seconds } = await fetched(camp, 'valley');
  expect(camp.world.node('hut').events.filter(({ type }) => type === 'fault')).toMatchObject([{ fault: { code: 'CHUNK_WRONG' } }]);
  expect(seconds).toBeGreaterThan(60);
  expect(seconds).toBeLessThan(aloneSeconds + 60 + 15);
});
