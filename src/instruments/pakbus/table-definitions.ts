import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { FieldDefinition } from '../../formats/record-stream.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { dataTypeOf, type PakbusDataType } from './data-types.ts';
import type { PakbusTime } from './pakbus-time.ts';
import { signatureOf } from './signature.ts';

/**
 * The table definitions file (`.TDF`): what tables a logger's program keeps and how their records are laid out.
 *
 * A version byte, then table after table: name, size, type and origin of its times, interval, and fields up to a zero byte. A field is a type with a read-only bit, a name, aliases up
 * to an empty one, processing, unit, description, the index it begins at, its dimension, and sub-dimensions up to a zero.
 *
 * A table's *signature* identifies its definition. It runs from the first byte of the name to the zero byte that ends the fields, both included. (The document also says, in 4.9.1, that
 * it begins at the field name; the files and signatures of real loggers agree with 2.3.4.1, which is what stands here.)
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.3.4.1.
 */

/** A field of a table: one value, or an array of them. */
export interface PakbusField {
  readonly isReadOnly: boolean;
  /** Code of the data type, 1 to 127. */
  readonly typeCode: number;
  readonly name: string;
  readonly aliases: readonly string[];
  /** How the value was made: `Avg`, `Max`, `Smp`…; empty when the program does not say. */
  readonly processing: string;
  readonly unit: string;
  readonly description: string;
  /** Index of the first element, from 1. */
  readonly beginIndex: number;
  /** Elements in a record. For text of fixed length: bytes. */
  readonly dimension: number;
  /** Sizes of the array's dimensions, outermost first; the last is the length of a text of fixed length. */
  readonly subDimensions: readonly number[];
}

/** A table, as the logger describes it. */
export interface PakbusTable {
  /** Position in the file, from 1: the number that commands use. */
  readonly number: number;
  readonly name: string;
  /** Records that the ring memory holds. */
  readonly capacityRecords: number;
  /** Code of the type of a record's time. */
  readonly timeTypeCode: number;
  /** Offset of records into the interval. */
  readonly timeIntoInterval: PakbusTime;
  /** Zero for a table that stores records when something happens. */
  readonly interval: PakbusTime;
  readonly signature: number;
  readonly fields: readonly PakbusField[];
}

/** One value of a record. */
export interface PakbusColumn {
  readonly definition: FieldDefinition;
  readonly type: PakbusDataType;
  /** Bytes of a text of fixed length; 0 otherwise. */
  readonly textBytes: number;
}

/** Bytes of a definitions file that are accepted: room for hundreds of tables with long names. */
export const definitionsBytesMax = 1024 * 1024;

const fileVersion = 1;
const readOnlyBit = 0x80;
const tablesMax = 1024;
const subDimensionsMax = 16;
const aliasesMax = 16;

function readNSec(reader: ByteReader): PakbusTime {
  return { seconds: reader.int32(), nanoseconds: reader.int32() };
}

/** Values up to a terminator, at most `max` of them; more is treated as a message that never ends. */
function readUntil<T>(read: () => T, terminator: T, max: number): T[] | undefined {
  const values: T[] = [];
  for (;;) {
    const value = read();
    if (value === terminator) return values;
    if (values.length === max) return undefined;
    values.push(value);
  }
}

function readField(reader: ByteReader, typeByte: number): PakbusField | undefined {
  const name = reader.zeroTerminatedText();
  const aliases = readUntil(() => reader.zeroTerminatedText(), '', aliasesMax);
  const processing = reader.zeroTerminatedText();
  const unit = reader.zeroTerminatedText();
  const description = reader.zeroTerminatedText();
  const beginIndex = reader.uint32();
  const dimension = reader.uint32();
  const subDimensions = readUntil(() => reader.uint32(), 0, subDimensionsMax);
  if (reader.overrun || aliases === undefined || subDimensions === undefined) return undefined;
  return {
    isReadOnly: (typeByte & readOnlyBit) !== 0,
    typeCode: typeByte & ~readOnlyBit,
    name,
    aliases,
    processing,
    unit,
    description,
    beginIndex,
    dimension,
    subDimensions,
  };
}

function readTable(bytes: Uint8Array, start: number, number: number): { table: PakbusTable; end: number } | undefined {
  const reader = new ByteReader(bytes.subarray(start));
  const name = reader.zeroTerminatedText();
  const capacityRecords = reader.uint32();
  const timeTypeCode = reader.uint8();
  const timeIntoInterval = readNSec(reader);
  const interval = readNSec(reader);
  const fields: PakbusField[] = [];
  let typeByte = reader.uint8();
  while (typeByte !== 0) {
    const field = readField(reader, typeByte);
    if (field === undefined || fields.length === limits.fieldsPerTableMax) return undefined;
    fields.push(field);
    typeByte = reader.uint8();
  }
  if (reader.overrun) return undefined;
  const end = start + reader.offset;
  const signature = signatureOf(bytes.subarray(start, end));
  return { table: { number, name, capacityRecords, timeTypeCode, timeIntoInterval, interval, signature, fields }, end };
}

