import { equalBytes } from '../../core/bytes.ts';
import { elementIdentifier, identifierNames, memberName, openDocument, type PartsByKey, partsByKey, pointerSegment } from './json-merge.ts';
import { type JsonPart, openContainer, plainJson } from './json-text.ts';
import { type MergeFormat, mergeFormat } from './merge-three-way.ts';
import { findHeader, keySeparator } from './table-key.ts';
import { type HeadedFile, type KeyedTable, keyTables, withoutRepeat } from './table-merge.ts';
import { cellText, decoded, type Row, splitCells } from './table-text.ts';

/**
 * What changed between two versions of a file, in the terms of its format: rows and cells of a table, members of JSON. It knows the places that a merge knows, so what a conflict names and what a
 * difference names are the same.
 */

/** A place that changed. Texts are for people: as written, without quotes, cut at 256 characters. */
export interface ChangedPlace {
  /** The row's key as written, such as a time and a record number; in JSON the pointer (RFC 6901) of the enclosing object; for a header its line. */
  readonly row: string;
  /** Name of the column or member; empty when the row as a whole was added or removed. */
  readonly column: string;
  /** Absent for what was added. */
  readonly before?: string;
  /** Absent for what was removed. */
  readonly after?: string;
}

/** What changed inside a file. `opaque` when nothing can be said of its content, and why. */
export type ContentDifference =
  | {
      readonly format: 'table' | 'json';
      /** Rows, or members and elements of JSON. */
      readonly added: number;
      readonly removed: number;
      /** Cells, or values of JSON. */
      readonly changed: number;
      /** At most 1,000 of them. */
      readonly places: readonly ChangedPlace[];
    }
  | { readonly format: 'opaque'; readonly reason: string };

/** Most places that a difference lists; its counts tell how many there are. */
const placesMax = 1000;
const textLengthMax = 256;
const depthMax = 200;

/** Compares two versions of a file. Never throws for what the bytes say. */
export function diffContents(before: Uint8Array, after: Uint8Array, path: string): ContentDifference {
  const format = mergeFormat([before, after], path);
  if (typeof format === 'object') return { format: 'opaque', reason: format.reason };
  return diffAs(format, before, after);
}

function diffAs(format: MergeFormat, before: Uint8Array, after: Uint8Array): ContentDifference {
  if (format === 'json') {
    const [old, fresh] = [openDocument(before), openDocument(after)];
    if (old === undefined || fresh === undefined) return { format: 'opaque', reason: 'not both versions are valid JSON' };
    const places = new Places();
    diffJson(places, old.value, fresh.value, '', '', 0);
    return places.result('json');
  }
  const [old, fresh] = [before, after].map((bytes): HeadedFile | undefined => {
    const header = findHeader(bytes, format === 'table');
    return header && { bytes, header };
  });
  const noTable = {
    format: 'opaque',
    reason: 'not both versions are tables with a header that names a time, a record number or an identifier',
  } as const;
  if (old === undefined || fresh === undefined) return noTable;
  if (old.header.names.join(keySeparator) !== fresh.header.names.join(keySeparator))
    return { format: 'opaque', reason: 'the table has other columns than before' };
  const [oldTable, freshTable] = keyTables([old, fresh]);
  return oldTable === undefined || freshTable === undefined ? noTable : diffTables(oldTable, freshTable);
}

function diffTables(before: KeyedTable, after: KeyedTable): ContentDifference {
  const places = new Places();
  diffHeaders(places, before, after);
  for (const [key, row] of before.rowByKey) {
    const fresh = after.rowByKey.get(key);
    if (fresh === undefined) places.removed(rowName(key), '', lineText(before, row));
    else diffRows(places, rowName(key), before, row, after, fresh);
  }
  for (const [key, row] of after.rowByKey) if (!before.rowByKey.has(key)) places.added(rowName(key), '', lineText(after, row));
  return places.result('table');
}

function diffHeaders(places: Places, before: KeyedTable, after: KeyedTable): void {
  for (let line = 0; line < Math.max(before.header.lines.length, after.header.lines.length); line++) {
    const [old, fresh] = [before, after].map(({ bytes, header }) => {
      const span = header.lines[line];
      return span === undefined ? undefined : decoded(bytes.subarray(span.start, span.end));
    });
    if (old !== fresh) places.changed(`header line ${line + 1}`, '', old, fresh);
  }
}

