import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { resolve as absolute, join } from 'node:path';
import { invariant } from '../core/assert.ts';
import { giveBack } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { ChunkStore, PackPlace, PackRecord } from '../ports/chunk-store.ts';
import { DiskReserve } from './disk-reserve.ts';
import { type DiskWork, workInline } from './disk-work.ts';
import { makeDirectory, syncDirectory } from './durable-directory.ts';
import { PackReaders } from './pack-readers.ts';
import { decodeRecord, encodeRecord, packHeader, packHeaderBytes, packHeaderVerdict, recordHeaderBytes } from './pack-record.ts';
import { storageError, systemCode } from './storage-faults.ts';

/**
 * Chunks in append-only files `packs/000001.pack`, `packs/000002.pack`, ... (`pack-record.ts` says what is in them).
 *
 * Everything that changes a file goes through one queue and is done one after the other. The appends that wait when their turn comes form a group: they are written behind one another and
 * share one sync, so many small appends cost little more than one. Reads pass the queue by; what they read was durable before anyone could know its place.
 *
 * Safety rests on three rules. Only a resolved append is known to anyone, and it resolves after the sync. After a failure the file is cut back to where it was, and a file that
 * could not be cut, or whose sync failed (the kernel may then have dropped the pages it could not write), never grows again: the next append starts a new pack. And no place is used
 * twice, even when the disk has lost the end of a pack: a pack that is shorter than the catalog says never grows again either.
 */

const packBytesMax = 1024 * 1024 * 1024;
/** Appends are gathered up to this many bytes of content; a larger single one goes alone. */
const groupBytesMax = 32 * 1024 * 1024;
/** Content that is encoded and handed to the kernel at once: about 3 ms of work. */
const batchBytesMax = 1024 * 1024;
/** The same of content that is dense, and handed to the kernel from where it is. */
const denseBatchBytesMax = 4 * 1024 * 1024;

const packName = /^(\d{6,})\.pack$/;

/** The pack that grows. */
interface Tail {
  readonly pack: number;
  readonly handle: FileHandle;
  lengthBytes: number;
}

interface WaitingAppend {
  readonly kind: 'append';
  readonly purpose: 'data' | 'room';
  readonly records: readonly PackRecord[];
  readonly contentBytes: number;
  readonly resolve: (places: PackPlace[]) => void;
  readonly reject: (reason: unknown) => void;
}

interface WaitingTask {
  readonly kind: 'task';
  readonly run: () => Promise<void>;
}

class PackStore implements ChunkStore {
  readonly #directory: string;
  readonly #encoder: DiskWork;
  readonly #reserve: DiskReserve;
  readonly #readers: PackReaders;
  readonly #waiting: (WaitingAppend | WaitingTask)[] = [];
  #isWorking = false;
  #isClosed = false;
  #tail: Tail | undefined;
  /** The pack to go on with when there is no tail, or `undefined` when the next append starts a new one. */
  #resumable: number | undefined;
  #nextPack: number;

  constructor(directory: string, lastPack: number, work: DiskWork) {
    this.#directory = directory;
    this.#encoder = work;
    this.#reserve = new DiskReserve(directory);
    this.#readers = new PackReaders((pack) => this.#path(pack));
    this.#resumable = lastPack === 0 ? undefined : lastPack;
    this.#nextPack = lastPack + 1;
  }

