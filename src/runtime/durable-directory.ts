import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './storage-faults.ts';

/**
 * Directories whose entries survive a power cut. A file system may keep a file's bytes and forget its name: the name is durable only when the directory that holds it was synced.
 */

/** Windows cannot sync a directory, and journals names by itself. */
const canSync = process.platform !== 'win32';

/** Some file systems (network and FUSE ones) have no such operation; what they promise about names, they promise anyway. */
function isUnsupported(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'EINVAL' || code === 'ENOTSUP';
}

/**
 * Makes the names in a directory durable: a file that was created, renamed or removed there stays so.
 *
 * @throws the operating system's error
 */
export async function syncDirectory(path: string): Promise<void> {
  if (!canSync) return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Makes a directory with the parents it lacks, durably. Blocks: for use while opening.
 *
 * @throws the operating system's error
 */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined || !canSync) return;
  const top = dirname(first);
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    syncNow(parent);
    if (parent === top) return;
  }
}

function syncNow(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  } finally {
    closeSync(descriptor);
  }
}
