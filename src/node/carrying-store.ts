import { fromHex, toHex } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierToBytes, type NodeId, type ShortName } from '../core/identifiers.ts';
import type { Moment, MonotonicMs } from '../core/time.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { HistoryChanges, SavedHistory, SavedPath, SavedPeer } from '../mesh/meeting-history.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * What carrying keeps over restarts: whom the node met, what it carries and what it gave up, how many copies it may still hand out, and its trips.
 *
 * **Time.** Meetings are counted over weeks, and the monotonic clock begins anew with every process. So all instants here are on a scale of their own: it goes on by the monotonic clock while the node runs, and from one run to the next by
 * what the wall clock says has passed, never backwards and by two months at most. A wall clock that is wrong bends the history once, and does no more.
 */

/** The tables of carrying. */
export const carryingSchema: Schema = {
  component: 'carrying',
  steps: [
    `CREATE TABLE carrying_time (
       one INTEGER PRIMARY KEY CHECK (one = 1),
       at_ms REAL NOT NULL,
       wall_ms REAL NOT NULL,
       began_ms REAL NOT NULL
     ) STRICT;
     CREATE TABLE carrying_peer (
       node BLOB PRIMARY KEY,
       first_ms REAL NOT NULL,
       left_ms REAL NOT NULL,
       squares REAL NOT NULL,
       told BLOB NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE carrying_path (
       node BLOB PRIMARY KEY,
       via BLOB NOT NULL,
       delay_ms REAL NOT NULL,
       heard_ms REAL NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE carried_entry (
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       own INTEGER NOT NULL,
       tickets INTEGER NOT NULL,
       copies INTEGER NOT NULL,
       since_ms REAL NOT NULL,
       PRIMARY KEY (dataset, author, sequence)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE carried_grant (
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       node BLOB NOT NULL,
       PRIMARY KEY (dataset, author, sequence, node)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE carrying_given_up (
       id INTEGER PRIMARY KEY,
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       UNIQUE (dataset, author, sequence)
     ) STRICT;
     CREATE TABLE carrying_trip (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       node BLOB NOT NULL,
       departs_ms REAL NOT NULL,
       arrives_ms REAL NOT NULL,
       latest_ms REAL NOT NULL
     ) STRICT;`,
  ],
};

/** An entry of a dataset. */
export interface CarriedEntry extends Dot {
  readonly dataset: DatasetId;
}

/** An entry as it is written down: one that is carried, or one of this node's own of which tickets were given away. */
export interface SavedEntry extends CarriedEntry {
  readonly isOwn: boolean;
  readonly tickets: number;
  readonly copies: number;
  readonly sinceAt: MonotonicMs;
}

/** A journey of this node, or of whoever carries it, that was declared. Milliseconds since 1970 UTC. */
export interface Trip {
  readonly id: number;
  /** The member that it leads to. */
  readonly to: NodeId;
  readonly departsMs: number;
  readonly arrivesMs: number;
  /** When it is over at the latest: whoever has not arrived by then does not come. */
  readonly latestMs: number;
}

/** Entries that were given up and are remembered. */
const givenUpMax = 20_000;
/** What passes at most between two runs, as far as carrying goes. */
const absenceMsMax = 60 * 86_400_000;

/** The tables, synchronous; part of the caller's transaction. */
export class CarryingStore {
  readonly #catalog: Catalog;
  /** Scale minus monotonic clock, in this run. */
  readonly #offsetMs: number;

  constructor(catalog: Catalog, now: Moment) {
    this.#catalog = catalog;
    catalog.migrate(carryingSchema);
    const saved = catalog.get<{ at_ms: number; wall_ms: number }>('SELECT at_ms, wall_ms FROM carrying_time');
    const at = saved === undefined ? 0 : saved.at_ms + Math.min(absenceMsMax, Math.max(0, now.wallMs - saved.wall_ms));
    this.#offsetMs = at - now.monotonicMs;
  }

