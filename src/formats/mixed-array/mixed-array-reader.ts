import { invariant } from '../../core/assert.ts';
import { CsvRow } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { LineSplitter, type Piece } from '../line-splitter.ts';
import type { Cell, FieldDefinition, FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { type MixedArrayDefectCode, mixedArrayDefects } from './defects.ts';
import { arrayLocalUs, isYear, type MixedArrayLayout, readArrayTime, YearCount } from './mixed-array-time.ts';

/**
 * Reads mixed-array files, the output of the loggers before tables (CR10X, CR23X, 21X).
 *
 * There is no header. A row is an array: its number in the logger's program, the time, the values. All rows of one number and length make a table, and as arrays come interleaved, a `table`
 * item of no bytes stands before every row of another table than the one before. A table's fields have no names but their column in the array, counted from 1.
 *
 * A row counts only with its line end.
 */

const comma = 0x2c;
const space = 0x20;

/** What is wrong with pieces that are no whole line. */
const pieceDefects = { 'nul-run': 'MIXED_ARRAY_NUL_RUN', 'too-long': 'MIXED_ARRAY_LINE_TOO_LONG', rest: 'MIXED_ARRAY_TAIL_CUT' } as const;

/** Reader of one mixed-array file. */
export class MixedArrayReader implements FormatReader {
  private readonly layout: MixedArrayLayout;
  private readonly splitter: LineSplitter;
  private readonly trail: ItemTrail;
  private readonly row = new CsvRow();
  private readonly years: YearCount;
  private table: TableDefinition | undefined;
  /** True when a row was found that is not blank. */
  private hasRows: boolean;
  /** True when it has been reported that rows lack their year. */
  private lacksYear: boolean;

  constructor(layout: MixedArrayLayout, resume: ReaderPosition = { offset: 0 }) {
    invariant(layout.timeColumns.includes('day'), 'the layout of mixed arrays names the day of the year');
    invariant(layout.timeColumns.includes('year') || layout.year !== undefined, 'the layout of mixed arrays names the year');
    const state = resume.state ?? {};
    this.layout = layout;
    this.splitter = new LineSplitter(resume.offset, state.inLongLine === true);
    this.trail = new ItemTrail(resume.offset);
    this.table = resume.table;
    this.hasRows = state.hasRows === true;
    this.lacksYear = state.lacksYear === true;
    this.years = new YearCount(Number(state.year ?? layout.year ?? 0), Number(state.day ?? 0));
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.splitter.push(bytes);
    this.read(false);
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    this.read(true);
    if (!this.hasRows) this.defect('MIXED_ARRAY_EMPTY', this.splitter.offset);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const state = {
      ...(this.years.day > 0 && { year: this.years.year, day: this.years.day }),
      ...(this.hasRows && { hasRows: true }),
      ...(this.lacksYear && { lacksYear: true }),
      ...(this.splitter.continuesLongLine && { inLongLine: true }),
    };
    return { offset: this.trail.offset, ...(this.table && { table: this.table }), ...(Object.keys(state).length > 0 && { state }) };
  }

  private read(atEnd: boolean): void {
    for (;;) {
      const piece = this.splitter.next(atEnd);
      if (!piece) return;
      const end = piece.offset + piece.to - piece.from;
      if ((piece.kind === 'line' || piece.kind === 'rest') && this.isBlank(piece)) this.trail.other(end);
      else {
        this.hasRows = true;
        const code = this.acceptRow(piece, end);
        if (code) this.defect(code, end);
      }
    }
  }

  /** Makes a record of a piece, or says why it is none. */
  private acceptRow(piece: Piece, end: number): MixedArrayDefectCode | undefined {
    if (piece.kind !== 'line') return pieceDefects[piece.kind];
    const { row } = this;
    const { timeColumns } = this.layout;
    row.scan(this.splitter.bytes, piece.from, piece.textTo, comma);
    if (row.hasControl || row.hasNul || row.flaw || !/^\d{1,4}$/.test(row.text(0))) return 'MIXED_ARRAY_BAD_ROW';
    const head = Array.from({ length: Math.min(timeColumns.length, row.count - 1) }, (_, column) => row.text(column + 1));
    const year = head[timeColumns.indexOf('year')];
    if (year !== undefined && !isYear(year)) return this.lacksYear ? 'MIXED_ARRAY_ROW_WITHOUT_YEAR' : 'MIXED_ARRAY_NO_YEAR';
    if (head.length < timeColumns.length) return 'MIXED_ARRAY_TOO_SHORT';
    const time = readArrayTime(timeColumns, head);
    const inYear = time && (time.year ?? this.years.yearOf(time.day));
    const localUs = time && inYear !== undefined ? arrayLocalUs(time, inYear) : undefined;
    if (!time || inYear === undefined || localUs === undefined) return 'MIXED_ARRAY_BAD_STAMP';
    if (time.year === undefined) {
      this.years.year = inYear;
      this.years.day = time.day;
    }

    const cells: Cell[] = [];
    for (let column = 1; column < row.count; column++) if (this.isValue(column)) cells.push(row.cell(column));
    this.openTable(row.text(0), cells.length);
    this.trail.record(end, { stamp: { localUs }, cells });
    return undefined;
  }

  /** Whether a column, 0 being the array's number, is a value and no part of the time. */
  private isValue(column: number): boolean {
    return column > 0 && (this.layout.timeColumns[column - 1] ?? 'value') === 'value';
  }

  private openTable(table: string, fieldCount: number): void {
    if (this.table?.table === table && this.table.fields.length === fieldCount) return;
    const fields: FieldDefinition[] = [];
    for (let column = 1; fields.length < fieldCount; column++) {
      if (this.isValue(column)) fields.push({ name: `column ${column + 1}`, unit: '', processing: '', kind: 'number' });
    }
    this.table = { format: 'mixed-array', station: '', table, model: '', serial: '', attributes: {}, fields };
    this.trail.table(this.trail.offset, this.table);
  }

  private isBlank(piece: Piece): boolean {
    for (let at = piece.from; at < piece.textTo; at++) if (this.splitter.bytes[at] !== space) return false;
    return true;
  }

  private defect(code: MixedArrayDefectCode, end: number): void {
    if (code === 'MIXED_ARRAY_NO_YEAR') this.lacksYear = true;
    this.trail.defect(end, code, mixedArrayDefects[code]);
  }
}
