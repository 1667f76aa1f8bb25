import fsSync from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GodwitError } from '../../../src/core/errors.ts';
import type { FileTree } from '../../../src/ports/file-tree.ts';
import { openDiskFileTree } from '../../../src/runtime/disk-file-tree.ts';
import { inPieces } from '../../contract/file-tree-suite.ts';

let directory: string;
let tree: FileTree;

const at = (path: string) => join(directory, path);
const text = (value: string) => new TextEncoder().encode(value);
const write = (path: string, content = path) => tree.write(path, inPieces(text(content)), {});
const entries = () => Array.fromAsync(tree.walk());
const paths = async () => (await entries()).map(({ path }) => path);
const systemError = (code: string) => Object.assign(new Error(code), { code });
const failureOf = (work: Promise<unknown>): Promise<GodwitError> =>
  work.then(
    () => Promise.reject(new Error('nothing failed')),
    (error: GodwitError) => error,
  );

/** A function of the file system as the tree sees it until the end of the test. */
function patch<Name extends 'lstat' | 'mkdir' | 'open' | 'readdir' | 'realpath' | 'rename' | 'symlink' | 'unlink'>(
  name: Name,
  replacement: (original: (...args: unknown[]) => Promise<unknown>, path: string, ...args: unknown[]) => Promise<unknown>,
) {
  const original = fs[name] as (...args: unknown[]) => Promise<unknown>;
  const spy = vi.spyOn(fs, name).mockImplementation(((path: string, ...args: unknown[]) => replacement(original, path, ...args)) as never);
  syncBuiltinESMExports();
  return spy;
}

/** The same for the functions that come back at once: those by which many files are looked at, and those that must have nothing between them. */
function patchSync<Name extends 'lstatSync' | 'readdirSync' | 'renameSync'>(
  name: Name,
  replacement: (original: (...args: unknown[]) => unknown, path: string, ...args: unknown[]) => unknown,
): void {
  const original = fsSync[name] as (...args: unknown[]) => unknown;
  vi.spyOn(fsSync, name).mockImplementation(((path: string, ...args: unknown[]) => replacement(original, path, ...args)) as never);
  syncBuiltinESMExports();
}

function failWith(code: string): never {
  throw systemError(code);
}

/** What every FileHandle inherits from. */
async function fileHandle(): Promise<FileHandle> {
  const handle = await fs.open(directory);
  await handle.close();
  return Object.getPrototypeOf(handle);
}

beforeEach(async () => {
  directory = await fs.realpath(await fs.mkdtemp(join(tmpdir(), 'godwit-tree-')));
  tree = openDiskFileTree(directory);
});
afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await fs.rm(directory, { recursive: true, force: true });
});

describe('opening a directory', () => {
  it('refuses one that is missing and makes none', () => {
    expect(() => openDiskFileTree(at('missing'))).toThrow(expect.objectContaining({ code: 'DIRECTORY_MISSING', retryable: true }));
    expect(() => openDiskFileTree(at('missing'))).toThrow();
  });

  it('refuses a file', async () => {
    await fs.writeFile(at('file'), '');
    expect(() => openDiskFileTree(at('file'))).toThrow(expect.objectContaining({ code: 'DIRECTORY_MISSING' }));
  });

  it('may go through a link', async () => {
    await write('real/file');
    await fs.symlink(at('real'), at('link'));
    tree = openDiskFileTree(at('link'));
    expect(await paths()).toEqual(['file']);
    expect(await tree.stat('file')).toBeDefined();
  });
});

