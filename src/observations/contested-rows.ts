import { qualityFlag, worseFlags } from './quality-checks.ts';
import type { StoredRow } from './row-store.ts';

/**
 * Rows of one stamp that say different things.
 *
 * Two readers of one logger, one of them over a bad line or from a file that somebody edited, bring two rows where the logger made one. Nobody can know which is right, so both are kept, and where their cells differ both
 * are suspect. This follows from the rows that are there, so it is found when they are read, alike on every node and in whatever order they came; it is gone again when one of them turns out to belong elsewhere.
 *
 * Rows without record numbers share stamps for good reasons too: several satellites in one second, or minutes in a file that leaves seconds out. So they are judged only in a table of a known interval.
 */

/** More rows of one stamp than this are a clock that stands still, and no two readers. */
const readersMax = 16;

/** The same rows, those that contradict one another marked. @param hasInterval the table has one row a stamp, also where rows have no numbers */
export function* withContested(rows: Iterable<StoredRow>, hasInterval: boolean): IterableIterator<StoredRow> {
  let same: StoredRow[] = [];
  let isStandingStill = false;
  for (const row of rows) {
    const [first] = same;
    const isOfOne = first !== undefined && row.timeUs === first.timeUs && row.recordNumber === first.recordNumber;
    if (isOfOne && (hasInterval || row.recordNumber !== undefined)) {
      isStandingStill ||= same.length === readersMax;
      if (isStandingStill) {
        yield* same;
        same = [];
      }
    } else {
      yield* isStandingStill ? same : marked(same);
      same = [];
      isStandingStill = false;
    }
    same.push(row);
  }
  yield* isStandingStill ? same : marked(same);
}

/** Rows of one stamp with suspect flags where their cells differ. */
function marked(rows: readonly StoredRow[]): readonly StoredRow[] {
  const [first] = rows;
  if (first === undefined || rows.length === 1) return rows;
  const doubts = Uint8Array.from(first.cells, (cell, field) =>
    rows.every(({ cells }) => cells[field] === cell) ? qualityFlag.notEvaluated : qualityFlag.suspect,
  );
  return rows.map((row) => ({ ...row, flags: row.flags === undefined ? doubts : worseFlags(row.flags, doubts) }));
}
