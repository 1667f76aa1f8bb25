import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { utf8Text } from '../core/bytes.ts';
import type { Sighting } from '../ports/file-tree.ts';
import { seenText, unusableText } from '../ports/sighting.ts';
import { fileStat } from './disk-walk.ts';
import { systemCode } from './storage-faults.ts';

/**
 * Looking at many files: lists a directory tree and reads small files whole, with synchronous calls.
 *
 * A call that waits for its answer costs a tenth of one that comes back as a promise, and trees have hundreds of thousands of files. It also stands still for as long as the disk does, so it is meant for
 * a thread of its own (`worker-pool.ts`); the main thread takes it a page at a time, where no such thread can be had.
 *
 * A listing decides what counts as removed, so it errs on the side of noise: what cannot be read is listed as unusable under its name, and a root that cannot be listed makes the whole survey fail.
 * Only what is gone when it is looked at is left out.
 */

/** Names in a page: one to three milliseconds on a disk whose directories are cached. */
const pageNames = 512;

/** A directory that is being read. */
interface Level {
  /** What stands before a name in the path below the root, and in the absolute path. */
  readonly prefix: string;
  readonly absolutePrefix: string;
  readonly entries: readonly Listed[];
  next: number;
}

interface Listed {
  readonly name: string;
  readonly dirent: Dirent;
  readonly isText: boolean;
}

/** Stands in for a character that is none in UTF-8. */
const replacementCharacter = '\ufffd';

function notUtf8(what: string): string {
  return unusableText('NAME_NOT_UTF8', what);
}

function unreadable(error: unknown): string {
  return unusableText('UNREADABLE', `cannot be read (${systemCode(error)}): give this user access to it, or check the disk`);
}

/** One of several threads that list a tree together: each walks all of it, and looks at the files of its own directories only. */
export interface Lane {
  readonly index: number;
  readonly of: number;
}

/**
 * Every file and link below `root`, depth first in code-unit order of names, in pages of runs. A run is what stands in one directory between two of its subdirectories, `path NUL text NUL path NUL text…`: nothing
 * that another lane tells belongs within one.
 *
 * @param lane when others list the rest; a directory that cannot be read is told by every lane, as each misses something of it
 * @throws the operating system's error when the root cannot be listed
 */
export function* listDisk(root: string, lane: Lane = { index: 0, of: 1 }): Generator<readonly string[], void, void> {
  const stack: Level[] = [readLevel(root, '', lane)];
  let runs: string[] = [];
  let run: string[] = [];
  let names = 0;
  const endRun = () => {
    if (run.length > 0) runs.push(run.join('\0'));
    run = [];
  };
  for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
    const entry = level.entries[level.next++];
    if (entry === undefined) {
      stack.pop();
      endRun();
      continue;
    }
    const path = level.prefix + entry.name;
    let seen: string | undefined;
    if (entry.isText && entry.dirent.isDirectory()) {
      endRun();
      try {
        stack.push(readLevel(root, path, lane));
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') seen = unreadable(error);
      }
    } else seen = sight(path, level.absolutePrefix + entry.name, entry);
    if (seen === undefined) continue;
    run.push(`${path}\0${seen}`);
    if (++names < pageNames) continue;
    endRun();
    yield runs;
    runs = [];
    names = 0;
  }
  if (runs.length > 0) yield runs;
}

function readLevel(root: string, path: string, lane: Lane): Level {
  const directory = join(root, path);
  let dirents: Listed[] = readdirSync(directory, { withFileTypes: true }).map((dirent) => ({ name: dirent.name, dirent, isText: true }));
  // Bytes are four times as slow to list as names, and only they tell whether such a character is one of the name's own.
  if (dirents.some(({ name }) => name.includes(replacementCharacter))) dirents = namesAsBytes(directory);
  if (laneOf(path, lane.of) !== lane.index) dirents = dirents.filter(({ dirent, isText }) => isText && dirent.isDirectory());
  dirents.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return {
    prefix: path === '' ? '' : `${path}/`,
    absolutePrefix: directory.endsWith(sep) ? directory : directory + sep,
    entries: dirents,
    next: 0,
  };
}