  /** The present on the scale of carrying. */
  at(now: Moment): MonotonicMs {
    return (now.monotonicMs + this.#offsetMs) as MonotonicMs;
  }

  /** The history of earlier runs, in which nobody is here. */
  history(now: Moment): SavedHistory {
    const began = this.#catalog.get<{ began_ms: number }>('SELECT began_ms FROM carrying_time')?.began_ms;
    const peers = this.#catalog
      .all<{ node: Uint8Array; first_ms: number; left_ms: number; squares: number; told: Uint8Array }>(
        'SELECT * FROM carrying_peer ORDER BY left_ms',
      )
      .map(
        (row): SavedPeer => ({
          node: toHex(row.node) as ShortName,
          firstAt: row.first_ms as MonotonicMs,
          leftAt: row.left_ms as MonotonicMs,
          squares: row.squares,
          told: toldFromBytes(row.told),
        }),
      );
    const paths = this.#catalog
      .all<{ node: Uint8Array; via: Uint8Array; delay_ms: number; heard_ms: number }>('SELECT * FROM carrying_path ORDER BY heard_ms')
      .map(
        (row): SavedPath => ({
          node: toHex(row.node) as ShortName,
          via: toHex(row.via) as ShortName,
          delayMs: row.delay_ms,
          heardAt: row.heard_ms as MonotonicMs,
        }),
      );
    return { beganAt: (began ?? this.at(now)) as MonotonicMs, peers, paths };
  }

  /** Writes what changed of the history, and with it what time it is. */
  saveHistory({ beganAt, peers, paths }: HistoryChanges, now: Moment): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO carrying_time (one, at_ms, wall_ms, began_ms) VALUES (1, ?, ?, ?)',
      this.at(now),
      now.wallMs,
      beganAt,
    );
    for (const [node, peer] of peers) {
      if (peer === undefined) this.#catalog.run('DELETE FROM carrying_peer WHERE node = ?', fromHex(node));
      else
        this.#catalog.run(
          'INSERT OR REPLACE INTO carrying_peer (node, first_ms, left_ms, squares, told) VALUES (?, ?, ?, ?, ?)',
          fromHex(node),
          peer.firstAt,
          peer.leftAt,
          peer.squares,
          toldToBytes(peer.told),
        );
    }
    for (const [node, path] of paths) {
      if (path === undefined) this.#catalog.run('DELETE FROM carrying_path WHERE node = ?', fromHex(node));
      else
        this.#catalog.run(
          'INSERT OR REPLACE INTO carrying_path (node, via, delay_ms, heard_ms) VALUES (?, ?, ?, ?)',
          fromHex(node),
          fromHex(path.via),
          path.delayMs,
          path.heardAt,
        );
    }
  }

  /** All entries that are written down, in the order in which they came. */
  entries(): SavedEntry[] {
    return this.#catalog.all<EntryRow>('SELECT * FROM carried_entry ORDER BY since_ms').map(entryFromRow);
  }

  /** What is written down of an entry. */
  entry({ dataset, author, sequence }: CarriedEntry): SavedEntry | undefined {
    const row = this.#catalog.get<EntryRow>(
      'SELECT * FROM carried_entry WHERE dataset = ? AND author = ? AND sequence = ?',
      identifierToBytes(dataset),
      identifierToBytes(author),
      sequence,
    );
    return row && entryFromRow(row);
  }

  save({ dataset, author, sequence, isOwn, tickets, copies, sinceAt }: SavedEntry): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO carried_entry (dataset, author, sequence, own, tickets, copies, since_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
      identifierToBytes(dataset),
      identifierToBytes(author),
      sequence,
      isOwn ? 1 : 0,
      tickets,
      copies,
      sinceAt,
    );
  }

  /** Nothing of an entry is carried, or to be handed out, any more. */
  remove({ dataset, author, sequence }: CarriedEntry): void {
    const key = [identifierToBytes(dataset), identifierToBytes(author), sequence] as const;
    this.#catalog.run('DELETE FROM carried_entry WHERE dataset = ? AND author = ? AND sequence = ?', ...key);
    this.#catalog.run('DELETE FROM carried_grant WHERE dataset = ? AND author = ? AND sequence = ?', ...key);
  }

  /** Notes that a node was given tickets for an entry. False when it was given some before. */
  noteGrant({ dataset, author, sequence }: CarriedEntry, node: NodeId): boolean {
    const changed = this.#catalog.run(
      'INSERT OR IGNORE INTO carried_grant (dataset, author, sequence, node) VALUES (?, ?, ?, ?)',
      identifierToBytes(dataset),
      identifierToBytes(author),
      sequence,
      identifierToBytes(node),
    );
    return changed > 0;
  }

  /** What was given up for want of room, the latest last. */
  givenUp(): CarriedEntry[] {
    return this.#catalog
      .all<{ dataset: Uint8Array; author: Uint8Array; sequence: number }>(
        'SELECT dataset, author, sequence FROM carrying_given_up ORDER BY id',
      )
      .map(({ dataset, author, sequence }) => ({
        dataset: identifier<DatasetId>(dataset),
        author: identifier<NodeId>(author),
        sequence,
      }));
  }

  noteGivenUp({ dataset, author, sequence }: CarriedEntry): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO carrying_given_up (dataset, author, sequence) VALUES (?, ?, ?)',
      identifierToBytes(dataset),
      identifierToBytes(author),
      sequence,
    );
    this.#catalog.run('DELETE FROM carrying_given_up WHERE id <= (SELECT max(id) FROM carrying_given_up) - ?', givenUpMax);
  }

  /** The trips that were declared, the next first. */
  trips(): Trip[] {
    return this.#catalog
      .all<{ id: number; node: Uint8Array; departs_ms: number; arrives_ms: number; latest_ms: number }>(
        'SELECT * FROM carrying_trip ORDER BY arrives_ms, id',
      )
      .map((row) => ({
        id: row.id,
        to: identifier<NodeId>(row.node),
        departsMs: row.departs_ms,
        arrivesMs: row.arrives_ms,
        latestMs: row.latest_ms,
      }));
  }

  /** Returns the number of the trip. */
  addTrip({ to, departsMs, arrivesMs, latestMs }: Omit<Trip, 'id'>): number {
    this.#catalog.run(
      'INSERT INTO carrying_trip (node, departs_ms, arrives_ms, latest_ms) VALUES (?, ?, ?, ?)',
      identifierToBytes(to),
      departsMs,
      arrivesMs,
      latestMs,
    );
    return this.#catalog.get<{ id: number }>('SELECT max(id) AS id FROM carrying_trip')?.id ?? 0;
  }

  removeTrip(id: number): void {
    this.#catalog.run('DELETE FROM carrying_trip WHERE id = ?', id);
  }
}