/**
 * The tables in a definitions file. `PAKBUS_TABLES_NEWER` for another version of the file, `PAKBUS_TABLES_MALFORMED` when it ends early or breaks a limit. Types are not judged here: a
 * table with an unknown one is still listed, and `columnsOf` refuses it alone.
 */
export function decodeTableDefinitions(bytes: Uint8Array): Outcome<readonly PakbusTable[]> {
  if (bytes.length === 0) return failure('PAKBUS_TABLES_MALFORMED', 'instrument', 'the table definitions file is empty');
  if (bytes[0] !== fileVersion) {
    return failure('PAKBUS_TABLES_NEWER', 'incompatible', `the table definitions file has version ${bytes[0]}, not ${fileVersion}`);
  }
  const tables: PakbusTable[] = [];
  let offset = 1;
  while (offset < bytes.length) {
    const read = tables.length < tablesMax ? readTable(bytes, offset, tables.length + 1) : undefined;
    if (read === undefined) {
      return failure('PAKBUS_TABLES_MALFORMED', 'instrument', `table ${tables.length + 1} of the definitions file cannot be read`);
    }
    tables.push(read.table);
    offset = read.end;
  }
  return success(tables);
}

/** A definitions file of these tables; their numbers and signatures follow from it. */
export function encodeTableDefinitions(tables: readonly Omit<PakbusTable, 'number' | 'signature'>[]): Uint8Array {
  const writer = new ByteWriter().uint8(fileVersion);
  for (const table of tables) {
    writer.zeroTerminatedText(table.name).uint32(table.capacityRecords).uint8(table.timeTypeCode);
    for (const time of [table.timeIntoInterval, table.interval]) writer.uint32(time.seconds).uint32(time.nanoseconds);
    for (const field of table.fields) {
      writer.uint8(field.typeCode | (field.isReadOnly ? readOnlyBit : 0)).zeroTerminatedText(field.name);
      for (const alias of field.aliases) writer.zeroTerminatedText(alias);
      writer
        .zeroTerminatedText('')
        .zeroTerminatedText(field.processing)
        .zeroTerminatedText(field.unit)
        .zeroTerminatedText(field.description);
      writer.uint32(field.beginIndex).uint32(field.dimension);
      for (const size of field.subDimensions) writer.uint32(size);
      writer.uint32(0);
    }
    writer.uint8(0);
  }
  return writer.finish();
}

/** The indices of element `index` (from 0) of an array with these sizes, each from 1, outermost first. */
function subscripts(index: number, sizes: readonly number[]): string {
  const parts: number[] = [];
  let rest = index;
  for (const size of sizes.slice(1).toReversed()) {
    parts.unshift((rest % size) + 1);
    rest = Math.floor(rest / size);
  }
  return [rest + 1, ...parts].join(',');
}

/** Sizes of a field's array without the length of a fixed text, and that length. */
function shapeOf(field: PakbusField, type: PakbusDataType): { sizes: readonly number[]; textBytes: number; elements: number } {
  if (!type.isFixedText) return { sizes: field.subDimensions, textBytes: 0, elements: field.dimension };
  const textBytes = field.subDimensions.at(-1) ?? field.dimension;
  return { sizes: field.subDimensions.slice(0, -1), textBytes, elements: textBytes === 0 ? 0 : Math.floor(field.dimension / textBytes) };
}

/** The columns of one field: an array has one a value, named `Name(1)` and on, as the vendor's files name them. */
function fieldColumns(field: PakbusField, type: PakbusDataType): PakbusColumn[] {
  const { sizes, textBytes, elements } = shapeOf(field, type);
  const first = Math.max(0, field.beginIndex - 1);
  const isScalar = elements === 1 && first === 0;
  return Array.from({ length: elements }, (_, i) => ({
    definition: {
      name: isScalar ? field.name : `${field.name}(${subscripts(first + i, sizes)})`,
      unit: field.unit,
      processing: field.processing,
      kind: type.kind,
    },
    type,
    textBytes,
  }));
}

/**
 * The columns that these fields of a table make, in the order in which a record holds them. `PAKBUS_TYPE_UNKNOWN` when a type has no known layout, so that nothing behind it can be
 * found; `PAKBUS_TABLES_MALFORMED` when there are more columns than a table may have.
 */
export function columnsOf(fields: readonly PakbusField[]): Outcome<readonly PakbusColumn[]> {
  const columns: PakbusColumn[] = [];
  for (const field of fields) {
    const type = dataTypeOf(field.typeCode);
    if (type === undefined) return failure('PAKBUS_TYPE_UNKNOWN', 'incompatible', `field ${field.name} has data type ${field.typeCode}`);
    if (field.dimension > definitionsBytesMax || columns.length + shapeOf(field, type).elements > limits.fieldsPerTableMax) {
      return failure('PAKBUS_TABLES_MALFORMED', 'instrument', `field ${field.name} makes the table too wide`);
    }
    columns.push(...fieldColumns(field, type));
  }
  return success(columns);
}
