import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { linkPresets } from '../../../src/simulation/presets.ts';
import type { SimulatedNode } from '../../../src/simulation/simulated-node.ts';
import { type Camp, chain, deliveryByName, expectFile, hour, minute, type Pair, publish, second } from '../camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);

/** Lets time pass until something holds of a node; gives the minutes that it took. */
async function minutesUntil({ world }: Camp, node: SimulatedNode, isThere: (node: SimulatedNode) => boolean): Promise<number> {
  const began = world.nowMs;
  while (!isThere(node) && world.nowMs < began + hour) await world.runFor(second);
  expect(isThere(node)).toBe(true);
  return (world.nowMs - began) / minute;
}

test('priorities under a starved link: an alarm passes a day of backlog within seconds, and the backlog still moves', async () => {
  const camp = await chain(811, ['hut', 'office']);
  const [hut, office] = camp.nodes as Pair;
  const alarms = hut.node.createDataset({ name: 'alarms', kind: 'files', priority: 'emergency' });
  const photos = hut.node.createDataset({ name: 'photos', kind: 'files', priority: 'bulk' });
  expect(await camp.world.until(() => office.node.datasets().length === 3, hour)).toBe(true);
  for (const [dataset, directory] of [
    [alarms, 'alarms'],
    [photos, 'photos'],
  ] as const)
    for (const node of camp.nodes) {
      node.directory(directory);
      node.node.attach(dataset, directory);
    }
  const { up, down } = linkPresets['iridium-dial-up'];
  camp.world.linkBetween('hut', 'office').change(up, down);
  hut.directory('photos').put('season.raw', noise(1, 300_000));
  await camp.world.finish(hut.node.scan(photos, { settleMs: 0 }));
  await publish(camp, hut, 'met.bin', noise(2, 30_000));
  await camp.world.runFor(minute);
  hut.directory('alarms').put('flood.txt', noise(3, 200));
  await camp.world.finish(hut.node.scan(alarms, { settleMs: 0 }));
  const whole = (dataset: typeof alarms) => (node: SimulatedNode) => [...node.node.files(dataset)].some(({ complete }) => complete);
  // 200 bytes are a second of this link; a round trip takes two.
  expect(await minutesUntil(camp, office, whole(alarms))).toBeLessThan(0.5);
  expect(whole(camp.dataset)(office)).toBe(false);
  expect(await minutesUntil(camp, office, whole(camp.dataset))).toBeLessThan(5);
  expect(whole(photos)(office)).toBe(false);
  expect(await minutesUntil(camp, office, whole(photos))).toBeLessThan(30);
});

test('below 1 kbit/s: a day of readings crosses an HF link of 441 bit/s that loses every twentieth packet', async () => {
  const camp = await chain(812, ['hut', 'office'], linkPresets['hf-poor'].up);
  const [hut, office] = camp.nodes as Pair;
  const link = camp.world.linkBetween('hut', 'office');
  const readings = Array.from({ length: 144 }, (_, row) => `${row * 10},${(-4 + Math.sin(row / 20)).toFixed(2)},${812 + (row % 7)}\n`).join(
    '',
  );
  const before = link.trafficFrom('hut').bytes;
  await publish(camp, hut, 'met.csv', readings);
  // As they stand they would take 37 s and three round trips of 6 to 18 s.
  await expectFile(camp.world, office, 'met.csv', readings, 5 * minute);
  expect(link.trafficFrom('hut').bytes - before).toBeLessThan(5 * readings.length);
  await minutesUntil(camp, hut, () => deliveryByName(hut, camp.dataset).office === 'delivered');
});

test('links that drop every few seconds in mid-transfer: up for 8 s, away for 5 s, and the file comes without being sent again from its beginning', async () => {
  const camp = await chain(813, ['van', 'hut'], linkPresets.edge.up);
  const [van, hut] = camp.nodes as Pair;
  const link = camp.world.linkBetween('van', 'hut');
  const began = camp.world.nowMs;
  link.schedule(
    Array.from({ length: 2000 }, (_, n) => ({ fromMs: began + n * 13 * second, untilMs: began + n * 13 * second + 8 * second })),
  );
  const film = noise(5, 500_000);
  const before = link.trafficFrom('van').bytes;
  await publish(camp, van, 'film.bin', film);
  await expectFile(camp.world, hut, 'film.bin', film, hour);
  // What was under way at each cut is lost: that is all that goes twice.
  expect(link.trafficFrom('van').bytes - before).toBeLessThan(film.length * 2);
});
