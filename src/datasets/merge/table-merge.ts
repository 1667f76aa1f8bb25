import { equalBytes } from '../../core/bytes.ts';
import { conflict, mergeAtom, mergeBlank } from './atom.ts';
import { Conflicts, type MergeResult } from './merge-result.ts';
import { compareRanks, compareTexts, type KeyOrder, mergeSequences, type Rank } from './sequence.ts';
import { findHeader, hasDayFirst, keyCandidates, keySeparator, rankKey } from './table-key.ts';
import {
  byteText,
  cellText,
  decoded,
  type Row,
  readTable,
  type Span,
  splitCells,
  type TableHeader,
  type TableText,
  textBytes,
  unquote,
} from './table-text.ts';

/**
 * Merging tables of delimited text by row and by cell.
 *
 * A row is the same row where its key is. Rows that one side inserted or removed are inserted or removed; of a row that both sides changed, each cell is whoever's changed it.
 * Headers must agree, because a row means nothing without its header. Bytes that nobody changed are copied as they are: quotes, digits, line endings.
 *
 * A key that one version has more than once does not say which row is which. All rows of such a key are one unit, taken from the side that changed it, so that no row can come out
 * that nobody wrote.
 */

/** A version of the file, its rows by key; second and further rows of a key have a mark behind it (`withoutRepeat`). */
export interface KeyedTable extends TableText {
  readonly rowByKey: ReadonlyMap<string, Row>;
  /** Keys in the order of rows. */
  readonly keys: readonly string[];
}

/** A table whose header was found. */
export interface HeadedFile {
  readonly bytes: Uint8Array;
  readonly header: TableHeader;
}

/** Marks the second, third, … row of a key. */
const repeatMark = '\u001e';

/** Merges tables, or `undefined` when one of the versions is no table with a key. `plain` as in `findHeader`. */
export function mergeTables(base: Uint8Array | undefined, left: Uint8Array, right: Uint8Array, plain: boolean): MergeResult | undefined {
  const headed = (bytes: Uint8Array): HeadedFile | undefined => {
    const header = findHeader(bytes, plain);
    return header && { bytes, header };
  };
  // A base of no bytes is a file that had been created and not yet written.
  const oldBytes = base !== undefined && base.length > 0 ? base : undefined;
  const [old, l, r] = [oldBytes && headed(oldBytes), headed(left), headed(right)];
  if (l === undefined || r === undefined || (oldBytes !== undefined && old === undefined)) return undefined;
  const headerConflicts = compareHeaders(old, l, r);
  if (headerConflicts.count > 0) return headerConflicts.result();
  // Where both sides changed the columns alike, the rows of the base are rows of another table.
  const sameColumns = old !== undefined && old.header.names.join(keySeparator) === l.header.names.join(keySeparator);
  const files = sameColumns ? [l, r, old] : [l, r];
  const versions = keyTables(files);
  const [leftVersion, rightVersion, baseVersion] = versions;
  if (leftVersion === undefined || rightVersion === undefined) return undefined;
  return new TableMerge(baseVersion, leftVersion, rightVersion).merge();
}

/** Reads tables of the same columns by the first key that none of them repeats, or by the last that there is. Empty when no column can be a key. */
export function keyTables(files: readonly HeadedFile[]): KeyedTable[] {
  let tables: KeyedTable[] = [];
  for (const key of files[0] === undefined ? [] : keyCandidates(files[0].header)) {
    tables = files.map((file) => readVersion(file, key));
    if (!tables.some(({ keys }) => keys.some((text) => text.includes(repeatMark)))) break;
  }
  return tables;
}

function readVersion({ bytes, header }: HeadedFile, keyColumns: readonly number[]): KeyedTable {
  const table = readTable(bytes, header, (cells) => {
    const key = keyColumns.map((column) => {
      const cell = cells[column];
      return cell === undefined ? '' : cellText(bytes, cell);
    });
    return key.some((cell) => cell !== '') ? key.join(keySeparator) : undefined;
  });
  const rowByKey = new Map<string, Row>();
  const repeats = new Map<string, number>();
  for (const row of table.rows) {
    if (!rowByKey.has(row.key)) {
      rowByKey.set(row.key, row);
      continue;
    }
    const repeat = (repeats.get(row.key) ?? 0) + 1;
    repeats.set(row.key, repeat);
    rowByKey.set(row.key + repeatMark + repeat, row);
  }
  return { ...table, rowByKey, keys: [...rowByKey.keys()] };
}

/** The key of a row as its cells have it. */
export function withoutRepeat(key: string): string {
  const mark = key.indexOf(repeatMark);
  return mark < 0 ? key : key.slice(0, mark);
}

