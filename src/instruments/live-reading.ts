import { GodwitError } from '../core/errors.ts';
import type { Cell } from '../formats/record-stream.ts';
import type { CollectCursor, CollectedBatch, InstrumentTable } from './driver.ts';

/**
 * Instruments without memory and clock: a table has exactly one record, the one that is measured when somebody asks.
 *
 * The record is stamped with this node's wall clock in UTC, so no zone is needed, and numbered by how many readings this node has taken of the table. Nothing can be missing, as nothing waits.
 */

/** The table by its name, when the cursor still fits it. Throws `TABLE_UNKNOWN`, or `TABLE_CHANGED` (retryable: read `tables` again). */
export function liveTable<Table extends InstrumentTable>(tables: readonly Table[], name: string, cursor: CollectCursor | undefined): Table {
  const table = tables.find((each) => each.name === name);
  if (table === undefined) throw new GodwitError('TABLE_UNKNOWN', `there is no table ${name} in the configuration`);
  if (cursor !== undefined && cursor.revision !== table.revision) {
    throw new GodwitError('TABLE_CHANGED', `table ${name} was ${cursor.revision} and is ${table.revision}`, { retryable: true });
  }
  return table;
}

/** One reading at `wallMs` (milliseconds since 1970 UTC) as a batch of one record; `raw` is what came over the wire. */
export function liveBatch(
  table: InstrumentTable,
  cursor: CollectCursor | undefined,
  wallMs: number,
  cells: readonly Cell[],
  raw: Uint8Array,
): CollectedBatch {
  const recordNumber = cursor?.nextRecord ?? 0;
  const { name, revision, fields, intervalUs } = table;
  return {
    table: { name, revision, fields, intervalUs },
    records: [{ recordNumber, stamp: { localUs: Math.round(wallMs * 1000), offsetMinutes: 0 }, cells }],
    raw,
    cursor: { revision, nextRecord: recordNumber + 1 },
  };
}

/** The error of a session that is asked for a clock its instrument does not have. */
export function withoutClock(): GodwitError {
  return new GodwitError('INSTRUMENT_WITHOUT_CLOCK', 'the instrument has no clock; its readings are stamped by this node');
}