  async append(records: readonly PackRecord[], purpose: 'data' | 'room' = 'data'): Promise<PackPlace[]> {
    let contentBytes = 0;
    for (const { bytes } of records) {
      invariant(bytes.length <= limits.chunkBytesMax, 'a chunk is larger than the limit');
      contentBytes += bytes.length;
    }
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'append', purpose, records, contentBytes, resolve, reject }));
  }

  async read(place: PackPlace, hash: Hash): Promise<Uint8Array | 'unreadable' | undefined> {
    invariant(!this.#isClosed, 'the pack store is closed');
    const { pack, offset, recordBytes } = place;
    if (recordBytes < recordHeaderBytes || recordBytes > recordHeaderBytes + limits.chunkBytesMax) return undefined;
    let record: Uint8Array;
    try {
      record = await this.#readers.read(pack, offset, recordBytes);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'ENOENT') return undefined;
      if (code === 'EIO') return 'unreadable';
      throw storageError(error, `read ${this.#path(pack)}`);
    }
    return record.length === recordBytes ? decodeRecord(record, hash) : undefined;
  }

  async readTogether(places: readonly PackPlace[], hashes: readonly Hash[], into?: Uint8Array): Promise<Uint8Array[]> {
    invariant(!this.#isClosed, 'the pack store is closed');
    const [first] = places;
    if (first === undefined) return [];
    const lengthBytes = places.reduce((sum, { recordBytes }) => sum + recordBytes, 0);
    // What goes wrong is said when the first of them is read by itself.
    const records = await this.#readers.read(first.pack, first.offset, lengthBytes, into).catch(() => new Uint8Array(0));
    const chunks: Uint8Array[] = [];
    for (const [at, { offset, recordBytes }] of places.entries()) {
      const start = offset - first.offset;
      const chunk = decodeRecord(records.subarray(start, start + recordBytes), hashes[at] as Hash);
      if (chunk === undefined) break;
      chunks.push(chunk);
    }
    return chunks;
  }

  packs(): Promise<readonly { readonly pack: number; readonly lengthBytes: number }[]> {
    return this.#inTurn('list the packs', () => listPacks(this.#directory));
  }

  truncateAfter(pack: number, lengthBytes: number): Promise<void> {
    return this.#inTurn(`truncate ${this.#path(pack)}`, async () => {
      this.#nextPack = Math.max(this.#nextPack, pack + 1);
      if (this.#tail?.pack === pack) await this.#retireTail({ resumable: true });
      let handle: FileHandle;
      try {
        handle = await open(this.#path(pack), 'r+');
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return;
        throw error;
      }
      try {
        const { size } = await handle.stat();
        const keptBytes = Math.max(lengthBytes, packHeaderBytes);
        if (size > keptBytes) {
          await handle.truncate(keptBytes);
          await handle.sync();
        } else if (size < lengthBytes && this.#resumable === pack) this.#resumable = undefined;
      } finally {
        await handle.close();
      }
    });
  }

  remove(pack: number): Promise<void> {
    return this.#inTurn(`remove ${this.#path(pack)}`, async () => {
      if (this.#tail?.pack === pack) await this.#retireTail({ resumable: false });
      if (this.#resumable === pack) this.#resumable = undefined;
      await this.#readers.release(pack);
      try {
        await unlink(this.#path(pack));
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error;
      }
      await syncDirectory(this.#directory);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const lastTurn = this.#inTurn('close the packs', () => this.#retireTail({ resumable: false }));
    this.#isClosed = true;
    await lastTurn;
    await this.#readers.close();
  }

  #path(pack: number): string {
    return packPath(this.#directory, pack);
  }

  /** Does `work` when everything asked for before it is done. */
  #inTurn<T>(attempted: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => work().then(resolve, (error) => reject(storageError(error, attempted)));
      this.#enqueue({ kind: 'task', run });
    });
  }

  #enqueue(item: WaitingAppend | WaitingTask): void {
    invariant(!this.#isClosed, 'the pack store is closed');
    this.#waiting.push(item);
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let first = this.#waiting.shift(); first !== undefined; first = this.#waiting.shift()) {
      if (first.kind === 'task') await first.run();
      else await this.#commit(this.#group(first));
    }
    this.#isWorking = false;
  }

  /** The append whose turn it is, with those for the same purpose that wait right behind it. */
  #group(first: WaitingAppend): WaitingAppend[] {
    const group = [first];
    let contentBytes = first.contentBytes;
    for (let next = this.#waiting[0]; next?.kind === 'append' && next.purpose === first.purpose; next = this.#waiting[0]) {
      contentBytes += next.contentBytes;
      if (contentBytes > groupBytesMax) break;
      group.push(next);
      this.#waiting.shift();
    }
    return group;
  }

  async #commit(group: readonly WaitingAppend[]): Promise<void> {
    try {
      const places = await this.#write(
        group.flatMap((append) => append.records),
        group[0]?.purpose,
      );
      let taken = 0;
      for (const { records, resolve } of group) {
        resolve(places.slice(taken, taken + records.length));
        taken += records.length;
      }
    } catch (error) {
      const reason = storageError(error, `append to the packs in ${this.#directory}`);
      for (const { reject } of group) reject(reason);
    }
  }

  /** Writes records and syncs every pack they went into. When that fails, the tail is as it was before, or retired. */
  async #write(records: readonly PackRecord[], purpose?: 'data' | 'room'): Promise<PackPlace[]> {
    if (records.length === 0) return [];
    const places: PackPlace[] = [];
    // Encoding is the longer part of the work and needs no file: every thread there is has its share before anything is written.
    const batches = batchesOf(records);
    // A single batch is soon encoded by this thread; another one takes 40 MB of memory.
    const encoder = batches.length > 1 ? this.#encoder : workInline;
    const encoding = batches.map((batch) => partsOf(batch, encoder));
    // Waited for one after the other; until then nobody may take a failure for one that is not looked at.
    for (const batch of encoding) batch.catch(() => {});
    let tail = await this.#openTail();
    let goodBytes = tail.lengthBytes;
    let isSyncing = false;
    const sync = async () => {
      isSyncing = true;
      await tail.handle.datasync();
      isSyncing = false;
    };

    try {
      for (const batch of encoding) {
        const { parts, whole } = await batch;
        let unwritten: Uint8Array[] = [];
        let unwrittenBytes = 0;
        const flush = async () => {
          await this.#reserve.leave(unwrittenBytes, purpose);
          const [first] = unwritten;
          const together = whole && first && [new Uint8Array(whole.buffer, first.byteOffset, unwrittenBytes)];
          await writeFully(tail.handle, together ?? unwritten, tail.lengthBytes - unwrittenBytes);
          unwritten = [];
          unwrittenBytes = 0;
        };
        for (const record of parts) {
          const recordBytes = record.reduce((sum, { length }) => sum + length, 0);
          if (tail.lengthBytes + recordBytes > packBytesMax && tail.lengthBytes > packHeaderBytes) {
            await flush();
            await sync();
            await this.#retireTail({ resumable: false });
            tail = await this.#openTail();
            goodBytes = tail.lengthBytes;
          }
          places.push({ pack: tail.pack, offset: tail.lengthBytes, recordBytes });
          tail.lengthBytes += recordBytes;
          unwritten.push(...record);
          unwrittenBytes += recordBytes;
        }
        await flush();
        if (whole !== undefined) giveBack(whole);
      }
      await sync();
      return places;
    } catch (error) {
      await this.#cutBack(goodBytes, { resumable: !isSyncing });
      throw error;
    }
  }

  /** Takes back what a failed write left behind the first `lengthBytes` of the tail. */
  async #cutBack(lengthBytes: number, { resumable }: { resumable: boolean }): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined) return;
    let isCut = false;
    try {
      await tail.handle.truncate(lengthBytes);
      await tail.handle.datasync();
      isCut = true;
    } catch {
      // The error that led here is the one to report. What could not be cut is never named, and the pack is given up below.
    }
    await this.#retireTail({ resumable: resumable && isCut });
  }

  async #openTail(): Promise<Tail> {
    this.#tail ??= (await this.#resumeTail()) ?? (await this.#createTail());
    return this.#tail;
  }

  /** Opens the newest pack to go on with it, when it is whole and not full. */
  async #resumeTail(): Promise<Tail | undefined> {
    const pack = this.#resumable;
    if (pack === undefined) return undefined;
    this.#resumable = undefined;
    const handle = await open(this.#path(pack), 'r+');
    try {
      const { size } = await handle.stat();
      const isWhole = packHeaderVerdict(await readHeader(handle)) === 'current';
      if (isWhole && size < packBytesMax) return { pack, handle, lengthBytes: size };
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  async #createTail(): Promise<Tail> {
    const pack = this.#nextPack;
    const handle = await open(this.#path(pack), 'wx+');
    try {
      await writeFully(handle, [packHeader()], 0);
      await syncDirectory(this.#directory);
    } catch (error) {
      // On a full disk this happens at every attempt, so nothing may be left behind.
      await handle.close();
      await unlink(this.#path(pack));
      throw error;
    }
    this.#nextPack++;
    return { pack, handle, lengthBytes: packHeaderBytes };
  }

  async #retireTail({ resumable }: { resumable: boolean }): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined) return;
    this.#tail = undefined;
    this.#resumable = resumable ? tail.pack : undefined;
    await tail.handle.close();
  }
}

/** The bytes of each record in its parts, and the array that they all lie in, if there is one. */
async function partsOf(
  batch: readonly PackRecord[],
  encoder: DiskWork,
): Promise<{ readonly parts: readonly (readonly Uint8Array[])[]; readonly whole?: Uint8Array }> {
  if (batch[0]?.isDense === true)
    return {
      parts: batch.map((record) => {
        const { header, body } = encodeRecord(record);
        return [header, body];
      }),
    };
  const { bytes, lengths } = await encoder.encode(batch);
  let end = 0;
  return {
    parts: lengths.map((recordBytes) => {
      end += recordBytes;
      return [bytes.subarray(end - recordBytes, end)];
    }),
    whole: bytes,
  };
}

/** The records in portions of about the length of a batch, dense ones by themselves. */
function batchesOf(records: readonly PackRecord[]): PackRecord[][] {
  const batches: PackRecord[][] = [];
  let roomBytes = 0;
  let isDense = false;
  for (const record of records) {
    if (roomBytes <= 0 || (record.isDense === true) !== isDense) {
      isDense = record.isDense === true;
      roomBytes = isDense ? denseBatchBytesMax : batchBytesMax;
      batches.push([]);
    }
    batches.at(-1)?.push(record);
    roomBytes -= record.bytes.length;
  }
  return batches;
}

/** Writes all of the bytes of the parts, one behind the other: a disk that fills up takes a beginning first and says so only when asked again. */
async function writeFully(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<void> {
  let [unwritten, at] = [parts.filter(({ length }) => length > 0), position];
  for (let [first] = unwritten; first !== undefined; [first] = unwritten) {
    const { bytesWritten } = unwritten.length === 1 ? await handle.write(first, 0, first.length, at) : await handle.writev(unwritten, at);
    at += bytesWritten;
    unwritten = behind(unwritten, bytesWritten);
  }
}

/** What is left of the parts behind their first bytes. */
function behind(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skippedBytes = bytes;
  return parts.flatMap((part) => {
    const skipped = Math.min(skippedBytes, part.length);
    skippedBytes -= skipped;
    return skipped === part.length ? [] : [part.subarray(skipped)];
  });
}

function packPath(directory: string, pack: number): string {
  return join(directory, `${String(pack).padStart(6, '0')}.pack`);
}

async function readHeader(handle: FileHandle): Promise<Uint8Array> {
  const header = new Uint8Array(packHeaderBytes);
  const { bytesRead } = await handle.read(header, 0, packHeaderBytes, 0);
  return header.subarray(0, bytesRead);
}

async function listPacks(directory: string): Promise<{ pack: number; lengthBytes: number }[]> {
  const packs: { pack: number; lengthBytes: number }[] = [];
  for (const name of await readdir(directory)) {
    const number = packName.exec(name)?.[1];
    if (number === undefined) continue;
    const { size } = await stat(join(directory, name));
    packs.push({ pack: Number(number), lengthBytes: size });
  }
  return packs.sort((a, b) => a.pack - b.pack);
}

async function refuseNewerPack(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    if (packHeaderVerdict(await readHeader(handle)) !== 'newer') return;
  } finally {
    await handle.close();
  }
  throw new GodwitError('PACK_NEWER', `${path} was written by a newer version, so run that version or newer on this directory`);
}

/**
 * Opens the chunk store in `directory`, or makes a new one. Whoever calls holds the directory's catalog, and with it the right to write here.
 *
 * The caller then names what it knows of each pack to `truncateAfter`, and reads. A pack whose first bytes are damaged is not written to any more; its records are served as long as
 * each is good. Reading rejects with `STORAGE_FAILED` (retryable) only when the cause is this process, too many open files for one; damage of any kind is `undefined`.
 *
 * @param work who compresses; default: this thread, between other things
 * @throws GodwitError `PACK_NEWER`, `DIRECTORY_UNWRITABLE`, `DISK_FULL`, `STORAGE_FAILED`
 */
export async function openPackStore(directory: string, work: DiskWork = workInline): Promise<ChunkStore> {
  const packDirectory = absolute(directory, 'packs');
  try {
    makeDirectory(packDirectory);
    const packs = await listPacks(packDirectory);
    for (const { pack } of packs) await refuseNewerPack(packPath(packDirectory, pack));
    return new PackStore(packDirectory, packs.at(-1)?.pack ?? 0, work);
  } catch (error) {
    throw storageError(error, `open the packs in ${packDirectory}`);
  }
}
