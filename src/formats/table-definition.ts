import type { TableDefinition } from './record-stream.ts';

/**
 * Whether two definitions are the same table revision: every name, unit, processing code, serial number and attribute alike. The order of attributes does not matter, as a definition
 * may have been to the catalog and back.
 */
export function sameTable(a: TableDefinition, b: TableDefinition): boolean {
  if (a.format !== b.format || a.station !== b.station || a.table !== b.table || a.model !== b.model || a.serial !== b.serial) return false;
  const names = Object.keys(a.attributes);
  if (names.length !== Object.keys(b.attributes).length) return false;
  if (names.some((name) => a.attributes[name] !== b.attributes[name])) return false;
  if (a.fields.length !== b.fields.length) return false;
  return a.fields.every((field, index) => {
    const other = b.fields[index];
    return (
      other !== undefined &&
      field.name === other.name &&
      field.unit === other.unit &&
      field.processing === other.processing &&
      field.sensorSerial === other.sensorSerial &&
      field.kind === other.kind
    );
  });
}
