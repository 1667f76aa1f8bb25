import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/core/random.ts';
import {
  decodeCells,
  fieldsOf,
  type ModbusTable,
  parseRegisterMap,
  planReads,
  type RegisterDefinition,
} from '../../../../src/instruments/modbus/register-map.ts';

const register = (part: Partial<RegisterDefinition>): RegisterDefinition => ({
  name: 'Stage',
  kind: 'holding-register',
  address: 0,
  type: 'uint16',
  ...part,
});

function table(...registers: Partial<RegisterDefinition>[]): ModbusTable {
  return { name: 'Weir', registers: registers.map((part, i) => register({ name: `v${i}`, ...part })) };
}

/** The cell that a single value's bytes mean. */
function cell(part: Partial<RegisterDefinition>, hex: string): string | null {
  const [read] = planReads(table(part));
  return decodeCells(read!, Uint8Array.fromHex(hex))[0]!.cell;
}

describe('a register map', () => {
  test('gives the columns of its tables', () => {
    const map = parseRegisterMap([
      {
        name: 'Weir',
        registers: [register({ unit: 'm', processing: 'Avg' }), { name: 'Door', kind: 'coil', address: 3, type: 'boolean' }],
      },
    ]);
    expect(map.ok && map.value.flatMap(fieldsOf)).toEqual([
      { name: 'Stage', unit: 'm', processing: 'Avg', kind: 'number' },
      { name: 'Door', unit: '', processing: '', kind: 'boolean' },
    ]);
  });

  test.each<[string, unknown, RegExp]>([
    ['is no list', {}, /tables/],
    ['is empty', [], /tables/],
    ['has an unknown member', [{ name: 'a', registers: [{ ...register({}), words: 2 }] }], /0\.registers\.0\.words/],
    ['has an address out of range', [{ name: 'a', registers: [register({ address: 65_536 })] }], /0\.registers\.0\.address/],
    ['has a value that reaches beyond the last address', [table({ address: 65_535, type: 'float32' })], /Weir\.v0 reaches beyond/],
    ['has a register of one bit', [table({ type: 'boolean' })], /holding-register, which cannot be of type boolean/],
    ['has a coil of many bits', [table({ kind: 'coil' })], /coil, which cannot be of type uint16/],
    ['scales a bit', [table({ kind: 'coil', type: 'boolean', scale: 2 })], /no order, scale or offset/],
    ['scales by nothing', [table({ scale: 0 })], /scale/],
    ['names a value twice', [table({ name: 'x' }, { name: 'x' })], /Weir\.x stands there twice/],
    ['names a table twice', [table({}), table({})], /two tables are called Weir/],
  ])('that %s is refused with the place of the mistake', (_, map, message) => {
    const parsed = parseRegisterMap(map);
    expect(parsed).toMatchObject({ ok: false, fault: { code: 'MODBUS_MAP_INVALID', blame: 'caller' } });
    expect(!parsed.ok && parsed.fault.message).toMatch(message);
  });

  test('never throws, whatever it is', () => {
    const random = seededRandom(11);
    const pool: unknown[] = [null, 0, -1, 1.5, Number.NaN, '', 'coil', [], {}, true, undefined, 'uint16'];
    const any = () => pool[random.below(pool.length)];
    for (let i = 0; i < 2000; i++) {
      const odd = { name: any(), kind: any(), address: any(), type: any(), scale: any(), sentinels: any() };
      expect(parseRegisterMap(random.below(4) === 0 ? any() : [{ name: any(), registers: [odd] }]).ok).toBeTypeOf('boolean');
    }
  });
});

