import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { DirectWrites } from '../../../src/runtime/direct-writes.ts';
import { openDiskFileTree } from '../../../src/runtime/disk-file-tree.ts';

const kibibyte = 1024;
const mebibyte = 1024 * 1024;

let directory: string;
let file: FileHandle;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-direct-'));
  file = await open(join(directory, 'file'), 'wx+');
});

afterEach(async () => {
  await file.close();
  await rm(directory, { recursive: true });
});

/** Whether the file system below takes such writes at all; says so where it does not. */
async function isTaken(): Promise<boolean> {
  const direct = new DirectWrites(file);
  const { end } = await direct.write(0, new Uint8Array(mebibyte));
  await direct.close();
  if (end === mebibyte) return true;
  const { type } = await statfs(directory);
  console.warn(`direct writes are not tested: the file system of type ${type} in ${tmpdir()} takes none`);
  if (process.platform === 'linux') expect(process.env.CI).not.toBe('true');
  return false;
}

/** The numbers by which this process has a file open, ascending. */
function numbersOf(path: string): number[] {
  const numbers = readdirSync('/proc/self/fd').map(Number);
  return numbers.filter((number) => linkOf(number).endsWith(path)).sort((a, b) => a - b);
}

function linkOf(number: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${number}`);
  } catch {
    // It was the one by which the numbers were listed.
    return '';
  }
}

describe('writes around the page cache', () => {
  test('write what lies between the edges of pages, wherever a piece begins', async () => {
    if (!(await isTaken())) return;
    const direct = new DirectWrites(file);
    const random = seededRandom(1);
    const piece = fc.record({ offset: fc.nat(3 * mebibyte), lengthBytes: fc.nat(6 * mebibyte), skip: fc.nat(5000) });
    await fc.assert(
      fc.asyncProperty(piece, async ({ offset, lengthBytes, skip }) => {
        const bytes = random.bytes(skip + lengthBytes).subarray(skip);
        const { begin, end } = await direct.write(offset, bytes);
        if (end === 0) expect(lengthBytes).toBeLessThan((256 + 128) * kibibyte);
        else {
          expect(begin).toBeLessThan(64 * kibibyte);
          expect(lengthBytes - end).toBeLessThan(64 * kibibyte);
        }
        const read = new Uint8Array(end - begin);
        await file.read(read, 0, read.length, offset + begin);
        expect(Buffer.compare(read, bytes.subarray(begin, end))).toBe(0);
      }),
      { numRuns: 40, seed: 7 },
    );
    await direct.close();
  });

  test('several at a time use rooms again, and none gets bytes of another', async () => {
    if (!(await isTaken())) return;
    const direct = new DirectWrites(file);
    const pieces = Array.from({ length: 8 }, (_, n) => new Uint8Array(5 * mebibyte).fill(n + 1));
    await Promise.all(pieces.map((bytes, n) => direct.write(n * bytes.length, bytes)));
    for (const [n, bytes] of pieces.entries()) {
      const read = new Uint8Array(bytes.length);
      await file.read(read, 0, read.length, n * bytes.length);
      expect(Buffer.compare(read, bytes)).toBe(0);
    }
    await direct.close();
  });

  test('are left alone where they are refused', async () => {
    const device = await open('/dev/null', 'w');
    const direct = new DirectWrites(device);
    for (let n = 0; n < 2; n++) expect(await direct.write(0, new Uint8Array(mebibyte))).toEqual({ begin: 0, end: 0 });
    await direct.close();
    await device.close();
  });

  test('are used beyond the first 128 MiB of a part, and what stands before and behind the edges is there too', async () => {
    const tree = openDiskFileTree(directory);
    const begun = await tree.beginPart('large');
    await begun.close();
    const part = await tree.openPart(begun.path);
    const random = seededRandom(2);
    const offset = 128 * mebibyte + 5;
    const [first, second] = [random.bytes(mebibyte + 77), random.bytes(mebibyte + 4096 + 1)];
    // The second first, so that the first is written into a hole and shares a page with what is behind it.
    await part?.write(offset + first.length, second);
    await part?.write(offset, first);
    await part?.write(100, random.bytes(mebibyte));
    await part?.sync();
    await part?.close();
    const reader = await tree.open(begun.path);
    expect(Buffer.compare(await reader.read(offset, first.length), first)).toBe(0);
    expect(Buffer.compare(await reader.read(offset + first.length, second.length), second)).toBe(0);
    expect((await reader.stat()).sizeBytes).toBe(offset + first.length + second.length);
    await reader.close();
  });

  test('leave nothing open when they could not be ended', async () => {
    if (!(await isTaken())) return;
    const tree = openDiskFileTree(directory);
    const begun = await tree.beginPart('large');
    await begun.write(128 * mebibyte, new Uint8Array(mebibyte));
    const opened = numbersOf(begun.path);
    expect(opened).toHaveLength(2);
    // The second is that of the direct writes; without it their end fails, as on a file server that is gone.
    closeSync(opened[1] as number);
    await expect(begun.close()).rejects.toMatchObject({ code: 'EBADF' });
    expect(numbersOf(begun.path)).toEqual([]);
  });
});
