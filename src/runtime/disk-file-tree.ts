import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants, lstatSync, readlinkSync, realpathSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, realpath, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GodwitError } from '../core/errors.ts';
import { isTreePath } from '../core/tree-path.ts';
import type { FileAttributes, FileReader, FileStat, FileTree, MayReplace, PartFile, Sighting, UnusableEntry } from '../ports/file-tree.ts';
import { fromSighting, pageText, sightingsOf } from '../ports/sighting.ts';
import { DiskFileReader, DiskPartFile, dress, openPartFile, writeAll } from './disk-open-files.ts';
import { DiskReserve } from './disk-reserve.ts';
import { sightedBytes } from './disk-survey.ts';
import { checkRoot, fileStat, lookAt } from './disk-walk.ts';
import { type DiskWork, workInline } from './disk-work.ts';
import { syncDirectory } from './durable-directory.ts';
import { storageError, systemCode } from './storage-faults.ts';
import { windowsNameProblem } from './windows-names.ts';

/**
 * A directory on disk, which people and other programs use at the same time.
 *
 * **Nothing outside the root is touched.** A path is refused when it is not plainly relative and when a directory on the way is a symbolic link (`PATH_REFUSED`). Links are made with
 * whatever target they are given and never followed. What changes names is done one after the other, and a file that is being written stands under a temporary name in its directory
 * from before the check until the end, so no operation of this tree can put a link in another's way.
 *
 * **A file is replaced as a whole.** The bytes go to `.godwit-XXXXXXXXXXXXXXXX.part` beside the target (so on the same file system, with the directory's inherited permissions), are synced, renamed
 * over the target, and the directory is synced. What a killed process leaves behind is never listed, and is removed by the first walk after opening, but for parts that were claimed until then.
 *
 * **What a file system cannot hold apart is never mixed up.** A name that the platform cannot store is refused with `NAME_NOT_STORABLE`; on Windows that covers device names, reserved
 * characters and trailing dots, elsewhere what the file system refuses (exFAT `a:b`, names beyond 255 bytes). Where case does not count, a name that differs from an existing one in
 * case alone is refused with `NAME_COLLISION`, and the existing file stands.
 *
 * Attributes are kept as far as they go; the stat that `write` returns says how far. The set-user-id, set-group-id and sticky bits of a mode are not honoured, as files come from other
 * people, and the owner may always read, as the node must. Modification times are kept to about 0.2 µs, which is what Node can set. A file system that has no modes or refuses to set
 * times (FAT, some of Android's) does without.
 */

const temporarySuffix = '.part';
const temporaryName = /^\.godwit-[0-9a-f]{16}\.part$/;
const temporaryNameFor = () => `.godwit-${randomBytes(8).toString('hex')}${temporarySuffix}`;
/** Directories whose exact spelling was checked, on file systems where case does not count. */
const spelledDirectoriesMax = 4096;
function refused(path: string, why: string): GodwitError {
  return new GodwitError('PATH_REFUSED', `${JSON.stringify(path)} ${why}`);
}

function occupied(path: string, why: string, cause?: unknown): GodwitError {
  return new GodwitError('PATH_OCCUPIED', `${JSON.stringify(path)} cannot be written: ${why}`, { cause });
}

function missing(path: string): GodwitError {
  return new GodwitError('FILE_MISSING', `there is no file ${JSON.stringify(path)}`);
}

function collision(path: string): GodwitError {
  return new GodwitError(
    'NAME_COLLISION',
    `${JSON.stringify(path)} differs only in case from a name that exists, and this file system cannot hold both`,
  );
}

/** What may go wrong while something is written at a path. */
function writingError(error: unknown, path: string): unknown {
  switch (systemCode(error)) {
    case 'EINVAL':
    case 'EILSEQ':
    case 'ENAMETOOLONG':
      return new GodwitError('NAME_NOT_STORABLE', `this file system cannot store the name ${JSON.stringify(path)}`, { cause: error });
    case 'EISDIR':
      return occupied(path, 'a directory has this name', error);
    case 'ENOTDIR':
      return occupied(path, 'a file stands where it needs a directory', error);
    default:
      return storageError(error, `write ${JSON.stringify(path)}`);
  }
}

