import { CsvRow } from '../csv-row.ts';
import { type DatedLayout, DateOrderReader } from '../date-order-reader.ts';
import { beginsWith, type HeaderLines, type HeaderStep, type OpenTable, type RowReading } from '../headed-text-reader.ts';
import { readStamp, type WrittenStamp } from '../hoboware-csv/date-order.ts';
import { type HoboconnectDefectCode, hoboconnectDefects } from './defects.ts';
import { type HoboconnectColumns, parseHoboconnectHeader } from './hoboconnect-header.ts';

/** Reads CSV exports of HOBOconnect: one line of headings, then rows whose dates are written as the phone's owner likes them. */

const comma = 0x2c;

type HoboconnectLayout = HoboconnectColumns & DatedLayout;

const codes = {
  empty: 'HOBOCONNECT_EMPTY',
  noHeader: 'HOBOCONNECT_NO_HEADER',
  headerCut: 'HOBOCONNECT_HEADER_CUT',
  headerMalformed: 'HOBOCONNECT_HEADER_MALFORMED',
  rowWithoutTable: 'HOBOCONNECT_ROW_WITHOUT_TABLE',
  nulRun: 'HOBOCONNECT_NUL_RUN',
  lineTooLong: 'HOBOCONNECT_LINE_TOO_LONG',
} as const;

const headerBeginnings = ['#,Date-Time (', '"#","Date-Time (', 'Date-Time (', '"Date-Time (', '#,"Date-Time (', '"#",Date-Time ('];

const header: HeaderLines<HoboconnectDefectCode, HoboconnectLayout> = {
  add(line): HeaderStep<HoboconnectDefectCode, HoboconnectLayout> {
    const parsed = parseHoboconnectHeader(line);
    if (!parsed) return { refused: 'HOBOCONNECT_HEADER_MALFORMED' };
    const { table, columns } = parsed;
    return { open: { table, layout: { ...columns, dateOrder: 'open', dateOrderProved: false } }, withLine: true };
  },
};

/** Reader of one CSV export of HOBOconnect. */
export class HoboconnectReader extends DateOrderReader<HoboconnectDefectCode, HoboconnectLayout> {
  protected readonly codes = codes;
  protected readonly defects = hoboconnectDefects;
  protected readonly dateOrderCodes = {
    ambiguous: 'HOBOCONNECT_DATE_ORDER_UNKNOWN',
    mistaken: 'HOBOCONNECT_DATE_ORDER',
    badStamp: 'HOBOCONNECT_BAD_STAMP',
  } as const;
  private readonly row = new CsvRow();

  protected beginsHeader(bytes: Uint8Array, from: number, to: number): boolean {
    return headerBeginnings.some((text) => beginsWith(bytes, from, to, text));
  }

  protected newHeader(): typeof header {
    return header;
  }

  protected writtenStamp({ layout }: OpenTable<HoboconnectLayout>, bytes: Uint8Array, from: number, to: number): WrittenStamp | undefined {
    const { row } = this;
    row.scan(bytes, from, to, comma);
    if (row.count <= layout.stampColumn) return undefined;
    return readStamp(bytes, [row.contentFrom(layout.stampColumn), row.contentTo(layout.stampColumn)]);
  }

  protected readRow(open: OpenTable<HoboconnectLayout>, bytes: Uint8Array, from: number, to: number): RowReading<HoboconnectDefectCode> {
    const { row } = this;
    const { columns, stampColumn, offsetMinutes } = open.layout;
    const written = this.writtenStamp(open, bytes, from, to);
    if (row.hasControl || row.hasNul || row.flaw === 'quoting') return 'HOBOCONNECT_BAD_TEXT';
    if (row.count !== columns) return 'HOBOCONNECT_COLUMN_COUNT';
    if (!written) return 'HOBOCONNECT_BAD_STAMP';
    const localUs = this.resolve(open, written);
    if (typeof localUs === 'string') return localUs;
    const cells = Array.from({ length: columns - stampColumn - 1 }, (_, index) => row.cell(stampColumn + 1 + index));
    return { stamp: offsetMinutes === undefined ? { localUs } : { localUs, offsetMinutes }, cells };
  }
}
