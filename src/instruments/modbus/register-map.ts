import * as v from 'valibot';
import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import { float32Text, float64Text } from '../pakbus/number-formats.ts';
import { bitsPerRequestMax, isBitKind, type ReadRequest, readFunctions, registersPerRequestMax } from './messages.ts';

/**
 * Register maps: what the manual of a Modbus device says, as data.
 *
 * Modbus moves bits and words and knows nothing of values. A map says which words are a value, in what order they come, and what the number means. From it follow the requests that read a
 * table, the columns of the table, and the value of each cell.
 */

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const shortText = v.pipe(v.string(), v.maxLength(64));
const finite = v.pipe(v.number(), v.finite());

/** How many words each type takes; bits take none. */
const wordsByType = { boolean: 0, int16: 1, uint16: 1, int32: 2, uint32: 2, float32: 2, float64: 4 } as const;

/** One value of a device, in data of foreign origin. */
const registerShape = v.strictObject({
  /** Name of the variable, and of the column. */
  name,
  /** Where it is kept. */
  kind: v.picklist(Object.keys(readFunctions) as (keyof typeof readFunctions)[]),
  /** Address in the message, 0 to 65535. Manuals that count from 1, or write 30001 and 40001, mean one less, without the leading digit. */
  address: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff)),
  /** `boolean` for coils and discrete inputs, any other for registers. */
  type: v.picklist(Object.keys(wordsByType) as (keyof typeof wordsByType)[]),
  /**
   * Order of the bytes of a value, the most significant being A; `ABCD` (the default) is the standard's, `CDAB` begins with the least significant word. `BADC` and `DCBA` have the bytes of each word
   * swapped as well. Of a value of one word, only whether its bytes are swapped matters; of one of four words, the words run all forward or all backward.
   */
  order: v.optional(v.picklist(['ABCD', 'CDAB', 'BADC', 'DCBA'])),
  /** The value is `raw * scale + offset`; 1 and 0 by default. */
  scale: v.optional(v.pipe(finite, v.notValue(0))),
  offset: v.optional(finite),
  /** Unit after scaling. */
  unit: v.optional(shortText),
  /** How the device made the value: `Avg`, `Max`, `Smp`…; empty by default. */
  processing: v.optional(shortText),
  /** Raw numbers, before scaling, that the manual declares to mean "no value". Nothing is a sentinel that is not declared. */
  sentinels: v.optional(v.pipe(v.array(finite), v.maxLength(16))),
});

/** A table: values that are read together and make one record. */
const tableShape = v.strictObject({
  name,
  registers: v.pipe(v.array(registerShape), v.minLength(1), v.maxLength(limits.fieldsPerTableMax)),
});

/** Shape of a whole map. */
const registerMapShape = v.pipe(v.array(tableShape), v.minLength(1), v.maxLength(64));

/** One value of a Modbus device; each member is explained in this module. */
export type RegisterDefinition = v.InferOutput<typeof registerShape>;
/** Values of a Modbus device that make one record. */
export type ModbusTable = v.InferOutput<typeof tableShape>;

/** Registers or bits a value takes. */
function widthOf({ type }: RegisterDefinition): number {
  return Math.max(1, wordsByType[type]);
}

/** The map in data of foreign origin. Fails with `MODBUS_MAP_INVALID`, which names the member that is wrong. */
export function parseRegisterMap(value: unknown): Outcome<readonly ModbusTable[]> {
  const shaped = v.safeParse(registerMapShape, value);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    return invalid(`${v.getDotPath(issue) ?? 'tables'}: ${issue.message}`);
  }
  const tables = shaped.output;
  const tableNames = new Set<string>();
  for (const table of tables) {
    if (tableNames.has(table.name)) return invalid(`two tables are called ${table.name}`);
    tableNames.add(table.name);
    const names = new Set<string>();
    for (const register of table.registers) {
      const where = `${table.name}.${register.name}`;
      if (names.has(register.name)) return invalid(`${where} stands there twice`);
      names.add(register.name);
      const fault = registerFault(register);
      if (fault !== undefined) return invalid(`${where} ${fault}`);
    }
  }
  return success(tables);
}

function registerFault(register: RegisterDefinition): string | undefined {
  const { kind, type, address, order, scale, offset } = register;
  const isBit = isBitKind(kind);
  if (isBit !== (type === 'boolean')) return `is a ${kind}, which cannot be of type ${type}`;
  if (isBit && (order ?? scale ?? offset) !== undefined) return 'is a bit, which has no order, scale or offset';
  return address + widthOf(register) > 0x1_0000 ? 'reaches beyond address 65535' : undefined;
}

