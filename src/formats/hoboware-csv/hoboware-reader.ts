import { invariant } from '../../core/assert.ts';
import { limits } from '../../core/limits.ts';
import { CsvRow, decodeText } from '../csv-row.ts';
import { LineSplitter, type Piece } from '../line-splitter.ts';
import type { ByteRange, Cell, FormatReader, LocalStamp, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import {
  type DateOrder,
  DateOrderEvidence,
  parseDateOrders,
  preferredDateOrders,
  readStamp,
  stampUs,
  type WrittenStamp,
} from './date-order.ts';
import { decimalPoint } from './decimal-point.ts';
import { type HobowareDefectCode, hobowareDefects } from './defects.ts';
import { type HobowareLayout, looksLikeTitle, parseHobowareHeader, titleText } from './hoboware-header.ts';

/**
 * Reads text exports of HOBOware.
 *
 * Two things cannot be told from the line they stand in, and wait for a later one. A title is a title only when headings follow. And rows whose dates leave open what is day and what is
 * month are held back, up to `heldBytesMax`, until a date settles it; then they are read in their turn. Both stay unconsumed in the meantime: a position taken then points before them,
 * and a file that ends without settling it is read in the order its dialect prefers.
 *
 * One row may be several things: a record, events, and a piece of the details that HOBOware writes to the right of the values. Its bytes are then shared out: each item's range begins
 * at its first cell, the first item's at the row's beginning, and the last one's ends with the line.
 */

/** Memory of the rows held back at most while the order of their dates is open: some 20,000 rows, which is half a year at four an hour. */
const heldBytesMax = 8 * limits.instrumentLineBytesMax;
/** What holding a piece costs beyond its bytes, so that a million blank lines count too. */
const heldPieceBytes = 64;

const space = 0x20;

/** A piece of the file that waits for a later line, with its own copy of the bytes. */
interface HeldPiece {
  readonly piece: Piece;
  readonly bytes: Uint8Array;
}

/** A table and how to read its rows. */
interface OpenTable {
  readonly table: TableDefinition;
  readonly layout: HobowareLayout;
  /** The header's text, from which the layout can be made again. */
  readonly header: string;
  readonly title: string;
}

/** Why a piece is no row, or nothing when it is one. */
type Refusal = HobowareDefectCode | undefined;

/** What is wrong with pieces that are no line. */
const pieceDefects = { 'nul-run': 'HOBOWARE_NUL_RUN', 'too-long': 'HOBOWARE_LINE_TOO_LONG' } as const;

function endOf(piece: Piece): number {
  return piece.offset + piece.to - piece.from;
}

/** Reader of one HOBOware text export. */
export class HobowareReader implements FormatReader {
  private readonly splitter: LineSplitter;
  private readonly row = new CsvRow();
  private open: OpenTable | undefined;
  private order: DateOrder | undefined;
  private evidence = new DateOrderEvidence();
  private firstStamp: WrittenStamp | undefined;
  private held: HeldPiece[] = [];
  private heldBytes = 0;
  /** A line that is a title if headings follow. */
  private title: HeldPiece | undefined;
  /** True behind a file defect. */
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
      const { header, title } = state;
      invariant(typeof header === 'string' && typeof title === 'string', 'a HOBOware position with a table holds its header');
      const parsed = parseHobowareHeader(header, title);
      invariant(parsed, 'the header in a HOBOware position can be read again');
      this.open = { table: resume.table, layout: parsed.layout, header, title };
      this.order = parseDateOrders(`${state.dateOrder}`)[0];
      if (this.order) this.evidence = new DateOrderEvidence(parseDateOrders(`${state.possibleDateOrders}`));
    }
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.splitter.push(bytes);
    return this.read(false);
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    const items = this.read(true);
    this.settle();
    if (this.title) this.dropTitle(this.splitter.offset);
    if (!this.open && !this.unreadable) this.defect('HOBOWARE_EMPTY', this.splitter.offset);
    return items;
  }

  position(): ReaderPosition {
    const waiting = this.held.length > 0 || this.title !== undefined;
    const state = {
      ...(this.open && { header: this.open.header, title: this.open.title }),
      ...(this.order && { dateOrder: this.order, possibleDateOrders: this.evidence.possible.join(' ') }),
      ...(this.unreadable && { unreadable: true }),
      ...(!waiting && this.splitter.continuesLongLine && { inLongLine: true }),
    };
    return {
      offset: this.offset,
      ...(this.open && { table: this.open.table }),
      ...(Object.keys(state).length > 0 && { state }),
    };
  }

  private read(atEnd: boolean): ParsedItem[] {
    this.items = [];
    for (;;) {
      const piece = this.splitter.next(atEnd);
      if (!piece) return this.items;
      this.accept(piece, this.splitter.bytes);
    }
  }

  private accept(piece: Piece, bytes: Uint8Array): void {
    if (this.title) {
      if (piece.kind === 'line' && this.isBlank(piece, bytes)) return;
      if (this.openHeader(piece, bytes, this.title)) return;
      this.dropTitle(piece.offset);
    }
    if (this.open && !this.order && this.hold(piece, bytes)) return;
    if (this.isBlank(piece, bytes)) this.items.push({ type: 'other', range: this.consume(endOf(piece)) });
    else if (this.open) this.acceptRow(this.open, piece, bytes);
    else this.acceptWithoutTable(piece, bytes);
  }

  private acceptWithoutTable(piece: Piece, bytes: Uint8Array): void {
    if (this.openHeader(piece, bytes)) return;
    const mayBeTitle = piece.kind === 'line' && (!this.unreadable || this.isTitle(piece, bytes));
    if (mayBeTitle) this.holdTitle(piece, bytes);
    else if (this.unreadable) this.defect('HOBOWARE_ROW_WITHOUT_TABLE', endOf(piece));
    else this.fail('HOBOWARE_NO_HEADER', endOf(piece));
  }

  private acceptRow(open: OpenTable, piece: Piece, bytes: Uint8Array): void {
    const refusal = this.readRow(open, piece, bytes);
    if (refusal === undefined || this.openHeader(piece, bytes)) return;
    if (piece.kind === 'line' && this.isTitle(piece, bytes)) this.holdTitle(piece, bytes);
    else if (refusal === 'HOBOWARE_DATE_ORDER') this.fail(refusal, endOf(piece));
    else this.defect(refusal, endOf(piece));
  }

  /** Turns a row into its items, or says why it is none. */
  private readRow(open: OpenTable, piece: Piece, bytes: Uint8Array): Refusal {
    if (piece.kind === 'nul-run' || piece.kind === 'too-long') return pieceDefects[piece.kind];
    const { row } = this;
    const { layout } = open;
    row.scan(bytes, piece.from, piece.textTo, layout.delimiter);
    if (row.hasControl) return 'HOBOWARE_BAD_BYTES';
    if (row.flaw === 'quoting') return 'HOBOWARE_BAD_QUOTING';
    if (this.isDetailsAlone(layout)) {
      this.items.push({ type: 'other', range: this.consume(endOf(piece)) });
      return undefined;
    }
    const written = this.writtenStamp(layout, bytes);
    if (!written) return 'HOBOWARE_BAD_STAMP';
    if (row.count < layout.columns) return 'HOBOWARE_COLUMN_COUNT';
    const details = this.detailsColumn(layout);
    if (details === undefined) return 'HOBOWARE_COLUMN_COUNT';
    const localUs = this.resolve(written);
    if (typeof localUs === 'string') return localUs;
    const stamp: LocalStamp = layout.offsetMinutes === undefined ? { localUs } : { localUs, offsetMinutes: layout.offsetMinutes };
    this.shareOut(layout, piece, stamp, details);
    return undefined;
  }

  /** Makes the items of a row and gives each its part of the bytes. */
  private shareOut(layout: HobowareLayout, piece: Piece, stamp: LocalStamp, details: number): void {
    const { row } = this;
    const cells: Cell[] = layout.fieldColumns.map((column) => this.value(layout, column));
    const events = layout.events.filter(({ column }) => !row.isEmpty(column));
    const parts: { from: number; make: (range: ByteRange) => ParsedItem }[] = [];
    if (events.length === 0 || cells.some((cell) => cell !== null)) {
      parts.push({ from: piece.from, make: (range) => ({ type: 'record', range, stamp, cells }) });
    }
    for (const { column, name } of events) {
      parts.push({ from: row.begin(column), make: (range) => ({ type: 'event', range, stamp, name, detail: row.text(column) }) });
    }
    if (details < row.count) parts.push({ from: row.begin(details), make: (range) => ({ type: 'other', range }) });
    parts.forEach(({ make }, index) => {
      const next = parts[index + 1]?.from ?? piece.to;
      this.items.push(make(this.consume(piece.offset + next - piece.from)));
    });
  }

  /** A cell's value: its own digits, with a decimal point. */
  private value(layout: HobowareLayout, column: number): Cell {
    const cell = this.row.cell(column);
    if (cell === null) return null;
    const text = this.row.hasNul ? cell.replaceAll('\0', '') : cell;
    return text === '' ? null : decimalPoint(text, layout.decimalComma);
  }

  /**
   * The column at which the details begin: the end of the row when there are none, `undefined` when what stands to the right of the values is no text but numbers.
   */
  private detailsColumn(layout: HobowareLayout): number | undefined {
    const { row } = this;
    for (let column = layout.columns; column < row.count; column++) {
      if (row.isEmpty(column)) continue;
      return /^[-+.,\d]/.test(row.text(column)) ? undefined : layout.columns;
    }
    return row.count;
  }

  /** True for a row that holds nothing but details, as there are where they are longer than the data. */
  private isDetailsAlone(layout: HobowareLayout): boolean {
    for (let column = 0; column < Math.min(layout.columns, this.row.count); column++) if (!this.row.isEmpty(column)) return false;
    return this.detailsColumn(layout) !== undefined;
  }

  private writtenStamp(layout: HobowareLayout, bytes: Uint8Array): WrittenStamp | undefined {
    const { row } = this;
    const borders = (column: number) => [row.contentFrom(column), row.contentTo(column)] as const;
    if (row.count <= Math.max(layout.dateColumn, layout.timeColumn)) return undefined;
    return readStamp(bytes, borders(layout.dateColumn), layout.timeColumn < 0 ? undefined : borders(layout.timeColumn));
  }

  /** The time of a stamp in the file's date order, or why it has none. */
  private resolve(written: WrittenStamp): number | HobowareDefectCode {
    invariant(this.order, 'rows are read when their date order is settled');
    const localUs = stampUs(written, this.order);
    const { evidence } = this;
    if (evidence.possible.length > 1) {
      evidence.add(written);
      if (!evidence.possible.includes(this.order)) return 'HOBOWARE_DATE_ORDER';
    }
    return localUs ?? 'HOBOWARE_BAD_STAMP';
  }

  /** Holds a piece back while the date order is open. Returns false when the piece is to be read now. */
  private hold(piece: Piece, bytes: Uint8Array): boolean {
    const { open } = this;
    invariant(open, 'rows are held back under a header');
    if (piece.kind === 'line' || piece.kind === 'rest') {
      this.row.scan(bytes, piece.from, piece.textTo, open.layout.delimiter);
      const written = this.writtenStamp(open.layout, bytes);
      if (written) {
        this.firstStamp ??= written;
        this.evidence.add(written);
      } else if (this.isTitle(piece, bytes) || parseHobowareHeader(this.text(piece, bytes), '')) {
        this.settle();
        return false;
      }
    }
    this.held.push(this.copy(piece, bytes));
    this.heldBytes += piece.to - piece.from + heldPieceBytes;
    if (this.evidence.decided || this.heldBytes >= heldBytesMax) this.settle();
    return true;
  }

  /** Fixes the date order and reads what was held back. */
  private settle(): void {
    if (!this.open || this.order) return;
    const { english, delimiter } = this.open.layout;
    this.order = this.evidence.best(preferredDateOrders(this.firstStamp, { english, semicolons: delimiter === 0x3b }));
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    for (const { piece, bytes } of held) this.accept(piece, bytes);
  }

  /** Opens the table that a line of headings defines. Returns false when the line is none. */
  private openHeader(piece: Piece, bytes: Uint8Array, titleLine?: HeldPiece): boolean {
    if (piece.kind !== 'line') return false;
    const header = this.text(piece, bytes);
    const title = titleLine ? titleText(this.text(titleLine.piece, titleLine.bytes)) : '';
    const parsed = parseHobowareHeader(header, title);
    if (!parsed) return false;
    const { table, layout } = parsed;
    const known = this.open !== undefined && sameTable(this.open.table, table);
    this.forgetTable();
    this.unreadable = false;
    const range = this.consume(endOf(piece));
    this.items.push(known ? { type: 'other', range } : { type: 'table', range, table });
    this.open = { table, layout, header, title };
    return true;
  }

  private forgetTable(): void {
    this.title = undefined;
    this.open = undefined;
    this.order = undefined;
    this.evidence = new DateOrderEvidence();
    this.firstStamp = undefined;
  }

  private holdTitle(piece: Piece, bytes: Uint8Array): void {
    this.title = this.copy(piece, bytes);
  }

  /** Gives up a title that no headings follow, up to `end`. */
  private dropTitle(end: number): void {
    this.title = undefined;
    if (this.open) this.defect('HOBOWARE_BAD_STAMP', end);
    else if (this.unreadable) this.defect('HOBOWARE_ROW_WITHOUT_TABLE', end);
    else this.fail('HOBOWARE_NO_HEADER', end);
  }

  private isTitle(piece: Piece, bytes: Uint8Array): boolean {
    return looksLikeTitle(this.text(piece, bytes));
  }

  private isBlank(piece: Piece, bytes: Uint8Array): boolean {
    if (piece.kind !== 'line' && piece.kind !== 'rest') return false;
    for (let at = piece.from; at < piece.textTo; at++) if (bytes[at] !== space) return false;
    return true;
  }

  private text(piece: Piece, bytes: Uint8Array): string {
    return decodeText(bytes.subarray(piece.from, piece.textTo));
  }

  private copy(piece: Piece, bytes: Uint8Array): HeldPiece {
    return {
      piece: { ...piece, from: 0, textTo: piece.textTo - piece.from, to: piece.to - piece.from },
      bytes: bytes.slice(piece.from, piece.to),
    };
  }

  /** Gives up the table: what follows has none until the next header. */
  private fail(code: HobowareDefectCode, end: number): void {
    this.forgetTable();
    this.unreadable = true;
    this.defect(code, end);
  }

  private defect(code: HobowareDefectCode, end: number): void {
    const { scope, message } = hobowareDefects[code];
    this.items.push({ type: 'defect', range: this.consume(end), scope, code, message });
  }

  private consume(end: number): ByteRange {
    const range = { offset: this.offset, length: end - this.offset };
    this.offset = end;
    return range;
  }
}
