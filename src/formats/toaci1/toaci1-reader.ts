import { invariant } from '../../core/assert.ts';
import { CsvRow } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { LineSplitter, type Piece } from '../line-splitter.ts';
import type { Cell, FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import { parseRecordNumber, parseToa5Stamp } from '../toa5/toa5-stamp.ts';
import { type Toaci1DefectCode, toaci1Defects } from './defects.ts';
import { parseToaci1Header, type Toaci1Layout, toaci1HeaderLines } from './toaci1-header.ts';

/**
 * Reads TOACI1, the older and shorter text format of LoggerNet and PC400.
 *
 * A header is used, and its bytes are consumed, as a whole; it may stand again, or another one, anywhere in the file. Behind a header that could not be read rows are quarantined one by one
 * until a line begins a new header. A row counts only with its line end.
 */

const comma = 0x2c;
const space = 0x20;
/** `"TOACI1",` */
const magic = [0x22, 0x54, 0x4f, 0x41, 0x43, 0x49, 0x31, 0x22, 0x2c];

/** True when a TOACI1 header line begins at `from`. */
export function beginsToaci1(bytes: Uint8Array, from: number): boolean {
  return magic.every((byte, index) => bytes[from + index] === byte);
}

/** What is wrong with pieces that are no whole line. */
const pieceDefects = { 'nul-run': 'TOACI1_NUL_RUN', 'too-long': 'TOACI1_LINE_TOO_LONG', rest: 'TOACI1_TAIL_CUT' } as const;

/** Reader of one TOACI1 file. */
export class Toaci1Reader implements FormatReader {
  private readonly splitter: LineSplitter;
  private readonly trail: ItemTrail;
  private readonly row = new CsvRow();
  private table: TableDefinition | undefined;
  private layout: Toaci1Layout | undefined;
  /** Lines of a header that is not whole yet. */
  private header: string[][] | undefined;
  /** True behind a header that could not be read. */
  private unreadable: boolean;

  constructor(resume: ReaderPosition = { offset: 0 }) {
    const state = resume.state ?? {};
    this.trail = new ItemTrail(resume.offset);
    this.splitter = new LineSplitter(resume.offset, state.inLongLine === true);
    this.unreadable = state.unreadable === true;
    if (resume.table) {
      const { timestampColumn, recordColumn } = state;
      invariant(
        typeof timestampColumn === 'number' && typeof recordColumn === 'number',
        'a TOACI1 position with a table names its columns',
      );
      this.table = resume.table;
      this.layout = { columns: resume.table.fields.length + (recordColumn < 0 ? 1 : 2), timestampColumn, recordColumn };
    }
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.splitter.push(bytes);
    this.read(false);
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    this.read(true);
    if (this.header) this.fail('TOACI1_HEADER_CUT', this.splitter.offset);
    if (!this.layout && !this.unreadable) this.defect('TOACI1_EMPTY', this.splitter.offset);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const state = {
      ...(this.layout && { timestampColumn: this.layout.timestampColumn, recordColumn: this.layout.recordColumn }),
      ...(this.unreadable && { unreadable: true }),
      ...(this.splitter.continuesLongLine && { inLongLine: true }),
    };
    return { offset: this.trail.offset, ...(this.table && { table: this.table }), ...(Object.keys(state).length > 0 && { state }) };
  }

  private read(atEnd: boolean): void {
    for (;;) {
      const piece = this.splitter.next(atEnd);
      if (!piece) return;
      this.accept(piece, piece.offset + piece.to - piece.from);
    }
  }

  private accept(piece: Piece, end: number): void {
    const { bytes } = this.splitter;
    if ((piece.kind === 'line' || piece.kind === 'rest') && beginsToaci1(bytes, piece.from)) {
      if (this.header) this.fail('TOACI1_HEADER_CUT', piece.offset);
      this.header = [];
    }
    this.row.scan(bytes, piece.from, piece.textTo, comma);
    if (this.header) {
      const isData = parseToa5Stamp(bytes, this.row.contentFrom(0), this.row.contentTo(0)) !== undefined;
      if (!isData) {
        this.acceptHeaderLine(this.header, piece, end);
        return;
      }
      this.fail('TOACI1_HEADER_CUT', piece.offset);
    }
    if (piece.kind !== 'nul-run' && piece.kind !== 'too-long' && this.isBlank(piece)) this.trail.other(end);
    else if (this.layout && this.table) {
      const code = this.acceptRow(this.table, this.layout, piece, end);
      if (code) this.defect(code, end);
    } else if (this.unreadable) this.defect('TOACI1_ROW_WITHOUT_TABLE', end);
    else this.fail('TOACI1_NOT_TOACI1', end);
  }

  private acceptHeaderLine(lines: string[][], piece: Piece, end: number): void {
    const { row } = this;
    if (piece.kind === 'rest') this.fail('TOACI1_HEADER_CUT', end);
    else if (piece.kind !== 'line' || row.hasControl || row.hasNul || row.flaw === 'too-many-cells')
      this.fail('TOACI1_HEADER_BAD_TEXT', end);
    else if (row.flaw) this.fail('TOACI1_HEADER_CUT', end);
    else {
      lines.push(Array.from({ length: row.count }, (_, column) => row.text(column)));
      if (lines.length === toaci1HeaderLines) this.closeHeader(lines, end);
    }
  }

  private closeHeader(lines: readonly (readonly string[])[], end: number): void {
    const parsed = parseToaci1Header(lines);
    if (!parsed.ok) {
      this.fail(parsed.fault.code as Toaci1DefectCode, end);
      return;
    }
    const { table, layout } = parsed.value;
    if (this.table && sameTable(this.table, table)) this.trail.other(end);
    else this.trail.table(end, table);
    this.header = undefined;
    this.unreadable = false;
    this.table = table;
    this.layout = layout;
  }

  /** Makes a record of the scanned piece, or says why it is none. */
  private acceptRow(table: TableDefinition, layout: Toaci1Layout, piece: Piece, end: number): Toaci1DefectCode | undefined {
    if (piece.kind !== 'line') return pieceDefects[piece.kind];
    const { row } = this;
    const { bytes } = this.splitter;
    if (row.hasControl || row.hasNul) return 'TOACI1_BAD_BYTES';
    if (row.flaw === 'quoting') return 'TOACI1_BAD_QUOTING';
    if (row.count !== layout.columns) return 'TOACI1_COLUMN_COUNT';
    const { timestampColumn, recordColumn } = layout;
    const localUs = parseToa5Stamp(bytes, row.contentFrom(timestampColumn), row.contentTo(timestampColumn));
    if (localUs === undefined) return 'TOACI1_BAD_STAMP';
    const numbered = recordColumn >= 0;
    const recordNumber = numbered ? parseRecordNumber(bytes, row.contentFrom(recordColumn), row.contentTo(recordColumn)) : undefined;
    if (numbered && recordNumber === undefined) return 'TOACI1_BAD_RECORD_NUMBER';
    const cells: Cell[] = [];
    for (let column = 0; cells.length < table.fields.length; column++) {
      if (column !== timestampColumn && column !== recordColumn) cells.push(row.cell(column));
    }
    this.trail.record(end, { stamp: { localUs }, ...(recordNumber !== undefined && { recordNumber }), cells });
    return undefined;
  }

  private isBlank(piece: Piece): boolean {
    for (let at = piece.from; at < piece.textTo; at++) if (this.splitter.bytes[at] !== space) return false;
    return true;
  }

  /** Gives up the table: what follows has none until the next header. */
  private fail(code: Toaci1DefectCode, end: number): void {
    this.header = undefined;
    this.table = undefined;
    this.layout = undefined;
    this.unreadable = true;
    this.defect(code, end);
  }

  private defect(code: Toaci1DefectCode, end: number): void {
    this.trail.defect(end, code, toaci1Defects[code]);
  }
}
