import type { Cell } from '../formats/record-stream.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { SegmentRow } from './segment-batch.ts';
import { encodeSegment } from './segment-codec.ts';

/**
 * Gathers rows that came a few at a time into blocks, so that a logger that is asked every ten minutes for years takes no more room than its file would.
 *
 * It happens as rows are stored, whenever a block's worth has come, in the same transaction: nothing has to be scheduled, a kill leaves either the rows or the block, and what it costs is what a file of as many rows costs.
 * Only what lies behind the last block is gathered, in order of time, and only full blocks are made, as a block stays as it is for ever. Two rows of one time cannot be in one block: what lies before them is gathered if it
 * is worth a block, and they stay as they are; and so is what lies before a hole.
 */

/** Rows of a block at most; as many as a segment of a file has. */
const blockRowsMax = 2048;
/** A step that is longer than so many ordinary ones is a hole: what fills it later, from a file perhaps, shall find room for blocks of its own. */
const holeSteps = 16;

/** What a block has to be like. */
export interface BlockBounds {
  /** Rows that are worth a block. */
  readonly rowsMin: number;
  readonly cellsMax: number;
}

interface Progress {
  /** Rows since the last look. */
  count: number;
  /** Where to look from: what lies before is gathered or stays as it is. */
  fromUs: number;
}

interface GatheredRow {
  readonly time_us: number;
  readonly record: number;
  readonly cells: string;
  readonly flags: Uint8Array | null;
}

/** The gathering of all table revisions. Part of the caller's transaction. */
export class RowGathering {
  readonly #catalog: Catalog;
  readonly #compressor: Compressor;
  readonly #bounds: BlockBounds;
  readonly #progressByRevision = new Map<number, Progress>();

  constructor(catalog: Catalog, compressor: Compressor, bounds: BlockBounds) {
    this.#catalog = catalog;
    this.#compressor = compressor;
    this.#bounds = bounds;
  }

  /** Notes that loose rows of so many fields were stored, and gathers what has come together. True when rows rest elsewhere now. */
  stored(revision: number, count: number, fieldCount: number): boolean {
    const rowsMax = Math.min(blockRowsMax, Math.floor(this.#bounds.cellsMax / Math.max(1, fieldCount)));
    if (rowsMax < this.#bounds.rowsMin) return false;
    let progress = this.#progressByRevision.get(revision);
    if (progress === undefined) {
      progress = { count: 0, fromUs: Number.MIN_SAFE_INTEGER };
      this.#progressByRevision.set(revision, progress);
    }
    progress.count += count;
    if (progress.count < rowsMax) return false;
    progress.count = 0;
    let hasGathered = false;
    for (;;) {
      const last = this.#catalog.get<{ last_us: number }>(
        'SELECT last_us FROM observation_block WHERE revision = ? ORDER BY first_us DESC LIMIT 1',
        revision,
      );
      if (last !== undefined) progress.fromUs = Math.max(progress.fromUs, last.last_us + 1);
      const times = this.#catalog
        .all<{ time_us: number }>(
          'SELECT time_us FROM observation WHERE revision = ? AND time_us >= ? ORDER BY time_us LIMIT ?',
          revision,
          progress.fromUs,
          rowsMax + 1,
        )
        .map(({ time_us }) => time_us);
      const { count, isClosed, skippedUs } = runOf(times, rowsMax);
      const isWorth = count === rowsMax || (isClosed && count >= this.#bounds.rowsMin);
      if (isWorth && this.#gather(revision, times[0] as number, times[count - 1] as number, fieldCount)) hasGathered = true;
      else if (!isWorth && !isClosed) return hasGathered;
      progress.fromUs = (skippedUs ?? (times[count - 1] as number)) + 1;
    }
  }

  /** Makes a block of all rows from one time to another. False where one of them cannot be in a block of so many fields. */
  #gather(revision: number, firstUs: number, lastUs: number, fieldCount: number): boolean {
    const rows = this.#catalog
      .all<GatheredRow>(
        'SELECT time_us, record, cells, flags FROM observation WHERE revision = ? AND time_us BETWEEN ? AND ? ORDER BY time_us',
        revision,
        firstUs,
        lastUs,
      )
      .map(segmentRow);
    if (!rows.every(({ cells, flags }) => cells.length === fieldCount && (flags?.length ?? fieldCount) === fieldCount)) return false;
    this.#catalog.run('DELETE FROM observation WHERE revision = ? AND time_us BETWEEN ? AND ?', revision, firstUs, lastUs);
    this.#catalog.run(
      'INSERT INTO observation_block (revision, first_us, last_us, rows, skipped, segment) VALUES (?, ?, ?, ?, 0, ?)',
      revision,
      firstUs,
      lastUs,
      rows.length,
      encodeSegment({ rows, fieldCount }, this.#compressor),
    );
    return true;
  }
}

/** The first of some rising times that may be one block, how many; closed where what follows may not be in it; and the time that none may have, where that is what comes next. */
function runOf(
  times: readonly number[],
  rowsMax: number,
): { readonly count: number; readonly isClosed: boolean; readonly skippedUs?: number } {
  const steps = times.slice(1).map((timeUs, index) => timeUs - (times[index] as number));
  const holeUs = holeSteps * (steps.toSorted((a, b) => a - b)[steps.length >>> 1] ?? 0);
  const cut = steps.findIndex((stepUs) => stepUs === 0 || stepUs > holeUs);
  if (cut < 0 || (cut >= rowsMax - 1 && steps[cut] !== 0)) return { count: Math.min(times.length, rowsMax), isClosed: false };
  return steps[cut] === 0 ? { count: cut, isClosed: true, skippedUs: times[cut] as number } : { count: cut + 1, isClosed: true };
}

function segmentRow({ time_us: timeUs, record, cells, flags }: GatheredRow): SegmentRow {
  return {
    timeUs,
    // No record has the number -1 in the catalog: it says that there is none.
    ...(record === -1 ? {} : { recordNumber: record }),
    cells: JSON.parse(cells) as Cell[],
    ...(flags === null ? {} : { flags }),
  };
}