/** Whose a directory is goes by its path alone, so that lanes agree although the tree changes under them. */
function laneOf(path: string, lanes: number): number {
  let sum = 0;
  for (let at = 0; at < path.length; at++) sum = (Math.imul(sum, 31) + path.charCodeAt(at)) >>> 0;
  return sum % lanes;
}

function namesAsBytes(directory: string): Listed[] {
  return readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }).map((dirent) => {
    const text = utf8Text(dirent.name);
    return { name: text ?? dirent.name.toString('utf8'), dirent: dirent as unknown as Dirent, isText: text !== undefined };
  });
}

/** What is to be said of an entry that is no directory, or `undefined` when it is gone by now. */
function sight(path: string, absolute: string, { dirent, isText }: Listed): string | undefined {
  if (!isText) return notUtf8('has a name that is not UTF-8: rename it');
  if (!dirent.isFile() && !dirent.isSymbolicLink())
    return unusableText('SPECIAL_FILE', 'is a device, a socket or a pipe, which has no content to publish');
  try {
    const stats = lstatSync(absolute, { bigint: true });
    if (stats.isFile()) return seenText(fileStat(path, stats, undefined));
    if (!stats.isSymbolicLink()) return undefined;
    const target = utf8Text(readlinkSync(absolute, { encoding: 'buffer' }));
    return target === undefined ? notUtf8('is a link to a name that is not UTF-8') : seenText(fileStat(path, stats, target));
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? undefined : unreadable(error);
  }
}

/** The size that a sighting of a file tells. */
export function sightedBytes(seen: string): number {
  return Number(seen.split(' ', 2)[1]);
}

/** Files read whole: their bytes behind one another, and the length of each, or -1 for one that could not be read or is not as it was sighted. */
export interface WholeFiles {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
}

/**
 * Reads small files, each with four calls: open, read, stat and close.
 *
 * What was opened is what was sighted, or it counts as not read: the same inode, unchanged, under a directory that is no link before and after. So a link that is put in the way at any moment leads
 * nowhere, and neither does a pipe.
 */
export function readWholeFiles(root: string, files: readonly Sighting[]): WholeFiles {
  const sizes = files.map(({ seen }) => sightedBytes(seen));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const lengths: number[] = [];
  let filled = 0;
  let directory = '';
  let isPlain = false;
  let firstInDirectory = 0;
  const leave = () => {
    if (!isPlain || isPlainDirectory(directory)) return;
    lengths.fill(-1, firstInDirectory);
  };
  for (const [at, file] of files.entries()) {
    const absolute = join(root, file.path);
    if (dirname(absolute) !== directory) {
      leave();
      directory = dirname(absolute);
      isPlain = isPlainDirectory(directory);
      firstInDirectory = at;
    }
    const room = bytes.subarray(filled, filled + (sizes[at] as number));
    filled += room.length;
    lengths.push(isPlain && readExactly(absolute, file, room) ? room.length : -1);
  }
  leave();
  return { bytes, lengths };
}

function isPlainDirectory(directory: string): boolean {
  try {
    return realpathSync.native(directory) === directory;
  } catch {
    return false;
  }
}

function readExactly(absolute: string, { path, seen }: Sighting, room: Uint8Array): boolean {
  let descriptor: number;
  try {
    // Windows has neither flag.
    descriptor = openSync(absolute, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch {
    return false;
  }
  try {
    let filled = 0;
    while (filled < room.length) {
      const bytesRead = readSync(descriptor, room, filled, room.length - filled, filled);
      if (bytesRead === 0) return false;
      filled += bytesRead;
    }
    const stats = fstatSync(descriptor, { bigint: true });
    return stats.isFile() && seenText(fileStat(path, stats, undefined)) === seen;
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}