describe('what stands in a directory already', () => {
  it('is listed with times to the nanosecond and permissions', async () => {
    await fs.writeFile(at('file'), 'content');
    await fs.chmod(at('file'), 0o4750);
    const { mtimeNs, ctimeNs, ino } = await fs.lstat(at('file'), { bigint: true });
    expect(await entries()).toEqual([{ path: 'file', kind: 'file', sizeBytes: 7, mtimeNs, ctimeNs, inode: ino, mode: 0o4750 }]);
  });

  it('is reported as unusable when its name is not UTF-8, files, directories and link targets alike', async () => {
    const raw = (path: string) => Buffer.from(path, 'latin1');
    await write('fine');
    await fs.writeFile(raw(at('f\xe9')), '');
    await fs.mkdir(raw(at('d\xe9')));
    await fs.writeFile(raw(at('d\xe9/below')), '');
    await fs.symlink(raw('\xe9'), at('link'));
    expect(await entries()).toEqual([
      { path: 'd\ufffd', kind: 'unusable', code: 'NAME_NOT_UTF8', message: expect.any(String) },
      {
        path: 'fine',
        kind: 'file',
        sizeBytes: 4,
        mtimeNs: expect.any(BigInt),
        ctimeNs: expect.any(BigInt),
        inode: expect.any(BigInt),
        mode: expect.any(Number),
      },
      { path: 'f\ufffd', kind: 'unusable', code: 'NAME_NOT_UTF8', message: expect.any(String) },
      { path: 'link', kind: 'unusable', code: 'NAME_NOT_UTF8', message: expect.any(String) },
    ]);
    expect(await tree.stat('link')).toBeUndefined();
  });

  it('is reported as unusable when it is no file, and is neither opened nor waited for', async () => {
    const server = createServer().listen(at('socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    expect(await entries()).toEqual([{ path: 'socket', kind: 'unusable', code: 'SPECIAL_FILE', message: expect.any(String) }]);
    expect((await failureOf(tree.open('socket'))).code).toBe('NOT_A_FILE');
    expect(await tree.stat('socket')).toBeUndefined();
    await new Promise((resolve) => server.close(resolve));
  });

  it('is reported as unusable when it cannot be read, and the rest is listed', async () => {
    for (const path of ['a/file', 'b/file', 'c']) await write(path);
    patchSync('readdirSync', (readdir, path, ...args) => (path === at('a') ? failWith('EACCES') : readdir(path, ...args)));
    patchSync('lstatSync', (lstat, path, ...args) => (path === at('b/file') ? failWith('EIO') : lstat(path, ...args)));
    expect((await entries()).map(({ path, kind }) => [path, kind])).toEqual([
      ['a', 'unusable'],
      ['b/file', 'unusable'],
      ['c', 'file'],
    ]);
    expect((await entries())[0]).toMatchObject({ code: 'UNREADABLE' });
  });

  it('is left out when it goes while the walk is under way', async () => {
    for (const path of ['a/file', 'b', 'c/file', 'd']) await write(path);
    patchSync('lstatSync', (lstat, path, ...args) => {
      if (path === at('a/file')) fsSync.rmSync(at('c'), { recursive: true });
      if (path === at('b')) fsSync.unlinkSync(path);
      return lstat(path, ...args);
    });
    expect(await paths()).toEqual(['a/file', 'd']);
  });
});

describe('a disk that goes away', () => {
  it('makes the walk fail instead of showing an empty directory', async () => {
    await write('a');
    await fs.rm(directory, { recursive: true });
    expect(await failureOf(entries())).toMatchObject({ code: 'DIRECTORY_MISSING', retryable: true });
  });

  it('makes the walk fail even at its end', async () => {
    for (const path of ['a', 'b']) await write(path);
    const walk = async () => {
      for await (const { path } of tree.walk()) if (path === 'a') await fs.rm(directory, { recursive: true });
    };
    expect((await failureOf(walk())).code).toBe('DIRECTORY_MISSING');
  });

  it('is noticed when another device is mounted in its place', async () => {
    await write('a');
    patch('lstat', async (lstat, path, ...args) => {
      const stats = (await lstat(path, ...args)) as { dev: bigint };
      if (path === directory) stats.dev++;
      return stats;
    });
    expect((await failureOf(entries())).code).toBe('DIRECTORY_MISSING');
    expect((await failureOf(write('b'))).code).toBe('DIRECTORY_MISSING');
    expect((await failureOf(tree.stat('gone/file'))).code).toBe('DIRECTORY_MISSING');
    expect(await fs.readdir(directory)).toEqual(['a']);
  });

  it('is not taken for a removed file, and its mount point is not written to', async () => {
    await fs.rm(directory, { recursive: true });
    const attempts = [tree.stat('a'), tree.open('a'), tree.remove('a'), write('a'), write('d/a'), tree.link('a', 'b')];
    for (const failure of await Promise.all(attempts.map(failureOf))) expect(failure.code).toBe('DIRECTORY_MISSING');
    await expect(fs.lstat(directory)).rejects.toThrow('ENOENT');
  });

  it('makes the walk fail when the root itself cannot be read', async () => {
    patchSync('readdirSync', () => failWith('EIO'));
    expect((await failureOf(entries())).code).toBe('STORAGE_FAILED');
  });
});

describe('a write that is interrupted', () => {
  const leftOver = '.godwit-0123456789abcdef.part';

  it('is never listed, and what it left is removed by the first walk after opening', async () => {
    await write('d/file');
    await fs.writeFile(at(`d/${leftOver}`), 'half a file');
    expect(await paths()).toEqual(['d/file']);
    expect(await fs.readdir(at('d'))).toEqual(['file']);
    await fs.writeFile(at(`d/${leftOver}`), 'half a file, from another process');
    expect(await paths()).toEqual(['d/file']);
    expect(await fs.readdir(at('d'))).toEqual([leftOver, 'file']);
  });

  it('goes on when a walk comes by', async () => {
    const seen: string[] = [];
    const content = (async function* () {
      yield text('one ');
      seen.push(...(await paths()));
      yield text('two');
    })();
    await tree.write('d/file', content, {});
    expect(seen).toEqual([]);
    expect(await fs.readFile(at('d/file'), 'utf8')).toBe('one two');
  });

  it('has names that no file can be given', async () => {
    const attempts = [write(leftOver), tree.open(`d/${leftOver}`), tree.link(leftOver, 'x'), tree.remove(leftOver)];
    for (const failure of await Promise.all(attempts.map(failureOf))) expect(failure.code).toBe('PATH_REFUSED');
    await write('.godwit-notes');
    expect(await paths()).toEqual(['.godwit-notes']);
  });
});

describe('replacing a file', () => {
  it('syncs the bytes before the name, and the name before it answers', async () => {
    const handle = await fileHandle();
    const order: string[] = [];
    const sync = handle.sync;
    vi.spyOn(handle, 'sync').mockImplementation(async function (this: FileHandle) {
      order.push((await this.stat()).isDirectory() ? 'sync directory' : 'sync file');
      return sync.call(this);
    });
    patchSync('renameSync', (rename, ...args) => {
      order.push('rename');
      return rename(...args);
    });
    await write('new/directory/file');
    expect(order).toEqual(['sync file', 'rename', 'sync directory', 'sync directory', 'sync directory']);
    order.length = 0;
    await tree.link('new/link', 'x');
    expect(order).toEqual(['rename', 'sync directory']);
    order.length = 0;
    await tree.remove('new/directory/file');
    expect(order).toEqual(['sync directory']);
  });

  it.each(['ENOSPC', 'EDQUOT'])('on a full disk (%s) leaves the old file and nothing else', async (code) => {
    await write('d/file', 'old');
    vi.spyOn(await fileHandle(), 'write').mockRejectedValueOnce(systemError(code));
    expect(await failureOf(write('d/file', 'new'))).toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(await fs.readdir(at('d'))).toEqual(['file']);
    expect(await fs.readFile(at('d/file'), 'utf8')).toBe('old');
  });

  it('goes on when the system takes a part at a time', async () => {
    type Write = (this: FileHandle, bytes: Uint8Array, offset: number, length: number, position: number) => ReturnType<FileHandle['write']>;
    const handle = await fileHandle();
    const original = handle.write as Write;
    const writeAPart: Write = function (bytes, offset, length, position) {
      return original.call(this, bytes, offset, Math.min(3, length), position);
    };
    vi.spyOn(handle, 'write').mockImplementation(writeAPart as FileHandle['write']);
    await write('file', 'in many small parts');
    expect(await fs.readFile(at('file'), 'utf8')).toBe('in many small parts');
  });

  it('does without permissions and times where the file system has none', async () => {
    const handle = await fileHandle();
    vi.spyOn(handle, 'chmod').mockRejectedValueOnce(systemError('EPERM'));
    vi.spyOn(handle, 'utimes').mockRejectedValueOnce(systemError('EPERM'));
    const stat = await tree.write('file', inPieces(text('x')), { mode: 0o600, mtimeNs: 0n });
    expect(stat).toEqual(await tree.stat('file'));
    expect(stat.mtimeNs).not.toBe(0n);
    vi.spyOn(handle, 'chmod').mockRejectedValueOnce(systemError('EIO'));
    expect((await failureOf(tree.write('file', inPieces(text('x')), { mode: 0o600 }))).code).toBe('STORAGE_FAILED');
  });

  it('does without syncing directories where the file system cannot', async () => {
    const handle = await fileHandle();
    const sync = handle.sync;
    vi.spyOn(handle, 'sync').mockImplementation(async function (this: FileHandle) {
      if ((await this.stat()).isDirectory()) throw systemError('EINVAL');
      return sync.call(this);
    });
    await write('file');
    vi.mocked(handle.sync).mockImplementation(async function (this: FileHandle) {
      if ((await this.stat()).isDirectory()) throw systemError('EIO');
    });
    expect((await failureOf(write('file'))).code).toBe('STORAGE_FAILED');
  });

  it('does not hide what somebody wrote into it at the last moment', async () => {
    patchSync('renameSync', (rename, ...args) => {
      rename(...args);
      fsSync.appendFileSync(at('file'), ' and theirs');
    });
    const stat = await write('file', 'ours');
    expect(stat.sizeBytes).toBe(4);
    expect(stat).not.toEqual(await tree.stat('file'));
  });
});

describe('a link that is made while a file is written into a directory of the same name', () => {
  it('comes before or after, and the file never goes through it', async () => {
    await fs.mkdir(at('tree'));
    await fs.mkdir(at('outside'));
    tree = openDiskFileTree(at('tree'));
    let link: Promise<string> | undefined;
    patch('mkdir', async (mkdir, ...args) => {
      // The moment between the look at the directories and their making, held open for the link to slip in.
      link = tree.link('site', at('outside')).then(
        () => 'made',
        ({ code }: GodwitError) => code,
      );
      for (let i = 0; i < 50; i++) await fs.readdir(directory);
      return mkdir(...args);
    });
    const file = await write('site/file').then(
      () => 'written',
      ({ code }: GodwitError) => code,
    );
    expect([file, await link]).toEqual(['written', 'PATH_OCCUPIED']);
    expect(await fs.readdir(at('outside'))).toEqual([]);
  });
});

describe('names that cannot be stored', () => {
  it('are refused when they are too long, before any content is taken', async () => {
    let isAsked = false;
    const content = (async function* () {
      isAsked = true;
      yield text('x');
    })();
    expect(await failureOf(tree.write('x'.repeat(256), content, {}))).toMatchObject({ code: 'NAME_NOT_STORABLE', retryable: false });
    expect(isAsked).toBe(false);
    expect((await failureOf(write(`${'x'.repeat(256)}/file`))).code).toBe('NAME_NOT_STORABLE');
    expect((await failureOf(tree.link('x'.repeat(256), 'x'))).code).toBe('NAME_NOT_STORABLE');
    expect(await tree.stat('x'.repeat(256))).toBeUndefined();
    expect((await failureOf(tree.open('x'.repeat(256)))).code).toBe('FILE_MISSING');
    expect((await failureOf(tree.rename('x'.repeat(256), 'y'))).code).toBe('FILE_MISSING');
    await tree.remove('x'.repeat(256));
    expect(await fs.readdir(directory)).toEqual([]);
  });

  it('are refused when the file system does not take them', async () => {
    patchSync('renameSync', () => failWith('EINVAL'));
    expect((await failureOf(write('a:b'))).code).toBe('NAME_NOT_STORABLE');
    expect(await fs.readdir(directory)).toEqual([]);
  });

  it('are refused on Windows when Windows would take them for something else', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('win32');
    for (const path of ['nul', 'a/aux.txt', 'a:stream', 'dot.']) expect((await failureOf(write(path))).code).toBe('NAME_NOT_STORABLE');
    expect(await fs.readdir(directory)).toEqual([]);
  });
});

describe('a file system where case does not count', () => {
  /** Lets every path be found under any spelling; new names keep the spelling they are given. */
  function ignoreCase(): void {
    const spelled = async (path: string): Promise<string> => {
      if (path === directory || !path.startsWith(directory)) return path;
      const parent = await spelled(dirname(path));
      const names = await fs.opendir(parent).then(
        async (found) => (await Array.fromAsync(found)).map(({ name }) => name),
        () => [],
      );
      return join(parent, names.find((name) => name.toLowerCase() === basename(path).toLowerCase()) ?? basename(path));
    };
    for (const name of ['lstat', 'mkdir', 'open', 'readdir', 'unlink'] as const)
      patch(name, async (original, path, ...args) => original(await spelled(path), ...args));
    // As Linux answers for FAT: the directory exists, and nothing is said of its spelling.
    patch('realpath', async (realpath, path) => {
      await realpath(await spelled(path));
      return path;
    });
    patch('rename', async (rename, from, to) => rename(await spelled(from), to));
  }

  it('takes every name that is spelled as it stands', async () => {
    ignoreCase();
    for (let round = 0; round < 2; round++)
      for (const path of ['README', 'Data/2024/June.dat', 'Data/2024/July.dat']) await write(path, `${path} ${round}`);
    expect(await paths()).toEqual(['Data/2024/July.dat', 'Data/2024/June.dat', 'README']);
  });

  it('refuses a file that differs in case from another, which stands', async () => {
    ignoreCase();
    await write('readme', 'theirs');
    await write('other');
    const attempts = [write('README', 'ours'), tree.link('ReadMe', 'x'), tree.rename('other', 'Readme')];
    for (const failure of await Promise.all(attempts.map(failureOf)))
      expect(failure).toMatchObject({ code: 'NAME_COLLISION', retryable: false });
    expect(await paths()).toEqual(['other', 'readme']);
    expect(await fs.readFile(at('readme'), 'utf8')).toBe('theirs');
  });

  it('refuses a path whose directories differ in case from others', async () => {
    ignoreCase();
    await write('data/june');
    for (const path of ['Data/july', 'DATA/june']) expect((await failureOf(write(path))).code).toBe('NAME_COLLISION');
    await write('data/y');
    expect(await paths()).toEqual(['data/june', 'data/y']);
  });

  it('refuses them too where the system tells the spelling', async () => {
    await write('data/june');
    patch('realpath', async (realpath, path) => realpath(path.replace('Data', 'data')));
    expect((await failureOf(write('Data/july'))).code).toBe('NAME_COLLISION');
    expect((await failureOf(tree.stat('Data/june'))).code).toBe('NAME_COLLISION');
  });

  it('lets a file be respelled', async () => {
    await write('readme');
    ignoreCase();
    await tree.rename('readme', 'README');
    expect(await paths()).toEqual(['README']);
    expect(await fs.readFile(at('README'), 'utf8')).toBe('readme');
  });
});

describe('what the system refuses', () => {
  it('is named when links cannot be made', async () => {
    patch('symlink', () => Promise.reject(systemError('EPERM')));
    expect(await failureOf(tree.link('a', 'b'))).toMatchObject({ code: 'LINK_UNSUPPORTED', retryable: false });
    patch('symlink', () => Promise.reject(systemError('EROFS')));
    expect((await failureOf(tree.link('a', 'b'))).code).toBe('DIRECTORY_UNWRITABLE');
  });

  it('is named when a file or its directory cannot be read', async () => {
    await write('d/file');
    const handle = await fileHandle();
    vi.spyOn(handle, 'read').mockRejectedValueOnce(systemError('EIO'));
    const reader = await tree.open('d/file');
    expect(await failureOf(reader.read(0, 10))).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    await reader.close();
    patch('lstat', () => Promise.reject(systemError('EACCES')));
    expect((await failureOf(tree.open('d/file'))).code).toBe('UNREADABLE');
    expect((await failureOf(tree.stat('d/file'))).code).toBe('DIRECTORY_UNWRITABLE');
    expect((await failureOf(tree.remove('d/file'))).code).toBe('DIRECTORY_UNWRITABLE');
    patch('lstat', () => Promise.reject(systemError('EIO')));
    expect((await failureOf(tree.open('d/file'))).code).toBe('STORAGE_FAILED');
    patch('realpath', () => Promise.reject(systemError('EIO')));
    expect((await failureOf(tree.stat('d/file'))).code).toBe('STORAGE_FAILED');
    patch('realpath', () => Promise.reject(systemError('ELOOP')));
    expect((await failureOf(tree.stat('d/file'))).code).toBe('PATH_REFUSED');
  });

  it('does not disturb the content’s own errors', async () => {
    const content = (async function* () {
      yield text('x');
      throw systemError('ERR_OF_THEIRS');
    })();
    expect(await failureOf(tree.write('a', content, {}))).toMatchObject({ message: 'ERR_OF_THEIRS' });
  });
});
