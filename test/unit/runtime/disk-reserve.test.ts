import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { openDiskFileTree } from '../../../src/runtime/disk-file-tree.ts';
import { DiskReserve } from '../../../src/runtime/disk-reserve.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../../src/runtime/pack-store.ts';

/** What the file system says of itself: bytes in all, and free. */
const disk = vi.hoisted(() => ({ blocks: 1_000_000, bavail: 1_000_000, bsize: 1000, asked: 0 }));

vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  statfs: () => {
    disk.asked++;
    return disk.bsize === 0 ? Promise.reject(new Error('no such call')) : Promise.resolve({ ...disk });
  },
}));

const MB = 1024 * 1024;
let directory: string;

beforeEach(async () => {
  Object.assign(disk, { blocks: 1_000_000, bavail: 1_000_000, bsize: 1000, asked: 0 });
  directory = await mkdtemp(join(tmpdir(), 'godwit-reserve-'));
});

afterEach(() => rm(directory, { recursive: true }));

describe('the last room on a disk', () => {
  test('is left to the catalog, 32 MiB or an eighth of a smaller disk', async () => {
    const reserve = new DiskReserve(directory);
    Object.assign(disk, { bsize: 1, blocks: 1e9, bavail: 33 * MB });
    await reserve.leave(MB);
    await expect(new DiskReserve(directory).leave(MB + 1)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true });
    Object.assign(disk, { blocks: 80 * MB, bavail: 11 * MB });
    await new DiskReserve(directory).leave(MB);
    await expect(new DiskReserve(directory).leave(MB + 1)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  test('is asked for again after four mebibytes, so that others who write are seen', async () => {
    const reserve = new DiskReserve(directory);
    for (let n = 0; n < 16; n++) await reserve.leave(MB / 4);
    expect(disk.asked).toBe(1);
    disk.bavail = 0;
    await expect(reserve.leave(1)).rejects.toMatchObject({ code: 'DISK_FULL' });
    disk.bavail = 1_000_000;
    await reserve.leave(1);
  });

  test('is not known of every file system, and nothing is refused there', async () => {
    disk.blocks = 0;
    await new DiskReserve(directory).leave(1e9);
    disk.bsize = 0;
    await new DiskReserve(directory).leave(1e9);
  });

  test('is not taken by packs, which go on when there is room', async () => {
    const packs = await openPackStore(directory);
    const bytes = seededRandom(1).bytes(50_000);
    const record = { hash: nodeCrypto.sha256(bytes) as Hash, bytes };
    disk.bavail = 100;
    await expect(packs.append([record])).rejects.toMatchObject({ code: 'DISK_FULL' });
    disk.bavail = 1_000_000;
    const [place] = await packs.append([record]);
    expect(await packs.read(place!, record.hash)).toEqual(bytes);
    await packs.close();
  });

  test('is taken by half for what makes room', async () => {
    const packs = await openPackStore(directory);
    const bytes = seededRandom(1).bytes(50_000);
    const record = { hash: nodeCrypto.sha256(bytes) as Hash, bytes };
    Object.assign(disk, { bsize: 1, blocks: 1e9, bavail: 17 * MB });
    await expect(packs.append([record])).rejects.toMatchObject({ code: 'DISK_FULL' });
    const [place] = await packs.append([record], 'room');
    expect(await packs.read(place!, record.hash)).toEqual(bytes);
    // Data that waits right behind does not come along.
    const together = [packs.append([record], 'room'), packs.append([record])];
    expect((await Promise.allSettled(together)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    disk.bavail = 16 * MB;
    await expect(packs.append([record], 'room')).rejects.toMatchObject({ code: 'DISK_FULL' });
    await packs.close();
  });

  test('is not taken by files, neither by those that arrive in place nor by those that are written at once', async () => {
    const tree = openDiskFileTree(directory);
    const part = await tree.beginPart('large.bin');
    disk.bavail = 100;
    const bytes = new Uint8Array(1000);
    await expect(part.write(0, bytes)).rejects.toMatchObject({ code: 'DISK_FULL' });
    await part.close();
    const pieces = async function* () {
      yield await Promise.resolve(bytes);
    };
    await expect(tree.write('small.bin', pieces(), {})).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await tree.stat('small.bin')).toBeUndefined();
  });
});