function diffRows(places: Places, name: string, before: KeyedTable, row: Row, after: KeyedTable, fresh: Row): void {
  if (equalBytes(before.bytes.subarray(row.start, row.end), after.bytes.subarray(fresh.start, fresh.end))) return;
  const [old, now] = [cellsOf(before, row), cellsOf(after, fresh)];
  for (let column = 0; column < Math.max(old.length, now.length); column++) {
    if (old[column] !== now[column]) places.changed(name, before.header.names[column] ?? `column ${column + 1}`, old[column], now[column]);
  }
}

function cellsOf({ bytes, header }: KeyedTable, row: Row): string[] {
  return splitCells(bytes, row, header.delimiter).map((cell) => cellText(bytes, cell));
}

function lineText({ bytes }: KeyedTable, { start, end }: Row): string {
  return decoded(bytes.subarray(start, end));
}

function rowName(key: string): string {
  return withoutRepeat(key).replaceAll(keySeparator, ' ').trim();
}

function diffJson(places: Places, before: string, after: string, pointer: string, name: string, depth: number): void {
  if (before === after || plainJson(before) === plainJson(after)) return;
  const opening = before[0];
  if ((opening === '{' || opening === '[') && after[0] === opening && depth < depthMax) {
    const parts = namedParts(opening, before, after);
    if (parts !== undefined) {
      diffParts(places, parts, pointer + (name && pointerSegment(name)), opening, depth);
      return;
    }
  }
  places.changed(pointer, name, before, after);
}

/** The parts of two objects or lists by name or identifier, or `undefined` when they cannot be told apart. */
function namedParts(opening: '{' | '[', before: string, after: string): readonly [PartsByKey, PartsByKey] | undefined {
  const [old, fresh] = [openContainer(before), openContainer(after)];
  if (old === undefined || fresh === undefined) return undefined;
  const keyings = opening === '{' ? [memberName] : identifierNames.map((each) => (part: JsonPart) => elementIdentifier(part.value, each));
  for (const keyOf of keyings) {
    const [inOld, inFresh] = [partsByKey(old, keyOf), partsByKey(fresh, keyOf)];
    if (inOld !== undefined && inFresh !== undefined) return [inOld, inFresh];
  }
  return undefined;
}

function diffParts(
  places: Places,
  [before, after]: readonly [PartsByKey, PartsByKey],
  pointer: string,
  opening: '{' | '[',
  depth: number,
): void {
  const place = (key: string) => (opening === '{' ? key : `id=${key}`);
  for (const [key, { value }] of before) {
    const fresh = after.get(key);
    if (fresh === undefined) places.removed(pointer, place(key), value);
    else diffJson(places, value, fresh.value, pointer, place(key), depth + 1);
  }
  for (const [key, { value }] of after) if (!before.has(key)) places.added(pointer, place(key), value);
}

/** Gathers what changed. */
class Places {
  readonly #places: ChangedPlace[] = [];
  #added = 0;
  #removed = 0;
  #changed = 0;

  added(row: string, column: string, after: string): void {
    this.#added++;
    this.#note(row, column, undefined, after);
  }

  removed(row: string, column: string, before: string): void {
    this.#removed++;
    this.#note(row, column, before, undefined);
  }

  changed(row: string, column: string, before: string | undefined, after: string | undefined): void {
    this.#changed++;
    this.#note(row, column, before, after);
  }

  result(format: 'table' | 'json'): ContentDifference {
    return { format, added: this.#added, removed: this.#removed, changed: this.#changed, places: this.#places };
  }

  #note(row: string, column: string, before: string | undefined, after: string | undefined): void {
    if (this.#places.length >= placesMax) return;
    this.#places.push({
      row: shorten(row),
      column: shorten(column),
      ...(before !== undefined && { before: shorten(before) }),
      ...(after !== undefined && { after: shorten(after) }),
    });
  }
}

function shorten(text: string): string {
  return text.length > textLengthMax ? `${text.slice(0, textLengthMax - 1)}…` : text;
}
