import { type CsiField, csiTable, parseCsiTime } from '../csixml/csi-table.ts';
import type { RecordContent } from '../item-trail.ts';
import type { Cell, TableDefinition } from '../record-stream.ts';
import type { CsijsonDefectCode } from './defects.ts';
import type { JsonValue } from './json-value.ts';

/** Text of a member, in its own digits; empty when there is none or it is of another kind. */
function textOf(value: JsonValue | undefined, name: string): string {
  const member = value?.type === 'object' ? value.members.get(name) : undefined;
  return member?.type === 'string' || member?.type === 'number' ? member.text : '';
}

/** The table that the value of `head` defines, or `undefined` when it defines none. */
export function readCsijsonHead(head: JsonValue): TableDefinition | undefined {
  if (head.type !== 'object') return undefined;
  const fields = head.members.get('fields');
  if (fields?.type !== 'array') return undefined;
  const environment = head.members.get('environment');
  return csiTable(
    'csijson',
    {
      station: textOf(environment, 'station_name'),
      table: textOf(environment, 'table_name'),
      model: textOf(environment, 'model'),
      serial: textOf(environment, 'serial_no'),
      operatingSystem: textOf(environment, 'os_version'),
      program: textOf(environment, 'prog_name'),
      signature: textOf(head, 'signature'),
    },
    fields.items.map(
      (field): CsiField => ({
        name: textOf(field, 'name'),
        type: textOf(field, 'type'),
        units: textOf(field, 'units'),
        process: textOf(field, 'process'),
      }),
    ),
  );
}

/** A record's number, `undefined` when it has none, NaN when what it has is not a number of up to fifteen digits. */
function recordNumberOf(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  return value.type === 'number' && /^\d{1,15}$/.test(value.text) ? Number(value.text) : Number.NaN;
}

/** One value; `undefined` for an object or a list. An empty text is no value, as everywhere. */
function cellOf(value: JsonValue): Cell | undefined {
  if (value.type === 'null') return null;
  if (value.type === 'object' || value.type === 'array') return undefined;
  return value.text === '' ? null : value.text;
}

/** The record that an element of `data` is, or why it is none. */
export function readCsijsonRecord(element: JsonValue, table: TableDefinition): RecordContent | CsijsonDefectCode {
  if (element.type !== 'object') return 'CSIJSON_BAD_RECORD';
  const vals = element.members.get('vals');
  const time = element.members.get('time');
  const recordNumber = recordNumberOf(element.members.get('no'));
  if (vals?.type !== 'array' || time?.type !== 'string' || Number.isNaN(recordNumber)) return 'CSIJSON_BAD_RECORD';
  const cells: Cell[] = [];
  for (const value of vals.items) {
    const cell = cellOf(value);
    if (cell === undefined) return 'CSIJSON_BAD_RECORD';
    cells.push(cell);
  }
  if (cells.length !== table.fields.length) return 'CSIJSON_COLUMN_COUNT';
  const localUs = parseCsiTime(time.text);
  if (localUs === undefined) return 'CSIJSON_BAD_STAMP';
  return { stamp: { localUs }, ...(recordNumber !== undefined && { recordNumber }), cells };
}
