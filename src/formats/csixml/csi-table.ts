import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import type { FieldDefinition, TableDefinition } from '../record-stream.ts';
import { parseToa5Stamp } from '../toa5/toa5-stamp.ts';

/**
 * What CSIXML and CSIJSON say alike: a table's fields with XML Schema types, and times in the form of ISO 8601 without a zone.
 */

/** A field as the file describes it; what is missing is empty. */
export interface CsiField {
  readonly name: string;
  /** Type of XML Schema, for example `xsd:float`. */
  readonly type: string;
  readonly units: string;
  readonly process: string;
}

/** What the file says about the logger; what is missing is empty. */
export interface CsiEnvironment {
  readonly station: string;
  readonly table: string;
  readonly model: string;
  readonly serial: string;
  readonly operatingSystem: string;
  readonly program: string;
  readonly signature: string;
}

const kindByType: ReadonlyMap<string, FieldDefinition['kind']> = new Map([
  ['xsd:string', 'text'],
  ['xsd:dateTime', 'time'],
  ['xsd:boolean', 'boolean'],
]);

/** The table of a head, or `undefined` when a field has no name, two have the same, or there are more than a table may have. Types we do not know are numbers. */
export function csiTable(
  format: string,
  { station, table, model, serial, operatingSystem, program, signature }: CsiEnvironment,
  fields: readonly CsiField[],
): TableDefinition | undefined {
  const names = fields.map(({ name }) => name);
  if (names.includes('') || new Set(names).size < names.length || names.length > limits.fieldsPerTableMax) return undefined;
  return {
    format,
    station,
    table,
    model,
    serial,
    attributes: { operatingSystem, program, signature },
    fields: fields.map(({ name, type, units, process }) => ({
      name,
      unit: units,
      processing: process,
      kind: kindByType.get(type) ?? 'number',
    })),
  };
}

/** Microseconds of a time such as `2020-03-08T19:45:00` or `2020-03-08 19:45:00.05`, or `undefined` when the text is none. */
export function parseCsiTime(text: string): number | undefined {
  const bytes = utf8(text[10] === 'T' ? `${text.slice(0, 10)} ${text.slice(11)}` : text);
  return parseToa5Stamp(bytes, 0, bytes.length);
}
