import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { seededRandom } from '../src/core/random.ts';
import { openNode } from '../src/open-node.ts';
import { type LinkRelay, openLinkRelay } from '../src/runtime/link-relay.ts';
import { type DirectionCount, filePath, narrowLink, type Passed, passedBetween, warmUpBytes } from './delta-world.ts';

/**
 * The same measurement as in a simulated world, over real sockets: two nodes in directories of their own on this machine, joined by UDP through a relay that counts, and slows, what passes.
 */

const pollMs = 200;
/** Nothing has passed for so many polls, and neither node has a deadline: it is over. */
const quietPolls = 5;
const patienceMs = 300_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What passes between two nodes that have `base` when one of them publishes `target` in its place. */
export async function passedOverSockets(base: Uint8Array, target: Uint8Array): Promise<Passed> {
  const root = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const [publisher, follower] = [
    await openNode({ directory: join(root, 'camp'), name: 'camp', discovery: false }),
    await openNode({ directory: join(root, 'office'), name: 'office', discovery: false }),
  ];
  let relay: LinkRelay | undefined;
  try {
    relay = await openLinkRelay({ listen: 'udp://127.0.0.1:0', target: await publisher.listen('udp://127.0.0.1:0'), seed: 1 });
    const counts = (): [DirectionCount, DirectionCount] => {
      const { forward, backward } = (relay as LinkRelay).counts();
      return [backward, forward];
    };
    const rest = async () => {
      for (let polls = 0, waitedMs = 0, last = ''; polls < quietPolls; waitedMs += pollMs) {
        if (waitedMs > patienceMs) throw new Error('the nodes never come to rest');
        await pause(pollMs);
        const now = JSON.stringify(counts());
        const over = now === last && [publisher, follower].every((node) => node.nextWakeUp() === undefined);
        const delivered = publisher.datasets().every(({ id }) => publisher.deliveries(id).every(({ state }) => state === 'delivered'));
        polls = over && delivered ? polls + 1 : 0;
        last = now;
      }
    };
    publisher.createTeam('bench');
    await follower.join(publisher.createInvite({ addresses: [relay.address] }));
    const dataset = publisher.createDataset({ name: 'field', kind: 'files' });
    await rest();
    const folders = [join(root, 'camp-files'), join(root, 'office-files')] as const;
    for (const folder of folders) mkdirSync(folder);
    publisher.attach(dataset, folders[0]);
    follower.attach(dataset, folders[1]);
    const publish = async (path: string, bytes: Uint8Array) => {
      const file = join(folders[0], path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
      await publisher.scan(dataset, { settleMs: 0 });
      await rest();
    };
    await publish(filePath, base);
    relay.set({ rateBitsPerSecond: narrowLink.bytesPerSecond * 8, delayMs: narrowLink.delayMs, queueMs: 2000 });
    await publish('warm-up', seededRandom(3).bytes(warmUpBytes));
    const before = counts();
    await publish(filePath, target);
    return passedBetween(before, counts());
  } finally {
    await follower.close();
    await publisher.close();
    await relay?.close();
    rmSync(root, { recursive: true });
  }
}
