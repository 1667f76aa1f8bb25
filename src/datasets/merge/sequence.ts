/**
 * The merge of order: in which sequence the rows, members or features of the merged file stand.
 *
 * What both sides have are the *anchors*. They stand as they do on both sides; if the sides disagree, as on the side that moved them. What only one side has, it inserted, and that
 * goes behind the anchor it follows there. Where both sides inserted behind the same anchor, the two runs are merged by rank, like two sorted piles, so files that were in order
 * of time stay so, and neither side's own order is broken. Since an insertion never moves another thing, merging the result with either side again gives the result.
 */

/** Where something belongs among others: parts are compared one by one, numbers before texts. */
export type Rank = readonly (number | string)[];

/** Order of two ranks as a comparator value. */
export function compareRanks(a: Rank, b: Rank): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] as number | string, b[i] as number | string];
    if (x === y) continue;
    if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** Order of two keys as a comparator value; never 0 for two that differ. */
export type KeyOrder = (a: string, b: string) => number;

/** Order of two texts by code units. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The keys of the merged file in order. `left` and `right` are the keys that each side contributes, in its own order: every key of one that the other lacks was inserted. `base` may
 * hold any keys. No sequence holds a key twice. `order` places keys that the sides inserted at the same spot; it is always asked with the left side's key first.
 */
export function mergeSequences(base: readonly string[], left: readonly string[], right: readonly string[], order: KeyOrder): string[] {
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  const anchors = mergeAnchors(
    base,
    left.filter((key) => inRight.has(key)),
    right.filter((key) => inLeft.has(key)),
  );
  const leftRuns = insertedRuns(left, inRight);
  const rightRuns = insertedRuns(right, inLeft);
  const merged = mergeRuns(leftRuns.get(undefined), rightRuns.get(undefined), order);
  for (const anchor of anchors) {
    merged.push(anchor);
    if (leftRuns.has(anchor) || rightRuns.has(anchor)) {
      for (const key of mergeRuns(leftRuns.get(anchor), rightRuns.get(anchor), order)) merged.push(key);
    }
  }
  return merged;
}

function mergeAnchors(base: readonly string[], left: readonly string[], right: readonly string[]): readonly string[] {
  if (sameSequence(left, right)) return left;
  const shared = new Set(left);
  const known = base.filter((key) => shared.has(key));
  const inBase = new Set(known);
  const leftMoved = !sameSequence(
    known,
    left.filter((key) => inBase.has(key)),
  );
  const rightMoved = !sameSequence(
    known,
    right.filter((key) => inBase.has(key)),
  );
  if (leftMoved !== rightMoved) return leftMoved ? left : right;
  // Both moved things: any choice will do that does not depend on which side is called left.
  const at = left.findIndex((key, index) => key !== right[index]);
  return compareTexts(left[at] as string, right[at] as string) < 0 ? left : right;
}

function sameSequence(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

/** The keys that the other side lacks, by the anchor they follow; `undefined` for the beginning. */
function insertedRuns(keys: readonly string[], inOther: ReadonlySet<string>): Map<string | undefined, string[]> {
  const runs = new Map<string | undefined, string[]>();
  let anchor: string | undefined;
  for (const key of keys) {
    if (inOther.has(key)) {
      anchor = key;
      continue;
    }
    const run = runs.get(anchor);
    if (run === undefined) runs.set(anchor, [key]);
    else run.push(key);
  }
  return runs;
}

function mergeRuns(left: readonly string[] = [], right: readonly string[] = [], order: KeyOrder): string[] {
  const merged: string[] = [];
  let [l, r] = [0, 0];
  while (l < left.length && r < right.length) {
    if (order(left[l] as string, right[r] as string) < 0) merged.push(left[l++] as string);
    else merged.push(right[r++] as string);
  }
  while (l < left.length) merged.push(left[l++] as string);
  while (r < right.length) merged.push(right[r++] as string);
  return merged;
}
