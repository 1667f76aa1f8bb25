import { type FileHandle, open } from 'node:fs/promises';

/** Packs kept open for reading. A 100 GB store has a hundred; a peer's requests stay within a few at a time. */
const openPacksMax = 16;

interface Reader {
  readonly handle: Promise<FileHandle>;
  /** Reads under way. The file stays open for them. */
  users: number;
  /** Closed as soon as the last read ends. */
  isDropped: boolean;
}

/** Read-only file handles by pack number, the least recently used closed first. */
export class PackReaders {
  readonly #pathOf: (pack: number) => string;
  readonly #readerByPack = new Map<number, Reader>();

  constructor(pathOf: (pack: number) => string) {
    this.#pathOf = pathOf;
  }

  /**
   * Up to `length` bytes at `offset` of a pack; fewer only where the file ends. The caller owns the array, which is `into` if that is long enough.
   *
   * @throws the operating system's error, `ENOENT` for a pack that does not exist
   */
  async read(pack: number, offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const reader = this.#acquire(pack);
    try {
      const handle = await reader.handle;
      // Not from Buffer's pool: the chunk may be a view of this array and live long.
      const bytes = into !== undefined && into.length >= length ? into : Buffer.allocUnsafeSlow(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return new Uint8Array(bytes.buffer, bytes.byteOffset, filled);
    } catch (error) {
      this.#drop(pack, reader);
      throw error;
    } finally {
      reader.users--;
      await closeIfIdle(reader);
    }
  }

  /** Lets go of a pack that is about to be removed. Reads under way still end well. */
  async release(pack: number): Promise<void> {
    const reader = this.#readerByPack.get(pack);
    if (reader === undefined) return;
    this.#drop(pack, reader);
    await closeIfIdle(reader);
  }

  /** Closes every handle that no read is using, and the others when their reads end. */
  async close(): Promise<void> {
    for (const pack of [...this.#readerByPack.keys()]) await this.release(pack);
  }

  #acquire(pack: number): Reader {
    const reader = this.#readerByPack.get(pack) ?? { handle: open(this.#pathOf(pack), 'r'), users: 0, isDropped: false };
    reader.users++;
    this.#readerByPack.delete(pack);
    this.#readerByPack.set(pack, reader);
    if (this.#readerByPack.size > openPacksMax) this.#dropOldest();
    return reader;
  }

  #dropOldest(): void {
    for (const [pack, reader] of this.#readerByPack) {
      this.#drop(pack, reader);
      void closeIfIdle(reader);
      return;
    }
  }

  #drop(pack: number, reader: Reader): void {
    reader.isDropped = true;
    if (this.#readerByPack.get(pack) === reader) this.#readerByPack.delete(pack);
  }
}

async function closeIfIdle(reader: Reader): Promise<void> {
  if (!reader.isDropped || reader.users > 0) return;
  const handle = await reader.handle.catch(() => undefined);
  await handle?.close();
}
