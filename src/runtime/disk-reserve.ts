import { statfs } from 'node:fs/promises';
import { GodwitError } from '../core/errors.ts';

/**
 * The last room on a disk is not for bulk bytes. The catalog lies there, too, as a rule, and a node whose catalog cannot be written stops: so what arrives, or is published, ends a little before the disk does, and the
 * node lives on and says that it is full. What makes room may use half of it for a while: a full disk could never be cleaned otherwise.
 */

/** So much stays free, or an eighth of a smaller disk. */
const reservedBytes = 32 * 1024 * 1024;
/** The disk is asked again after so much was written, at the latest. */
const askedEachBytes = 4 * 1024 * 1024;

/** The reserve of the disk that a directory lies on. */
export class DiskReserve {
  readonly #directory: string;
  #allowedBytes = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * To be called before so many bytes are written, for data or to make room.
   *
   * @throws GodwitError `DISK_FULL` (retryable) when they would go into the reserve
   */
  async leave(bytes: number, purpose: 'data' | 'room' = 'data'): Promise<void> {
    if (purpose === 'room' && bytes <= (await this.#room(0.5))) return;
    if (bytes > this.#allowedBytes) this.#allowedBytes = Math.min(await this.#room(), Math.max(bytes, askedEachBytes));
    if (bytes > this.#allowedBytes) {
      this.#allowedBytes = 0;
      throw new GodwitError('DISK_FULL', `the disk of ${this.#directory} is full but for what the catalog needs: free some space`, {
        retryable: true,
      });
    }
    this.#allowedBytes -= bytes;
  }

  /** What may still be written, down to this share of the reserve; without end where the file system does not say how large it is. */
  async #room(share = 1): Promise<number> {
    const sizes = await statfs(this.#directory).catch(() => undefined);
    if (sizes === undefined || sizes.blocks === 0) return Infinity;
    const { bavail, blocks, bsize } = sizes;
    return bavail * bsize - share * Math.min(reservedBytes, (blocks * bsize) / 8);
  }
}
