import { utf8 } from '../../core/bytes.ts';
import type { FieldDefinition } from '../../formats/record-stream.ts';
import { type ByteReader, instrumentText } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { decimalBits, decimalText, float32Text, float64Text, fp2, fp3, fp4Bits, fp4Number } from './number-formats.ts';
import { type PakbusTime, readTime, timeText, timeTypeCodes, writeTime } from './pakbus-time.ts';

/**
 * The data types of table fields, as one table: code, name, and how a value becomes text and back.
 *
 * Text is what the vendor's own files show: booleans are -1 and 0, times are calendar times, a number has the digits it was stored with.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), table of data types.
 */

/** A value to be stored in a field: what the simulator's tables are filled with. */
export type PakbusValue = number | boolean | string | PakbusTime;

/** One data type. */
export interface PakbusDataType {
  /** Code in a field definition, 1 to 127. */
  readonly code: number;
  /** Name in the vendor's documents. */
  readonly name: string;
  readonly kind: FieldDefinition['kind'];
  /** How many elements of a field's dimension are one value: a text of fixed length is one value of many characters. */
  readonly isFixedText: boolean;
  /** Reads one value. `length` is the text's bytes for a type of fixed-length text, and means nothing otherwise. */
  read(reader: ByteReader, length: number): string;
  /** Writes one value so that `read` returns it, as exactly as the type can. */
  write(writer: ByteWriter, value: PakbusValue, length: number): void;
}

function numberOf(value: PakbusValue): number {
  return Number(value);
}

function numeric(code: number, name: string, read: (reader: ByteReader) => string, write: (writer: ByteWriter, value: number) => void) {
  const type: PakbusDataType = {
    code,
    name,
    kind: 'number',
    isFixedText: false,
    read,
    write: (writer, value) => write(writer, numberOf(value)),
  };
  return type;
}

function boolean(code: number, name: string, read: (reader: ByteReader) => number, write: (writer: ByteWriter, bits: number) => void) {
  const type: PakbusDataType = {
    code,
    name,
    kind: 'boolean',
    isFixedText: false,
    read: (reader) => (read(reader) === 0 ? '0' : '-1'),
    write: (writer, value) => write(writer, numberOf(value) === 0 ? 0 : -1),
  };
  return type;
}

function time(code: number, name: string, read: (reader: ByteReader) => PakbusTime, write: (writer: ByteWriter, time: PakbusTime) => void) {
  const type: PakbusDataType = {
    code,
    name,
    kind: 'time',
    isFixedText: false,
    read: (reader) => timeText(read(reader)),
    write: (writer, value) => write(writer, typeof value === 'object' ? value : { seconds: numberOf(value), nanoseconds: 0 }),
  };
  return type;
}

/** The text before the first zero byte. */
function paddedText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return instrumentText(end < 0 ? bytes : bytes.subarray(0, end));
}

function padded(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(utf8(text).subarray(0, length));
  return bytes;
}

