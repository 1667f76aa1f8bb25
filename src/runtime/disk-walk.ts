import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8Text } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { FileStat, UnusableEntry } from '../ports/file-tree.ts';
import { storageError, systemCode } from './storage-faults.ts';

/**
 * Reading a directory tree, one `readdir` a directory and one `lstat` a file.
 *
 * A listing decides what counts as removed, so it errs on the side of noise: what cannot be read is listed as unusable under its name, and a root that is missing, or not on the device it was
 * on when the tree was opened (the disk was unmounted), makes the whole walk fail. Only what is gone when it is looked at is left out.
 */

/** Files looked at at once. More gains nothing: the threads that do it are few. */
const batchSize = 64;

interface Entry {
  /** Path below the root; for a name that is not UTF-8, with replacement characters. */
  readonly path: string;
  readonly name: string;
  readonly dirent: Dirent<Buffer>;
  readonly isText: boolean;
}

/** A directory that is being read. */
interface Level {
  readonly entries: readonly Entry[];
  next: number;
  /** What was found under the entries from `next`, rounded down to a batch. */
  found: readonly (FileStat | UnusableEntry | undefined)[];
}

function unusable(path: string, code: string, message: string): UnusableEntry {
  return { path, kind: 'unusable', code, message };
}

function unreadable(path: string, error: unknown): UnusableEntry {
  return unusable(path, 'UNREADABLE', `cannot be read (${systemCode(error)}): give this user access to it, or check the disk`);
}

/** What the platform says of a file or link, in the port's terms. */
export function fileStat(path: string, stats: BigIntStats, target: string | undefined): FileStat {
  return {
    path,
    kind: target === undefined ? 'file' : 'symlink',
    sizeBytes: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    inode: stats.ino,
    mode: Number(stats.mode) & 0o7777,
    ...(target === undefined ? {} : { target }),
  };
}

/**
 * Makes sure that a tree's root is still there, and on the device it was on. (Not that it is the same inode: some file systems do not keep those.)
 *
 * @throws GodwitError `DIRECTORY_MISSING` (retryable)
 */
export async function checkRoot(root: string, device: bigint): Promise<void> {
  const found = await lstat(root, { bigint: true }).catch(() => undefined);
  if (found?.dev === device) return;
  throw new GodwitError(
    'DIRECTORY_MISSING',
    `${root} is not there any more, or on another device: connect the disk, or open the tree anew`,
    {
      retryable: true,
    },
  );
}

/**
 * What stands at a path, links not followed; `undefined` when that is nothing, a directory or a special file.
 *
 * @throws the operating system's error
 */
export async function lookAt(root: string, path: string): Promise<FileStat | UnusableEntry | undefined> {
  const absolute = join(root, path);
  const stats = await lstat(absolute, { bigint: true });
  if (stats.isFile()) return fileStat(path, stats, undefined);
  if (!stats.isSymbolicLink()) return undefined;
  const target = utf8Text(await readlink(absolute, { encoding: 'buffer' }));
  return target === undefined ? unusable(path, 'NAME_NOT_UTF8', 'is a link to a name that is not UTF-8') : fileStat(path, stats, target);
}

/**
 * Every file and link below `root`, depth first in code-unit order of names.
 *
 * @param device the root's device when the tree was opened
 * @param isSkipped names of files that are left out
 * @param skipped told of each path that was left out for its name
 * @throws GodwitError `DIRECTORY_MISSING`, `STORAGE_FAILED` or `DIRECTORY_UNWRITABLE` when the root itself cannot be read
 */
export async function* walkDisk(
  root: string,
  device: bigint,
  isSkipped: (name: string) => boolean,
  skipped: (path: string) => Promise<void>,
): AsyncGenerator<FileStat | UnusableEntry, void, void> {
  await checkRoot(root, device);
  const stack: Level[] = [];
  try {
    stack.push(await readLevel(root, ''));
  } catch (error) {
    throw storageError(error, `read the directory ${root}`);
  }

  for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
    const position = level.next % batchSize;
    if (position === 0)
      level.found = await Promise.all(level.entries.slice(level.next, level.next + batchSize).map((e) => examine(root, e)));
    const entry = level.entries[level.next];
    const found = level.found[position];
    level.next++;
    if (entry === undefined) stack.pop();
    else if (found !== undefined) {
      if (isSkipped(entry.name)) await skipped(entry.path);
      else yield found;
    } else if (entry.isText && entry.dirent.isDirectory()) {
      try {
        stack.push(await readLevel(root, entry.path));
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') yield unreadable(entry.path, error);
      }
    }
  }

  await checkRoot(root, device);
}

async function readLevel(root: string, path: string): Promise<Level> {
  const dirents = await readdir(join(root, path), { withFileTypes: true, encoding: 'buffer' });
  const prefix = path === '' ? '' : `${path}/`;
  const entries = dirents.map((dirent): Entry => {
    const text = utf8Text(dirent.name);
    const name = text ?? dirent.name.toString('utf8');
    return { path: prefix + name, name, dirent, isText: text !== undefined };
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : Buffer.compare(a.dirent.name, b.dirent.name)));
  return { entries, next: 0, found: [] };
}

/** What the walk says of an entry, or `undefined` for a directory and for what is gone by now. */
async function examine(root: string, { path, dirent, isText }: Entry): Promise<FileStat | UnusableEntry | undefined> {
  if (!isText) return unusable(path, 'NAME_NOT_UTF8', 'has a name that is not UTF-8: rename it');
  if (dirent.isDirectory()) return undefined;
  if (!dirent.isFile() && !dirent.isSymbolicLink())
    return unusable(path, 'SPECIAL_FILE', 'is a device, a socket or a pipe, which has no content to publish');
  try {
    return await lookAt(root, path);
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? undefined : unreadable(path, error);
  }
}
