import { dayUs } from '../civil-time.ts';
import { type HoboconnectColumns, parseHoboconnectHeader } from '../hoboconnect/hoboconnect-header.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { Cell, FormatReader, LocalStamp, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { passRest } from '../rest-blocks.ts';
import { type HoboconnectXlsxDefectCode, hoboconnectXlsxDefects } from './defects.ts';
import { type SheetRow, Workbook } from './workbook.ts';

/**
 * Reads XLSX exports of HOBOconnect. A ZIP archive can be read only when all of it is there, so nothing comes out before it is; then the sheet `Data` becomes the table and its records, and the
 * sheet `Events` the logger's events.
 *
 * A row's place in the file is where its share of the packed sheet stands: bytes of a compressed stream belong to no single row. Events stand behind the rows and have no bytes of their own.
 */

/** Bytes of a file at most: it is held in memory as a whole. */
const fileBytesMax = 32 * 1024 * 1024;
/** Days from 1899-12-30 and from 1904-01-01, from which spreadsheets count, to 1970-01-01. */
const epochDays1900 = 25_569;
const epochDays1904 = 24_107;
/** Days a date may have: those to the end of the year 2199. */
const daysMax = 109_574;
const logged = 'Logged';

/** The time a date cell states, to the millisecond: its day count has no more digits than that. */
function stampOf(text: string | null | undefined, epochDays: number, offsetMinutes: number | undefined): LocalStamp | undefined {
  const days = Number(text ?? 'none');
  if (!(days >= 1 && days < daysMax)) return undefined;
  const localUs = Math.round((days - epochDays) * (dayUs / 1000)) * 1000;
  return offsetMinutes === undefined ? { localUs } : { localUs, offsetMinutes };
}

function headingLine(cells: readonly (string | null)[]): string {
  return cells.map((cell) => `"${(cell ?? '').replaceAll('"', '""')}"`).join(',');
}

/** Labels and values of the sheet `Details`, which is a tree drawn with columns: the first value of a label counts. */
function details(rows: Iterable<SheetRow>): ReadonlyMap<string, string> {
  const valueByLabel = new Map<string, string>();
  for (const { cells } of rows) {
    const [label, value] = cells?.filter((cell) => cell !== null) ?? [];
    if (label !== undefined && value !== undefined && !valueByLabel.has(label)) valueByLabel.set(label, value);
  }
  return valueByLabel;
}

/** The table with what the sheet `Details` says of the logger, which the headings do not: its model, serial number and the name of its deployment. */
function described(table: TableDefinition, valueByLabel: ReadonlyMap<string, string>): TableDefinition {
  const station = valueByLabel.get('Name') ?? table.station;
  return {
    ...table,
    format: 'hoboconnect-xlsx',
    station,
    table: station,
    model: valueByLabel.get('Product') ?? '',
    serial: valueByLabel.get('Serial Number') ?? table.serial,
  };
}

/** The logger's events: in each row the columns that hold a mark or a text. Rows without a date are of no use and say nothing of measurements. */
function eventsOf(rows: Iterable<SheetRow>, offset: number, epochDays: number, offsetMinutes: number | undefined): ParsedItem[] {
  const items: ParsedItem[] = [];
  let headings: readonly (string | null)[] | undefined;
  for (const { cells } of rows) {
    if (headings === undefined) {
      headings = cells ?? [];
      continue;
    }
    const stampColumn = headings[0] === '#' ? 1 : 0;
    const stamp = stampOf(cells?.[stampColumn], epochDays, offsetMinutes);
    if (stamp === undefined) continue;
    for (const [column, cell] of (cells ?? []).entries()) {
      const name = headings[column];
      if (column <= stampColumn || cell === null || !name) continue;
      items.push({ type: 'event', range: { offset, length: 0 }, stamp, name, detail: cell === logged ? '' : cell });
    }
  }
  return items;
}