const types: readonly PakbusDataType[] = [
  numeric(
    1,
    'Byte',
    (r) => String(r.uint8()),
    (w, v) => w.uint8(v),
  ),
  numeric(
    2,
    'UInt2',
    (r) => String(r.uint16()),
    (w, v) => w.uint16(v),
  ),
  numeric(
    3,
    'UInt4',
    (r) => String(r.uint32()),
    (w, v) => w.uint32(v),
  ),
  numeric(
    4,
    'Int1',
    (r) => String(r.int8()),
    (w, v) => w.uint8(v),
  ),
  numeric(
    5,
    'Int2',
    (r) => String(r.int16()),
    (w, v) => w.uint16(v),
  ),
  numeric(
    6,
    'Int4',
    (r) => String(r.int32()),
    (w, v) => w.uint32(v),
  ),
  numeric(
    7,
    'FP2',
    (r) => decimalText(fp2, r.uint16()),
    (w, v) => w.uint16(decimalBits(fp2, v)),
  ),
  numeric(
    8,
    'FP4',
    (r) => float32Text(fp4Number(r.uint32())),
    (w, v) => w.uint32(fp4Bits(v)),
  ),
  numeric(
    9,
    'IEEE4B',
    (r) => float32Text(r.float32()),
    (w, v) => w.float32(v),
  ),
  boolean(
    10,
    'Bool',
    (r) => r.uint8(),
    (w, v) => w.uint8(v),
  ),
  {
    code: 11,
    name: 'ASCII',
    kind: 'text',
    isFixedText: true,
    read: (reader, length) => paddedText(reader.bytes(length)),
    write: (writer, value, length) => {
      writer.bytes(padded(String(value), length));
    },
  },
  time(
    timeTypeCodes.seconds,
    'Sec',
    (r) => readTime(r, timeTypeCodes.seconds),
    (w, t) => writeTime(w, timeTypeCodes.seconds, t),
  ),
  time(
    timeTypeCodes.ticks,
    'USec',
    (r) => readTime(r, timeTypeCodes.ticks),
    (w, t) => writeTime(w, timeTypeCodes.ticks, t),
  ),
  time(
    timeTypeCodes.nanoseconds,
    'NSec',
    (r) => readTime(r, timeTypeCodes.nanoseconds),
    (w, t) => writeTime(w, timeTypeCodes.nanoseconds, t),
  ),
  numeric(
    15,
    'FP3',
    (r) => decimalText(fp3, r.uint8() * 0x1_0000 + r.uint16()),
    (w, v) => {
      const bits = decimalBits(fp3, v);
      w.uint8(Math.floor(bits / 0x1_0000)).uint16(bits);
    },
  ),
  {
    code: 16,
    name: 'ASCIIZ',
    kind: 'text',
    isFixedText: false,
    read: (reader) => reader.zeroTerminatedText(),
    write: (writer, value) => {
      writer.zeroTerminatedText(String(value));
    },
  },
  {
    code: 17,
    name: 'Bool8',
    kind: 'text',
    isFixedText: false,
    read: (reader) => reader.uint8().toString(2).padStart(8, '0'),
    write: (writer, value) => {
      writer.uint8(Number.parseInt(String(value), 2));
    },
  },
  numeric(
    18,
    'IEEE8B',
    (r) => float64Text(r.float64()),
    (w, v) => w.float64(v),
  ),
  numeric(
    19,
    'Short',
    (r) => String(r.int16(true)),
    (w, v) => w.uint16(v, true),
  ),
  numeric(
    20,
    'Long',
    (r) => String(r.int32(true)),
    (w, v) => w.uint32(v, true),
  ),
  numeric(
    21,
    'UShort',
    (r) => String(r.uint16(true)),
    (w, v) => w.uint16(v, true),
  ),
  numeric(
    22,
    'ULong',
    (r) => String(r.uint32(true)),
    (w, v) => w.uint32(v, true),
  ),
  time(
    23,
    'SecNano',
    (r) => ({ seconds: r.int32(true), nanoseconds: r.int32(true) }),
    (w, t) => w.uint32(t.seconds, true).uint32(t.nanoseconds, true),
  ),
  numeric(
    24,
    'IEEE4L',
    (r) => float32Text(r.float32(true)),
    (w, v) => w.float32(v, true),
  ),
  numeric(
    25,
    'IEEE8L',
    (r) => float64Text(r.float64(true)),
    (w, v) => w.float64(v, true),
  ),
  boolean(
    27,
    'Bool2',
    (r) => r.uint16(),
    (w, v) => w.uint16(v),
  ),
  boolean(
    28,
    'Bool4',
    (r) => r.uint32(),
    (w, v) => w.uint32(v),
  ),
];

const typeByCode: ReadonlyMap<number, PakbusDataType> = new Map(types.map((type) => [type.code, type]));
const typeByName: ReadonlyMap<string, PakbusDataType> = new Map(types.map((type) => [type.name, type]));

/** The type with this code, or `undefined` for a code no document names. */
export function dataTypeOf(code: number): PakbusDataType | undefined {
  return typeByCode.get(code);
}

/** The type with this name in the vendor's documents, for example `FP2`. */
export function dataTypeNamed(name: string): PakbusDataType | undefined {
  return typeByName.get(name);
}
