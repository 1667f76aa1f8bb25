import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import { parseTag, plainText } from '../csixml/markup.ts';
import { decodeText } from '../csv-row.ts';
import { readZipDirectory, readZipEntry, type ZipEntry } from './zip-archive.ts';

/**
 * Sheets of an XLSX workbook, as rows of texts: as much of it as an export of measurements needs. Formats, formulas and drawings are not looked at; a formula's last result counts.
 *
 * Bytes are searched for tags, never for text across them, so the time is in proportion to the size whatever a file holds. Tags with a namespace prefix are not known; no logger program writes them.
 *
 * Source: ECMA-376 part 1, sections 18.2.20 (sheets), 18.3.1.4 (cells), 18.3.1.73 (rows), 18.4.8 (shared texts).
 */

/** A row: its cells' texts by column, and where in the sheet it ends. */
export interface SheetRow {
  /** Text of each column; `null` where there is no cell or an empty one. `undefined` as a whole when the row is broken. */
  readonly cells: readonly (string | null)[] | undefined;
  /** Part of the sheet that lies before the row's end, 0 to 1. */
  readonly share: number;
}

/** Bytes of one part of the workbook, unpacked, at most. */
const partBytesMax = 128 * 1024 * 1024;
const sharedTextsMax = 1_000_000;
const sheetsMax = 256;
const rowBytesMax = 4 * limits.instrumentLineBytesMax;
/** Columns of one row at most: a table's fields, row number and time. */
const columnsMax = limits.fieldsPerTableMax + 2;

const sheetTag = /<sheet\s[^<>]*>/g;
const relationshipTag = /<Relationship\s[^<>]*>/g;

/** Tags of a small part, understood; those that cannot be are left out. */
function tagsOf(text: string, pattern: RegExp): ReadonlyMap<string, string>[] {
  return Array.from(text.matchAll(pattern), ([tag]) => parseTag(tag)?.attributes).filter((each) => each !== undefined);
}