interface EntryRow {
  dataset: Uint8Array;
  author: Uint8Array;
  sequence: number;
  own: number;
  tickets: number;
  copies: number;
  since_ms: number;
}

function entryFromRow(row: EntryRow): SavedEntry {
  return {
    dataset: identifier<DatasetId>(row.dataset),
    author: identifier<NodeId>(row.author),
    sequence: row.sequence,
    isOwn: row.own === 1,
    tickets: row.tickets,
    copies: row.copies,
    sinceAt: row.since_ms as MonotonicMs,
  };
}

/** Meetings in a millisecond that a peer told of others, in CBOR: [name, rate, …]. */
function toldToBytes(told: SavedPeer['told']): Uint8Array {
  return encodeCbor([...told].flatMap(([node, rate]) => [fromHex(node), rate]));
}

function toldFromBytes(bytes: Uint8Array): ReadonlyMap<ShortName, number> {
  const told = new Map<ShortName, number>();
  const decoded = decodeCbor(bytes);
  const values = decoded.ok && Array.isArray(decoded.value) ? decoded.value : [];
  for (let i = 0; i + 1 < values.length; i += 2) {
    const [name, rate] = [values[i] as unknown, values[i + 1] as unknown];
    if (name instanceof Uint8Array && typeof rate === 'number') told.set(toHex(name) as ShortName, rate);
  }
  return told;
}