/** Reader of one XLSX export of HOBOconnect. */
export class HoboconnectXlsxReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private table: TableDefinition | undefined;
  /** `read` when the workbook has been, `rest` behind a file that is given up. */
  private state: 'open' | 'read' | 'rest' = 'open';

  constructor(resume: ReaderPosition = { offset: 0 }) {
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
    this.table = resume.table;
    if (resume.offset > 0) this.state = resume.state?.inRest === true ? 'rest' : 'read';
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    if (this.state === 'open' && this.buffer.bytes.length > fileBytesMax) this.giveUp('HOBOCONNECT_XLSX_TOO_LARGE', fileBytesMax);
    if (this.state === 'rest') passRest(this.buffer, this.trail, false);
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    const { bytes } = this.buffer;
    if (this.state === 'rest') passRest(this.buffer, this.trail, complete);
    else if (this.state === 'read') {
      if (bytes.length > 0) this.giveUp('HOBOCONNECT_XLSX_CHANGED', bytes.length);
    } else {
      const workbook = Workbook.open(bytes);
      if (workbook === 'none') this.giveUp('HOBOCONNECT_XLSX_NO_WORKBOOK', bytes.length);
      else if (workbook !== 'torn') return this.read(workbook);
      else if (complete) this.giveUp('HOBOCONNECT_XLSX_TORN', bytes.length);
    }
    return this.trail.take();
  }

  position(): ReaderPosition {
    return {
      offset: this.trail.offset,
      ...(this.table && { table: this.table }),
      ...(this.state === 'rest' && { state: { inRest: true } }),
    };
  }

  /** Everything that a whole workbook says. */
  private read(workbook: Workbook): ParsedItem[] {
    const fileBytes = this.buffer.offset + this.buffer.bytes.length;
    const sheet = workbook.sheets().includes('Data') ? 'Data' : (workbook.sheets()[0] ?? '');
    const place = workbook.place(sheet);
    const rows = workbook.rows(sheet);
    if (place === undefined || rows === undefined) return this.refuse('HOBOCONNECT_XLSX_NO_WORKBOOK');
    const epochDays = workbook.countsFrom1904 ? epochDays1904 : epochDays1900;
    let columns: HoboconnectColumns | undefined;
    for (const { cells, share } of rows) {
      const end = place.offset + Math.floor(share * place.packedBytes);
      if (columns !== undefined) this.record(cells, end, columns, epochDays);
      else {
        const header = cells && parseHoboconnectHeader(headingLine(cells));
        if (!header) return this.refuse('HOBOCONNECT_XLSX_NO_HEADER');
        columns = header.columns;
        this.table = described(header.table, details(workbook.rows('Details') ?? []));
        this.trail.table(end, this.table);
      }
    }
    if (columns === undefined) return this.refuse('HOBOCONNECT_XLSX_NO_HEADER');
    const items = this.trail.take();
    const events = eventsOf(workbook.rows('Events') ?? [], this.trail.offset, epochDays, columns.offsetMinutes);
    this.trail.other(fileBytes);
    this.buffer.drop(this.buffer.bytes.length);
    this.state = 'read';
    return [...items, ...events, ...this.trail.take()];
  }

  private record(
    cells: SheetRow['cells'],
    end: number,
    { columns, stampColumn, offsetMinutes }: HoboconnectColumns,
    epochDays: number,
  ): void {
    const stamp = stampOf(cells?.[stampColumn], epochDays, offsetMinutes);
    if (cells === undefined || cells.length > columns) this.defect('HOBOCONNECT_XLSX_BAD_ROW', end);
    else if (stamp === undefined) this.defect('HOBOCONNECT_XLSX_BAD_STAMP', end);
    else {
      const values: Cell[] = Array.from({ length: columns - stampColumn - 1 }, (_, index) => cells[stampColumn + 1 + index] ?? null);
      this.trail.record(end, { stamp, cells: values });
    }
  }

  private refuse(code: HoboconnectXlsxDefectCode): ParsedItem[] {
    this.giveUp(code, this.buffer.bytes.length);
    return this.trail.take();
  }

  /** @param length bytes of the buffer that the defect covers; what follows them is passed over */
  private giveUp(code: HoboconnectXlsxDefectCode, length: number): void {
    this.defect(code, this.buffer.offset + length);
    this.buffer.drop(length);
    this.state = 'rest';
  }

  private defect(code: HoboconnectXlsxDefectCode, end: number): void {
    this.trail.defect(end, code, hoboconnectXlsxDefects[code]);
  }
}