/** The places in which the headers of left and right say different things. */
function compareHeaders(base: HeadedFile | undefined, left: HeadedFile, right: HeadedFile): Conflicts {
  const conflicts = new Conflicts();
  const cells = (file: HeadedFile | undefined, line: number): string[] => {
    const span = file?.header.lines[line];
    return file === undefined || span === undefined
      ? []
      : splitCells(file.bytes, span, file.header.delimiter).map((cell) => cellText(file.bytes, cell));
  };
  for (let line = 0; line < Math.max(left.header.lines.length, right.header.lines.length); line++) {
    const [b, l, r] = [cells(base, line), cells(left, line), cells(right, line)];
    for (let column = 0; column < Math.max(l.length, r.length); column++) {
      if (l[column] !== r[column]) conflicts.add(`header line ${line + 1}`, `column ${column + 1}`, b[column], l[column], r[column]);
    }
  }
  return conflicts;
}

/** A stretch of a version byte for byte. */
function textIn({ bytes }: { readonly bytes: Uint8Array }, { start, end }: Span): string {
  return byteText(bytes.subarray(start, end));
}

/** A stretch of a version for a person. */
function decodedIn({ bytes }: KeyedTable, { start, end }: Span): string {
  return decoded(bytes.subarray(start, end));
}

/** Lines between rows: blank ones mean nothing, and line endings mean nothing. */
function linesMeaning(lines: string): string {
  return lines.replaceAll(/[ \t\r\n]+/g, '\n').trim();
}

class TableMerge {
  readonly #base: KeyedTable | undefined;
  readonly #left: KeyedTable;
  readonly #right: KeyedTable;
  readonly #conflicts = new Conflicts();
  /** For keys that some version has more than once: the version whose rows of that key are taken. */
  readonly #winnerByKey = new Map<string, KeyedTable>();

  constructor(base: KeyedTable | undefined, left: KeyedTable, right: KeyedTable) {
    this.#base = base;
    this.#left = left;
    this.#right = right;
    this.#chooseWinners();
  }

