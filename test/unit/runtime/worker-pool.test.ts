import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { sightingsOf } from '../../../src/ports/sighting.ts';
import { readWholeFiles } from '../../../src/runtime/disk-survey.ts';
import { type DiskWork, workInline } from '../../../src/runtime/disk-work.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { cutSegment, WorkHandler } from '../../../src/runtime/work-handler.ts';
import { defaultWorkers, WorkerPool } from '../../../src/runtime/worker-pool.ts';

let directory: string;
let pool: WorkerPool;

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'godwit-work-')));
  pool = new WorkerPool(2);
});
afterEach(async () => {
  await pool.close();
  await rm(directory, { recursive: true });
});

const sighted = async (work: DiskWork) => (await Array.fromAsync(work.list(directory))).flatMap(sightingsOf);
const record = (bytes: Uint8Array) => ({ hash: nodeCrypto.sha256(bytes) as Hash, bytes });

describe('threads', () => {
  it('list, read and encode what this thread would, byte for byte', async () => {
    await mkdir(join(directory, 'below'));
    for (let file = 0; file < 40; file++) await writeFile(join(directory, 'below', `${file}`), 'x'.repeat(file));
    const files = await sighted(pool);
    expect(files).toHaveLength(40);
    expect(files).toEqual(await sighted(workInline));
    expect(await pool.readWhole(directory, files)).toEqual(await workInline.readWhole(directory, files));
    const random = seededRandom(1);
    const records = [record(new Uint8Array(0)), record(new Uint8Array(5000)), record(random.bytes(5000))];
    expect(await pool.encode(records)).toEqual(await workInline.encode(records));
  });

  it('list a tree together as one would', async () => {
    const names = ['data', 'data.csv', 'data-2', 'a', 'b', 'ä', 'Z', 'deep'];
    for (const name of names.filter((each) => !each.includes('.'))) {
      await mkdir(join(directory, name, 'in', 'side'), { recursive: true });
      for (let file = 0; file < 300; file++) await writeFile(join(directory, name, file % 3 === 0 ? 'in' : 'in/side', `${file}`), '');
    }
    await writeFile(join(directory, 'data.csv'), 'x');
    await writeFile(join(directory, 'deep.txt'), 'x');
    const listed = await sighted(pool);
    expect(listed.length).toBe(7 * 300 + 2);
    expect(listed).toEqual(await sighted(workInline));
  });

  it('say once of a directory that it cannot be read', async () => {
    await mkdir(join(directory, 'a'));
    await writeFile(join(directory, 'a', 'x'), '');
    await mkdir(join(directory, 'b'));
    await chmod(join(directory, 'b'), 0);
    const listed = await sighted(pool);
    await chmod(join(directory, 'b'), 0o700);
    if (process.getuid?.() !== 0) expect(listed[1]?.seen).toContain('unusable UNREADABLE');
    expect(listed.map(({ path }) => path)).toEqual(process.getuid?.() === 0 ? ['a/x'] : ['a/x', 'b']);
  });

  it('cut large files into the chunks that this thread would, in the memory they were given', async () => {
    const bytes = seededRandom(2).bytes(600_000);
    const cut = await pool.cut(bytes.slice(), 65_536);
    expect(cut).toEqual(cutSegment(bytes.slice(), 65_536));
    expect(cut.bytes).toEqual(bytes);
    expect(pool.segmentsAtOnce).toBe(4);
  });

  it('do as many things at once as they are asked', async () => {
    const records = Array.from({ length: 20 }, (_, at) => [record(new Uint8Array(at))]);
    const encoded = await Promise.all(records.map((each) => pool.encode(each)));
    expect(encoded).toEqual(await Promise.all(records.map((each) => workInline.encode(each))));
  });

  it('say what the system said when a directory cannot be listed', async () => {
    await expect(Array.fromAsync(pool.list(join(directory, 'missing')))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that end leave their work undone, and others take over', async () => {
    const records = [record(new Uint8Array(5000))];
    const first = pool.encode(records);
    const refused = expect(first).rejects.toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    await pool.close();
    await refused;
    expect(await pool.encode(records)).toEqual(await workInline.encode(records));
  });

  it.each([
    ['are not started for a few files in one directory', 64, []],
    ['are started for many files', 65, ['godwit']],
  ])('%s', async (_, files, started) => {
    for (let file = 0; file < files; file++) await writeFile(join(directory, `${file}`), 'x'.repeat(file));
    const names: (string | undefined)[] = [];
    const onWorker = (worker: Worker) => names.push(worker.threadName ?? undefined);
    process.on('worker', onWorker);
    const listed = await sighted(pool);
    process.off('worker', onWorker);
    expect(listed).toEqual(await sighted(workInline));
    expect([...new Set(names)]).toEqual(started);
  });

  it('are at least one', () => {
    expect(defaultWorkers()).toBeGreaterThanOrEqual(1);
  });
});

describe('a process that has nothing else to do', () => {
  it('lives until its threads have ended, also when answers are still under way', async () => {
    const program = `
      import { WorkerPool } from ${JSON.stringify(new URL('../../../src/runtime/worker-pool.ts', import.meta.url))};
      const pool = new WorkerPool(1);
      const directory = ${JSON.stringify(directory)};
      await pool.readWhole(directory, []);
      // Its answer arrives before the thread is told to end, and is looked at behind that.
      void pool.readWhole(directory, []);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await pool.close();
      console.log('closed');
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
    expect(stdout).toBe('closed\n');
  });
});

describe('what a thread is asked', () => {
  it('is answered with pages until there is none, and forgotten when nobody wants more', async () => {
    const handler = new WorkHandler();
    const lane = { index: 0, of: 1 };
    await writeFile(join(directory, 'a'), '');
    const ask = (id: number) => handler.handle({ id, name: 'list', input: { listing: 1, root: directory, lane } });
    expect(ask(1)).toMatchObject({ id: 1, output: expect.stringContaining('a\0file 0 ') });
    expect(ask(2)).toEqual({ id: 2, output: undefined });
    expect(ask(3)).toMatchObject({ id: 3, output: expect.stringContaining('a\0file 0 ') });
    expect(handler.handle({ id: 4, name: 'endList', input: { listing: 1 } })).toEqual({ id: 4, output: undefined });
    expect(handler.handle({ id: 5, name: 'list', input: { listing: 2, root: join(directory, 'no'), lane } })).toMatchObject({
      id: 5,
      error: { code: 'ENOENT' },
    });
  });

  it('may be to read and to encode', async () => {
    const handler = new WorkHandler();
    const { hash, bytes } = record(new Uint8Array(100));
    const input = { bytes: bytes.slice(), hashes: new Uint8Array(hash), lengths: [100] };
    expect(handler.handle({ id: 1, name: 'encode', input })).toEqual({ id: 1, output: await workInline.encode([{ hash, bytes }]) });
    const segment = new Uint8Array(100_000).fill(1);
    expect(handler.handle({ id: 3, name: 'cut', input: { bytes: segment, averageBytes: 65_536 } })).toEqual({
      id: 3,
      output: cutSegment(segment, 65_536),
    });
    expect(handler.handle({ id: 2, name: 'readWhole', input: { root: directory, files: [] } })).toEqual({
      id: 2,
      output: { bytes: new Uint8Array(0), lengths: [] },
    });
  });
});

describe('reading whole files', () => {
  it('never leads through a link, even one that is made meanwhile', async () => {
    await writeFile(join(directory, 'secret'), 'x');
    const [sighting] = await sighted(workInline);
    const seen = sighting?.seen as string;
    await symlink(directory, join(directory, 'way'));
    await symlink('secret', join(directory, 'link'));
    const sightings = ['secret', 'way/secret', 'link', 'missing/secret', 'secret'].map((path) => ({ path, seen }));
    expect(readWholeFiles(directory, sightings).lengths).toEqual([1, -1, -1, -1, 1]);
  });
});