/** Whether an error says that nothing can stand at the path. */
function isNothingThere(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL' || code === 'ENAMETOOLONG';
}

async function lstatIfAny(absolute: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(absolute, { bigint: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Looks at the last moment whether what stands at the target may go. Synchronous like what follows, so that nothing comes between them but what another process does in these microseconds. */
function refuseIfChanged(path: string, absolute: string, mayReplace: MayReplace | undefined): void {
  if (mayReplace === undefined) return;
  const stats = lstatSync(absolute, { bigint: true, throwIfNoEntry: false });
  const standing = stats && fileStat(path, stats, stats.isSymbolicLink() ? readlinkSync(absolute) : undefined);
  if (!mayReplace(standing))
    throw new GodwitError('FILE_CHANGED', `${JSON.stringify(path)} was changed meanwhile; what was saved there stays`, { retryable: true });
}

/** The same letters in the other case, where they have one. */
function swappedCase(name: string): string {
  const upper = name.toUpperCase();
  return upper === name ? name.toLowerCase() : upper;
}

/** A change of names that is under way. */
interface Target {
  readonly path: string;
  readonly absolute: string;
  /** Directories that got a new entry and are to be synced, the target's own last. */
  readonly changedDirectories: readonly string[];
}

class DiskFileTree implements FileTree {
  readonly #root: string;
  readonly #device: bigint;
  readonly #work: DiskWork;
  readonly #reserve: DiskReserve;
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** Names of this process's unfinished writes. */
  readonly #unfinished = new Set<string>();
  #hasCleaned = false;
  /** Known after the first write. */
  #ignoresCase: boolean | undefined;
  readonly #spelledDirectories = new Set<string>();

  constructor(root: string, device: bigint, work: DiskWork) {
    this.#root = root;
    this.#work = work;
    this.#reserve = new DiskReserve(root);
    this.#device = device;
  }

  async *walk(): AsyncGenerator<FileStat | UnusableEntry, void, void> {
    for await (const page of this.survey()) for (const sighting of sightingsOf(page)) yield fromSighting(sighting);
  }

  async *survey(): AsyncGenerator<string, void, void> {
    const isCleaning = !this.#hasCleaned;
    this.#hasCleaned = true;
    await checkRoot(this.#root, this.#device);
    try {
      for await (const page of this.#work.list(this.#root)) {
        // Hardly any page holds such a name, and then it need not be taken apart.
        const [own, others] = page.includes(`${temporarySuffix}\0`) ? apart(page) : [[], page];
        if (isCleaning) for (const { path } of own) await this.#removeAbandoned(path);
        if (others !== '') yield others;
      }
    } catch (error) {
      throw storageError(error, `read the directory ${this.#root}`);
    }
    await checkRoot(this.#root, this.#device);
  }

  /** In use by another process, or in a directory that is not ours to change: it stays, unlisted. */
  async #removeAbandoned(path: string): Promise<void> {
    if (!this.#unfinished.has(basename(path))) await unlink(join(this.#root, path)).catch(() => {});
  }

  async readWhole(files: readonly Sighting[]): Promise<readonly (Uint8Array | undefined)[]> {
    const plain = files.filter(({ path }) => isTreePath(path) && !temporaryName.test(basename(path)));
    const { bytes, lengths } = await this.#work.readWhole(this.#root, plain);
    const contentByPath = new Map<string, Uint8Array>();
    let taken = 0;
    for (const [at, { path, seen }] of plain.entries()) {
      const sizeBytes = sightedBytes(seen);
      if (lengths[at] === sizeBytes) contentByPath.set(path, bytes.subarray(taken, taken + sizeBytes));
      taken += sizeBytes;
    }
    return files.map(({ path }) => contentByPath.get(path));
  }

  async stat(path: string): Promise<FileStat | undefined> {
    if ((await this.#directoryOf(path)) === undefined) return undefined;
    try {
      const found = await lookAt(this.#root, path);
      return found?.kind === 'unusable' ? undefined : found;
    } catch (error) {
      if (isNothingThere(error)) return undefined;
      throw storageError(error, `look at ${JSON.stringify(path)}`);
    }
  }

  async open(path: string): Promise<FileReader> {
    if ((await this.#directoryOf(path)) === undefined) throw missing(path);
    const absolute = join(this.#root, path);
    try {
      if (!(await lstat(absolute)).isFile())
        throw new GodwitError('NOT_A_FILE', `${JSON.stringify(path)} is not a regular file and has no content to read`);
      // Should a link or a pipe have taken its place since, it is neither followed nor waited for. Windows has neither flag.
      const handle = await open(absolute, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
      return new DiskFileReader(path, handle);
    } catch (error) {
      if (isNothingThere(error)) throw missing(path);
      const code = systemCode(error);
      if (code === 'EACCES' || code === 'EPERM') {
        throw new GodwitError('UNREADABLE', `${JSON.stringify(path)} cannot be read: give this user access to it`, { cause: error });
      }
      throw storageError(error, `open ${JSON.stringify(path)}`);
    }
  }

  async write(path: string, content: AsyncIterable<Uint8Array>, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat> {
    return this.#replace(path, mayReplace, async (temporary, replaced) => {
      const handle = await open(temporary, 'wx');
      return {
        handle,
        fill: async () => {
          let position = 0;
          for await (const bytes of content) {
            await this.#reserve.leave(bytes.length);
            await writeAll(handle, position, bytes);
            position += bytes.length;
          }
          await dress(handle, attributes, replaced);
        },
      };
    });
  }

  async link(path: string, target: string, mayReplace?: MayReplace): Promise<FileStat> {
    return this.#replace(path, mayReplace, async (temporary) => {
      try {
        await symlink(target, temporary);
      } catch (error) {
        if (systemCode(error) !== 'EPERM') throw error;
        throw new GodwitError('LINK_UNSUPPORTED', 'this file system or this user cannot make symbolic links', { cause: error });
      }
      return undefined;
    });
  }

  async rename(from: string, to: string): Promise<void> {
    const changed = await this.#inTurn(async () => {
      const source = join(this.#root, from);
      const stats = await this.#statsOf(from);
      if (stats === undefined) throw missing(from);
      if (stats.isDirectory())
        throw new GodwitError('NOT_A_FILE', `${JSON.stringify(from)} is a directory; only files and links are moved`);
      try {
        this.#ignoresCase ??= await doesIgnoreCase(source);
        const target = await this.#prepare(to);
        const replaced = await lstatIfAny(target.absolute);
        // One file under two spellings is being respelled, which is no collision.
        if (replaced?.ino !== stats.ino || replaced.dev !== stats.dev) await this.#refuseToReplace(target, replaced);
        await rename(source, target.absolute);
        return [...target.changedDirectories, await this.#removeEmptyDirectories(dirname(source))];
      } catch (error) {
        throw writingError(error, to);
      }
    });
    await this.#sync(changed);
  }

  async remove(path: string, mayReplace?: MayReplace): Promise<void> {
    const changed = await this.#inTurn(async () => {
      const stats = await this.#statsOf(path);
      if (stats === undefined) return [];
      if (stats.isDirectory()) throw occupied(path, 'it is a directory, and only files and links are removed');
      const absolute = join(this.#root, path);
      refuseIfChanged(path, absolute, mayReplace);
      try {
        unlinkSync(absolute);
      } catch (error) {
        throw storageError(error, `remove ${JSON.stringify(path)}`);
      }
      return [await this.#removeEmptyDirectories(dirname(absolute))];
    });
    await this.#sync(changed);
  }

  /**
   * Makes something under a temporary name beside `path` and puts it in place. `make` creates it; the `fill` it returns, when there is anything to fill, runs outside the turn, as it may take
   * hours.
   */
  async #replace(
    path: string,
    mayReplace: MayReplace | undefined,
    make: (temporary: string, replaced: BigIntStats | undefined) => Promise<{ handle: FileHandle; fill: () => Promise<void> } | undefined>,
  ): Promise<FileStat> {
    const name = temporaryNameFor();
    this.#unfinished.add(name);
    let temporary: string | undefined;
    let handle: FileHandle | undefined;
    try {
      const { target, made } = await this.#inTurn(async () => {
        const target = await this.#prepare(path);
        temporary = join(dirname(target.absolute), name);
        const replaced = await lstatIfAny(target.absolute);
        const made = await make(temporary, replaced);
        handle = made?.handle;
        this.#ignoresCase ??= await doesIgnoreCase(temporary);
        await this.#refuseToReplace(target, replaced);
        return { target, made };
      });
      const place = temporary as string;
      await made?.fill();
      return await this.#putInPlace(place, target, made?.handle, mayReplace, () => {
        temporary = undefined;
      });
    } catch (error) {
      if (temporary !== undefined) await unlink(temporary).catch(() => {});
      throw writingError(error, path);
    } finally {
      await handle?.close();
      this.#unfinished.delete(name);
    }
  }

  /** Puts what was made under a temporary name where it belongs. `isDone` hears at once when it has. */
  async #putInPlace(
    place: string,
    { path, absolute, changedDirectories }: Target,
    handle: FileHandle | undefined,
    mayReplace: MayReplace | undefined,
    isDone: () => void,
  ): Promise<FileStat> {
    const before = await handle?.stat({ bigint: true });
    await this.#inTurn(async () => {
      // Without a moment between them in which this process does anything else.
      refuseIfChanged(path, absolute, mayReplace);
      renameSync(place, absolute);
      isDone();
    });
    const after = await handle?.stat({ bigint: true });
    await this.#sync(changedDirectories);
    if (before === undefined || after === undefined) return (await lookAt(this.#root, path)) as FileStat;
    // Renaming touches the change time, so the later look counts, unless somebody wrote to the file between the two: that is theirs, and must show as a change.
    const isOurs = after.size === before.size && after.mtimeNs === before.mtimeNs;
    return fileStat(path, isOurs ? after : before, undefined);
  }

  async beginPart(path: string): Promise<PartFile> {
    const name = temporaryNameFor();
    this.#unfinished.add(name);
    let handle: FileHandle | undefined;
    try {
      const changed = await this.#inTurn(async () => {
        const { absolute, changedDirectories } = await this.#prepare(path);
        const place = join(dirname(absolute), name);
        handle = await open(place, 'wx+');
        this.#ignoresCase ??= await doesIgnoreCase(place);
        return changedDirectories;
      });
      await this.#sync(changed);
    } catch (error) {
      await handle?.close();
      this.#unfinished.delete(name);
      throw writingError(error, path);
    }
    const part = [...path.split('/').slice(0, -1), name].join('/');
    return new DiskPartFile(part, handle as FileHandle, this.#reserve);
  }

  claimPart(part: string): void {
    this.#unfinished.add(basename(part));
  }

  async openPart(part: string): Promise<PartFile | undefined> {
    const handle = await this.#openToWrite(part);
    return handle && new DiskPartFile(part, handle, this.#reserve);
  }

  async placePart(part: string, path: string, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat> {
    const handle = await this.#openToWrite(part);
    if (handle === undefined) throw missing(part);
    try {
      const { target, replaced } = await this.#inTurn(async () => {
        const target = await this.#prepare(path);
        const replaced = await lstatIfAny(target.absolute);
        await this.#refuseToReplace(target, replaced);
        return { target, replaced };
      });
      await dress(handle, attributes, replaced);
      const above = dirname(join(this.#root, part));
      const changed = { ...target, changedDirectories: [...target.changedDirectories, above] };
      return await this.#putInPlace(join(this.#root, part), changed, handle, mayReplace, () => this.#unfinished.delete(basename(part)));
    } catch (error) {
      throw writingError(error, path);
    } finally {
      await handle.close();
    }
  }

  async removePart(part: string): Promise<void> {
    await this.remove(part);
    this.#unfinished.delete(basename(part));
  }

  /** Opens a part. */
  async #openToWrite(part: string): Promise<FileHandle | undefined> {
    if ((await this.#directoryOf(part)) === undefined) return undefined;
    try {
      return await openPartFile(join(this.#root, part));
    } catch (error) {
      if (isNothingThere(error)) return undefined;
      throw storageError(error, `open ${JSON.stringify(part)}`);
    }
  }

  /** Makes the directories that `path` lacks. The result is valid within the turn. */
  async #prepare(path: string): Promise<Target> {
    if (process.platform === 'win32') refuseOnWindows(path);
    if (temporaryName.test(basename(path))) throw refused(path, 'is a name for unfinished files');
    await checkRoot(this.#root, this.#device);
    const changedDirectories: string[] = [];
    const absolute = join(this.#root, path);
    if ((await this.#directoryOf(path)) === undefined) await this.#makeDirectories(dirname(path), path, changedDirectories);
    return { path, absolute, changedDirectories: [...changedDirectories, dirname(absolute)] };
  }

  async #makeDirectories(directory: string, path: string, changed: string[]): Promise<void> {
    const above = dirname(directory);
    const absolute = join(this.#root, directory);
    if (above !== '.' && (await lstatIfAny(absolute)) === undefined) await this.#makeDirectories(above, path, changed);
    try {
      await mkdir(absolute);
      changed.push(dirname(absolute));
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      // Somebody else made it at the same moment, or a file stands there. A link cannot: those were looked for, and this tree makes none meanwhile.
      if (!(await lstat(absolute)).isDirectory()) throw occupied(path, 'a file stands where it needs a directory');
    }
  }

  /** Throws when what stands at the target must not be replaced. */
  async #refuseToReplace({ path, absolute }: Target, replaced: BigIntStats | undefined): Promise<void> {
    if (replaced?.isDirectory()) throw occupied(path, 'a directory has this name');
    if (this.#ignoresCase !== true) return;
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth++) await this.#refuseOtherSpelling(join(this.#root, ...names.slice(0, depth)), path);
    if (replaced !== undefined && !(await readdir(dirname(absolute))).includes(names.at(-1) as string)) throw collision(path);
  }

  async #refuseOtherSpelling(directory: string, path: string): Promise<void> {
    if (this.#spelledDirectories.has(directory)) return;
    if (!(await readdir(dirname(directory))).includes(basename(directory))) throw collision(path);
    if (this.#spelledDirectories.size >= spelledDirectoriesMax) this.#spelledDirectories.clear();
    this.#spelledDirectories.add(directory);
  }

  /**
   * The directory a path lies in, or `undefined` when there is none.
   *
   * @throws GodwitError `PATH_REFUSED` for a path that leaves the root, is one of the tree's own temporary names, or passes through a link; `DIRECTORY_MISSING` when the root is gone
   */
  async #directoryOf(path: string): Promise<string | undefined> {
    if (!isTreePath(path)) throw refused(path, 'is not a path below the root');
    if (temporaryName.test(basename(path)) && !this.#unfinished.has(basename(path))) throw refused(path, 'is a name for unfinished files');
    const directory = dirname(join(this.#root, path));
    let real: string;
    try {
      real = await realpath(directory);
    } catch (error) {
      if (isNothingThere(error)) {
        await checkRoot(this.#root, this.#device);
        await this.#refuseDanglingLink(path);
        return undefined;
      }
      if (systemCode(error) === 'ELOOP') throw refused(path, 'passes through a symbolic link');
      throw storageError(error, `look at ${JSON.stringify(path)}`);
    }
    if (real === directory) return directory;
    // Windows and macOS give the spelling on disk.
    throw real.toLowerCase() === directory.toLowerCase() ? collision(path) : refused(path, 'passes through a symbolic link');
  }

  /** A link to nothing is no directory, yet it is in the way like any other link. */
  async #refuseDanglingLink(path: string): Promise<void> {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth++) {
      const stats = await lstat(join(this.#root, ...names.slice(0, depth))).catch(() => undefined);
      if (stats === undefined) return;
      if (stats.isSymbolicLink()) throw refused(path, 'passes through a symbolic link');
    }
  }

  /** What stands at a path, whatever it is. */
  async #statsOf(path: string): Promise<BigIntStats | undefined> {
    if ((await this.#directoryOf(path)) === undefined) return undefined;
    try {
      return await lstatIfAny(join(this.#root, path));
    } catch (error) {
      if (isNothingThere(error)) return undefined;
      throw storageError(error, `look at ${JSON.stringify(path)}`);
    }
  }

  /** Removes a directory and those above it as far as they are empty; returns the one that is left. */
  async #removeEmptyDirectories(directory: string): Promise<string> {
    let left = directory;
    while (left !== this.#root) {
      try {
        await rmdir(left);
      } catch {
        // Not empty, or not ours to remove: either way it stays.
        break;
      }
      this.#spelledDirectories.delete(left);
      left = dirname(left);
    }
    return left;
  }

  async #sync(directories: readonly string[]): Promise<void> {
    for (const directory of new Set(directories)) {
      try {
        await syncDirectory(directory);
      } catch (error) {
        // Another change emptied and removed it meanwhile, and synced what is above.
        if (systemCode(error) !== 'ENOENT') throw storageError(error, `sync ${directory}`);
      }
    }
  }

  /** Does `work` when all earlier changes of names are done. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }
}

function refuseOnWindows(path: string): void {
  for (const name of path.split('/')) {
    const problem = windowsNameProblem(name);
    if (problem !== undefined) throw new GodwitError('NAME_NOT_STORABLE', `Windows cannot store ${JSON.stringify(path)}: ${problem}`);
  }
}

/** The tree's own temporary files in a page of a survey, and the page without them. */
function apart(page: string): [readonly Sighting[], string] {
  const isOwn = ({ path }: Sighting) => temporaryName.test(basename(path));
  const sightings = sightingsOf(page);
  return [sightings.filter(isOwn), pageText(sightings.filter((sighting) => !isOwn(sighting)))];
}

/** Whether the file at this path answers to its name in the other case too; `undefined` when the name has no letters. */
async function doesIgnoreCase(absolute: string): Promise<boolean | undefined> {
  const name = basename(absolute);
  const other = swappedCase(name);
  if (other === name) return undefined;
  const [one, two] = await Promise.all([lstatIfAny(absolute), lstatIfAny(join(dirname(absolute), other))]);
  return two !== undefined && one?.ino === two.ino && one.dev === two.dev;
}

/**
 * The tree of files below an existing directory. The directory is never created here: a missing one may be a disk that is not connected, and an empty stand-in would look like everything
 * had been deleted.
 *
 * Besides what the port names, calls reject with `DIRECTORY_MISSING` (retryable) when the root has gone since, and with `PATH_REFUSED`, `FILE_MISSING`, `NOT_A_FILE`, `UNREADABLE`, `PATH_OCCUPIED` (a file and a directory want the same name), `NAME_NOT_STORABLE`,
 * `NAME_COLLISION`, `LINK_UNSUPPORTED` and `DIRECTORY_UNWRITABLE`; none of those succeeds when it is merely repeated.
 *
 * @param work who looks at many files; default: this thread, between other things
 * @throws GodwitError `DIRECTORY_MISSING` when there is no directory at `root`
 */
export function openDiskFileTree(root: string, work: DiskWork = workInline): FileTree {
  try {
    const real = realpathSync.native(root);
    const stats = statSync(real, { bigint: true });
    if (stats.isDirectory()) return new DiskFileTree(real, stats.dev, work);
  } catch (error) {
    throw new GodwitError(
      'DIRECTORY_MISSING',
      `${root} cannot be opened (${systemCode(error)}): connect the disk or create the directory`,
      {
        retryable: true,
        cause: error,
      },
    );
  }
  throw new GodwitError('DIRECTORY_MISSING', `${root} is not a directory: name one that is`);
}
