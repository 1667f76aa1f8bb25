import { compareBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type Outcome, success } from '../core/outcome.ts';
import type { Cell } from '../formats/record-stream.ts';
import type { Catalog, SqlValue } from '../ports/catalog.ts';
import type { Compressor } from '../ports/compressor.ts';
import { worseFlags } from './quality-checks.ts';
import { RowGathering } from './row-gathering.ts';
import type { SegmentRow } from './segment-batch.ts';
import { decodeSegment } from './segment-codec.ts';

/**
 * Where rows rest: each once, by table revision, in order of time.
 *
 * Rows come in two ways, and rest in two. A few at a time, from a logger that is asked now and then: each is a row of the catalog (a *loose* row). Thousands at a time, from files: they rest as the segment they came in,
 * a *block*, which takes a tenth of the room and of the time. A block's rows have rising times, and nothing else was stored from its first time to its last when it came, so blocks of a revision never overlap, and one
 * that holds a row is found by the row's time. Whatever comes later for the time of a block is loose, and readers merge the two.
 *
 * When enough loose rows have come behind the last block, they are gathered into one (`row-gathering.ts`). Blocks are never written again. When another check says worse of one of its rows, the row's flags are kept beside the block.
 */

/** The tables of rows, as steps of the schema of observations. */
export const rowTables = {
  loose: `CREATE TABLE observation (
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       time_us INTEGER NOT NULL,
       record INTEGER NOT NULL,
       cells TEXT NOT NULL,
       flags BLOB,
       PRIMARY KEY (revision, time_us, record, cells)
     ) STRICT, WITHOUT ROWID;`,
  // The first rows of a segment may be stored elsewhere: `skipped` of them.
  blocks: `CREATE TABLE observation_block (
       id INTEGER PRIMARY KEY,
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       first_us INTEGER NOT NULL,
       last_us INTEGER NOT NULL,
       rows INTEGER NOT NULL,
       skipped INTEGER NOT NULL,
       segment BLOB NOT NULL
     ) STRICT;
     CREATE UNIQUE INDEX observation_block_extent ON observation_block (revision, first_us, last_us, rows);
     CREATE TABLE observation_flags (
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       time_us INTEGER NOT NULL,
       record INTEGER NOT NULL,
       cells TEXT NOT NULL,
       flags BLOB NOT NULL,
       PRIMARY KEY (revision, time_us, record, cells)
     ) STRICT, WITHOUT ROWID;`,
} as const;

/** One stored row. */
export interface StoredRow {
  readonly timeUs: number;
  readonly recordNumber?: number;
  readonly cells: readonly Cell[];
  /** One QARTOD flag a field, where the row was checked. */
  readonly flags?: Uint8Array;
}

/** How many rows there are, and their first and last time in microseconds since 1970 UTC. */
export interface RowExtent {
  readonly rows: number;
  readonly firstUs?: number;
  readonly lastUs?: number;
}

/** Rows that are worth a block: below, a block costs more room than it saves, and readers would unpack many. */
const blockRowsMin = 256;
/** Cells of a block at most: what has to be unpacked to see one row of it. */
const blockCellsMax = 256 * 1024;
/** No record number. */
const noRecord = -1;
const rowsPerPage = 2048;
/** Rows that go into the catalog by one statement: what a statement costs is shared by them. */
const rowsPerInsert = 16;
const insertRows = (count: number): string =>
  `INSERT OR IGNORE INTO observation (revision, time_us, record, cells, flags) VALUES ${Array(count).fill('(?, ?, ?, ?, ?)').join(', ')}`;
const insertOne = insertRows(1);
const insertMany = insertRows(rowsPerInsert);

interface LooseRow {
  time_us: number;
  record: number;
  cells: string;
  flags: Uint8Array | null;
}

interface Block {
  readonly first_us: number;
  readonly last_us: number;
  readonly skipped: number;
  readonly segment: Uint8Array;
}

const extentQueries = [
  'SELECT count(*) AS n, min(time_us) AS first, max(time_us) AS last FROM observation WHERE revision = ?',
  'SELECT coalesce(sum(rows), 0) AS n, min(first_us) AS first, max(last_us) AS last FROM observation_block WHERE revision = ?',
] as const;
const blockColumns = 'first_us, last_us, skipped, segment';

