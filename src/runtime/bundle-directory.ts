import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../core/errors.ts';
import type { BundleMedium, MediumFile } from '../ports/bundle-medium.ts';
import { syncDirectory } from './durable-directory.ts';
import { storageError, systemCode } from './storage-faults.ts';

/**
 * A removable medium as the operating system shows it: the folder `godwit` in a directory, which may be a stick with FAT32 or exFAT. Names are eight lower-case letters or digits and three more, so that every
 * file system keeps them; there are no links, no permissions and no file near 4 GiB.
 *
 * A file is written under its name with `.tmp`, synced, and renamed. What a stick that was pulled out has of such a file is removed by the next write.
 */

const folder = 'godwit';
const segmentName = /^[0-9a-z]{8}\.gwb$/i;
const temporaryName = /^[0-9a-z]{8}\.tmp$/i;
/** What is read at a time where a file cannot be read in one piece. */
const pieceBytes = 65_536;

/** Opens the medium at a directory. Nothing is made or written before the first `write`. */
export function openBundleDirectory(directory: string): BundleMedium {
  return new BundleDirectory(directory);
}

class BundleDirectory implements BundleMedium {
  readonly #directory: string;
  readonly #folder: string;
  #cleaned = false;

  constructor(directory: string) {
    this.#directory = directory;
    this.#folder = join(directory, folder);
  }

  async list(): Promise<readonly MediumFile[]> {
    await this.#requireMedium();
    const files: MediumFile[] = [];
    for (const name of await this.#names()) {
      if (!segmentName.test(name)) continue;
      const found = await stat(join(this.#folder, name)).catch(() => undefined);
      // A name that cannot be looked at is damaged, and listed so that it is named.
      if (found === undefined || found.isFile()) files.push({ name, sizeBytes: found?.size ?? 0 });
    }
    return files;
  }

  async read(name: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const handle = await open(join(this.#folder, name), 'r').catch((error: unknown) => {
      throw storageError(error, `read ${name} from the medium`);
    });
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(Math.max(0, Math.min(lengthBytes, size - offset)));
      let failures = 0;
      let pieces = 0;
      let lastError: unknown;
      for (let at = 0; at < bytes.length; at += pieceBytes, pieces++) {
        const piece = bytes.subarray(at, at + pieceBytes);
        try {
          let filled = 0;
          while (filled < piece.length) {
            const { bytesRead } = await handle.read(piece, filled, piece.length - filled, offset + at + filled);
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
        } catch (error) {
          piece.fill(0);
          lastError = error;
          failures++;
        }
      }
      if (failures > 0 && failures === pieces) throw storageError(lastError, `read ${name} from the medium`);
      return bytes;
    } finally {
      await handle.close().catch(() => undefined);
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#requireMedium();
    const temporary = join(this.#folder, name.replace(/gwb$/, 'tmp'));
    try {
      await mkdir(this.#folder, { recursive: true });
      if (!this.#cleaned) await this.#removeTemporary();
      const handle = await open(temporary, 'w');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, join(this.#folder, name));
      await syncDirectory(this.#folder);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw storageError(error, `write ${name} to the medium`);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(join(this.#folder, name), { force: true });
      await syncDirectory(this.#folder);
    } catch (error) {
      throw storageError(error, `remove ${name} from the medium`);
    }
  }

  async freeBytes(): Promise<number> {
    try {
      const { bavail, bsize } = await statfs(this.#directory);
      return bavail * bsize;
    } catch (error) {
      throw storageError(error, 'ask the medium how much room it has');
    }
  }

  /** The directory itself must be there: without it the medium is not in its place, and nothing is to be written where it will be. */
  async #requireMedium(): Promise<void> {
    const found = await stat(this.#directory).catch(() => undefined);
    if (!found?.isDirectory())
      throw new GodwitError('DIRECTORY_MISSING', `There is no directory ${this.#directory}; is the medium in its place?`, {
        retryable: true,
      });
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).sort();
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw storageError(error, `list ${this.#folder}`);
    }
  }

  async #removeTemporary(): Promise<void> {
    for (const name of await this.#names()) if (temporaryName.test(name)) await rm(join(this.#folder, name), { force: true });
    this.#cleaned = true;
  }
}
