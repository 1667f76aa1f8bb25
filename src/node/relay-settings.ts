import { GodwitError } from '../core/errors.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/** What a node does for others that reach each other through it. Every part can be left out of a change. */
export interface Relaying {
  /** It takes data that it does not want itself, and keeps it until those have it for whom it is. Default true. */
  readonly custody: boolean;
  /** Circuits that may lead through it at a time, 0 to 256; 0: none. Default 32. */
  readonly circuits: number;
  /** Bytes of each of them that it passes on in a minute, both directions together, at least 4096; an eighth more in a first burst. Default 64 MiB. */
  readonly bytesPerMinute: number;
  /** Bytes of contents that it carries for members that are out of reach, beside its own data; 0: none. Absent: 4 GiB in the role of a carrier, else none. */
  readonly carriedBytes?: number;
}

const schema: Schema = {
  component: 'relaying',
  steps: [
    `CREATE TABLE relaying (
       one INTEGER PRIMARY KEY CHECK (one = 1),
       custody INTEGER NOT NULL,
       circuits INTEGER NOT NULL,
       bytes_per_minute INTEGER NOT NULL
     ) STRICT;`,
    'ALTER TABLE relaying ADD COLUMN carried_bytes INTEGER;',
  ],
};

const defaults: Relaying = { custody: true, circuits: 32, bytesPerMinute: 64 * 1024 * 1024 };
/** What a carrier carries where nobody said how much. */
export const carriedBytesOfCarriers = 4 * 1024 ** 3;
const circuitsMax = 256;
const bytesPerMinuteMin = 4096;

/** The settings of one node, in its catalog. Synchronous; part of the caller's transaction. */
export class RelaySettings {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(schema);
  }

  /** What stands. */
  get current(): Relaying {
    const row = this.#catalog.get<{ custody: number; circuits: number; bytes_per_minute: number; carried_bytes: number | null }>(
      'SELECT * FROM relaying',
    );
    if (row === undefined) return defaults;
    const carried = row.carried_bytes === null ? {} : { carriedBytes: row.carried_bytes };
    return { custody: row.custody === 1, circuits: row.circuits, bytesPerMinute: row.bytes_per_minute, ...carried };
  }

  /** Changes these parts. @throws GodwitError `RELAYING_INVALID` */
  set(change: Partial<Relaying>): Relaying {
    const { custody, circuits, bytesPerMinute, carriedBytes } = { ...this.current, ...change };
    const isCircuitsValid = Number.isInteger(circuits) && circuits >= 0 && circuits <= circuitsMax && bytesPerMinute >= bytesPerMinuteMin;
    if (!isCircuitsValid || !(carriedBytes === undefined || (Number.isSafeInteger(carriedBytes) && carriedBytes >= 0)))
      throw new GodwitError(
        'RELAYING_INVALID',
        `A node relays 0 to ${circuitsMax} circuits, at least ${bytesPerMinuteMin} bytes a minute of each, and carries 0 bytes or more.`,
      );
    const bytes = Math.min(Number.MAX_SAFE_INTEGER, Math.floor(bytesPerMinute));
    this.#catalog.run(
      'INSERT OR REPLACE INTO relaying (one, custody, circuits, bytes_per_minute, carried_bytes) VALUES (1, ?, ?, ?, ?)',
      custody ? 1 : 0,
      circuits,
      bytes,
      carriedBytes ?? null,
    );
    return this.current;
  }
}