function storedRow(row: LooseRow): StoredRow {
  return {
    timeUs: row.time_us,
    ...(row.record === noRecord ? {} : { recordNumber: row.record }),
    cells: JSON.parse(row.cells) as Cell[],
    ...(row.flags === null ? {} : { flags: row.flags }),
  };
}

/** What makes a row the same as another one of its revision, as the catalog has it. */
function identityOf(row: StoredRow): [number, number, string] {
  return [row.timeUs, row.recordNumber ?? noRecord, JSON.stringify(row.cells)];
}

/** Order of rows: time, record number, cells as the catalog compares them. */
function compareRows(a: StoredRow, b: StoredRow): number {
  return (
    a.timeUs - b.timeUs ||
    (a.recordNumber ?? noRecord) - (b.recordNumber ?? noRecord) ||
    compareBytes(utf8(JSON.stringify(a.cells)), utf8(JSON.stringify(b.cells)))
  );
}

function isSameRow(a: StoredRow, b: StoredRow): boolean {
  return (
    a.timeUs === b.timeUs &&
    (a.recordNumber ?? noRecord) === (b.recordNumber ?? noRecord) &&
    a.cells.length === b.cells.length &&
    a.cells.every((cell, field) => cell === b.cells[field])
  );
}

/** Index of the first of some rows in order of time that is not before a time. */
function firstFrom(rows: readonly StoredRow[], timeUs: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as StoredRow).timeUs < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The rows of all table revisions. A revision is named by its number in the catalog. Synchronous; part of the caller's transaction. */
export class RowStore {
  readonly #catalog: Catalog;
  readonly #compressor: Compressor;
  /** The segment that was made or unpacked last. It is known again by its bytes, so that a transaction that was undone leaves nothing wrong here. */
  #unpacked: { readonly segment: Uint8Array; readonly rows: readonly SegmentRow[] } | undefined;

  readonly #gathering: RowGathering;
  /** How often rows were gathered into blocks: a reader that is under way must look for them there. */
  #gatherings = 0;

  constructor(catalog: Catalog, compressor: Compressor) {
    this.#catalog = catalog;
    this.#compressor = compressor;
    this.#gathering = new RowGathering(catalog, compressor, { rowsMin: blockRowsMin, cellsMax: blockCellsMax });
  }

  /** Says which rows a segment holds that this node has just made of them, so that it need not be unpacked. */
  remember(segment: Uint8Array, rows: readonly SegmentRow[]): void {
    this.#unpacked = { segment, rows };
  }

