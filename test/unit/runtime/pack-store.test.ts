import { execFile } from 'node:child_process';
import { appendFile, type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { GodwitError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import type { ChunkStore, PackPlace } from '../../../src/ports/chunk-store.ts';
import { decodeRecord, encodeRecord } from '../../../src/runtime/pack-record.ts';
import { openPackStore } from '../../../src/runtime/pack-store.ts';
import { packRecord, randomRecord } from '../../contract/chunk-store-suite.ts';

const gibibyte = 1024 ** 3;

let directory: string;
let store: ChunkStore;
/** What every FileHandle inherits from: the place to let the operating system fail. */
let fileHandle: FileHandle;

const packPath = (pack: number) => join(directory, 'packs', `${String(pack).padStart(6, '0')}.pack`);
const systemError = (code: string) => Object.assign(new Error(code), { code });
const failureOf = (work: Promise<unknown>): Promise<GodwitError> =>
  work.then(
    () => Promise.reject(new Error('nothing failed')),
    (error: GodwitError) => error,
  );

async function reopen(): Promise<void> {
  await store.close();
  store = await openPackStore(directory);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-packs-'));
  store = await openPackStore(directory);
  const handle = await open(directory);
  fileHandle = Object.getPrototypeOf(handle);
  await handle.close();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await store.close();
  await rm(directory, { recursive: true });
});

describe('the files of a pack store', () => {
  it('hold dense chunks whole when the system takes them in pieces', async () => {
    const { writev } = fileHandle;
    vi.spyOn(fileHandle, 'writev').mockImplementation(function (this: FileHandle, buffers, position) {
      const [first, ...others] = buffers as Uint8Array[];
      // A beginning that ends somewhere in the second part.
      return Reflect.apply(writev, this, [
        [first, ...others.slice(0, 1).map((part) => part.subarray(0, 1 + (part.length >> 1)))],
        position,
      ]);
    });
    const records = Array.from({ length: 5 }, (_, i) => ({ ...randomRecord(i, 1000 + i), isDense: true }));
    const places = await store.append(records);
    for (const [i, { hash, bytes }] of records.entries()) expect(await store.read(places[i]!, hash)).toEqual(bytes);
  });

  it('do not hold compressed what is said to be dense', async () => {
    const [place] = await store.append([{ ...packRecord(new Uint8Array(5000)), isDense: true }]);
    expect(place).toMatchObject({ recordBytes: 5048 });
  });

  it('hold what the format says', async () => {
    const raw = randomRecord(1, 100);
    const zeros = packRecord(new Uint8Array(5000));
    const [first, second] = await store.append([raw, zeros]);
    const bytes = await readFile(packPath(1));
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from('GDWTPK\x01\x00', 'latin1'));
    expect(first).toEqual({ pack: 1, offset: 8, recordBytes: 148 });
    const headerOf = (offset: number) => ({
      mark: bytes.toString('latin1', offset, offset + 4),
      stored: bytes.readUInt32LE(offset + 4),
      content: bytes.readUInt32LE(offset + 8),
      codec: bytes.readUInt32LE(offset + 12),
      hash: new Uint8Array(bytes.subarray(offset + 16, offset + 48)),
    });
    expect(headerOf(8)).toEqual({ mark: 'GREC', stored: 100, content: 100, codec: 0, hash: raw.hash });
    expect(new Uint8Array(bytes.subarray(56, 156))).toEqual(raw.bytes);
    expect(headerOf(156)).toEqual({ mark: 'GREC', stored: second!.recordBytes - 48, content: 5000, codec: 1, hash: zeros.hash });
    expect(bytes).toHaveLength(156 + second!.recordBytes);
  });

  it('are compressed only when that saves a twentieth', async () => {
    const random = randomRecord(1, 10_000).bytes;
    const withZeros = (zeros: number) => packRecord(new Uint8Array(10_000 + zeros).map((_, i) => random[i] ?? 0));
    const [little, enough] = await store.append([withZeros(400), withZeros(800)]);
    expect(little!.recordBytes).toBe(48 + 10_400);
    expect(enough!.recordBytes).toBeLessThan(48 + 10_100);
  });

  it('end at 1 GiB, and an append that crosses it goes on in the next', async () => {
    const [before, ...after] = Array.from({ length: 3 }, (_, i) => randomRecord(i, 1000));
    const [first] = await store.append([before!]);
    await store.close();
    // Sparse: the disk never sees the gigabyte.
    await truncate(packPath(1), gibibyte - 1500);
    store = await openPackStore(directory);
    const places = await store.append(after);
    expect(places.map(({ pack, offset }) => [pack, offset])).toEqual([
      [1, gibibyte - 1500],
      [2, 8],
    ]);
    for (const [i, place] of [first!, ...places].entries()) {
      const record = [before!, ...after][i]!;
      expect(await store.read(place, record.hash)).toEqual(record.bytes);
    }
    await reopen();
    const [next] = await store.append([randomRecord(9, 1000)]);
    expect(next!.pack).toBe(2);
  });

  it('are not resumed once they are full', async () => {
    await store.append([randomRecord(1, 1000)]);
    await store.close();
    await truncate(packPath(1), gibibyte);
    store = await openPackStore(directory);
    const [place] = await store.append([randomRecord(2, 1000)]);
    expect(place).toMatchObject({ pack: 2, offset: 8 });
  });

  it('may lie beside others', async () => {
    await store.append([randomRecord(1, 1000)]);
    await writeFile(join(directory, 'packs', 'notes.txt'), 'not a pack');
    await reopen();
    expect(await store.packs()).toEqual([{ pack: 1, lengthBytes: 1056 }]);
  });

  it('are read however many there are', async () => {
    const records = Array.from({ length: 40 }, (_, i) => randomRecord(i, 500));
    const places: PackPlace[] = [];
    for (const record of records) {
      const [place] = await store.append([record]);
      places.push(place!);
      // The catalog claims more than the pack has, so the next append starts another one.
      await store.truncateAfter(place!.pack, 10_000);
      await store.append([]);
    }
    await reopen();
    const readAll = () => Promise.all(records.map(({ hash }, i) => store.read(places[i]!, hash)));
    for (let round = 0; round < 3; round++) expect(await readAll()).toEqual(records.map(({ bytes }) => bytes));
    expect(new Set(places.map(({ pack }) => pack)).size).toBeGreaterThan(16);
  });
});

