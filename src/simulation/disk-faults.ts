import { GodwitError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';

/**
 * What goes wrong with a simulated disk. The chunk store and the file tree of one node share one of these, as they would share the disk; the simulator changes it while the node runs.
 */
export class DiskFaults {
  /** Bytes the disk still takes. Writing uses them up, removing gives them back. */
  freeBytes = Number.POSITIVE_INFINITY;
  /** Share of reads that fail, 0 to 1. */
  readErrorRatio = 0;
  /**
   * Waited for between the moment bytes are written and the moment they are durable. A power cut meanwhile loses them, or a part of them. At once by default; a simulator resolves it
   * when its virtual disk has taken so many bytes.
   */
  settle: (bytes: number) => Promise<void> = () => Promise.resolve();
  readonly random: Random;

  /** @param random decides which reads fail, which bits rot and how much of an unsynced write a power cut leaves */
  constructor(random: Random) {
    this.random = random;
  }

  /**
   * Uses up space for a write.
   *
   * @throws GodwitError `DISK_FULL` (retryable) when there is less; then none is used
   */
  take(bytes: number): void {
    if (bytes > this.freeBytes) {
      throw new GodwitError('DISK_FULL', `the simulated disk has ${this.freeBytes} bytes left and ${bytes} were to be written`, {
        retryable: true,
      });
    }
    this.freeBytes -= bytes;
  }

  /** Gives space back. */
  release(bytes: number): void {
    this.freeBytes += bytes;
  }

  /** Whether this read is one that fails. Draws from the generator only when reads may fail at all. */
  readFails(): boolean {
    return this.readErrorRatio > 0 && this.random.float() < this.readErrorRatio;
  }
}
