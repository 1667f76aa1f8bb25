import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBundleDirectory } from '../../../src/runtime/bundle-directory.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-stick-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

describe('a bundle directory', () => {
  it('lists and makes nothing before something is written, and takes, reads and removes files', async () => {
    const medium = openBundleDirectory(directory);
    expect(await medium.list()).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    await medium.write('0001abcd.gwb', bytes(200_000));
    await medium.write('0002abcd.gwb', bytes(3));
    expect(await medium.list()).toEqual([
      { name: '0001abcd.gwb', sizeBytes: 200_000 },
      { name: '0002abcd.gwb', sizeBytes: 3 },
    ]);
    expect(await medium.read('0001abcd.gwb', 199_990, 100)).toEqual(bytes(10));
    expect(await medium.read('0002abcd.gwb', 5, 100)).toEqual(bytes(0));
    await medium.remove('0001abcd.gwb');
    await medium.remove('0001abcd.gwb');
    expect((await medium.list()).map(({ name }) => name)).toEqual(['0002abcd.gwb']);
    expect(await medium.freeBytes()).toBeGreaterThan(0);
  });

  it('has plain names and files that every file system keeps, and reads those that one has put in capitals', async () => {
    const medium = openBundleDirectory(directory);
    await medium.write('0001abcd.gwb', bytes(10));
    writeFileSync(join(directory, 'godwit/0002WXYZ.GWB'), bytes(4));
    writeFileSync(join(directory, 'godwit/._0001abcd.gwb'), bytes(4));
    writeFileSync(join(directory, 'godwit/readme.txt'), bytes(4));
    mkdirSync(join(directory, 'godwit/0003abcd.gwb'));
    expect((await medium.list()).map(({ name }) => name)).toEqual(['0001abcd.gwb', '0002WXYZ.GWB']);
    expect(await medium.read('0002WXYZ.GWB', 0, 100)).toEqual(bytes(4));
  });

  it('removes what a medium that was pulled out left unfinished', async () => {
    mkdirSync(join(directory, 'godwit'));
    writeFileSync(join(directory, 'godwit/0001abcd.tmp'), bytes(10));
    const medium = openBundleDirectory(directory);
    await medium.write('0002abcd.gwb', bytes(3));
    expect(readdirSync(join(directory, 'godwit'))).toEqual(['0002abcd.gwb']);
  });

  it('says that a medium is not in its place instead of writing where it will be', async () => {
    const medium = openBundleDirectory(join(directory, 'stick'));
    await expect(medium.list()).rejects.toMatchObject({ code: 'DIRECTORY_MISSING', retryable: true });
    await expect(medium.write('0001abcd.gwb', bytes(3))).rejects.toMatchObject({ code: 'DIRECTORY_MISSING' });
    await expect(medium.freeBytes()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('lists a file that cannot be looked at, so that it is named, and reading it fails', async () => {
    mkdirSync(join(directory, 'godwit'));
    symlinkSync('nowhere', join(directory, 'godwit/0001abcd.gwb'));
    const medium = openBundleDirectory(directory);
    expect(await medium.list()).toEqual([{ name: '0001abcd.gwb', sizeBytes: 0 }]);
    await expect(medium.read('0001abcd.gwb', 0, 10)).rejects.toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
  });

  it('fails with DIRECTORY_UNWRITABLE where a file is in the way', async () => {
    writeFileSync(join(directory, 'godwit'), '');
    const medium = openBundleDirectory(directory);
    await expect(medium.list()).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
    await expect(medium.write('0001abcd.gwb', bytes(3))).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
    await expect(medium.remove('0001abcd.gwb')).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
  });

  it('reads where nothing can be written', async () => {
    await openBundleDirectory(directory).write('0001abcd.gwb', bytes(3));
    const release = protect(directory);
    if (release === undefined) return;
    try {
      const medium = openBundleDirectory(directory);
      expect(await medium.read('0001abcd.gwb', 0, 10)).toEqual(bytes(3));
      await expect(medium.write('0002abcd.gwb', bytes(3))).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
      await expect(medium.remove('0001abcd.gwb')).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
    } finally {
      release();
    }
    expect(statSync(join(directory, 'godwit/0001abcd.gwb')).size).toBe(3);
  });
});

/** Makes a directory read-only: by its permissions, or for the superuser, who does not care for those, by a mount. Returns what undoes it; `undefined`, with a notice, where neither works. */
function protect(path: string): (() => void) | undefined {
  if (process.getuid?.() !== 0) {
    const folder = join(path, 'godwit');
    chmodSync(folder, 0o500);
    return () => chmodSync(folder, 0o700);
  }
  try {
    execFileSync('mount', ['--bind', path, path], { stdio: 'ignore' });
    execFileSync('mount', ['-o', 'remount,bind,ro', path], { stdio: 'ignore' });
    return () => execFileSync('umount', [path], { stdio: 'ignore' });
  } catch {
    if (process.env.CI === 'true') throw new Error('nothing can be mounted read-only here');
    console.warn('not tested: a read-only medium, because nothing can be mounted here');
    return undefined;
  }
}
