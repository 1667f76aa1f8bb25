import { limits } from '../core/limits.ts';
import { decodeText } from './csv-row.ts';
import { type DefectKind, ItemTrail } from './item-trail.ts';
import { LineSplitter, type Piece } from './line-splitter.ts';
import type { Cell, FormatReader, LocalStamp, ParsedItem, ReaderPosition, TableDefinition } from './record-stream.ts';
import { sameTable } from './table-definition.ts';

/**
 * The reader behind the simple text formats: a header of some lines, then rows, one record a line.
 *
 * What such formats share is here: cutting lines, blank lines, a header that is consumed as a whole, a header repeated in mid-file, quarantine of single rows, a table given up when its
 * header is broken, and reading on where an earlier reader stopped. What differs is in the subclass: how a header begins, what its lines mean, and what a row says.
 *
 * The layout is what the subclass has learnt from the header and needs for the rows. It is plain JSON data, because it travels in the reader's position.
 */

/** Bytes of one header at most: the longest known, a profiler's with all its calibrations, has some 40 KB. */
const headerBytesMax = 4 * limits.instrumentLineBytesMax;

const space = 0x20;
const tab = 0x09;

/** The format's own code for what can go wrong with any file of lines. */
export interface HeadedTextCodes<Code extends string> {
  /** Nothing but blank lines. */
  readonly empty: Code;
  /** The first line that is not blank begins no header. */
  readonly noHeader: Code;
  /** The header ends too early, is longer than a header can be, or another one begins in it. */
  readonly headerCut: Code;
  /** A line of the header is no text. */
  readonly headerMalformed: Code;
  readonly rowWithoutTable: Code;
  readonly nulRun: Code;
  readonly lineTooLong: Code;
  /** The last row has no line end. Absent where such a row counts when it is otherwise whole, as in files that programs write at once. */
  readonly tailCut?: Code;
}

/** A table and how to read its rows. */
export interface OpenTable<Layout> {
  readonly table: TableDefinition;
  readonly layout: Layout;
}

/** What a line did to the header it was added to: more lines are needed; the table is known, with this line or already before it; or the header cannot be used. */
export type HeaderStep<Code extends string, Layout> =
  | 'more'
  | { readonly open: OpenTable<Layout>; readonly withLine: boolean }
  | { readonly refused: Code };

/** Collects the lines of one header. */
export interface HeaderLines<Code extends string, Layout> {
  /** @param line the next line, without its end */
  add(line: string): HeaderStep<Code, Layout>;
}

/** What a row says, or the code of why it says nothing. */
export type RowReading<Code extends string> = { readonly stamp: LocalStamp; readonly cells: readonly Cell[] } | Code;

/** Index behind the last byte of a piece, in the file. */
export function endOf(piece: Piece): number {
  return piece.offset + piece.to - piece.from;
}

/** True when the bytes in [from, to) begin with ASCII text, behind a byte-order mark or not. */
export function beginsWith(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  const at = bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf ? from + 3 : from;
  if (at + text.length > to) return false;
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}

/** Text without the byte-order mark in front of it. */
export function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** True when a control character other than tab stands in [from, to). */
export function hasControls(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte < space && byte !== tab) return true;
  }
  return false;
}

/** Reader of one file of lines. Subclasses say what the lines mean. */
export abstract class HeadedTextReader<Code extends string, Layout> implements FormatReader {
  protected abstract readonly codes: HeadedTextCodes<Code>;
  protected abstract readonly defects: Readonly<Record<Code, DefectKind>>;
  protected open: OpenTable<Layout> | undefined;
  /** True behind a file defect, up to the next header. */
  protected unreadable: boolean;
  private readonly splitter: LineSplitter;
  private header: { readonly offset: number; readonly lines: HeaderLines<Code, Layout> } | undefined;
  private readonly trail: ItemTrail;

  constructor(resume: ReaderPosition = { offset: 0 }) {
    const state = resume.state ?? {};
    this.trail = new ItemTrail(resume.offset);
    this.splitter = new LineSplitter(resume.offset, state.inLongLine === true);
    this.unreadable = state.unreadable === true;
    if (resume.table) {
      const layout: Layout = JSON.parse(String(state.layout));
      this.open = { table: resume.table, layout };
    }
  }

  /** True when a header begins with the line in [from, to). Asked of every line outside of headers, so it must be quick. */
  protected abstract beginsHeader(bytes: Uint8Array, from: number, to: number): boolean;

  /** A collector for the header that begins. */
  protected abstract newHeader(): HeaderLines<Code, Layout>;

