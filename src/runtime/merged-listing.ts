/**
 * The pages that several threads list of one tree, as the pages that one of them would have listed.
 *
 * Each lane's pages are in the order of a walk, so the lanes are merged; an item changes lanes with its directory, so nearly always the one that was taken last goes on.
 */

interface Head {
  readonly pages: AsyncIterator<readonly string[], void, void>;
  page: readonly string[];
  next: number;
}

/** Merges pages of `path, text, path, text…`. What two lanes say of one path is told once. Whoever stops early ends the lanes. */
export async function* mergeListings(
  lanes: readonly AsyncGenerator<readonly string[], void, void>[],
): AsyncGenerator<readonly string[], void, void> {
  const all = lanes.map((pages): Head => ({ pages, page: [], next: 0 }));
  try {
    // All at once, as each begins its thread's work.
    const filled = await Promise.all(all.map(refill));
    let heads = all.filter((_, at) => filled[at]);
    let last: string | undefined;
    while (heads.length > 0) {
      const first = foremost(heads);
      const limit = foremostPath(heads.filter((head) => head !== first));
      const page: string[] = [];
      while (first.next < first.page.length) {
        const path = first.page[first.next] as string;
        if (limit !== undefined && inWalk(path, limit) > 0) break;
        if (path !== last) page.push(path, first.page[first.next + 1] as string);
        last = path;
        first.next += 2;
      }
      if (page.length > 0) yield page;
      if (first.next === first.page.length && !(await refill(first))) heads = heads.filter((head) => head !== first);
    }
  } finally {
    await Promise.all(lanes.map((lane) => lane.return()));
  }
}

/** Whether there is another page. */
async function refill(head: Head): Promise<boolean> {
  const { value, done } = await head.pages.next();
  if (done === true) return false;
  head.page = value;
  head.next = 0;
  return true;
}

function pathOf({ page, next }: Head): string {
  return page[next] as string;
}

function foremost(heads: readonly Head[]): Head {
  return heads.reduce((least, head) => (inWalk(pathOf(head), pathOf(least)) < 0 ? head : least));
}

function foremostPath(heads: readonly Head[]): string | undefined {
  return heads.length === 0 ? undefined : pathOf(foremost(heads));
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