  /** Rows of a segment. Fails as `decodeSegment` does. */
  unpack(segment: Uint8Array): Outcome<readonly SegmentRow[]> {
    if (this.#unpacked !== undefined && equalBytes(this.#unpacked.segment, segment)) return success(this.#unpacked.rows);
    const batch = decodeSegment(segment, this.#compressor);
    if (!batch.ok) return batch;
    this.remember(segment, batch.value.rows);
    return success(batch.value.rows);
  }

  /** Enters the rows of a segment; returns how many were not there. Of a row that was, the flags become the worse of both, whichever came first. */
  insert(revision: number, rows: readonly SegmentRow[], segment: Uint8Array): number {
    const skipped = this.#beforeBlock(revision, rows);
    const loose = skipped === 0 ? 0 : this.#insertLoose(revision, rows.slice(0, skipped));
    if (skipped < rows.length) this.#insertBlock(revision, rows, skipped, segment);
    // Not before the block is there: what is gathered must not reach over it.
    if (loose > 0 && this.#gathering.stored(revision, loose, rows[0]?.cells.length ?? 0)) this.#gatherings++;
    return loose + rows.length - skipped;
  }

  #insertBlock(revision: number, rows: readonly SegmentRow[], skipped: number, segment: Uint8Array): void {
    const [first, last] = [rows[skipped] as SegmentRow, rows.at(-1) as SegmentRow];
    this.#catalog.run(
      'INSERT INTO observation_block (revision, first_us, last_us, rows, skipped, segment) VALUES (?, ?, ?, ?, ?, ?)',
      revision,
      first.timeUs,
      last.timeUs,
      rows.length - skipped,
      skipped,
      segment,
    );
  }

  /** Those of some rows that are not stored. */
  unstored(revision: number, rows: readonly SegmentRow[]): readonly SegmentRow[] {
    const lastUs = this.lastUs(revision) ?? Number.NEGATIVE_INFINITY;
    // What is later than everything stored cannot be there.
    const doubtful = rows.filter((row) => row.timeUs <= lastUs);
    if (doubtful.length === 0) return rows;
    const inBlocks = this.#inBlocks(revision, doubtful);
    return rows.filter((row) => row.timeUs > lastUs || !(inBlocks.has(row) || this.#looseFlags(revision, row) !== undefined));
  }

  /** Time of the last row, microseconds since 1970 UTC; `undefined` when there is none. */
  lastUs(revision: number): number | undefined {
    const loose = this.#catalog.get<{ last: number | null }>('SELECT max(time_us) AS last FROM observation WHERE revision = ?', revision);
    const block = this.#extentBefore(revision, Number.MAX_SAFE_INTEGER);
    const last = Math.max(loose?.last ?? Number.NEGATIVE_INFINITY, block?.last_us ?? Number.NEGATIVE_INFINITY);
    return last === Number.NEGATIVE_INFINITY ? undefined : last;
  }

  /** How many rows there are, and from when to when. */
  extent(revision: number): RowExtent {
    let rows = 0;
    let firstUs = Number.POSITIVE_INFINITY;
    let lastUs = Number.NEGATIVE_INFINITY;
    for (const query of extentQueries) {
      const found = this.#catalog.get<{ n: number; first: number | null; last: number | null }>(query, revision);
      rows += found?.n ?? 0;
      firstUs = Math.min(firstUs, found?.first ?? firstUs);
      lastUs = Math.max(lastUs, found?.last ?? lastUs);
    }
    return rows === 0 ? { rows } : { rows, firstUs, lastUs };
  }

  /** The last rows before a time, at most `count` of them, in order of time. */
  before(revision: number, timeUs: number, count: number): StoredRow[] {
    const loose = this.#catalog
      .all<LooseRow>(
        `SELECT time_us, record, cells, flags FROM observation WHERE revision = ? AND time_us < ?
         ORDER BY time_us DESC, record DESC, cells DESC LIMIT ?`,
        revision,
        timeUs,
        count,
      )
      .map(storedRow)
      .reverse();
    let found = loose;
    let untilUs = timeUs;
    for (;;) {
      const block = this.#blockBefore(revision, untilUs);
      const earliest = found.length < count ? undefined : found[found.length - count];
      if (block === undefined || (earliest !== undefined && earliest.timeUs > block.last_us)) return found.slice(-count);
      const rows = this.#rowsIn(revision, block);
      const end = firstFrom(rows, timeUs);
      found = [...rows.slice(Math.max(0, end - count), end), ...found].sort(compareRows);
      untilUs = block.first_us;
    }
  }

  /** Rows by time, in `fromUs` (included) to `toUs` (not included). Read in pages, so the caller may take its time; rows that arrive meanwhile may or may not be met. */
  *rows(revision: number, fromUs: number, toUs: number): IterableIterator<StoredRow> {
    let last: StoredRow | undefined;
    for (let seen = -1; seen !== this.#gatherings; ) {
      seen = this.#gatherings;
      let isBehind = last !== undefined;
      for (const row of this.#merged(revision, last?.timeUs ?? fromUs, toUs)) {
        if (isBehind && last !== undefined && compareRows(row, last) <= 0) continue;
        isBehind = false;
        yield row;
        last = row;
        if (seen !== this.#gatherings) break;
      }
    }
  }

  /** The same, as long as nothing is gathered meanwhile. */
  *#merged(revision: number, fromUs: number, toUs: number): IterableIterator<StoredRow> {
    const loose = this.#loose(revision, fromUs, toUs);
    let nextLoose = loose.next();
    for (const row of this.#inOrder(revision, fromUs, toUs)) {
      for (; nextLoose.done !== true && compareRows(nextLoose.value, row) < 0; nextLoose = loose.next()) yield nextLoose.value;
      yield row;
    }
    for (; nextLoose.done !== true; nextLoose = loose.next()) yield nextLoose.value;
  }

  /** Rows that are rows of the catalog, page by page. */
  *#loose(revision: number, fromUs: number, toUs: number): IterableIterator<StoredRow> {
    let after: LooseRow = { time_us: fromUs, record: Number.MIN_SAFE_INTEGER, cells: '', flags: null };
    for (;;) {
      const page = this.#catalog.all<LooseRow>(
        `SELECT time_us, record, cells, flags FROM observation
         WHERE revision = ? AND (time_us, record, cells) > (?, ?, ?) AND time_us < ? ORDER BY time_us, record, cells LIMIT ?`,
        revision,
        after.time_us,
        after.record,
        after.cells,
        toUs,
        rowsPerPage,
      );
      for (const row of page) yield storedRow(row);
      const last = page.at(-1);
      if (last === undefined || page.length < rowsPerPage) return;
      after = last;
    }
  }

  /** Rows that rest in blocks, block by block. */
  *#inOrder(revision: number, fromUs: number, toUs: number): IterableIterator<StoredRow> {
    const begun = this.#extentBefore(revision, fromUs);
    let nextUs = begun !== undefined && begun.last_us >= fromUs ? begun.first_us : fromUs;
    for (;;) {
      const block = this.#catalog.get<Block>(
        `SELECT ${blockColumns} FROM observation_block WHERE revision = ? AND first_us >= ? AND first_us < ? ORDER BY first_us LIMIT 1`,
        revision,
        nextUs,
        toUs,
      );
      if (block === undefined) return;
      const rows = this.#rowsIn(revision, block);
      for (let index = firstFrom(rows, fromUs); index < rows.length; index++) {
        const row = rows[index] as StoredRow;
        if (row.timeUs >= toUs) return;
        yield row;
      }
      nextUs = block.last_us + 1;
    }
  }

  /** How many of a segment's rows do not go into a block of the others: all, when the others are too few or not in order. Rows that go into a block are later than what is stored up to its end. */
  #beforeBlock(revision: number, rows: readonly SegmentRow[]): number {
    const last = rows.at(-1);
    if (last === undefined || rows.length < blockRowsMin || rows.length * last.cells.length > blockCellsMax) return rows.length;
    const loose = this.#catalog.get<{ last: number | null }>(
      'SELECT max(time_us) AS last FROM observation WHERE revision = ? AND time_us <= ?',
      revision,
      last.timeUs,
    );
    const block = this.#extentBefore(revision, last.timeUs + 1);
    const storedUs = Math.max(loose?.last ?? Number.NEGATIVE_INFINITY, block?.last_us ?? Number.NEGATIVE_INFINITY);
    const skipped = rows.findIndex((row) => row.timeUs > storedUs);
    if (skipped < 0 || rows.length - skipped < blockRowsMin) return rows.length;
    let previousUs = storedUs;
    for (let index = skipped; index < rows.length; index++) {
      const { timeUs, recordNumber } = rows[index] as SegmentRow;
      // A foreign row may have the number that stands for none in the catalog.
      if (timeUs <= previousUs || recordNumber === noRecord) return rows.length;
      previousUs = timeUs;
    }
    return skipped;
  }

  /** The last block that begins before a time, without its rows. */
  #extentBefore(revision: number, timeUs: number): Pick<Block, 'first_us' | 'last_us'> | undefined {
    return this.#catalog.get(
      'SELECT first_us, last_us FROM observation_block WHERE revision = ? AND first_us < ? ORDER BY first_us DESC LIMIT 1',
      revision,
      timeUs,
    );
  }

  /** The last block that begins before a time. */
  #blockBefore(revision: number, timeUs: number): Block | undefined {
    return this.#catalog.get(
      `SELECT ${blockColumns} FROM observation_block WHERE revision = ? AND first_us < ? ORDER BY first_us DESC LIMIT 1`,
      revision,
      timeUs,
    );
  }

  /** Rows of a block, with the flags that are known by now. */
  #rowsIn(revision: number, { first_us, last_us, skipped, segment }: Block): readonly StoredRow[] {
    const unpacked = this.unpack(segment);
    if (!unpacked.ok)
      throw new GodwitError('CATALOG_DAMAGED', `A block of rows in the catalog cannot be unpacked (${unpacked.fault.message}).`);
    const rows = skipped === 0 ? unpacked.value : unpacked.value.slice(skipped);
    const worse = this.#catalog.all<LooseRow>(
      'SELECT time_us, record, cells, flags FROM observation_flags WHERE revision = ? AND time_us BETWEEN ? AND ?',
      revision,
      first_us,
      last_us,
    );
    if (worse.length === 0) return rows;
    const flagged = [...rows];
    for (const row of worse.map(storedRow)) flagged[firstFrom(rows, row.timeUs)] = row;
    return flagged;
  }

  /** Those of some rows that blocks hold, with what is held. Every block is unpacked once, whatever the order of the rows. */
  #inBlocks(revision: number, rows: readonly SegmentRow[]): Map<SegmentRow, StoredRow> {
    const found = new Map<SegmentRow, StoredRow>();
    let block: { readonly firstUs: number; readonly rows: readonly StoredRow[] } | undefined;
    for (const row of rows.toSorted((a, b) => b.timeUs - a.timeUs)) {
      if (block === undefined || row.timeUs < block.firstUs) {
        const extent = this.#extentBefore(revision, row.timeUs + 1);
        if (extent === undefined) break;
        if (extent.last_us < row.timeUs) continue;
        block = { firstUs: extent.first_us, rows: this.#rowsIn(revision, this.#blockBefore(revision, row.timeUs + 1) as Block) };
      }
      const held = block.rows[firstFrom(block.rows, row.timeUs)];
      if (held !== undefined && isSameRow(held, row)) found.set(row, held);
    }
    return found;
  }

  #insertLoose(revision: number, rows: readonly SegmentRow[]): number {
    const inBlocks = this.#inBlocks(revision, rows);
    const flagsByHeld = new Map<StoredRow, Uint8Array>();
    for (const [row, held] of inBlocks) {
      const known = flagsByHeld.get(held) ?? held.flags;
      const flags = known && row.flags ? worseFlags(known, row.flags) : (row.flags ?? known);
      if (flags !== undefined && (known === undefined || !equalBytes(flags, known))) flagsByHeld.set(held, flags);
    }
    for (const [held, flags] of flagsByHeld) this.#keepFlagsBeside(revision, held, flags);
    const loose = inBlocks.size === 0 ? rows : rows.filter((row) => !inBlocks.has(row));
    let stored = 0;
    for (let from = 0; from < loose.length; ) {
      const some = loose.length - from >= rowsPerInsert ? loose.slice(from, from + rowsPerInsert) : loose.slice(from, from + 1);
      const parameters: SqlValue[] = [];
      for (const row of some) parameters.push(revision, ...identityOf(row), row.flags ?? null);
      const inserted = this.#catalog.run(some.length === 1 ? insertOne : insertMany, ...parameters);
      if (inserted < some.length) for (const row of some) this.#addFlags(revision, row);
      stored += inserted;
      from += some.length;
    }
    return stored;
  }

  /** Flags of a loose row, `null` where it was not checked; `undefined` when there is no such row. */
  #looseFlags(revision: number, row: StoredRow): Uint8Array | null | undefined {
    return this.#catalog.get<{ flags: Uint8Array | null }>(
      'SELECT flags FROM observation WHERE revision = ? AND time_us = ? AND record = ? AND cells = ?',
      revision,
      ...identityOf(row),
    )?.flags;
  }

  #addFlags(revision: number, row: SegmentRow): void {
    if (row.flags === undefined) return;
    const known = this.#looseFlags(revision, row);
    this.#catalog.run(
      'UPDATE observation SET flags = ? WHERE revision = ? AND time_us = ? AND record = ? AND cells = ?',
      known == null ? row.flags : worseFlags(known, row.flags),
      revision,
      ...identityOf(row),
    );
  }

  #keepFlagsBeside(revision: number, held: StoredRow, flags: Uint8Array): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO observation_flags (revision, time_us, record, cells, flags) VALUES (?, ?, ?, ?, ?)',
      revision,
      ...identityOf(held),
      flags,
    );
  }
}
