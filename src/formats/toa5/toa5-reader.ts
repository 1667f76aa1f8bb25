import { invariant } from '../../core/assert.ts';
import { CsvRow } from '../csv-row.ts';
import { LineSplitter, type Piece } from '../line-splitter.ts';
import type { Cell, FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import { type Toa5DefectCode, toa5Defects } from './defects.ts';
import { parseToa5Header, type Toa5Layout } from './toa5-header.ts';
import { parseRecordNumber, parseToa5Stamp } from './toa5-stamp.ts';

/**
 * Reads TOA5, the text format of Campbell Scientific's loggers, LoggerNet and CardConvert.
 *
 * A reader is always in one of four states: before any header, inside the four lines of one, among the rows of its table, or behind a header that could not be read. In the last one
 * rows are quarantined one by one until a line begins a new header: LoggerNet writes the header again when it connects anew, so that a torn header costs the rows up to the next one
 * and not the file. A header in mid-file is a `table` item when it differs from the open table and an `other` item when it does not.
 *
 * A header is used, and its bytes are consumed, as a whole. A row counts only with its line end.
 */

const comma = 0x2c;
const quote = 0x22;
const byteOrderMark = [0xef, 0xbb, 0xbf];
const magic = [0x54, 0x4f, 0x41, 0x35];
const headerLines = 4;

/** True when a TOA5 header line begins at `from`: `"TOA5",`, with or without the quotation marks, behind a byte-order mark or not. */
export function beginsToa5(bytes: Uint8Array, from: number, to: number): boolean {
  let at = stands(byteOrderMark, bytes, from, to) ? from + byteOrderMark.length : from;
  const quoted = bytes[at] === quote;
  if (quoted) at++;
  if (!stands(magic, bytes, at, to)) return false;
  at += magic.length;
  if (quoted && bytes[at++] !== quote) return false;
  return at < to && bytes[at] === comma;
}

function stands(wanted: readonly number[], bytes: Uint8Array, from: number, to: number): boolean {
  if (from + wanted.length > to) return false;
  for (let index = 0; index < wanted.length; index++) if (bytes[from + index] !== wanted[index]) return false;
  return true;
}

/** What is wrong with pieces that are no whole line. */
const pieceDefects = { 'nul-run': 'TOA5_NUL_RUN', 'too-long': 'TOA5_LINE_TOO_LONG', rest: 'TOA5_TAIL_CUT' } as const;

/** A header of which not all lines have come. */
interface OpenHeader {
  readonly offset: number;
  readonly lines: string[][];
}

/** Reader of one TOA5 file. */
export class Toa5Reader implements FormatReader {
  private readonly splitter: LineSplitter;
  private readonly row = new CsvRow();
  private table: TableDefinition | undefined;
  private layout: Toa5Layout | undefined;
  private header: OpenHeader | undefined;
  /** True behind a header that could not be read. */
  private unreadable: boolean;
  /** Where the items made so far end. */
  private offset: number;
  private items: ParsedItem[] = [];

  constructor(resume: ReaderPosition = { offset: 0 }) {
    const state = resume.state ?? {};
    this.offset = resume.offset;
    this.splitter = new LineSplitter(resume.offset, state.inLongLine === true);
    this.unreadable = state.unreadable === true;
    if (resume.table) {
      const { timestampColumn, recordColumn } = state;
      invariant(typeof timestampColumn === 'number' && typeof recordColumn === 'number', 'a TOA5 position with a table names its columns');
      this.table = resume.table;
      this.layout = { columns: resume.table.fields.length + (recordColumn < 0 ? 1 : 2), timestampColumn, recordColumn };
    }
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.splitter.push(bytes);
    return this.read(false);
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    const items = this.read(true);
    if (this.header) this.cutHeader(this.splitter.offset);
    if (!this.layout && !this.unreadable) this.defect('TOA5_EMPTY', this.splitter.offset);
    return items;
  }

  position(): ReaderPosition {
    const state = {
      ...(this.layout && { timestampColumn: this.layout.timestampColumn, recordColumn: this.layout.recordColumn }),
      ...(this.unreadable && { unreadable: true }),
      ...(this.splitter.continuesLongLine && { inLongLine: true }),
    };
    return {
      offset: this.offset,
      ...(this.table && { table: this.table }),
      ...(Object.keys(state).length > 0 && { state }),
    };
  }

  private read(atEnd: boolean): ParsedItem[] {
    this.items = [];
    for (;;) {
      const piece = this.splitter.next(atEnd);
      if (!piece) return this.items;
      this.accept(piece);
    }
  }

  private accept(piece: Piece): void {
    const end = piece.offset + piece.to - piece.from;
    const { bytes } = this.splitter;
    const readable = piece.kind === 'line' || piece.kind === 'rest';
    if (readable && beginsToa5(bytes, piece.from, piece.textTo)) {
      if (this.header) this.cutHeader(piece.offset);
      this.header = { offset: piece.offset, lines: [] };
    }
    if (this.header) {
      if (this.acceptHeaderLine(this.header, piece)) return;
      // A data row where a header line should be: the header is cut and the row belongs to no table.
      this.cutHeader(piece.offset);
    }
    if (readable && this.isBlank(piece)) this.other(end);
    else if (this.layout && this.table) {
      const code = this.acceptRow(this.table, this.layout, piece, end);
      if (code) this.defect(code, end);
    } else if (this.unreadable) this.defect('TOA5_ROW_WITHOUT_TABLE', end);
    else this.fail('TOA5_NOT_TOA5', end);
  }

  /** Adds a line to the open header. Returns false when the line is a row of data. */
  private acceptHeaderLine(header: OpenHeader, piece: Piece): boolean {
    const end = piece.offset + piece.to - piece.from;
    if (piece.kind === 'rest') {
      this.fail('TOA5_HEADER_CUT', end);
      return true;
    }
    const { row } = this;
    row.scan(this.splitter.bytes, piece.from, piece.textTo, comma);
    if (header.lines.length > 0 && parseToa5Stamp(this.splitter.bytes, row.contentFrom(0), row.contentTo(0)) !== undefined) return false;
    if (row.flaw === 'too-many-cells') this.fail('TOA5_TOO_MANY_FIELDS', end);
    else if (piece.kind !== 'line' || row.hasControl || row.hasNul) this.fail('TOA5_HEADER_BAD_TEXT', end);
    else if (row.flaw) this.fail('TOA5_HEADER_CUT', end);
    else {
      header.lines.push(Array.from({ length: row.count }, (_, column) => row.text(column)));
      if (header.lines.length === headerLines) this.closeHeader(header, end);
    }
    return true;
  }

  private closeHeader(header: OpenHeader, end: number): void {
    const parsed = parseToa5Header(header.lines);
    if (!parsed.ok) {
      this.fail(parsed.fault.code as Toa5DefectCode, end);
      return;
    }
    const { table, layout } = parsed.value;
    const known = this.table !== undefined && sameTable(this.table, table);
    this.header = undefined;
    this.unreadable = false;
    this.layout = layout;
    if (known) this.other(end);
    else {
      this.table = table;
      this.items.push({ type: 'table', range: this.consume(end), table });
    }
  }

  /** Makes a record of a piece, or says why it is none. */
  private acceptRow(table: TableDefinition, layout: Toa5Layout, piece: Piece, end: number): Toa5DefectCode | undefined {
    if (piece.kind !== 'line') return pieceDefects[piece.kind];
    const { row } = this;
    const { bytes } = this.splitter;
    row.scan(bytes, piece.from, piece.textTo, comma);
    if (row.hasControl || row.hasNul) return 'TOA5_BAD_BYTES';
    if (row.flaw === 'quoting') return 'TOA5_BAD_QUOTING';
    if (row.count !== layout.columns) return 'TOA5_COLUMN_COUNT';
    const { timestampColumn, recordColumn } = layout;
    const localUs = parseToa5Stamp(bytes, row.contentFrom(timestampColumn), row.contentTo(timestampColumn));
    if (localUs === undefined) return 'TOA5_BAD_STAMP';
    const numbered = recordColumn >= 0;
    const recordNumber = numbered ? parseRecordNumber(bytes, row.contentFrom(recordColumn), row.contentTo(recordColumn)) : undefined;
    if (numbered && recordNumber === undefined) return 'TOA5_BAD_RECORD_NUMBER';
    const cells = new Array<Cell>(table.fields.length);
    for (let column = 0, field = 0; field < cells.length; column++) {
      if (column !== timestampColumn && column !== recordColumn) cells[field++] = row.cell(column);
    }
    const stamp = { localUs };
    const range = this.consume(end);
    this.items.push(
      recordNumber === undefined ? { type: 'record', range, stamp, cells } : { type: 'record', range, stamp, recordNumber, cells },
    );
    return undefined;
  }

  private isBlank(piece: Piece): boolean {
    for (let at = piece.from; at < piece.textTo; at++) if (this.splitter.bytes[at] !== 0x20) return false;
    return true;
  }

  /** Ends the open header where the next thing begins. */
  private cutHeader(end: number): void {
    this.fail('TOA5_HEADER_CUT', end);
  }

  /** Gives up the table: what follows has none until the next header. */
  private fail(code: Toa5DefectCode, end: number): void {
    this.header = undefined;
    this.table = undefined;
    this.layout = undefined;
    this.unreadable = true;
    this.defect(code, end);
  }

  private defect(code: Toa5DefectCode, end: number): void {
    const { scope, message } = toa5Defects[code];
    this.items.push({ type: 'defect', range: this.consume(end), scope, code, message });
  }

  private other(end: number): void {
    this.items.push({ type: 'other', range: this.consume(end) });
  }

  private consume(end: number): { offset: number; length: number } {
    const range = { offset: this.offset, length: end - this.offset };
    this.offset = end;
    return range;
  }
}