describe('a value', () => {
  test.each<[Partial<RegisterDefinition>, string, string | null]>([
    [{ type: 'uint16' }, 'fffe', '65534'],
    [{ type: 'int16' }, 'fffe', '-2'],
    [{ type: 'int16', order: 'BADC' }, 'feff', '-2'],
    [{ type: 'uint32' }, '80000001', '2147483649'],
    [{ type: 'int32' }, '80000001', '-2147483647'],
    [{ type: 'int32', order: 'CDAB' }, '00018000', '-2147483647'],
    // 123.456 as IEEE 754 single precision is 42F6E979.
    [{ type: 'float32' }, '42f6e979', '123.456'],
    [{ type: 'float32', order: 'CDAB' }, 'e97942f6', '123.456'],
    [{ type: 'float32', order: 'BADC' }, 'f64279e9', '123.456'],
    [{ type: 'float32', order: 'DCBA' }, '79e9f642', '123.456'],
    // Pi as double precision.
    [{ type: 'float64' }, '400921fb54442d18', '3.141592653589793'],
    [{ type: 'float64', order: 'CDAB' }, '2d18544421fb4009', '3.141592653589793'],
    [{ type: 'float64', order: 'DCBA' }, '182d4454fb210940', '3.141592653589793'],
    [{ type: 'float32' }, '7fc00000', 'NAN'],
    [{ type: 'float32', scale: 2 }, 'ff800000', '-INF'],
  ])('of %j in the bytes %s is %s', (part, hex, text) => {
    expect(cell(part, hex)).toBe(text);
  });

  test.each<[Partial<RegisterDefinition>, string, string]>([
    [{ scale: 0.1 }, '00eb', '23.5'],
    [{ scale: 0.1 }, '00e6', '23.0'],
    [{ type: 'int16', scale: 0.1, offset: -40 }, '0003', '-39.7'],
    [{ type: 'int16', scale: 0.01, offset: 0.005 }, 'ffff', '-0.005'],
    [{ scale: 10 }, '0005', '50'],
    [{ scale: 1e-7 }, '0003', '0.0000003'],
    [{ type: 'int16', scale: -0.5 }, '0000', '0.0'],
    [{ type: 'float32', scale: 100 }, '3dcccccd', '10'],
  ])('of %j in the bytes %s has the digits that its scale gives it: %s', (part, hex, text) => {
    expect(cell(part, hex)).toBe(text);
  });

  test('that is a declared sentinel is missing, and one that is not declared is a number', () => {
    expect(cell({ type: 'int16', sentinels: [-9999], scale: 0.1 }, 'd8f1')).toBeNull();
    expect(cell({ type: 'int16' }, 'd8f1')).toBe('-9999');
  });
});

describe('the requests for a table', () => {
  test('join what is next to each other, and never cover an address that the map does not name', () => {
    const reads = planReads(
      table(
        { address: 4 },
        { address: 0, type: 'float32' },
        { address: 2, type: 'float32' },
        { address: 6 },
        { kind: 'input-register', address: 5 },
      ),
    );
    expect(reads.map(({ kind, address, count }) => [kind, address, count])).toEqual([
      ['holding-register', 0, 5],
      ['holding-register', 6, 1],
      ['input-register', 5, 1],
    ]);
  });

  test('read values that overlap once', () => {
    const reads = planReads(table({ address: 0, type: 'uint32' }, { address: 1 }, { address: 0 }));
    expect(reads).toHaveLength(1);
    expect(reads[0]).toMatchObject({ address: 0, count: 2 });
    const cells = decodeCells(reads[0]!, Uint8Array.fromHex('00010002'));
    expect(cells.toSorted((a, b) => a.index - b.index).map((each) => each.cell)).toEqual(['65538', '2', '1']);
  });

  test('cover as much as the device allows, and cut no value in two', () => {
    const floats = Array.from({ length: 100 }, (_, i): Partial<RegisterDefinition> => ({ address: i * 2, type: 'float32' }));
    expect(planReads(table(...floats)).map(({ count }) => count)).toEqual([124, 76]);
    expect(planReads(table(...floats.slice(0, 5)), 5).map(({ count }) => count)).toEqual([4, 4, 2]);
  });

  test('read each bit from its place', () => {
    const bits = [0, 1, 8, 9].map((address): Partial<RegisterDefinition> => ({ kind: 'discrete-input', type: 'boolean', address }));
    const reads = planReads(table(...bits));
    expect(reads.map(({ address, count }) => [address, count])).toEqual([
      [0, 2],
      [8, 2],
    ]);
    expect(reads.flatMap((read) => decodeCells(read, Uint8Array.of(0b10)).map((each) => each.cell))).toEqual(['0', '1', '0', '1']);
  });
});
