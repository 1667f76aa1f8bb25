import { limits } from '../core/limits.ts';
import { changeBytesMax, type FileChange } from './entry-body.ts';
import type { Dot } from './log-entry.ts';

/**
 * Puts what a scan found together: changes to log entries, and entries to transactions.
 *
 * A transaction ends with a wait for the disk, and names many files in the order of their hashes: the more files, the fewer pages a file. It also holds the node's thread, so it is a few entries and not a
 * hundred.
 */

/** Some changes found on disk, as many as fit into one log entry. */
export interface ScanBatch {
  readonly changes: readonly FileChange[];
  /** Must be called with the dot of the log entry that carries the changes, in the same transaction. */
  recorded(dot: Dot): void;
}

/** What all changes of an entry may take, by their upper bound; the rest is for what stands before them. */
export const changeBytesLimit = limits.logEntryBytesMax - 1024;
/** Four entries of 512 small files hold the thread for some 50 ms. */
const batchesTogether = 4;

/** Batches of changes in their order, some at a time. No change may take more than `changeBytesLimit`. */
export async function* batchesOf<Found extends { readonly change: FileChange }>(
  changes: AsyncIterable<Found> | Iterable<Found>,
  batchOf: (found: readonly Found[]) => ScanBatch,
): AsyncGenerator<readonly ScanBatch[], void, void> {
  let batches: ScanBatch[] = [];
  let found: Found[] = [];
  let foundBytes = 0;
  for await (const each of changes) {
    const bytes = changeBytesMax(each.change);
    if (found.length === limits.changesPerRevisionMax || foundBytes + bytes > changeBytesLimit) {
      batches.push(batchOf(found));
      found = [];
      foundBytes = 0;
      if (batches.length === batchesTogether) {
        yield batches;
        batches = [];
      }
    }
    found.push(each);
    foundBytes += bytes;
  }
  if (found.length > 0) batches.push(batchOf(found));
  if (batches.length > 0) yield batches;
}
