import type { DatasetId } from '../core/identifiers.ts';
import type { ObservationStore } from '../observations/observation-store.ts';
import type { StoredRow } from '../observations/row-store.ts';
import { placeAt, type StoredFix } from '../observations/station-place.ts';
import { comparePositions, type StationPosition, type TableRevision } from '../observations/table-revision.ts';
import { fixesIn, fixReachUs, fixReader } from './fixes.ts';

/**
 * Rows with where their station was when they were made.
 *
 * Nothing is stored for it beside the rows: a receiver's fixes are observations of the station too, columns of their blocks, and a fix costs the bits by which it differs from the one before. So a row's position is found
 * when it is read, from all that is known by then; fixes that come later, or from another reader of the same receiver, count as well, and everybody who holds the same rows finds the same.
 */

/** One row and its place. */
export interface PlacedRow extends StoredRow {
  /** With its datum (absent means WGS 84), its accuracy where the source says one, and the time it was true; absent where nobody knows. */
  readonly position?: StationPosition;
}

/** Which rows, and what their station does. */
export interface PlacedRowsOptions {
  /** The station moves: only its fixes near a row's time count. Otherwise a survey counts before what somebody said, and that before fixes. */
  readonly isMoving?: boolean;
  /** Microseconds since 1970 UTC, included. */
  readonly fromUs?: number;
  /** Not included. */
  readonly toUs?: number;
}

/** Rows of a table by time, each with its position. Memory does not depend on how many there are. */
export function* placedRows(
  observations: ObservationStore,
  dataset: DatasetId,
  revision: TableRevision,
  { isMoving = false, fromUs = Number.MIN_SAFE_INTEGER, toUs = Number.MAX_SAFE_INTEGER }: PlacedRowsOptions,
): IterableIterator<PlacedRow> {
  const tables = observations.tables(dataset).flatMap((table) => (table.revision.stationId === revision.stationId ? [table.revision] : []));
  const rows = observations.rows(dataset, revision.id, fromUs, toUs);
  if (!isMoving) {
    const position = standing(observations, dataset, tables);
    for (const row of rows) yield position === undefined ? row : { ...row, position };
    return;
  }
  const ownFix = fixReader(revision);
  const track = new Track(tables.map((table) => fixesFrom(observations, dataset, table, fromUs - fixReachUs)));
  for (const row of rows) {
    const position = ownFix?.(row) ?? track.placeAt(row.timeUs);
    yield position === undefined ? row : { ...row, position };
  }
}

/** Where a station stands that does not move. */
function standing(observations: ObservationStore, dataset: DatasetId, tables: readonly TableRevision[]): StationPosition | undefined {
  let declared: StationPosition | undefined;
  for (const { position } of tables) if (comparePositions(position, declared) > 0) declared = position;
  if (declared !== undefined) return declared;
  const fixes = tables.flatMap((table) => fixesIn(observations, dataset, table)).sort((a, b) => a.instantUs - b.instantUs);
  return placeAt({ fixes, isMoving: false }, 0);
}

/** Fixes of a table from a time on, in order of time. */
function* fixesFrom(observations: ObservationStore, dataset: DatasetId, table: TableRevision, fromUs: number): IterableIterator<StoredFix> {
  const fixOf = fixReader(table);
  if (fixOf === undefined) return;
  for (const row of observations.rows(dataset, table.id, Math.max(fromUs, Number.MIN_SAFE_INTEGER))) {
    const fix = fixOf(row);
    if (fix !== undefined) yield fix;
  }
}

/** Fixes of one table that have not been passed. */
interface Source {
  readonly fixes: IterableIterator<StoredFix>;
  next: StoredFix | undefined;
}

/** The fixes of a station around a time that only moves on: the last one before it and the first one from it on. */
class Track {
  readonly #sources: readonly Source[];
  #before: StoredFix | undefined;

  constructor(sources: readonly IterableIterator<StoredFix>[]) {
    this.#sources = sources.map((fixes) => ({ fixes, next: fixes.next().value as StoredFix | undefined }));
  }

  placeAt(timeUs: number): StationPosition | undefined {
    let first = this.#first();
    while (first !== undefined && first.next.instantUs < timeUs) {
      this.#before = first.next;
      first.source.next = first.source.fixes.next().value as StoredFix | undefined;
      first = this.#first();
    }
    const fixes = [this.#before, first?.next].filter((fix) => fix !== undefined);
    return placeAt({ fixes, isMoving: true }, timeUs);
  }

  /** The earliest fix that has not been passed. */
  #first(): { readonly source: Source; readonly next: StoredFix } | undefined {
    let found: { readonly source: Source; readonly next: StoredFix } | undefined;
    for (const source of this.#sources) {
      const { next } = source;
      if (next !== undefined && (found === undefined || next.instantUs < found.next.instantUs)) found = { source, next };
    }
    return found;
  }
}
