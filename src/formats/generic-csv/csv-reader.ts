import { CsvRow } from '../csv-row.ts';
import { DateOrderReader } from '../date-order-reader.ts';
import type { OpenTable, RowReading } from '../headed-text-reader.ts';
import type { WrittenStamp } from '../hoboware-csv/date-order.ts';
import { decimalPoint } from '../hoboware-csv/decimal-point.ts';
import type { Cell, ReaderPosition } from '../record-stream.ts';
import { CsvHeader, type CsvLayout, type CsvSchema, readWritten, stampText } from './csv-header.ts';
import { type CsvDefectCode, csvDefects } from './defects.ts';
import { parseIsoStamp } from './iso-stamp.ts';

/** Reads a CSV file of unknown origin, once `CsvHeader` has found out where its time stands. */

const comma = 0x2c;

const codes = {
  empty: 'CSV_EMPTY',
  noHeader: 'CSV_NO_HEADER',
  headerCut: 'CSV_NO_STAMP',
  headerMalformed: 'CSV_HEADER_MALFORMED',
  rowWithoutTable: 'CSV_ROW_WITHOUT_TABLE',
  nulRun: 'CSV_NUL_RUN',
  lineTooLong: 'CSV_LINE_TOO_LONG',
} as const;

/** Reader of one CSV file. */
export class CsvReader extends DateOrderReader<CsvDefectCode, CsvLayout> {
  protected readonly codes = codes;
  protected readonly defects = csvDefects;
  protected readonly dateOrderCodes = {
    ambiguous: 'CSV_DATE_ORDER_UNKNOWN',
    mistaken: 'CSV_DATE_ORDER',
    badStamp: 'CSV_BAD_STAMP',
  } as const;
  private readonly schema: CsvSchema;
  private readonly row = new CsvRow();

  constructor(schema: CsvSchema, resume?: ReaderPosition) {
    super(resume);
    this.schema = schema;
  }

  /** Headings can be anything, so they are looked for at the beginning of the file only. */
  protected beginsHeader(): boolean {
    return !this.open && !this.unreadable;
  }

  protected newHeader(): CsvHeader {
    return new CsvHeader(this.schema);
  }

  protected writtenStamp({ layout }: OpenTable<CsvLayout>, bytes: Uint8Array, from: number, to: number): WrittenStamp | undefined {
    const { row } = this;
    row.scan(bytes, from, to, layout.delimiter);
    return row.count > Math.max(layout.stampColumn, layout.timeColumn) ? readWritten(stampText(row, layout)) : undefined;
  }

  protected readRow(open: OpenTable<CsvLayout>, bytes: Uint8Array, from: number, to: number): RowReading<CsvDefectCode> {
    const { row } = this;
    const { layout } = open;
    row.scan(bytes, from, to, layout.delimiter);
    if (row.hasControl || row.hasNul || row.flaw === 'quoting') return 'CSV_BAD_TEXT';
    for (let column = layout.columns; column < row.count; column++) if (!row.isEmpty(column)) return 'CSV_COLUMN_COUNT';
    if (row.count < layout.columns) return 'CSV_COLUMN_COUNT';
    const iso = layout.dateOrder === 'none' ? parseIsoStamp(stampText(row, layout)) : undefined;
    const written = layout.dateOrder === 'none' ? undefined : readWritten(stampText(row, layout));
    const localUs = iso?.localUs ?? (written ? this.resolve(open, written) : 'CSV_BAD_STAMP');
    if (typeof localUs === 'string') return localUs;
    const offsetMinutes = iso?.offsetMinutes ?? layout.offsetMinutes;
    return { stamp: offsetMinutes === undefined ? { localUs } : { localUs, offsetMinutes }, cells: this.cells(layout) };
  }

  private cells({ columns, stampColumn, timeColumn, delimiter }: CsvLayout): Cell[] {
    const cells: Cell[] = [];
    for (let column = 0; column < columns; column++) {
      if (column === stampColumn || column === timeColumn) continue;
      const cell = this.row.cell(column);
      cells.push(cell === null ? null : decimalPoint(cell, delimiter !== comma));
    }
    return cells;
  }
}
