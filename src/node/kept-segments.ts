import type { BundleMedium, MediumFile } from '../ports/bundle-medium.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * Segments that came before what they follow on: their medium may never be seen again, so they are kept here, whole and still sealed, and read like a medium once more with every import, until they have been taken.
 *
 * A segment may wait for an entry that is lost for good. There is room for a few; the one that was kept longest makes way.
 */

/** Bytes that are kept: four full segments. */
export const keptSegmentsBytesMax = 64 * 1024 * 1024;

const schema: Schema = {
  component: 'kept-segments',
  steps: [
    'CREATE TABLE kept_segment (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;',
  ],
};

/** The segments of a node that wait. A medium to read from; nothing is exported to it. */
export class KeptSegments implements BundleMedium {
  readonly #catalog: Catalog;
  readonly #atomically: (work: () => void) => void;

  /** @param atomically runs work that changes the catalog, as one step */
  constructor(catalog: Catalog, atomically: (work: () => void) => void) {
    this.#catalog = catalog;
    this.#atomically = atomically;
    catalog.migrate(schema);
  }

  /** The oldest first. */
  async list(): Promise<readonly MediumFile[]> {
    return this.#catalog
      .all<{ name: string; size_bytes: number }>('SELECT name, size_bytes FROM kept_segment ORDER BY number')
      .map(({ name, size_bytes: sizeBytes }) => ({ name, sizeBytes }));
  }

  async read(name: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const sql = 'SELECT substr(bytes, ?, ?) AS part FROM kept_segment WHERE name = ?';
    return this.#catalog.get<{ part: Uint8Array }>(sql, offset + 1, lengthBytes, name)?.part ?? new Uint8Array(0);
  }

  /** Keeps a segment, in place of the oldest where there is no room. One that alone is too long is not kept. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > keptSegmentsBytesMax) return;
    this.#atomically(() => {
      this.#catalog.run('DELETE FROM kept_segment WHERE name = ?', name);
      while (this.#usedBytes + bytes.length > keptSegmentsBytesMax)
        this.#catalog.run('DELETE FROM kept_segment WHERE number = (SELECT min(number) FROM kept_segment)');
      this.#catalog.run('INSERT INTO kept_segment (name, size_bytes, bytes) VALUES (?, ?, ?)', name, bytes.length, bytes);
    });
  }

  async remove(name: string): Promise<void> {
    this.#atomically(() => this.#catalog.run('DELETE FROM kept_segment WHERE name = ?', name));
  }

  async freeBytes(): Promise<number> {
    return keptSegmentsBytesMax - this.#usedBytes;
  }

  get #usedBytes(): number {
    return this.#catalog.get<{ n: number | null }>('SELECT sum(size_bytes) AS n FROM kept_segment')?.n ?? 0;
  }
}
