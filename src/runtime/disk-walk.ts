import type { BigIntStats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8Text } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { FileStat, UnusableEntry } from '../ports/file-tree.ts';

/**
 * What stands at one path, and whether a tree's root is still the one that was opened.
 */

function unusable(path: string, code: string, message: string): UnusableEntry {
  return { path, kind: 'unusable', code, message };
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