describe('syncing', () => {
  it('is shared by the appends that wait for it', async () => {
    const datasync = vi.spyOn(fileHandle, 'datasync');
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.append([randomRecord(i, 1000)])));
    expect(datasync.mock.calls.length).toBeLessThanOrEqual(2);
  });

  it('comes before the answer', async () => {
    let finish = () => {};
    const synced = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const datasync = vi.spyOn(fileHandle, 'datasync').mockReturnValueOnce(synced);
    let isAnswered = false;
    const answer = store.append([randomRecord(1, 1000)]).then(() => {
      isAnswered = true;
    });
    await vi.waitUntil(() => datasync.mock.calls.length > 0);
    expect(await store.read({ pack: 1, offset: 8, recordBytes: 1048 }, randomRecord(1, 1000).hash)).toBeDefined();
    expect(isAnswered).toBe(false);
    finish();
    await answer;
  });
});

describe('a failing disk', () => {
  it('that is full takes nothing of the append, and the next one starts clean', async () => {
    const [first, second, third] = [randomRecord(1, 1000), randomRecord(2, 2_000), randomRecord(3, 1000)];
    const [placeOfFirst] = await store.append([first]);
    type Write = (this: FileHandle, bytes: Uint8Array, offset: number, length: number, position: number) => ReturnType<FileHandle['write']>;
    const write = fileHandle.write as Write;
    const writeAPart: Write = function (bytes, offset, _, position) {
      return write.call(this, bytes, offset, 700, position);
    };
    // A full disk takes a part and reports the shortage when asked for the rest.
    const spy = vi
      .spyOn(fileHandle, 'write')
      .mockImplementationOnce(writeAPart as FileHandle['write'])
      .mockRejectedValueOnce(systemError('ENOSPC'));
    const reason = await failureOf(store.append([second]));
    expect(reason).toMatchObject({ name: 'GodwitError', code: 'DISK_FULL', retryable: true });
    expect(spy).toHaveBeenCalledTimes(2);
    expect(await store.packs()).toEqual([{ pack: 1, lengthBytes: placeOfFirst!.offset + placeOfFirst!.recordBytes }]);
    const [placeOfThird] = await store.append([third]);
    expect(placeOfThird).toEqual({ pack: 1, offset: placeOfFirst!.offset + placeOfFirst!.recordBytes, recordBytes: 1048 });
    expect(await store.read(placeOfThird!, third.hash)).toEqual(third.bytes);
    expect(await store.read(placeOfFirst!, first.hash)).toEqual(first.bytes);
  });

  it('fails every append that shared the write, and no other', async () => {
    const datasync = fileHandle.datasync;
    const spy = vi.spyOn(fileHandle, 'datasync');
    spy.mockImplementationOnce(datasync).mockRejectedValueOnce(systemError('EDQUOT'));
    const alone = store.append([randomRecord(0, 100)]);
    const group = [1, 2, 3].map((seed) => failureOf(store.append([randomRecord(seed, 100)])));
    const [place] = await alone;
    for (const failure of group) expect((await failure).code).toBe('DISK_FULL');
    expect(await store.read(place!, randomRecord(0, 100).hash)).toBeDefined();
    await store.append([randomRecord(4, 100)]);
  });

  it('that fails to sync gets no more bytes into that pack', async () => {
    const first = randomRecord(1, 1000);
    const [place] = await store.append([first]);
    vi.spyOn(fileHandle, 'datasync').mockRejectedValueOnce(systemError('EIO'));
    expect(await failureOf(store.append([randomRecord(2, 1000)]))).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    const [elsewhere] = await store.append([randomRecord(3, 1000)]);
    expect(elsewhere).toMatchObject({ pack: 2, offset: 8 });
    expect(await store.read(place!, first.hash)).toEqual(first.bytes);
    expect((await stat(packPath(1))).size).toBe(place!.offset + place!.recordBytes);
  });

  it('that cannot be cut back keeps its torn tail, which is never served nor grown upon', async () => {
    await store.append([randomRecord(1, 1000)]);
    vi.spyOn(fileHandle, 'datasync').mockRejectedValueOnce(systemError('EIO'));
    vi.spyOn(fileHandle, 'truncate').mockRejectedValueOnce(systemError('EIO'));
    expect((await failureOf(store.append([randomRecord(2, 1000)]))).code).toBe('STORAGE_FAILED');
    const [elsewhere] = await store.append([randomRecord(3, 1000)]);
    expect(elsewhere!.pack).toBe(2);
  });

  it('that is full when a pack is begun leaves no file behind, however often it is tried', async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      vi.spyOn(fileHandle, 'write').mockRejectedValueOnce(systemError('ENOSPC'));
      expect((await failureOf(store.append([randomRecord(1, 1000)]))).code).toBe('DISK_FULL');
      expect(await readdir(join(directory, 'packs'))).toEqual([]);
    }
    const [place] = await store.append([randomRecord(1, 1000)]);
    expect(place!.pack).toBe(1);
  });

  it('is cut back by the kernel’s own refusal', async () => {
    const module = new URL('../../../src/runtime/pack-store.ts', import.meta.url).href;
    const program = `
      import { hash } from 'node:crypto';
      import { openPackStore } from ${JSON.stringify(module)};
      const store = await openPackStore(process.argv[1]);
      const record = (length) => {
        const bytes = crypto.getRandomValues(new Uint8Array(length));
        return { hash: hash('sha256', bytes, 'buffer'), bytes };
      };
      const small = record(10_000);
      const [place] = await store.append([small]);
      const codes = [];
      for (let i = 0; i < 3; i++) await store.append([record(60_000)]).catch(({ code, cause }) => codes.push(code + ' ' + cause.code));
      const [next] = await store.append([small]);
      const isRead = (await store.read(place, small.hash)) !== undefined && (await store.read(next, small.hash)) !== undefined;
      console.log(JSON.stringify({ codes, gap: next.offset - place.offset - place.recordBytes, isRead }));
      await store.close();`;
    // No file may grow beyond 64 blocks of 512 bytes: the kernel takes what fits and refuses the rest.
    const command = 'ulimit -f 64; exec "$0" --input-type=module -e "$1" "$2"';
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, program, directory]);
    const refusal = 'STORAGE_FAILED EFBIG';
    expect(JSON.parse(stdout)).toEqual({ codes: [refusal, refusal, refusal], gap: 0, isRead: true });
  });

  it('that cannot read a sector says so, and may have its bytes the next time', async () => {
    const record = randomRecord(1, 1000);
    const [place] = await store.append([record]);
    vi.spyOn(fileHandle, 'read').mockRejectedValueOnce(systemError('EIO'));
    expect(await store.read(place!, record.hash)).toBe('unreadable');
    expect(await store.read(place!, record.hash)).toEqual(record.bytes);
  });

  it('is not blamed for a shortage of open files', async () => {
    const record = randomRecord(1, 1000);
    const [place] = await store.append([record]);
    vi.spyOn(fileHandle, 'read').mockRejectedValueOnce(systemError('EMFILE'));
    expect(await failureOf(store.read(place!, record.hash))).toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(await store.read(place!, record.hash)).toEqual(record.bytes);
  });

  it('that fails while a pack is opened again does so without consequences', async () => {
    const [place] = await store.append([randomRecord(1, 1000)]);
    await reopen();
    vi.spyOn(fileHandle, 'stat').mockRejectedValueOnce(systemError('EIO'));
    expect((await failureOf(store.append([randomRecord(2, 1000)]))).code).toBe('STORAGE_FAILED');
    const [next] = await store.append([randomRecord(2, 1000)]);
    expect(await store.read(next!, randomRecord(2, 1000).hash)).toBeDefined();
    expect(await store.read(place!, randomRecord(1, 1000).hash)).toBeDefined();
  });

  it('reports what stands in the way of truncating and removing', async () => {
    await mkdir(packPath(3));
    await expect(failureOf(store.truncateAfter(3, 100))).resolves.toMatchObject({ code: 'STORAGE_FAILED' });
    expect((await failureOf(store.remove(3))).name).toBe('GodwitError');
  });
});

