/** Three versions of one file: what both sides started from, and what each made of it. */
export interface MergeInput {
  /** The version both sides descend from; `undefined` when both created the file. */
  readonly base: Uint8Array | undefined;
  readonly left: Uint8Array;
  readonly right: Uint8Array;
  /** Path of the file in its dataset. Its extension helps to tell the format. */
  readonly path: string;
}

/**
 * One place that both sides changed in different ways. Texts are for people: values as written, without quotes, cut at 256 characters. An absent text means that this version does
 * not have the place.
 */
export interface ConflictCell {
  /** The row's key as written, such as a time and a record number; in JSON the pointer (RFC 6901) of the enclosing object; for a header its line. */
  readonly row: string;
  /** Name of the column or member; empty when the row as a whole is meant. */
  readonly column: string;
  readonly base?: string;
  readonly left?: string;
  readonly right?: string;
}

/** Most cells that a conflict lists. Its reason tells how many there are. */
export const conflictCellsMax = 1000;

/**
 * What a merge ends in.
 *
 * `merged`: both sides' changes in one file. `conflict`: the format is understood and both sides changed the same places, which are named; both versions must be kept until somebody
 * decides. `not-mergeable`: nothing can be said about the content, and both versions must be kept.
 */
export type MergeResult =
  | { readonly outcome: 'merged'; readonly bytes: Uint8Array }
  | { readonly outcome: 'conflict'; readonly cells: readonly ConflictCell[]; readonly reason: string }
  | { readonly outcome: 'not-mergeable'; readonly reason: string };

const textLengthMax = 256;

/** Gathers conflicts. */
export class Conflicts {
  readonly #cells: ConflictCell[] = [];
  #count = 0;

  /** Number of places so far, also those beyond what is listed. */
  get count(): number {
    return this.#count;
  }

  /** Adds a place, with its text in each version that has it. */
  add(row: string, column: string, base: string | undefined, left: string | undefined, right: string | undefined): void {
    this.#count++;
    if (this.#cells.length >= conflictCellsMax) return;
    this.#cells.push({
      row: shorten(row),
      column: shorten(column),
      ...(base !== undefined && { base: shorten(base) }),
      ...(left !== undefined && { left: shorten(left) }),
      ...(right !== undefined && { right: shorten(right) }),
    });
  }

  result(): MergeResult {
    const places = this.#count === 1 ? 'one place was' : `${this.#count} places were`;
    return { outcome: 'conflict', cells: this.#cells, reason: `${places} changed in different ways on both sides` };
  }
}

function shorten(text: string): string {
  return text.length > textLengthMax ? `${text.slice(0, textLengthMax - 1)}…` : text;
}
