/**
 * Sources: where else in the base a fresh run may come from.
 *
 * What replaced nothing is usually new, but not always: an HDF5 file whose compressed chunk grew moves it to the end of the file, and a record that was cut from one place and pasted with an edit in
 * another shares no whole chunk with it. Such runs are found by sampling: of all windows of 32 bytes, one in 256 is picked by its own hash (so the same windows are picked wherever they
 * lie), those of the fresh runs are remembered, and the base is read once to see where they recur.
 */

import { gear } from './chunking.ts';
import { type ChunkRef, totalBytes } from './manifest.ts';
import type { ChunkRun, FreshSegment, TransferPlan } from './transfer-plan.ts';
import { sourcedRunBytesMax } from './transfer-plan-groups.ts';

const mebibyte = 1024 * 1024;
/** Longest base that is read for this: a fraction of a second. */
const searchedBytesMax = 256 * mebibyte;
/** Bytes of a run below which nothing would be gained. */
const runBytesMin = 2048;
/** Samples of a run that must recur near each other. */
const recurrencesMin = 4;
const sampleShift = 24;

/** Reads a chunk, or `undefined` when it is no longer here; what cannot be read is not searched. */
export type ReadChunk = (chunk: ChunkRef) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/** A fresh run without much to replace, and how many of its samples each base chunk holds. */
interface Sought {
  readonly segment: number;
  readonly runBytes: number;
  /** The base chunks that the run replaced: its group has them anyway. */
  readonly replacedFrom: number;
  readonly replacedTo: number;
  readonly recurrences: Map<number, number>;
}

/**
 * The plan with a source for every fresh run that replaced little and resembles something else in the base. Only for the planning side, which has the bytes of both; the plan carries what it found.
 *
 * Reads the fresh chunks and the base once, where there is such a run of 2 KiB to 4 MiB and the base is at most 256 MiB; else the plan comes back as it is. `plan` must have hashes.
 */
export async function findSources(plan: TransferPlan, base: readonly ChunkRef[], read: ReadChunk): Promise<TransferPlan> {
  if (totalBytes(base) > searchedBytesMax) return plan;
  const sought = soughtRuns(plan, base);
  if (sought.length === 0) return plan;

  // Of equal samples in several runs the first keeps it: they resemble each other anyway.
  const runBySample = new Map<number, Sought>();
  for (const run of sought) {
    const segment = plan.segments[run.segment] as FreshSegment;
    for (const { hash, lengthBytes } of segment.chunks) {
      const bytes = hash && (await read({ hash, lengthBytes }));
      if (bytes === undefined) continue;
      forEachSample(bytes, (sample) => {
        if (!runBySample.has(sample)) runBySample.set(sample, run);
      });
    }
  }
  for (const [index, chunk] of base.entries()) {
    const bytes = await read(chunk);
    if (bytes === undefined) continue;
    forEachSample(bytes, (sample) => {
      const run = runBySample.get(sample);
      if (run !== undefined && (index < run.replacedFrom || index >= run.replacedTo))
        run.recurrences.set(index, (run.recurrences.get(index) ?? 0) + 1);
    });
  }
  const segments = [...plan.segments];
  for (const run of sought) {
    const source = sourceOf(run, base);
    const segment = segments[run.segment] as FreshSegment;
    if (source !== undefined) segments[run.segment] = { ...segment, source };
  }
  return { segments };
}

/** Fresh runs that are at least twice as long as what they replaced. */
function soughtRuns(plan: TransferPlan, base: readonly ChunkRef[]): Sought[] {
  const sought: Sought[] = [];
  let copyEnd = 0;
  for (const [index, segment] of plan.segments.entries()) {
    if (segment.kind === 'copy') copyEnd = segment.baseIndex + segment.count;
    if (segment.kind !== 'fresh') continue;
    const next = plan.segments[index + 1];
    const replacedEnd = next?.kind === 'copy' && next.baseIndex >= copyEnd ? next.baseIndex : base.length;
    const runBytes = segment.chunks.reduce((sum, chunk) => sum + chunk.lengthBytes, 0);
    const fits = runBytes >= runBytesMin && runBytes <= sourcedRunBytesMax;
    // The replaced bytes are only added up until they are enough.
    let replacedBytes = 0;
    for (let i = copyEnd; fits && i < replacedEnd && replacedBytes * 2 <= runBytes; i++) replacedBytes += (base[i] as ChunkRef).lengthBytes;
    if (fits && replacedBytes * 2 <= runBytes) {
      sought.push({ segment: index, runBytes, replacedFrom: copyEnd, replacedTo: replacedEnd, recurrences: new Map() });
    }
  }
  return sought;
}

/** Calls back for one window in 256, with a hash of its 32 bytes. */
function forEachSample(bytes: Uint8Array, take: (sample: number) => void): void {
  let hash = 0;
  for (let offset = 0; offset < bytes.length; offset++) {
    hash = ((hash << 1) + (gear[bytes[offset] as number] as number)) | 0;
    if (hash >>> sampleShift === 0 && offset >= 31) take(hash);
  }
}

/** The chunk in which most samples recur, and its neighbours as long as they hold some too, up to twice the run's length and a little. */
function sourceOf({ recurrences, runBytes }: Sought, base: readonly ChunkRef[]): ChunkRun | undefined {
  let best = -1;
  let most = 0;
  for (const [index, count] of recurrences) {
    if (count > most) {
      best = index;
      most = count;
    }
  }
  let first = best;
  let last = best;
  let total = most;
  let sourceBytes = base[best]?.lengthBytes ?? 0;
  for (;;) {
    const before = recurrences.get(first - 1) ?? 0;
    const behind = recurrences.get(last + 1) ?? 0;
    if (before === 0 && behind === 0) break;
    const next = before > behind ? first - 1 : last + 1;
    sourceBytes += (base[next] as ChunkRef).lengthBytes;
    if (sourceBytes > runBytes * 2 + mebibyte / 4) break;
    if (before > behind) first--;
    else last++;
    total += Math.max(before, behind);
  }
  return total >= recurrencesMin ? { baseIndex: first, count: last - first + 1 } : undefined;
}
