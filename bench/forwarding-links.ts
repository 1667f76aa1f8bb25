import type { DatasetId } from '../src/core/identifiers.ts';
import { seededRandom } from '../src/core/random.ts';
import { nodeCrypto } from '../src/runtime/node-crypto.ts';
import type { SimulatedLink } from '../src/simulation/simulated-link.ts';
import type { SimulatedNode } from '../src/simulation/simulated-node.ts';
import type { LinkModel } from '../src/simulation/virtual-link.ts';
import { World } from '../src/simulation/world.ts';

/** Two nodes of one team over a link that is cut, slow or gone, and power that fails: what `suites/forwarding.ts` measures in virtual time. */

interface Pair {
  readonly world: World;
  readonly from: SimulatedNode;
  readonly to: SimulatedNode;
  readonly link: SimulatedLink;
  readonly dataset: DatasetId;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const folder = 'field';
const fast: LinkModel = { delayMs: 1 };

/** Nodes that know each other, on a link that has become what it is to be. */
async function pair(seed: number, model: LinkModel): Promise<Pair> {
  const world = new World({ seed });
  const [from, to] = [await world.add('camp'), await world.add('ship')];
  const link = world.link('camp', 'ship', fast);
  from.node.createTeam('Storbreen');
  const dataset = from.node.createDataset({ name: 'field', kind: 'files' });
  await world.finish(from.node.listen('udp://camp:7077', { keep: true }));
  await world.finish(to.node.listen('udp://ship:7077', { keep: true }));
  await world.finish(to.node.join(from.node.createInvite()), hour);
  from.node.addContact(to.node.id, ['udp://ship:7077']);
  await world.until(() => to.node.datasets().length === 1, hour);
  for (const each of [from, to]) {
    each.directory(folder);
    each.node.attach(dataset, folder);
  }
  await world.runFor(10 * second);
  link.change(model);
  return { world, from, to, link, dataset };
}

async function publish({ world, from, dataset }: Pair, path: string, bytes: Uint8Array): Promise<void> {
  from.directory(folder).put(path, bytes);
  await world.finish(from.node.scan(dataset, { settleMs: 0 }));
}

/** Bytes of a file that are at its destination. */
function arrived({ to, dataset }: Pair, path: string): number {
  return to.node.forwarding.where(dataset, path).find(({ destination }) => destination === to.node.id)?.movedBytes ?? 0;
}

/**
 * 100 kB critical and 5 MB bulk, 600 bit/s, there for 5 minutes in 25, 1 % of packets lost.
 *
 * @returns when the critical file was complete, against the schedule of its bare bytes at the full rate from the first window on; and bytes of both files that arrived until then and in the twenty windows in
 * all, against what the link could carry in them.
 */
export async function intermittent(): Promise<{ readonly criticalShare: number; readonly usefulShare: number }> {
  const rateBytesPerSecond = 75;
  const [upMs, everyMs, windows] = [5 * minute, 25 * minute, 20];
  const camp = await pair(71, { delayMs: 300, rateBytesPerSecond, lossRatio: 0.01, queueBytes: 2000 });
  const { world, from, link, dataset } = camp;
  const beginMs = world.nowMs + everyMs;
  link.schedule(Array.from({ length: windows }, (_, n) => ({ fromMs: beginMs + n * everyMs, untilMs: beginMs + n * everyMs + upMs })));
  from.node.forwarding.setPriorityRules(dataset, [{ priority: 'critical', glob: 'alarm.*' }, { priority: 'bulk' }]);
  await publish(camp, 'film.raw', seededRandom(1).bytes(5_000_000));
  await publish(camp, 'alarm.raw', seededRandom(2).bytes(100_000));
  const upNeededMs = (100_000 / rateBytesPerSecond) * second;
  const idealMs = Math.floor(upNeededMs / upMs) * everyMs + (upNeededMs % upMs);
  let criticalMs = Infinity;
  while (world.nowMs < beginMs + windows * everyMs) {
    await world.runFor(5 * second);
    if (criticalMs === Infinity && arrived(camp, 'alarm.raw') === 100_000) criticalMs = world.nowMs - beginMs;
  }
  const useful = arrived(camp, 'alarm.raw') + arrived(camp, 'film.raw');
  return { criticalShare: criticalMs / idealMs, usefulShare: useful / ((rateBytesPerSecond * windows * upMs) / second) };
}

/** Kills the receiver, or the sender, at random packets, and opens it again, as often as this; a new file is published whenever one has arrived. */
export async function crashes(
  kills: number,
): Promise<{ readonly done: number; readonly lost: number; readonly repeatedBytesPerKill: number }> {
  const rateBytesPerSecond = 12_500;
  const delayMs = 100;
  const camp = await pair(72, { delayMs, rateBytesPerSecond, queueBytes: 4000 });
  const { world, from, to, link } = camp;
  const random = seededRandom(3);
  const published = new Map<string, Uint8Array>();
  const before = link.trafficFrom('camp').bytes;
  let done = 0;
  for (let file = 0; done < kills; file++) {
    const [path, bytes] = [`${file}.raw`, random.bytes(400_000)];
    published.set(path, bytes);
    // What was set for a transfer that is over must not come while a file is published.
    for (const each of [from, to]) each.killAtPacket(Number.POSITIVE_INFINITY);
    await publish(camp, path, bytes);
    while (done < kills && arrived(camp, path) < bytes.length) {
      const victim = random.below(2) === 0 ? from : to;
      victim.killAtPacket(1 + random.below(victim === from ? 60 : 30));
      await world.until(() => !from.isRunning || !to.isRunning || arrived(camp, path) === bytes.length, hour);
      // A power failure that was set for one may come while the other is meant.
      for (const each of [from, to]) {
        if (each.isRunning) continue;
        done++;
        await world.finish(each.start());
      }
    }
  }
  // What was set last may still come; everything is delivered after it.
  for (let round = 0; round < 10; round++) {
    await world.runFor(minute);
    for (const each of [from, to]) if (!each.isRunning) await world.finish(each.start());
  }
  const disk = to.directory(folder);
  let lost = 0;
  let usefulBytes = 0;
  for (const [path, bytes] of published) {
    const stat = await disk.stat(path);
    const content = stat === undefined ? new Uint8Array(0) : await (await disk.open(path)).read(0, stat.sizeBytes);
    if (Buffer.compare(nodeCrypto.sha256(content), nodeCrypto.sha256(bytes)) !== 0) lost++;
    usefulBytes += bytes.length;
  }
  const sentBytes = link.trafficFrom('camp').bytes - before;
  // What is under way at a cut: the pipe, and the link's queue.
  const inFlightBytes = rateBytesPerSecond * ((2 * delayMs) / second) + 4000;
  // Headers, seals and acknowledgements are not bytes sent twice: an undisturbed transfer has them, too.
  const overhead = 1.08;
  return { done, lost, repeatedBytesPerKill: Math.max(0, (sentBytes - usefulBytes * overhead) / kills - inFlightBytes) };
}

/**
 * Milliseconds from a link's coming back, which both computers notice, to the first useful byte at the other end: of a transfer that the outage interrupted, of a note that was written meanwhile and travels with its log entry, and
 * of a large file that was written meanwhile, which the other end has to ask for first.
 */
export async function firstBytes(
  rttMs: number,
): Promise<{ readonly interruptedMs: number; readonly noteMs: number; readonly fileMs: number }> {
  return {
    interruptedMs: await firstByteMs(rttMs, 300_000, 'before'),
    noteMs: await firstByteMs(rttMs, 200, 'meanwhile'),
    fileMs: await firstByteMs(rttMs, 300_000, 'meanwhile'),
  };
}

async function firstByteMs(rttMs: number, sizeBytes: number, written: 'before' | 'meanwhile'): Promise<number> {
  const camp = await pair(73, { delayMs: rttMs / 2, rateBytesPerSecond: 31_250, queueBytes: 16_000 });
  const { world, from, to, link } = camp;
  const file = seededRandom(1).bytes(sizeBytes);
  if (written === 'before') {
    await publish(camp, 'film.raw', file);
    await world.runFor(5 * second);
  }
  link.cut();
  await world.runFor(10 * minute);
  if (written === 'meanwhile') await publish(camp, 'film.raw', file);
  await world.runFor(hour);
  const received = (): number => to.node.traffic().reduce((sum, { received: { data = 0 } }) => sum + data, 0);
  const before = received();
  link.heal();
  const beganMs = world.nowMs;
  for (const each of [from, to]) each.node.hint();
  while (received() <= before && world.nowMs < beganMs + minute) await world.runFor(5);
  return world.nowMs - beganMs;
}