/** Index of `text` in `bytes` from `from` on, at most `to`; -1 when it is not there. */
function find(bytes: Uint8Array, text: Uint8Array, from: number, to: number): number {
  const [first = 0] = text;
  for (let at = bytes.indexOf(first, from); at >= 0 && at + text.length <= to; at = bytes.indexOf(first, at + 1)) {
    if (text.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

/** Columns count from 0: `A` is 0, `AA` is 26. */
function columnOf(letters: string): number {
  let column = 0;
  for (const letter of letters) column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}

/** All texts within `<t>` in a piece of markup, one behind the other: a rich text comes in runs. `undefined` when it is malformed. */
function textOfRuns(markup: string): string | undefined {
  let text = '';
  let at = 0;
  for (;;) {
    const open = markup.indexOf('<t', at);
    if (open < 0) return text;
    const end = markup.indexOf('>', open);
    if (end < 0) return undefined;
    at = end + 1;
    if (markup[open + 2] !== '>' && markup[open + 2] !== ' ') continue;
    if (markup[end - 1] === '/') continue;
    const close = markup.indexOf('</t>', end);
    if (close < 0) return undefined;
    const run = plainText(markup.slice(end + 1, close));
    if (run === undefined) return undefined;
    text += run;
    at = close + 4;
  }
}

/** What stands between `<name …>` and `</name>` at the beginning of a piece of markup. */
function contentOf(markup: string, name: string): string {
  const open = markup.indexOf(`<${name}>`);
  const close = markup.indexOf(`</${name}>`, open);
  return open < 0 || close < 0 ? '' : markup.slice(open + name.length + 2, close);
}

/** Cells of a row by their columns, or `undefined` when the row is broken. */
function cellsOf(markup: string, sharedTexts: readonly string[]): (string | null)[] | undefined {
  const cells: (string | null)[] = [];
  let at = markup.indexOf('>') + 1;
  for (;;) {
    const open = markup.indexOf('<c', at);
    if (open < 0) return cells;
    const end = markup.indexOf('>', open);
    if (end < 0) return undefined;
    const tag = markup.slice(open, end + 1);
    const [, letters] = /\sr="([A-Z]{1,3})\d{1,7}"/.exec(tag) ?? [];
    const column = letters === undefined ? cells.length : columnOf(letters);
    if (column < cells.length || column >= columnsMax) return undefined;
    while (cells.length < column) cells.push(null);
    if (tag.endsWith('/>')) {
      cells.push(null);
      at = end + 1;
      continue;
    }
    const close = markup.indexOf('</c>', end);
    const text = close < 0 ? undefined : cellText(tag, markup.slice(end + 1, close), sharedTexts);
    if (text === undefined) return undefined;
    cells.push(text === '' ? null : text);
    at = close + 4;
  }
}

function cellText(tag: string, content: string, sharedTexts: readonly string[]): string | undefined {
  const [, type] = /\st="(\w{1,16})"/.exec(tag) ?? [];
  if (type === 'inlineStr') return textOfRuns(content);
  const value = plainText(contentOf(content, 'v'));
  if (type !== 's' || value === undefined) return value;
  return /^\d{1,7}$/.test(value) ? sharedTexts[Number(value)] : undefined;
}

/** One workbook. Its parts are unpacked when they are asked for. */
export class Workbook {
  private readonly archive: Uint8Array;
  private readonly entries: ReadonlyMap<string, ZipEntry>;
  private readonly partBySheet = new Map<string, string>();
  private readonly sharedTexts: string[] = [];
  /** True when days are counted from 1904, as old spreadsheets of Apple computers do, and not from 1900. */
  readonly countsFrom1904: boolean;

  private constructor(archive: Uint8Array, entries: ReadonlyMap<string, ZipEntry>, book: string, relations: string) {
    this.archive = archive;
    this.entries = entries;
    this.countsFrom1904 = /<workbookPr\s[^<>]*date1904="(?:1|true)"/.test(book);
    const targetById = new Map(tagsOf(relations, relationshipTag).map((each) => [each.get('Id'), each.get('Target')]));
    for (const sheet of tagsOf(book, sheetTag).slice(0, sheetsMax)) {
      const target = targetById.get(sheet.get('r:id'));
      if (target !== undefined) this.partBySheet.set(sheet.get('name') ?? '', target.startsWith('/') ? target.slice(1) : `xl/${target}`);
    }
  }

  /** The workbook in an archive; `torn` when the archive does not end or is broken, `none` when it holds no workbook that can be read. */
  static open(archive: Uint8Array): Workbook | 'torn' | 'none' {
    const entries = readZipDirectory(archive);
    if (entries === 'torn') return 'torn';
    const text = (name: string) => {
      const entry = entries.get(name);
      const bytes = entry && readZipEntry(archive, entry, partBytesMax);
      return bytes && decodeText(bytes);
    };
    const book = text('xl/workbook.xml');
    const relations = text('xl/_rels/workbook.xml.rels');
    if (book === undefined || relations === undefined) return 'none';
    const workbook = new Workbook(archive, entries, book, relations);
    return workbook.readSharedTexts() ? workbook : 'none';
  }

  /** Names of the sheets, in their order. */
  sheets(): string[] {
    return [...this.partBySheet.keys()];
  }

  /** Where a sheet's packed bytes stand in the archive. */
  place(sheet: string): ZipEntry | undefined {
    return this.entries.get(this.partBySheet.get(sheet) ?? '');
  }

  /** The rows of a sheet; `undefined` when it is not there, damaged or too large. A row that does not end is broken and the last. */
  rows(sheet: string): Iterable<SheetRow> | undefined {
    const place = this.place(sheet);
    const bytes = place && readZipEntry(this.archive, place, partBytesMax);
    return bytes && this.rowsOf(bytes);
  }

  private *rowsOf(bytes: Uint8Array): Iterable<SheetRow> {
    const open = utf8('<row');
    const close = utf8('</row>');
    const share = (end: number) => end / bytes.length;
    let at = 0;
    for (;;) {
      const from = find(bytes, open, at, bytes.length);
      if (from < 0) return;
      const tagEnd = bytes.indexOf(0x3e, from);
      if (tagEnd > 0 && bytes[tagEnd - 1] === 0x2f) {
        at = tagEnd + 1;
        continue;
      }
      const limit = Math.min(bytes.length, from + rowBytesMax);
      const to = find(bytes, close, from, limit);
      if (to < 0) {
        yield { cells: undefined, share: 1 };
        return;
      }
      at = to + close.length;
      yield { cells: cellsOf(decodeText(bytes.subarray(from, to)), this.sharedTexts), share: share(at) };
    }
  }

  /** Reads the table of texts that cells refer to; a workbook may have none. False when it is damaged. */
  private readSharedTexts(): boolean {
    const entry = this.entries.get('xl/sharedStrings.xml');
    if (entry === undefined) return true;
    const bytes = readZipEntry(this.archive, entry, partBytesMax);
    if (bytes === undefined) return false;
    const open = utf8('<si');
    const close = utf8('</si>');
    for (let at = 0; ; ) {
      const from = find(bytes, open, at, bytes.length);
      if (from < 0) return true;
      const tagEnd = bytes.indexOf(0x3e, from);
      const isEmpty = tagEnd > 0 && bytes[tagEnd - 1] === 0x2f;
      const to = isEmpty ? from : find(bytes, close, from, Math.min(bytes.length, from + rowBytesMax));
      const text = to < 0 ? undefined : textOfRuns(decodeText(bytes.subarray(from + open.length, to)));
      if (text === undefined || this.sharedTexts.length === sharedTextsMax) return false;
      this.sharedTexts.push(text);
      at = isEmpty ? tagEnd + 1 : to + close.length;
    }
  }
}
