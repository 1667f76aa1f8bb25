import { hash, randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GodwitError } from '../core/errors.ts';
import { syncDirectory } from './durable-directory.ts';
import { storageError, systemCode } from './storage-faults.ts';

/**
 * Replaces a file as a whole: whoever opens the target, at whatever instant and after whatever power cut, finds the old file or the new one, complete.
 *
 * The new file is written beside the target under a name of its own, `.godwit-XXXXXXXXXXXXXXXX.part`, which no file tree ever lists as content; its bytes are made durable, and only then is
 * it renamed over the target. Half of that name's digits stand for the target: a process that was killed leaves its unfinished file behind, and the next replacement of the same target
 * removes those nobody has written to for an hour.
 */

const abandonedAfterMs = 3_600_000;

/**
 * Writes a file to a temporary place beside the target and puts it in the target's place.
 *
 * @param path the target; its directory must exist.
 * @param write fills the file at the path it is given, which exists and is empty, and closes it.
 * @returns what `write` returned, and the size of the file.
 * @throws GodwitError `DIRECTORY_UNWRITABLE`, `DISK_FULL` (retryable), `STORAGE_FAILED` (retryable), or what `write` throws, as it is. The target is then as it was.
 */
export async function replaceFile<T>(
  path: string,
  write: (temporaryPath: string) => Promise<T>,
): Promise<{ readonly result: T; readonly bytes: number }> {
  const directory = dirname(path);
  const prefix = `.godwit-${hash('sha256', basename(path)).slice(0, 8)}`;
  const temporaryPath = join(directory, `${prefix}${randomBytes(4).toString('hex')}.part`);
  try {
    await removeAbandoned(directory, prefix);
    // Created here so that a directory that takes no files is found out before any work is done, whatever library writes the file.
    await (await open(temporaryPath, 'wx')).close();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new GodwitError('DIRECTORY_UNWRITABLE', `could not write ${path}: its directory does not exist`, { cause: error });
    }
    throw storageError(error, `write ${path}`);
  }
  try {
    const result = await write(temporaryPath);
    try {
      return { result, bytes: await putInPlace(temporaryPath, path) };
    } catch (error) {
      throw storageError(error, `write ${path}`);
    }
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
}

async function putInPlace(temporaryPath: string, path: string): Promise<number> {
  const handle = await open(temporaryPath, 'r+');
  let bytes: number;
  try {
    await handle.sync();
    bytes = (await handle.stat()).size;
  } finally {
    await handle.close();
  }
  await rename(temporaryPath, path);
  await syncDirectory(dirname(path));
  return bytes;
}

async function removeAbandoned(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{8}\.part$/.test(name.slice(prefix.length))) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > abandonedAfterMs) await rm(path, { force: true });
  }
}
