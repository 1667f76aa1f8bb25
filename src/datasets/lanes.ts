import { GodwitError } from '../core/errors.ts';

/**
 * Several pieces of work at a time, of which none spoils the others.
 */

/** Works on several items at a time. The results are in the order of the items. */
export async function inLanes<T, R>(items: readonly T[], lanesMax: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const open = items.entries();
  const lane = async (): Promise<void> => {
    for (const [at, item] of open) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: lanesMax }, lane));
  return results;
}

/** What `work` results in, or its fault, which others' work need not suffer from. A full disk is everybody's. */
export async function unlessFault<R>(work: () => Promise<R>): Promise<R | GodwitError> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code === 'DISK_FULL') throw error;
    return error;
  }
}
