import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { FileAttributes, FileReader, FileStat, PartFile } from '../ports/file-tree.ts';
import { DirectWrites } from './direct-writes.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { fileStat } from './disk-walk.ts';
import { storageError, systemCode } from './storage-faults.ts';

/**
 * Files of a tree that are open: one that is read, and one that is filled before it stands anywhere.
 */

/** What int64 nanoseconds can hold, the years 1678 to 2261. A time beyond is not one a file can have. */
const mtimeNsMax = 2n ** 63n - 1n;

/** Writes all of the bytes at an offset: a disk that fills up takes a beginning first and says so only when asked again. */
export async function writeAll(handle: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += (await handle.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
}

/** Gives a file that is about to stand at its place its mode and time, and syncs it. Without a mode it has that of the file it replaces. */
export async function dress(handle: FileHandle, { mtimeNs, mode }: FileAttributes, replaced: BigIntStats | undefined): Promise<void> {
  const permissions = mode ?? (replaced?.isFile() ? Number(replaced.mode) : undefined);
  if (permissions !== undefined) await ifSupported(handle.chmod((permissions & 0o777) | 0o400));
  if (mtimeNs !== undefined) {
    const seconds = Number(mtimeNs > mtimeNsMax ? mtimeNsMax : mtimeNs < -mtimeNsMax ? -mtimeNsMax : mtimeNs) / 1e9;
    await ifSupported(handle.utimes(seconds, seconds));
  }
  await handle.sync();
}

/** Sets an attribute where the file system has it. */
async function ifSupported(setting: Promise<void>): Promise<void> {
  try {
    await setting;
  } catch (error) {
    if (!['EPERM', 'EINVAL', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Opens a part to read and write. One that was given its mode and then not put in its place may be one that its owner may not write. A link in its place is not followed. */
export async function openPartFile(absolute: string): Promise<FileHandle> {
  const noFollow = constants.O_NOFOLLOW ?? 0;
  try {
    return await open(absolute, constants.O_RDWR | noFollow);
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes(systemCode(error) ?? '')) throw error;
    const reading = await open(absolute, constants.O_RDONLY | noFollow);
    await reading.chmod(0o600).finally(() => reading.close());
    return open(absolute, constants.O_RDWR | noFollow);
  }
}

/** A file that is read. */
export class DiskFileReader implements FileReader {
  readonly #path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  async stat(): Promise<FileStat> {
    return fileStat(this.#path, await this.#handle.stat({ bigint: true }), undefined);
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
    let filled = 0;
    try {
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
    } catch (error) {
      throw storageError(error, `read ${JSON.stringify(this.#path)}`);
    }
    return filled === length ? bytes : bytes.subarray(0, filled);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** What lies beyond this in a file is written around the page cache: a file that is longer would fill the cache of a small computer, and one that is shorter may be read soon. */
const cachedBytesMax = 128 * 1024 * 1024;

/** A part that is filled. */
export class DiskPartFile implements PartFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #direct: DirectWrites;
  readonly #reserve: DiskReserve;

  constructor(path: string, handle: FileHandle, reserve: DiskReserve) {
    this.path = path;
    this.#handle = handle;
    this.#direct = new DirectWrites(handle);
    this.#reserve = reserve;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#reserve.leave(bytes.length);
    try {
      const { begin, end } = offset < cachedBytesMax ? { begin: 0, end: 0 } : await this.#direct.write(offset, bytes);
      await writeAll(this.#handle, offset, bytes.subarray(0, begin));
      await writeAll(this.#handle, offset + end, bytes.subarray(end));
    } catch (error) {
      throw storageError(error, `write ${JSON.stringify(this.path)}`);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (error) {
      throw storageError(error, `sync ${JSON.stringify(this.path)}`);
    }
  }

  async close(): Promise<void> {
    try {
      await this.#direct.close();
    } finally {
      await this.#handle.close();
    }
  }
}
