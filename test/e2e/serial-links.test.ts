import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { FieldNode } from '../../src/node/field-node.ts';
import { openNode } from '../../src/open-node.ts';
import { openSerialPort } from '../../src/runtime/serial-port.ts';
import { cable, isWithout, PeerProcesses } from './peer-programs.ts';

/** Two nodes whose only link is a serial cable that loses, garbles and invents bytes. Debian: package `socat`. */

const peers = new PeerProcesses();
const closers: (() => unknown)[] = [];
let scratch: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'godwit-serial-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await peers.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** What a bad cable did to the bytes in it. */
interface Wear {
  lost: number;
  garbled: number;
  invented: number;
}

/** Joins two ports by a bad cable: of 20,000 bytes one is lost, one garbled, and at one place noise comes in. */
async function badCable(near: string, far: string): Promise<Wear> {
  const random = seededRandom(7);
  const wear: Wear = { lost: 0, garbled: 0, invented: 0 };
  const ports = await Promise.all([near, far].map((path) => openSerialPort(`serial:${path}?baud=115200`)));
  closers.push(() => Promise.all(ports.map((port) => port.close())));
  for (const [from, to] of [ports, ports.toReversed()]) {
    void (async () => {
      for await (const bytes of from!.read()) {
        const worn: number[] = [];
        for (const byte of bytes) {
          const fate = random.below(20_000);
          if (fate === 0) wear.lost++;
          else worn.push(fate === 1 ? byte ^ (1 << random.below(8)) : byte);
          if (fate === 1) wear.garbled++;
          if (fate === 2) worn.push(...random.bytes(40));
          if (fate === 2) wear.invented += 40;
        }
        await to!.write(Uint8Array.from(worn));
      }
    })().catch(() => undefined);
  }
  return wear;
}

async function open(name: string): Promise<FieldNode> {
  const node = await openNode({ directory: join(scratch, name), name, discovery: false });
  closers.push(() => node.close());
  await mkdir(join(scratch, `${name}-field`));
  return node;
}

test.skipIf(isWithout('socat', 'socat', '-V'))(
  'two nodes keep a folder in step over a serial cable that loses and garbles bytes',
  async () => {
    const [ownPort, ownEnd] = await cable(peers, join(scratch, 'near'));
    const [theirPort, theirEnd] = await cable(peers, join(scratch, 'far'));
    const wear = await badCable(ownEnd, theirEnd);
    const [camp, ridge] = [await open('camp'), await open('ridge')];
    camp.createTeam('Storbreen');
    const dataset = camp.createDataset({ name: 'field', kind: 'files' });
    await camp.listen(`serial:${ownPort}?baud=115200`);
    // The invited one's own port leads to the inviting one.
    await ridge.join(camp.createInvite({ addresses: [`serial:${theirPort}?baud=115200`] }));

    const recording = seededRandom(5).bytes(150_000);
    writeFileSync(join(scratch, 'camp-field', 'radar.bin'), recording);
    await camp.attach(dataset, join(scratch, 'camp-field'));
    const arrived = new Promise<void>((resolve) => {
      ridge.onEvent((event) => event.type === 'file-written' && event.path === 'radar.bin' && resolve());
    });
    const known = new Promise<void>((resolve) => {
      const look = (): void => void (ridge.datasets().length > 0 && resolve());
      ridge.onEvent(look);
      look();
    });
    await known;
    await ridge.attach(dataset, join(scratch, 'ridge-field'));
    await camp.scan(dataset, { settleMs: 0 });
    await arrived;
    expect(Buffer.compare(readFileSync(join(scratch, 'ridge-field', 'radar.bin')), recording)).toBe(0);
    expect(wear).toEqual({ lost: expect.any(Number), garbled: expect.any(Number), invented: expect.any(Number) });
    expect(Math.min(wear.lost, wear.garbled, wear.invented)).toBeGreaterThan(0);
  },
  60_000,
);
