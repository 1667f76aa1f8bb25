import { utf8Text } from '../../core/bytes.ts';

/**
 * A table of delimited text, as places in the file's bytes: header lines, rows, and whatever stands between them. Nothing is decoded, so whatever is not merged comes out as it
 * went in, in any encoding that has ASCII's delimiters and quotes.
 *
 * Cells follow RFC 4180: one that begins with a quote ends at the next single quote and may hold delimiters, doubled quotes and line breaks. Lines end in LF or CR LF. A quote that
 * never closes is a character like any other.
 */

/** A stretch of bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const hash = 0x23;
const blankBytes: ReadonlySet<number> = new Set([0x20, 0x09, 0x2c, 0x3b, quote, carriageReturn]);

/** Bytes that a row with line breaks in its cells may have; beyond that a quote is taken for a stray one. */
const quotedRowBytesMax = 256 * 1024;

/** The cells of the line in `span`, as written. */
export function splitCells(bytes: Uint8Array, { start, end }: Span, delimiter: number): Span[] {
  const cells: Span[] = [];
  let at = start;
  for (;;) {
    const cellStart = at;
    if (bytes[at] === quote) at = Math.min(quotedEnd(bytes, at, end) ?? at, end);
    while (at < end && bytes[at] !== delimiter) at++;
    cells.push({ start: cellStart, end: at });
    if (at >= end) return cells;
    at++;
  }
}

/** Index behind the quote that closes the one at `start`. */
function quotedEnd(bytes: Uint8Array, start: number, end: number): number | undefined {
  for (let at = start + 1; at < end; at++) {
    if (bytes[at] !== quote) continue;
    if (bytes[at + 1] !== quote || at + 1 >= end) return at + 1;
    at++;
  }
  return undefined;
}

/** True when a cell of this line has an open quote, so that its row goes on in the next line. */
function isOpen(bytes: Uint8Array, { start, end }: Span, delimiter: number): boolean {
  let quotes = 0;
  for (let at = start; at < end; at++) if (bytes[at] === quote) quotes++;
  if (quotes % 2 === 0) return false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === quote) {
      const close = quotedEnd(bytes, at, end);
      if (close === undefined) return true;
      at = close;
    }
    while (at < end && bytes[at] !== delimiter) at++;
  }
  return false;
}

/** A line without its line ending, and where the next one begins. */
export interface Line extends Span {
  readonly next: number;
}

/** Line endings by their number of bytes. */
const lineEndings = ['', '\n', '\r\n'] as const;

/** The line that begins at `start`. */
export function lineAt(bytes: Uint8Array, start: number): Line {
  const feed = bytes.indexOf(lineFeed, start);
  if (feed < 0) return { start, end: bytes.length, next: bytes.length };
  return { start, end: feed > start && bytes[feed - 1] === carriageReturn ? feed - 1 : feed, next: feed + 1 };
}

/** The row that begins at `start` and has line breaks in its cells, or `undefined` when a quote does not close within reach. */
function quotedRow(bytes: Uint8Array, start: number, delimiter: number): Line | undefined {
  const reach = Math.min(bytes.length, start + quotedRowBytesMax);
  for (let at = start; ; at++) {
    if (bytes[at] === quote) {
      const close = quotedEnd(bytes, at, reach);
      if (close === undefined) return undefined;
      at = close;
    }
    while (at < reach && bytes[at] !== delimiter && bytes[at] !== lineFeed) at++;
    if (at < reach && bytes[at] !== lineFeed) continue;
    return { ...lineAt(bytes, bytes[at - 1] === carriageReturn ? at - 1 : at), start };
  }
}

/** A cell, given byte for byte or decoded, without its quotes. */
export function unquote(cell: string): string {
  return cell.length >= 2 && cell.startsWith('"') && cell.endsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
}

/** Text of a cell without its quotes: as UTF-8, or byte for byte where it is none. */
export function cellText(bytes: Uint8Array, { start, end }: Span): string {
  return unquote(decoded(bytes.subarray(start, end)));
}

/** Text of bytes as UTF-8, or byte for byte where it is none. */
export function decoded(bytes: Uint8Array): string {
  return utf8Text(bytes) ?? byteText(bytes);
}

/** The bytes as a text of as many characters. Exact, and its order is the order of the bytes. */
export function byteText(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** The bytes of such a text. */
export function textBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The first lines of a table, and what they say. */
export interface TableHeader {
  /** `toa5` and `toaci1` of Campbell loggers, or any other table of delimited text. */
  readonly format: 'toa5' | 'toaci1' | 'csv';
  readonly delimiter: number;
  /** Header lines, without line endings. */
  readonly lines: readonly Span[];
  /** Names of the columns. */
  readonly names: readonly string[];
  /** Where the rows begin. */
  readonly end: number;
}

/** A row and what stands before it. */
export interface Row extends Span {
  readonly key: string;
  /** Bytes between the line before and this row: blank lines, comments, lines without a key. */
  readonly lead: Span;
  /** The line ending, empty where it is the file's usual one. */
  readonly ending: string;
}

/** A table taken apart. */
export interface TableText {
  readonly bytes: Uint8Array;
  readonly header: TableHeader;
  /** The line ending of the file. */
  readonly ending: string;
  readonly rows: readonly Row[];
  /** Bytes behind the last row. */
  readonly trail: Span;
  /** An unfinished last row: fewer cells than the table has columns, and no line ending. Empty when there is none. */
  readonly torn: Span;
  /** True when the last line has no line ending. */
  readonly endsOpen: boolean;
}

/** Takes the rows of a table apart. `keyOf` gives the key of a line with these cells; `undefined`: the line is no row. */
export function readTable(bytes: Uint8Array, header: TableHeader, keyOf: (cells: readonly Span[]) => string | undefined): TableText {
  const first = lineAt(bytes, 0);
  const ending = bytes[first.end] === carriageReturn ? '\r\n' : '\n';
  const rows: Row[] = [];
  let torn: Span = { start: bytes.length, end: bytes.length };
  let leadStart = header.end;
  let mayBeOpen = true;
  let start = header.end;
  while (start < bytes.length) {
    let line = lineAt(bytes, start);
    if (mayBeOpen && isOpen(bytes, line, header.delimiter)) {
      const longer = quotedRow(bytes, start, header.delimiter);
      // Looking for the end of every later quote again could take the square of the file's length.
      if (longer === undefined) mayBeOpen = false;
      else line = longer;
    }
    const unfinished = line.next === bytes.length && line.end === bytes.length;
    if (!isBlankLine(bytes, line)) {
      const cells = splitCells(bytes, line, header.delimiter);
      const key = keyOf(cells);
      if (unfinished && cells.length < header.names.length) {
        torn = { start, end: line.end };
      } else if (key !== undefined) {
        const written = lineEndings[line.next - line.end] as string;
        rows.push({ key, start, end: line.end, lead: { start: leadStart, end: start }, ending: written === ending ? '' : written });
        leadStart = line.next;
      }
    }
    start = line.next;
  }
  return {
    bytes,
    header,
    ending,
    rows,
    trail: { start: leadStart, end: torn.start },
    torn,
    endsOpen: bytes.length > 0 && bytes[bytes.length - 1] !== lineFeed,
  };
}

/** True for lines of blanks, delimiters and quotes alone, and for comments. */
function isBlankLine(bytes: Uint8Array, { start, end }: Span): boolean {
  if (bytes[start] === hash) return true;
  for (let at = start; at < end; at++) if (!blankBytes.has(bytes[at] as number)) return false;
  return true;
}
