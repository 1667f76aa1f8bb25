import type { DiskFaults } from './disk-faults.ts';

/** A write that no sync has covered, with what stood there before. */
interface Unsynced {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly before: Uint8Array;
  readonly lengthBytesBefore: number;
}

/**
 * A file of a simulated directory that is being filled and stands nowhere yet. What was written since the last sync is on the disk in part when the power fails: a real disk takes pages in any order.
 */
export class MemoryPart {
  readonly inode: bigint;
  /** Known to the process that runs. */
  isClaimed = true;
  readonly #faults: DiskFaults;
  #room = new Uint8Array(0);
  #lengthBytes = 0;
  #unsynced: Unsynced[] = [];

  constructor(inode: bigint, faults: DiskFaults) {
    this.inode = inode;
    this.#faults = faults;
  }

  /** As everybody reads it now. */
  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#lengthBytes);
  }

  /** @throws GodwitError `DISK_FULL`; nothing is written then */
  write(offset: number, bytes: Uint8Array): void {
    this.#faults.take(Math.max(0, offset + bytes.length - this.#lengthBytes));
    const before = this.bytes.slice(offset, offset + bytes.length);
    this.#unsynced.push({ offset, bytes: bytes.slice(), before, lengthBytesBefore: this.#lengthBytes });
    this.#put(offset, bytes);
  }

  async sync(): Promise<void> {
    const covered = this.#unsynced.length;
    await this.#faults.settle(this.#unsynced.reduce((sum, { bytes }) => sum + bytes.length, 0));
    this.#unsynced.splice(0, covered);
  }

  /** What a power cut leaves: what was synced, and of the rest what the disk happened to have taken. */
  cut(): void {
    const { random } = this.#faults;
    const unsynced = this.#unsynced;
    this.#unsynced = [];
    const writtenBytes = this.#lengthBytes;
    for (const { offset, before, lengthBytesBefore } of unsynced.toReversed()) {
      this.#room.fill(0, lengthBytesBefore, this.#lengthBytes);
      this.#room.set(before, offset);
      this.#lengthBytes = lengthBytesBefore;
    }
    for (const { offset, bytes } of unsynced)
      if (random.below(2) === 0) this.#put(offset, bytes.subarray(0, random.below(bytes.length + 1)));
    this.#faults.release(writtenBytes - this.#lengthBytes);
    this.isClaimed = false;
  }

  /** Flips one bit; nothing says so. */
  rot(): void {
    const bit = this.#faults.random.below(this.#lengthBytes * 8);
    this.#room[bit >> 3] = (this.#room[bit >> 3] as number) ^ (1 << (bit & 7));
  }

  #put(offset: number, bytes: Uint8Array): void {
    const endBytes = offset + bytes.length;
    if (endBytes > this.#room.length) {
      const room = new Uint8Array(Math.max(endBytes, 2 * this.#room.length));
      room.set(this.bytes);
      this.#room = room;
    }
    this.#room.set(bytes, offset);
    this.#lengthBytes = Math.max(this.#lengthBytes, endBytes);
  }
}
