import { firstPathOf, lastPathOf, sightingsIn } from '../ports/sighting.ts';

/**
 * The files of a directory, as a walk meets them, beside the files that the catalog has, as it lists them: which are as they were, and which were not met at all.
 *
 * Both come in nearly the same order, so the two are merged: the catalog is read once, page by page, and nothing is asked about a single file. Nearly, because a walk goes by the names in each
 * directory (`data/x` before `data.csv`) and by UTF-16 units, and the catalog by the bytes of whole paths (`data.csv` before `data/x`). What the merge steps past is therefore kept until the walk is
 * over: a path that comes late is found there, and what is left at the end was not met. The result does not depend on the order; only the memory does.
 *
 * Nearly always a whole page of the walk is what the catalog has between its first path and its last, and then the two texts are equal, which the catalog can say without making thousands of rows.
 */

/** A file as the catalog has it. */
export interface RecordedFile {
  readonly path: string;
  /** What the platform said of it, as one text. */
  readonly seen: string;
}

/** The catalog's side, in the order of the paths' UTF-8 bytes. Files recorded behind the furthest path met must not come or go. */
export interface RecordedFiles {
  /** Some files behind a path, none only behind the last. */
  pageAfter(path: string): readonly RecordedFile[];
  /** The files behind a path, up to another one and at most so many, as the text of a page. What was removed need not be among them. */
  textBetween(after: string, last: string, filesMax: number): string;
}

/** One merge, of one walk. */
export class ScanMerge {
  readonly #recorded: RecordedFiles;
  #page: readonly RecordedFile[] = [];
  #next = 0;
  /** The last path that the merge stepped past. */
  #after = '';
  #isExhausted = false;
  /** Files the merge stepped past that the walk has not met: what the platform said of them, by path. */
  readonly #passed = new Map<string, string>();

  constructor(recorded: RecordedFiles) {
    this.#recorded = recorded;
  }

  /** True when everything on this page of the walk is as the catalog has it, and the catalog has nothing between; otherwise nothing of it is met yet. */
  meetAll(page: string): boolean {
    if (this.#isExhausted || compareUtf8(this.#after, firstPathOf(page)) >= 0) return false;
    const last = lastPathOf(page);
    // One file more shows that there are more.
    if (this.#recorded.textBetween(this.#after, last, sightingsIn(page) + 1) !== page) return false;
    this.#page = [];
    this.#next = 0;
    this.#after = last;
    return true;
  }

  /** What the catalog has of a path that the walk meets, or `undefined`. Each path is met once. */
  meet(path: string): string | undefined {
    for (let file = this.#peek(); file !== undefined; file = this.#peek()) {
      // Equality is the common case, and much the cheapest to find.
      const order = file.path === path ? 0 : compareUtf8(file.path, path);
      if (order > 0) break;
      this.#step(file);
      if (order === 0) return file.seen;
      this.#passed.set(file.path, file.seen);
    }
    const seen = this.#passed.get(path);
    this.#passed.delete(path);
    return seen;
  }

  /** What the walk did not meet, in no particular order. Called when it is over. */
  *unmet(): Generator<RecordedFile, void, void> {
    for (const [path, seen] of this.#passed) yield { path, seen };
    for (let file = this.#peek(); file !== undefined; file = this.#peek()) {
      this.#step(file);
      yield file;
    }
  }

  #step({ path }: RecordedFile): void {
    this.#next++;
    this.#after = path;
  }

  #peek(): RecordedFile | undefined {
    if (this.#next === this.#page.length && !this.#isExhausted) {
      this.#page = this.#recorded.pageAfter(this.#after);
      this.#next = 0;
      this.#isExhausted = this.#page.length === 0;
    }
    return this.#page[this.#next];
  }
}

/** Orders texts by their UTF-8 bytes, which is the order of their code points: surrogates stand for code points behind all others. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [unitA, unitB] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (unitA === unitB) continue;
    const [isHighA, isHighB] = [isSurrogate(unitA), isSurrogate(unitB)];
    return isHighA === isHighB ? unitA - unitB : isHighA ? 1 : -1;
  }
  return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000;
}
