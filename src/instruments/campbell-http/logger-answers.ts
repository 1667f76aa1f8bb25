import { failure, type Outcome, success } from '../../core/outcome.ts';
import { readCsijsonHead, readCsijsonRecord } from '../../formats/csijson/csijson-record.ts';
import { type JsonValue, parseJson } from '../../formats/csijson/json-value.ts';
import { parseCsiTime } from '../../formats/csixml/csi-table.ts';
import { decodeText } from '../../formats/csv-row.ts';
import type { FieldDefinition, LocalStamp, TableDefinition } from '../../formats/record-stream.ts';
import { toa5Format } from '../../formats/toa5/toa5-format.ts';
import type { NumberedRecord } from '../driver.ts';

/**
 * What a Campbell logger's web server answers: lists of symbols, its clock, and records in CSIJSON or TOA5. Everything is decoded whole, since every answer is bounded by the client.
 *
 * Source: Campbell Scientific, CR1000 Datalogger Operator's Manual, "API Commands" (BrowseSymbols, DataQuery, ClockCheck).
 */

/** Symbols of this type are tables. */
const tableSymbol = '6';
const symbolsMax = 4096;

/** Records of one table, and what the answer says of the table. */
export interface DataAnswer {
  readonly table: TableDefinition;
  readonly records: readonly NumberedRecord[];
}

function malformed(message: string) {
  return failure('HTTP_LOGGER_MALFORMED', 'instrument', message);
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value?.type === 'object' ? value.members.get(name) : undefined;
}

function textOf(value: JsonValue | undefined): string {
  return value?.type === 'string' || value?.type === 'number' ? value.text : '';
}

/** Names of the logger's tables, in its order. */
export function decodeTableNames(body: Uint8Array): Outcome<readonly string[]> {
  const symbols = member(parseJson(decodeText(body)), 'symbols');
  if (symbols?.type !== 'array' || symbols.items.length > symbolsMax) return malformed('the list of symbols cannot be read');
  const names = symbols.items
    .filter((symbol) => textOf(member(symbol, 'type')) === tableSymbol)
    .map((symbol) => textOf(member(symbol, 'name')));
  return names.includes('') ? malformed('a table has no name') : success(names);
}

/** The logger's clock. */
export function decodeClock(body: Uint8Array): Outcome<LocalStamp> {
  const answer = parseJson(decodeText(body));
  const localUs = parseCsiTime(textOf(member(answer, 'time')));
  if (textOf(member(answer, 'outcome')) !== '1' || localUs === undefined) return malformed('the clock cannot be read');
  return success({ localUs });
}

/** Records in CSIJSON. A record without a number cannot be collected from a cursor, and is refused with the answer. */
export function decodeJsonData(body: Uint8Array): Outcome<DataAnswer> {
  const answer = parseJson(decodeText(body));
  const head = member(answer, 'head');
  const table = head && readCsijsonHead(head);
  if (table === undefined) return malformed('the answer has no readable head');
  const data = member(answer, 'data');
  if (data === undefined || data.type === 'null') return success({ table, records: [] });
  if (data.type !== 'array') return malformed('the answer has no list of records');
  const records: NumberedRecord[] = [];
  for (const item of data.items) {
    const record = readCsijsonRecord(item, table);
    if (typeof record === 'string' || record.recordNumber === undefined) return malformed('a record of the answer cannot be read');
    records.push({ recordNumber: record.recordNumber, stamp: record.stamp, cells: record.cells });
  }
  return success({ table, records });
}

/** Records in TOA5. */
export function decodeToa5Data(body: Uint8Array): Outcome<DataAnswer> {
  const reader = toa5Format.reader();
  let table: TableDefinition | undefined;
  const records: NumberedRecord[] = [];
  for (const item of [...reader.push(body), ...reader.end({ complete: true })]) {
    if (item.type === 'table') table = item.table;
    else if (item.type === 'record' && item.recordNumber !== undefined) {
      records.push({ recordNumber: item.recordNumber, stamp: item.stamp, cells: item.cells });
    } else if (item.type !== 'other') return malformed('a row of the answer cannot be read');
  }
  return table === undefined ? malformed('the answer has no readable head') : success({ table, records });
}

/** True when two answers name the same columns: TOA5 and CSIJSON describe a table in different words. */
export function sameColumns(a: readonly FieldDefinition[], b: readonly FieldDefinition[]): boolean {
  return a.length === b.length && a.every(({ name, unit }, index) => name === b[index]?.name && unit === b[index]?.unit);
}