  /** Reads the row in [from, to); `open` is the table it belongs to. */
  protected abstract readRow(open: OpenTable<Layout>, bytes: Uint8Array, from: number, to: number): RowReading<Code>;

  push(bytes: Uint8Array): ParsedItem[] {
    this.splitter.push(bytes);
    this.read(false);
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    this.read(true);
    this.finishRows();
    if (this.header) this.fail(this.codes.headerCut, this.splitter.offset);
    if (!this.open && !this.unreadable) this.defect(this.codes.empty, this.splitter.offset);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const state = {
      ...(this.open && { layout: JSON.stringify(this.open.layout) }),
      ...(this.unreadable && { unreadable: true }),
      ...(this.trail.offset === this.splitter.offset && this.splitter.continuesLongLine && { inLongLine: true }),
    };
    return {
      offset: this.trail.offset,
      ...(this.open && { table: this.open.table }),
      ...(Object.keys(state).length > 0 && { state }),
    };
  }

  /** Called where the rows of a table end: before a header and at the end of the file. */
  protected finishRows(): void {}

  /** Takes a piece that belongs to no header. Subclasses may hold it back and hand it on later. */
  protected acceptBody(piece: Piece, bytes: Uint8Array): void {
    const { codes, open } = this;
    const end = endOf(piece);
    if (isBlank(piece, bytes)) {
      this.trail.other(end);
      return;
    }
    if (!open) {
      if (this.unreadable) this.defect(codes.rowWithoutTable, end);
      else this.fail(codes.noHeader, end);
      return;
    }
    const cut = piece.kind === 'rest' ? codes.tailCut : undefined;
    if (piece.kind === 'nul-run') this.defect(codes.nulRun, end);
    else if (piece.kind === 'too-long') this.defect(codes.lineTooLong, end);
    else if (cut !== undefined) this.defect(cut, end);
    else {
      const reading = this.readRow(open, bytes, piece.from, piece.textTo);
      if (typeof reading !== 'string') this.trail.record(end, reading);
      else if (this.defects[reading].scope === 'file') this.fail(reading, end);
      else this.defect(reading, end);
    }
  }

  /** Gives up the table: what follows has none until the next header. */
  protected fail(code: Code, end: number): void {
    this.header = undefined;
    this.open = undefined;
    this.unreadable = true;
    this.defect(code, end);
  }

  private read(atEnd: boolean): void {
    for (let piece = this.splitter.next(atEnd); piece; piece = this.splitter.next(atEnd)) this.accept(piece, this.splitter.bytes);
  }

  private accept(piece: Piece, bytes: Uint8Array): void {
    const readable = piece.kind === 'line' || piece.kind === 'rest';
    if (readable && !this.header && !isBlank(piece, bytes) && this.beginsHeader(bytes, piece.from, piece.textTo)) {
      this.finishRows();
      this.header = { offset: piece.offset, lines: this.newHeader() };
    }
    if (this.header && this.acceptHeaderLine(this.header, piece, bytes)) return;
    this.acceptBody(piece, bytes);
  }

  /** Adds a line to the header. Returns false when the line is a row and the header was whole before it. */
  private acceptHeaderLine(header: NonNullable<typeof this.header>, piece: Piece, bytes: Uint8Array): boolean {
    const { codes } = this;
    const end = endOf(piece);
    if ((piece.kind !== 'line' && piece.kind !== 'rest') || hasControls(bytes, piece.from, piece.textTo)) {
      this.fail(codes.headerMalformed, end);
      return true;
    }
    const step = header.lines.add(decodeText(bytes.subarray(piece.from, piece.textTo)));
    if (step === 'more') {
      if (end - header.offset > headerBytesMax) this.fail(codes.headerCut, end);
      return true;
    }
    if ('refused' in step) {
      this.fail(step.refused, end);
      return true;
    }
    // A header line without its end may lack the last letters of a name.
    if (step.withLine && piece.kind === 'rest') {
      this.fail(codes.headerCut, end);
      return true;
    }
    const known = this.open !== undefined && sameTable(this.open.table, step.open.table);
    const headerEnd = step.withLine ? end : piece.offset;
    if (known) this.trail.other(headerEnd);
    else this.trail.table(headerEnd, step.open.table);
    this.header = undefined;
    this.unreadable = false;
    this.open = step.open;
    return step.withLine;
  }

  private defect(code: Code, end: number): void {
    this.trail.defect(end, code, this.defects[code]);
  }
}

function isBlank(piece: Piece, bytes: Uint8Array): boolean {
  if (piece.kind !== 'line' && piece.kind !== 'rest') return false;
  for (let at = piece.from; at < piece.textTo; at++) if (bytes[at] !== space) return false;
  return true;
}
