import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { Cell } from '../../formats/record-stream.ts';
import { responseCodes } from './application-messages.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { addIntervals, type PakbusTime, readTime, timeBytes } from './pakbus-time.ts';
import { columnsOf, type PakbusColumn, type PakbusTable } from './table-definitions.ts';

/**
 * What a logger answers to a collect command: blocks of records, and whether there are more.
 *
 * A block names its table, its first record, and then either how many records follow or, with the top bit set, from which byte on a piece of one record follows that was too long for a
 * packet. In a table with an interval, the time stands once before the records and the others follow from the interval; in a table without, it stands before each record. The bytes of
 * a record in pieces are its time and its values, in either kind of table.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.3.4.2.
 */

/** How the bytes of a record are to be read. */
export interface RecordLayout {
  readonly table: PakbusTable;
  /** Numbers of the fields collected, from 1; none stands for all of them. */
  readonly fieldNumbers: readonly number[];
  readonly columns: readonly PakbusColumn[];
}

/** One record as the logger holds it. */
export interface PakbusRecord {
  readonly number: number;
  readonly time: PakbusTime;
  /** One cell a column, in their order. */
  readonly cells: readonly Cell[];
}

/** Records whose numbers follow each other without a gap. Never empty. */
export type RecordRun = readonly PakbusRecord[];

/** A piece of a record that is longer than a packet. */
export interface RecordPiece {
  readonly record: number;
  readonly byteOffset: number;
  readonly bytes: Uint8Array;
}

/** A collect answer, decoded. */
export interface CollectAnswer {
  /** In ascending order of record numbers, none of which occurs twice. */
  readonly runs: readonly RecordRun[];
  readonly piece?: RecordPiece;
  /** Whether the logger has more records that were asked for. */
  readonly hasMore: boolean;
}

const pieceBit = 0x8000;

/**
 * The layout of a table's records, or of some of its fields. `PAKBUS_TYPE_UNKNOWN` when a field or the records' time has a type nobody knows the length of; `PAKBUS_TABLES_MALFORMED` when
 * the table is too wide.
 */
export function recordLayout(table: PakbusTable, fieldNumbers: readonly number[] = []): Outcome<RecordLayout> {
  if (timeBytes(table.timeTypeCode) === undefined) {
    return failure('PAKBUS_TYPE_UNKNOWN', 'incompatible', `table ${table.name} has times of type ${table.timeTypeCode}`);
  }
  const fields = fieldNumbers.length === 0 ? table.fields : table.fields.filter((_, i) => fieldNumbers.includes(i + 1));
  const columns = columnsOf(fields);
  return columns.ok ? success({ table, fieldNumbers, columns: columns.value }) : columns;
}

/** True for a table that stores records at fixed times. */
export function hasInterval(table: PakbusTable): boolean {
  return table.interval.seconds !== 0 || table.interval.nanoseconds !== 0;
}

function readCells(reader: ByteReader, layout: RecordLayout): Cell[] {
  return layout.columns.map((column) => column.type.read(reader, column.textBytes) || null);
}

function readBlock(reader: ByteReader, layout: RecordLayout, firstRecord: number, count: number): PakbusRecord[] {
  const table = layout.table;
  const isPeriodic = hasInterval(table);
  const start = isPeriodic ? readTime(reader, table.timeTypeCode) : undefined;
  const records: PakbusRecord[] = [];
  for (let i = 0; i < count && !reader.overrun; i++) {
    const time = start === undefined ? readTime(reader, table.timeTypeCode) : addIntervals(start, table.interval, i);
    records.push({ number: firstRecord + i, time, cells: readCells(reader, layout) });
  }
  return records;
}

/** Adds a block to the runs: to the last run where it continues it. False when it repeats or precedes what is there. */
function appendBlock(runs: PakbusRecord[][], block: PakbusRecord[]): boolean {
  const last = runs.at(-1);
  const expected = (last?.at(-1)?.number ?? -1) + 1;
  const first = block[0]?.number ?? expected;
  if (first < expected) return false;
  if (last !== undefined && first === expected) last.push(...block);
  else runs.push(block);
  return true;
}

/** The records in a collect answer (its whole body) whose response code is zero. `PAKBUS_MALFORMED` when it does not fit the layout. Cells are not trimmed of anything. */
export function decodeCollectAnswer(body: Uint8Array, layout: RecordLayout): Outcome<CollectAnswer> {
  const malformed = (what: string) => failure('PAKBUS_MALFORMED', 'instrument', `a collect answer for table ${layout.table.name} ${what}`);
  const reader = new ByteReader(body);
  reader.uint8();
  const hasMore = body.at(-1) !== 0;
  const runs: PakbusRecord[][] = [];
  // The last byte says whether there is more, so a block begins only where more than one byte is left.
  while (reader.remaining > 1) {
    const tableNumber = reader.uint16();
    const firstRecord = reader.uint32();
    const count = reader.uint16();
    if (reader.overrun) return malformed('ends early');
    if (tableNumber !== layout.table.number) return malformed(`speaks of table ${tableNumber}`);
    if ((count & pieceBit) !== 0) {
      const byteOffset = (count & ~pieceBit) * 0x1_0000 + reader.uint16();
      const bytes = reader.bytes(Math.max(0, reader.remaining - 1));
      return reader.overrun ? malformed('ends early') : success({ runs, piece: { record: firstRecord, byteOffset, bytes }, hasMore });
    }
    // A block without records says that there are none; whether a time follows it nobody needs to know.
    if (count === 0) return success({ runs, hasMore });
    const block = readBlock(reader, layout, firstRecord, count);
    if (reader.overrun) return malformed('ends early');
    if (!appendBlock(runs, block)) return malformed('repeats records');
  }
  return success({ runs, hasMore: hasMore && body.length > 1 });
}

/** The record whose whole image (time and values) these bytes are; `undefined` while some are missing. Bytes too many make it malformed. */
export function decodeWholeRecord(bytes: Uint8Array, layout: RecordLayout, number: number): Outcome<PakbusRecord | undefined> {
  const reader = new ByteReader(bytes);
  const record = { number, time: readTime(reader, layout.table.timeTypeCode), cells: readCells(reader, layout) };
  if (reader.overrun) return success(undefined);
  if (reader.remaining > 0) return failure('PAKBUS_MALFORMED', 'instrument', `record ${number} of table ${layout.table.name} is too long`);
  return success(record);
}

/** A block of an answer, as a logger builds it. */
export type AnswerBlock =
  | { readonly type: 'records'; readonly firstRecord: number; readonly count: number; readonly bytes: Uint8Array }
  | ({ readonly type: 'piece' } & RecordPiece);

/** Body of a collect answer. */
export function encodeCollectAnswer(tableNumber: number, blocks: readonly AnswerBlock[], hasMore: boolean): Uint8Array {
  const writer = new ByteWriter().uint8(responseCodes.ok);
  for (const block of blocks) {
    writer.uint16(tableNumber);
    if (block.type === 'records') writer.uint32(block.firstRecord).uint16(block.count);
    else writer.uint32(block.record).uint32(pieceBit * 0x1_0000 + block.byteOffset);
    writer.bytes(block.bytes);
  }
  return writer.uint8(hasMore ? 1 : 0).finish();
}