describe('a damaged pack', () => {
  it('with a torn tail serves what is whole, and goes on behind what the catalog names', async () => {
    const record = randomRecord(1, 1000);
    const [place] = await store.append([record]);
    await store.close();
    await appendFile(packPath(1), (await readFile(packPath(1))).subarray(8, 500));
    store = await openPackStore(directory);
    await store.truncateAfter(1, place!.offset + place!.recordBytes);
    const [next] = await store.append([randomRecord(2, 1000)]);
    expect(next!.offset).toBe(place!.offset + place!.recordBytes);
    expect(await store.read(place!, record.hash)).toEqual(record.bytes);
  });

  it.each([0, 5, 8, 30, 56, 200])('cut to %d bytes serves nothing beyond', async (length) => {
    const record = randomRecord(1, 1000);
    const [place] = await store.append([record]);
    await store.close();
    await truncate(packPath(1), length);
    store = await openPackStore(directory);
    expect(await store.read(place!, record.hash)).toBeUndefined();
    await store.truncateAfter(1, place!.offset + place!.recordBytes);
    const [next] = await store.append([record]);
    expect(next!.pack).toBe(2);
    expect(await store.read(next!, record.hash)).toEqual(record.bytes);
  });

  it('never serves a record of which any byte has changed', async () => {
    const records = [randomRecord(1, 60), packRecord(new Uint8Array(3000))];
    const places = await store.append(records);
    const file = await open(packPath(1), 'r+');
    for (const [i, { offset, recordBytes }] of places.entries()) {
      for (let at = offset; at < offset + recordBytes; at++) {
        const byte = new Uint8Array(1);
        await file.read(byte, 0, 1, at);
        await file.write(Uint8Array.of(byte[0]! ^ 0x21), 0, 1, at);
        expect(await store.read(places[i]!, records[i]!.hash), `byte ${at}`).toBeUndefined();
        await file.write(byte, 0, 1, at);
      }
      expect(await store.read(places[i]!, records[i]!.hash)).toEqual(records[i]!.bytes);
    }
    await file.close();
  });

  it('with a damaged head serves its good records and never grows again', async () => {
    const record = randomRecord(1, 1000);
    const [place] = await store.append([record]);
    await store.close();
    const file = await open(packPath(1), 'r+');
    await file.write('XXXX', 0);
    await file.close();
    store = await openPackStore(directory);
    expect(await store.read(place!, record.hash)).toEqual(record.bytes);
    const [next] = await store.append([randomRecord(2, 1000)]);
    expect(next!.pack).toBe(2);
  });

  it('with a record of more than a chunk may hold does not have it decoded, however good it is', () => {
    const record = packRecord(new Uint8Array(limits.chunkBytesMax + 1));
    const { header, body } = encodeRecord(record);
    expect(decodeRecord(concatBytes(header, body), record.hash)).toBeUndefined();
    const allowed = packRecord(new Uint8Array(limits.chunkBytesMax));
    const encoded = encodeRecord(allowed);
    expect(decodeRecord(concatBytes(encoded.header, encoded.body), allowed.hash)).toHaveLength(limits.chunkBytesMax);
  });

  it('with a record that promises another length does not have it decoded', async () => {
    const record = packRecord(new Uint8Array(5000));
    const [place] = await store.append([record]);
    const file = await open(packPath(1), 'r+');
    await file.write(Uint8Array.of(255, 255, 255, 127), 0, 4, place!.offset + 8);
    await file.close();
    expect(await store.read(place!, record.hash)).toBeUndefined();
  });
});

describe('opening a pack store', () => {
  it('refuses packs of a newer version and leaves them alone', async () => {
    await store.append([randomRecord(1, 1000)]);
    await store.close();
    const file = await open(packPath(1), 'r+');
    await file.write(Uint8Array.of(2), 0, 1, 6);
    await file.close();
    const before = await readFile(packPath(1));
    expect((await failureOf(openPackStore(directory))).code).toBe('PACK_NEWER');
    expect(await readFile(packPath(1))).toEqual(before);
  });

  it('refuses a directory that cannot be made', async () => {
    await writeFile(join(directory, 'file'), '');
    expect((await failureOf(openPackStore(join(directory, 'file', 'node')))).code).toBe('DIRECTORY_UNWRITABLE');
  });

  it('makes the directories that are missing', async () => {
    const deep = await openPackStore(join(directory, 'a', 'b'));
    await deep.append([randomRecord(1, 1000)]);
    await deep.close();
    expect(await readdir(join(directory, 'a', 'b', 'packs'))).toEqual(['000001.pack']);
  });
});
