import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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
  // Level by level: Node's recursive mkdir never returns where the system denies an existing parent's children with ENOENT, as /proc does.
  const missing: string[] = [];
  for (let level = resolve(path); !existsSync(level); level = dirname(level)) missing.unshift(level);
  if (missing.length === 0 && !statSync(path).isDirectory()) mkdirSync(path);
  for (const level of missing) {
    makeLevel(level);
    if (canSync) syncNow(dirname(level));
  }
}

/** Somebody else may have made it in the meantime. */
function makeLevel(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (!existsSync(path) || !statSync(path).isDirectory()) throw error;
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