function invalid(message: string): Outcome<never> {
  return failure('MODBUS_MAP_INVALID', 'caller', `the register map cannot be used: ${message}`);
}

/** Columns of a table. */
export function fieldsOf(table: ModbusTable): FieldDefinition[] {
  return table.registers.map(({ name, unit = '', processing = '', type }) => ({
    name,
    unit,
    processing,
    kind: type === 'boolean' ? 'boolean' : 'number',
  }));
}

/** A request and the values that its answer holds, by their place in the table. */
export interface PlannedRead extends ReadRequest {
  readonly registers: readonly { readonly definition: RegisterDefinition; readonly index: number }[];
}

/**
 * The fewest requests that read a table without touching an address that the map does not name: devices refuse a request that covers one they do not have. A value is never cut in two, so that
 * its words are of one moment.
 *
 * @param registersMax Registers a request may cover, 4 to 125; fewer for devices with small buffers.
 */
export function planReads(table: ModbusTable, registersMax: number = registersPerRequestMax): PlannedRead[] {
  const registers = table.registers
    .map((definition, index) => ({ definition, index }))
    .sort((a, b) => readFunctions[a.definition.kind] - readFunctions[b.definition.kind] || a.definition.address - b.definition.address);
  const reads: { kind: PlannedRead['kind']; address: number; count: number; registers: (typeof registers)[number][] }[] = [];
  for (const register of registers) {
    const { kind, address } = register.definition;
    const end = address + widthOf(register.definition);
    const last = reads.at(-1);
    const countMax = isBitKind(kind) ? bitsPerRequestMax : registersMax;
    if (last !== undefined && last.kind === kind && address <= last.address + last.count && end - last.address <= countMax) {
      last.count = Math.max(last.count, end - last.address);
      last.registers.push(register);
    } else reads.push({ kind, address, count: end - address, registers: [register] });
  }
  return reads;
}

/** Cells of the values in the data of an answer, with their places in the table. `data` is as long as the request says. */
export function decodeCells(read: PlannedRead, data: Uint8Array): { readonly index: number; readonly cell: Cell }[] {
  return read.registers.map(({ definition, index }) => {
    const at = definition.address - read.address;
    if (isBitKind(read.kind)) return { index, cell: String(((data[at >>> 3] as number) >>> (at & 7)) & 1) };
    const bytes = data.subarray(at * 2, (at + widthOf(definition)) * 2);
    return { index, cell: cellOf(definition, inStandardOrder(definition.order ?? 'ABCD', bytes)) };
  });
}

/** The bytes of a value with the most significant first; the same function brings them into the device's order. */
export function inStandardOrder(order: NonNullable<RegisterDefinition['order']>, bytes: Uint8Array): Uint8Array {
  const swapsWords = order === 'CDAB' || order === 'DCBA';
  const swapsBytes = order === 'BADC' || order === 'DCBA';
  const ordered = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const word = swapsWords ? bytes.length / 2 - 1 - (i >>> 1) : i >>> 1;
    ordered[i] = bytes[word * 2 + ((i & 1) ^ (swapsBytes ? 1 : 0))] as number;
  }
  return ordered;
}

function cellOf(definition: RegisterDefinition, bytes: Uint8Array): Cell {
  const { type, sentinels = [], scale = 1, offset = 0 } = definition;
  const raw = numberOf(type, new DataView(bytes.buffer));
  if (sentinels.includes(raw)) return null;
  const isFloat = type === 'float32' || type === 'float64';
  if (scale === 1 && offset === 0) return type === 'float32' ? float32Text(raw) : float64Text(raw);
  const value = raw * scale + offset;
  if (isFloat) return float64Text(Number.isFinite(value) ? Number(value.toPrecision(type === 'float32' ? 8 : 15)) : value);
  return decimalText(value, Math.max(decimalPlaces(scale), decimalPlaces(offset)));
}

function numberOf(type: RegisterDefinition['type'], view: DataView): number {
  switch (type) {
    case 'int16':
      return view.getInt16(0);
    case 'int32':
      return view.getInt32(0);
    case 'uint32':
      return view.getUint32(0);
    case 'float32':
      return view.getFloat32(0);
    case 'float64':
      return view.getFloat64(0);
    default:
      return view.getUint16(0);
  }
}

/** Decimal places of a scaled integer are those of its scale and offset: 235 tenths are 23.5, not 23.500000000000004. */
function decimalText(value: number, places: number): string {
  const text = places <= 20 ? value.toFixed(places) : String(value);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

function decimalPlaces(value: number): number {
  const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}
