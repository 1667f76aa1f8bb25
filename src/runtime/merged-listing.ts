import { firstPathOf, lastPathOf, pageText, sightingsOf } from '../ports/sighting.ts';

/**
 * The pages that several threads list of one tree, as the pages of one survey.
 *
 * Each lane tells runs in the order of a walk, a run being what stands in one directory between two of its subdirectories. So runs of different lanes do not overlap, and whole texts are merged by their first
 * paths, without a look at what is in them. Only a tree that changes under the lanes, or a directory that neither can read, makes them overlap; then a run is taken apart.
 */

/** Stands between the runs of a page: no path and no text in them is empty. */
export const betweenRuns = '\0\0';

/** Runs are joined up to about this length, some 700 files: pages that are compared as one. */
const pageLength = 64 * 1024;

interface Head {
  readonly pages: AsyncIterator<string, void, void>;
  runs: string[];
  next: number;
}

/** Merges pages of runs into pages of a survey. What two lanes say of one path is told once. Whoever stops early ends the lanes. */
export async function* mergeListings(lanes: readonly AsyncGenerator<string, void, void>[]): AsyncGenerator<string, void, void> {
  const all = lanes.map((pages): Head => ({ pages, runs: [], next: 0 }));
  try {
    // All at once, as each begins its thread's work.
    const filled = await Promise.all(all.map(refill));
    let heads = all.filter((_, at) => filled[at]);
    let told: string | undefined;
    let page: string[] = [];
    let length = 0;
    while (heads.length > 0) {
      const first = foremost(heads);
      const others = heads.filter((head) => head !== first);
      const limit = others.length === 0 ? undefined : firstPathOf(runOf(foremost(others)));
      while (first.next < first.runs.length) {
        const run = takeUntil(first, limit, told);
        if (run === undefined) break;
        if (run === '') continue;
        told = lastPathOf(run);
        page.push(run);
        length += run.length;
      }
      if (length >= pageLength) {
        yield page.join('\0');
        page = [];
        length = 0;
      }
      if (first.next === first.runs.length && !(await refill(first))) heads = others;
    }
    if (page.length > 0) yield page.join('\0');
  } finally {
    await Promise.all(lanes.map((lane) => lane.return()));
  }
}

/** The next run of a lane up to another lane's first path, which it may go on with, without a first path that was told already (an empty text, where that was all); `undefined` when it begins behind that path. */
function takeUntil(head: Head, limit: string | undefined, told: string | undefined): string | undefined {
  const run = runOf(head);
  const first = firstPathOf(run);
  if (limit !== undefined && inWalk(first, limit) > 0) return undefined;
  const isWhole = first !== told && (limit === undefined || inWalk(lastPathOf(run), limit) <= 0);
  if (isWhole) {
    head.next++;
    return run;
  }
  const sightings = sightingsOf(run);
  const behind = limit === undefined ? -1 : sightings.findIndex(({ path }) => inWalk(path, limit) > 0);
  const taken = behind === -1 ? sightings : sightings.slice(0, behind);
  if (behind === -1) head.next++;
  else head.runs[head.next] = pageText(sightings.slice(behind));
  return pageText(taken.filter(({ path }) => path !== told));
}

/** Whether there is another page. */
async function refill(head: Head): Promise<boolean> {
  const { value, done } = await head.pages.next();
  if (done === true) return false;
  head.runs = value.split(betweenRuns);
  head.next = 0;
  return true;
}

function runOf({ runs, next }: Head): string {
  return runs[next] as string;
}

function foremost(heads: readonly Head[]): Head {
  return heads.reduce((least, head) => (inWalk(firstPathOf(runOf(head)), firstPathOf(runOf(least))) < 0 ? head : least));
}

/** How two paths stand in a walk, depth first in code-unit order of names: a separator comes before anything that a name can go on with. */
function inWalk(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [unitA, unitB] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (unitA !== unitB) return unitA === separator ? -1 : unitB === separator ? 1 : unitA - unitB;
  }
  return a.length - b.length;
}

const separator = '/'.charCodeAt(0);