  #versions(): KeyedTable[] {
    return this.#base === undefined ? [this.#left, this.#right] : [this.#base, this.#left, this.#right];
  }

  merge(): MergeResult {
    const [base, left, right] = [this.#base, this.#left, this.#right];
    const order = mergeSequences(base?.keys ?? [], this.#contribution(left, right), this.#contribution(right, left), this.#keyOrder());
    const ending = mergeBlank(base?.ending, left.ending, right.ending);
    const headerText = (version: KeyedTable) => textIn(version, { start: 0, end: version.header.lines.at(-1)?.end ?? 0 });
    const parts = [textBytes(mergeBlank(base && headerText(base), headerText(left), headerText(right)))];
    const endings = new Map(['', '\n', '\r\n'].map((code) => [code, textBytes(code === '' ? ending : code)]));
    // Every line is written behind the ending of the line before it, so that the last one can stay without.
    let pending = endings.get('') as Uint8Array;
    for (const key of this.#inWinnersOrder(order)) {
      const row = this.#mergeRow(key);
      parts.push(pending, ...row.parts);
      pending = endings.get(row.ending) as Uint8Array;
    }
    const tail = this.#mergeTrail() + this.#mergeTorn();
    if (this.#conflicts.count > 0) return this.#conflicts.result();
    // A last line without an ending may be one cut off in its last cell: it must not look complete because the other side's last line is.
    const open = mergeBlank(String(base?.endsOpen ?? false), String(left.endsOpen), String(right.endsOpen)) === 'true';
    if (tail !== '' || !open) parts.push(pending, textBytes(tail));
    return { outcome: 'merged', bytes: joinParts(parts) };
  }

  #chooseWinners(): void {
    const versions = this.#versions();
    const repeated = new Set(versions.flatMap(({ keys }) => keys.filter((key) => key.includes(repeatMark)).map(withoutRepeat)));
    if (repeated.size === 0) return;
    const meaningByText = new Map([['', '']]);
    const groups = versions.map((version) => {
      const textByKey = new Map<string, string>();
      const meanings = new Map<string, string>();
      for (const row of version.rows) {
        if (!repeated.has(row.key)) continue;
        textByKey.set(row.key, `${textByKey.get(row.key) ?? ''}${textIn(version, { start: row.lead.start, end: row.end })}\n`);
        meanings.set(
          row.key,
          `${meanings.get(row.key) ?? ''}${linesMeaning(textIn(version, row.lead))}${repeatMark}${this.#meaning(version, row)}${repeatMark}`,
        );
      }
      for (const [key, text] of textByKey) meaningByText.set(text, meanings.get(key) as string);
      return textByKey;
    });
    const [inRight, inLeft, inBase] = [groups.at(-1), groups.at(-2), groups.at(-3)];
    for (const key of repeated) {
      const [b, l, r] = [inBase?.get(key) ?? '', inLeft?.get(key) ?? '', inRight?.get(key) ?? ''];
      const merged = mergeAtom(b, l, r, (text) => meaningByText.get(text) as string);
      if (merged === conflict) this.#conflicts.add(this.#rowName(key), '', b || undefined, l || undefined, r || undefined);
      this.#winnerByKey.set(key, merged === l ? this.#left : this.#right);
    }
  }

  /** The keys of `mine` that are in the merged file: those that `other` has too, and those that are new. */
  #contribution(mine: KeyedTable, other: KeyedTable): string[] {
    return mine.keys.filter((key) => {
      const winner = this.#winnerByKey.get(withoutRepeat(key));
      if (winner !== undefined) return winner.rowByKey.has(key);
      const old = this.#base?.rowByKey.get(key);
      if (this.#base === undefined || old === undefined || other.rowByKey.has(key)) return true;
      if (!this.#sameRow(mine, mine.rowByKey.get(key) as Row, this.#base, old)) this.#addRow(key);
      return false;
    });
  }

  /** The same places, with the rows of a repeated key among them in the order they have in the version they are taken from. */
  #inWinnersOrder(order: readonly string[]): readonly string[] {
    if (this.#winnerByKey.size === 0) return order;
    const count = new Map<string, number>();
    return order.map((place) => {
      const key = withoutRepeat(place);
      if (!this.#winnerByKey.has(key)) return place;
      const repeat = count.get(key) ?? 0;
      count.set(key, repeat + 1);
      return repeat === 0 ? key : key + repeatMark + repeat;
    });
  }

  /** Whether a row says what it said in the base. */
  #sameRow(mine: KeyedTable, row: Row, base: KeyedTable, old: Row): boolean {
    return (
      this.#meaning(mine, row) === this.#meaning(base, old) && linesMeaning(textIn(mine, row.lead)) === linesMeaning(textIn(base, old.lead))
    );
  }

  #meaning(version: KeyedTable, row: Span): string {
    return this.#cells(version, row).map(unquote).join(keySeparator);
  }

  /** The cells of a row byte for byte. */
  #cells({ bytes, header }: KeyedTable, row: Span): string[] {
    return splitCells(bytes, row, header.delimiter).map((cell) => textIn({ bytes }, cell));
  }

  #mergeRow(key: string): { readonly parts: Uint8Array[]; readonly ending: string } {
    const winner = this.#winnerByKey.get(withoutRepeat(key));
    const [inBase, inLeft, inRight] = [this.#base, this.#left, this.#right].map((version) => version?.rowByKey.get(key));
    if (winner !== undefined || inLeft === undefined || inRight === undefined) {
      const version = winner ?? (inLeft === undefined ? this.#right : this.#left);
      const row = version.rowByKey.get(key) as Row;
      return { parts: [version.bytes.subarray(row.lead.start, row.end)], ending: row.ending };
    }
    const oldLead = this.#base && inBase ? textIn(this.#base, inBase.lead) : '';
    const lead = mergeAtom(oldLead, textIn(this.#left, inLeft.lead), textIn(this.#right, inRight.lead), linesMeaning);
    if (lead === conflict) this.#addLines(`lines before ${this.#rowName(key)}`, inBase?.lead, inLeft.lead, inRight.lead);
    return {
      parts: [textBytes(lead === conflict ? '' : lead), this.#mergeContent(key, inBase, inLeft, inRight)],
      ending: mergeBlank(inBase?.ending, inLeft.ending, inRight.ending),
    };
  }

  #mergeContent(key: string, inBase: Row | undefined, inLeft: Row, inRight: Row): Uint8Array {
    const left = this.#left.bytes.subarray(inLeft.start, inLeft.end);
    const right = this.#right.bytes.subarray(inRight.start, inRight.end);
    const base = this.#base && inBase && this.#base.bytes.subarray(inBase.start, inBase.end);
    if (equalBytes(left, right) || (base !== undefined && equalBytes(base, right))) return left;
    if (base !== undefined && equalBytes(base, left)) return right;
    const b = this.#base && inBase && this.#cells(this.#base, inBase);
    const [l, r] = [this.#cells(this.#left, inLeft), this.#cells(this.#right, inRight)];
    if (l.length !== r.length || (b !== undefined && b.length !== l.length)) {
      // Rows of unlike lengths have no cells that could be said to be the same ones.
      const [bText, lText, rText] = [b, l, r].map((cells) => cells?.map(unquote).join(keySeparator));
      if (bText === lText) return right;
      if (bText === rText) return left;
      this.#addCells(key, b, l, r);
      return left;
    }
    const merged = l.map((cell, column) => mergeAtom(b?.[column], cell, r[column] as string, unquote));
    if (!merged.includes(conflict)) return textBytes(merged.join(String.fromCharCode(this.#left.header.delimiter)));
    const disputed = (cells: readonly string[]) => cells.map((cell, column) => (merged[column] === conflict ? cell : ''));
    this.#addCells(key, b, disputed(l), disputed(r));
    return left;
  }

  #addRow(key: string): void {
    const [base, left, right] = [this.#base, this.#left, this.#right].map((version) => {
      const row = version?.rowByKey.get(key);
      return version && row && decodedIn(version, row);
    });
    this.#conflicts.add(this.#rowName(key), '', base, left, right);
  }

  /** Names the cells in which two rows say different things. */
  #addCells(key: string, base: readonly string[] | undefined, left: readonly string[], right: readonly string[]): void {
    const text = (cell: string | undefined) => cell && cellText(textBytes(cell), { start: 0, end: cell.length });
    for (let column = 0; column < Math.max(left.length, right.length); column++) {
      const [l, r] = [text(left[column]), text(right[column])];
      if (l !== r)
        this.#conflicts.add(this.#rowName(key), this.#left.header.names[column] ?? `column ${column + 1}`, text(base?.[column]), l, r);
    }
  }

  #addLines(place: string, base: Span | undefined, left: Span, right: Span): void {
    this.#conflicts.add(
      place,
      '',
      this.#base && base && decodedIn(this.#base, base),
      decodedIn(this.#left, left),
      decodedIn(this.#right, right),
    );
  }

  /** Lines behind the last row that are no rows. */
  #mergeTrail(): string {
    const text = (version: KeyedTable) => textIn(version, version.trail);
    const merged = mergeAtom(this.#base ? text(this.#base) : '', text(this.#left), text(this.#right), linesMeaning);
    if (merged !== conflict) return merged;
    this.#addLines('last lines', this.#base?.trail, this.#left.trail, this.#right.trail);
    return '';
  }

  /** A last row that was cut off in the writing. It is no change of anybody's, so the base has no say: it stays until one side has more of it. */
  #mergeTorn(): string {
    const left = this.#unfinished(this.#left, this.#right);
    const right = this.#unfinished(this.#right, this.#left);
    if (left.startsWith(right)) return left;
    if (right.startsWith(left)) return right;
    this.#addLines('last line', this.#base?.torn, this.#left.torn, this.#right.torn);
    return '';
  }

  /** The unfinished row of `mine`, or nothing where the other version has a new row that begins so. */
  #unfinished(mine: KeyedTable, other: KeyedTable): string {
    const torn = mine.bytes.subarray(mine.torn.start, mine.torn.end);
    const isNew = (row: Row) => !mine.rowByKey.has(row.key) && !this.#base?.rowByKey.has(row.key);
    const begins = ({ start, end }: Row) =>
      end - start >= torn.length && equalBytes(other.bytes.subarray(start, start + torn.length), torn);
    const whole = torn.length > 0 && other.rows.some((row) => begins(row) && isNew(row));
    return whole ? '' : byteText(torn);
  }

  #rowName(key: string): string {
    return withoutRepeat(key).replaceAll(keySeparator, ' ').trim();
  }

  /** Rows that both sides inserted at the same place stand in the order of their times and numbers, or against it in files that have the newest row on top. */
  #keyOrder(): KeyOrder {
    const versions = this.#versions();
    const dayFirst = versions.some(({ keys }) => hasDayFirst(keys));
    const spans = versions
      .filter(({ keys }) => keys.length > 1)
      .map(({ keys }) => [keys[0], keys.at(-1)].map((key) => rankKey(key as string, dayFirst)));
    const newestFirst = spans.length > 0 && spans.every(([first, last]) => compareRanks(first as Rank, last as Rank) > 0);
    // One of the two keys is that of the call before, and finding the time in a text is dear.
    const remembered = { a: '', aRank: [] as Rank, b: '', bRank: [] as Rank };
    return (a, b) => {
      if (a !== remembered.a) Object.assign(remembered, { a, aRank: rankKey(a, dayFirst) });
      if (b !== remembered.b) Object.assign(remembered, { b, bRank: rankKey(b, dayFirst) });
      const order = compareRanks(remembered.aRank, remembered.bRank) || compareTexts(a, b);
      return newestFirst ? -order : order;
    };
  }
}

/** Joins any number of arrays. */
function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
