import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../../src/runtime/replace-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-replace-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('puts the new file in place of the old one and says how large it is', async () => {
  const target = join(directory, 'a.nc');
  await writeFile(target, 'old');
  const done = await replaceFile(target, async (temporary) => {
    expect(await readFile(target, 'utf8')).toBe('old');
    await writeFile(temporary, 'newer');
    return 42;
  });
  expect(done).toEqual({ result: 42, bytes: 5 });
  expect(await readFile(target, 'utf8')).toBe('newer');
  expect(await readdir(directory)).toEqual(['a.nc']);
});

it('leaves the old file, nothing else, and the error as it was when writing fails', async () => {
  const target = join(directory, 'a.nc');
  await writeFile(target, 'old');
  const reason = new Error('no');
  await expect(
    replaceFile(target, async (temporary) => {
      await writeFile(temporary, 'half');
      throw reason;
    }),
  ).rejects.toBe(reason);
  expect(await readFile(target, 'utf8')).toBe('old');
  expect(await readdir(directory)).toEqual(['a.nc']);
});

it("says in the operating system's terms when the finished file cannot be put in place", async () => {
  const target = join(directory, 'a.nc');
  await mkdir(join(target, 'full'), { recursive: true });
  await expect(replaceFile(target, (temporary) => writeFile(temporary, 'x'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  expect(await readdir(directory)).toEqual(['a.nc']);
});

describe('a directory that cannot be written to', () => {
  it('is found out before any work', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const target of [join(directory, 'absent', 'a.nc'), join(directory, 'file', 'a.nc')]) {
      const write = () => expect.fail('called');
      await expect(replaceFile(target, write)).rejects.toMatchObject({
        code: 'DIRECTORY_UNWRITABLE',
        message: expect.stringContaining(target),
      });
    }
  });
});

it('removes what killed processes left of the same target an hour ago, and nothing else', async () => {
  const target = join(directory, 'a.nc');
  const temporaries: string[] = [];
  const write = async (temporary: string) => {
    temporaries.push(temporary);
  };
  await replaceFile(target, write);
  await replaceFile(join(directory, 'b.nc'), write);
  const [own, others] = temporaries as [string, string];
  // Kept with another random end: a name of this target that is still being written to.
  const fresh = own.replace(/.{8}\.part$/, '0123abcd.part');
  for (const path of [own, others, fresh]) await writeFile(path, 'left over');
  const longAgo = new Date('2020-01-01');
  for (const path of [own, others]) await utimes(path, longAgo, longAgo);
  await replaceFile(target, write);
  expect((await readdir(directory)).toSorted()).toEqual(
    [others, fresh]
      .map((path) => basename(path))
      .concat('a.nc', 'b.nc')
      .toSorted(),
  );
});

it('writes under a name that file trees do not list', async () => {
  await replaceFile(join(directory, 'a.nc'), async (temporary) => {
    expect(basename(temporary)).toMatch(/^\.godwit-[0-9a-f]{16}\.part$/);
  });
});
