import { describe, expect, test } from 'vitest';
import {
  columnsOf,
  decodeTableDefinitions,
  encodeTableDefinitions,
  type PakbusField,
} from '../../../../src/instruments/pakbus/table-definitions.ts';
import { type SimulatedTable, simulatedField } from '../../../../src/simulation/pakbus-logger.ts';

const zero = { seconds: 0, nanoseconds: 0 };

function table(fields: readonly PakbusField[], overrides: Partial<SimulatedTable> = {}): SimulatedTable {
  return {
    name: 'T',
    capacityRecords: 10,
    timeTypeCode: 14,
    timeIntoInterval: zero,
    interval: { seconds: 60, nanoseconds: 5 },
    fields,
    ...overrides,
  };
}

function names(...fields: PakbusField[]): string[] {
  const columns = columnsOf(fields);
  if (!columns.ok) throw new Error(columns.fault.message);
  return columns.value.map(({ definition }) => definition.name);
}

describe('a definitions file', () => {
  test('comes back as it was written, with numbers and signatures', () => {
    const field = { ...simulatedField('AirT', 'FP2', { unit: '°C', processing: 'Avg' }), aliases: ['T', 'Temp'], isReadOnly: false };
    const tables = [table([field]), table([simulatedField('V', 'IEEE4B', { elements: 3 })], { name: 'U', interval: zero })];
    const decoded = decodeTableDefinitions(encodeTableDefinitions(tables));
    expect(decoded).toMatchObject({
      ok: true,
      value: [
        { ...tables[0], number: 1 },
        { ...tables[1], number: 2 },
      ],
    });
  });

  test('has another signature for any other definition', () => {
    const variants = [
      table([simulatedField('A', 'FP2')]),
      table([simulatedField('B', 'FP2')]),
      table([simulatedField('A', 'IEEE4B')]),
      table([]),
    ];
    const signatures = variants.map((variant) => {
      const decoded = decodeTableDefinitions(encodeTableDefinitions([variant]));
      return decoded.ok ? decoded.value[0]!.signature : undefined;
    });
    expect(new Set(signatures).size).toBe(variants.length);
  });

  test('of another version is incompatible', () => {
    expect(decodeTableDefinitions(Uint8Array.of(2, 0))).toMatchObject({
      ok: false,
      fault: { code: 'PAKBUS_TABLES_NEWER', blame: 'incompatible' },
    });
  });

  test('that is cut anywhere but behind a table is malformed', () => {
    const whole = encodeTableDefinitions([table([simulatedField('A', 'FP2')]), table([simulatedField('B', 'FP2')])]);
    const ends = new Set([1, encodeTableDefinitions([table([simulatedField('A', 'FP2')])]).length, whole.length]);
    for (let length = 0; length <= whole.length; length++)
      expect(decodeTableDefinitions(whole.subarray(0, length)).ok).toBe(ends.has(length));
  });

  test.each<[string, readonly SimulatedTable[]]>([
    ['aliases without end', [table([{ ...simulatedField('A', 'FP2'), aliases: Array.from({ length: 17 }, () => 'a') }])]],
    ['dimensions without end', [table([{ ...simulatedField('A', 'FP2'), subDimensions: Array.from({ length: 17 }, () => 1) }])]],
    ['fields without end', [table(Array.from({ length: 4097 }, () => simulatedField('A', 'FP2')))]],
    ['tables without end', Array.from({ length: 1025 }, () => table([]))],
  ])('with %s is malformed', (_, tables) => {
    expect(decodeTableDefinitions(encodeTableDefinitions(tables))).toMatchObject({ ok: false, fault: { code: 'PAKBUS_TABLES_MALFORMED' } });
  });
});

describe('columns', () => {
  test('of one value have the name of the field', () => {
    expect(names(simulatedField('AirT', 'FP2'))).toEqual(['AirT']);
  });

  test('of an array are numbered from where it begins', () => {
    expect(names(simulatedField('T', 'FP2', { elements: 3 }))).toEqual(['T(1)', 'T(2)', 'T(3)']);
    expect(names({ ...simulatedField('T', 'FP2', { elements: 2 }), beginIndex: 4 })).toEqual(['T(4)', 'T(5)']);
    expect(names({ ...simulatedField('T', 'FP2'), beginIndex: 8 })).toEqual(['T(8)']);
  });

  test('of an array with several dimensions count the last one fastest', () => {
    const field = { ...simulatedField('T', 'FP2', { elements: 6 }), subDimensions: [2, 3] };
    expect(names(field)).toEqual(['T(1,1)', 'T(1,2)', 'T(1,3)', 'T(2,1)', 'T(2,2)', 'T(2,3)']);
  });

  test('of fixed text are one a text', () => {
    expect(names(simulatedField('S', 'ASCII', { textBytes: 24 }))).toEqual(['S']);
    expect(names(simulatedField('S', 'ASCII', { elements: 2, textBytes: 24 }))).toEqual(['S(1)', 'S(2)']);
    expect(names({ ...simulatedField('S', 'ASCII', { textBytes: 24 }), subDimensions: [] })).toEqual(['S']);
    expect(names({ ...simulatedField('S', 'ASCII', { textBytes: 24 }), dimension: 0, subDimensions: [] })).toEqual([]);
  });

  test('of an unknown type are refused', () => {
    expect(columnsOf([{ ...simulatedField('A', 'FP2'), typeCode: 99 }])).toMatchObject({
      ok: false,
      fault: { code: 'PAKBUS_TYPE_UNKNOWN' },
    });
  });

  test.each([
    ['many values', { ...simulatedField('A', 'FP2'), dimension: 4097 }],
    ['four thousand million values', { ...simulatedField('A', 'FP2'), dimension: 0xffff_ffff }],
    ['four thousand million bytes of text', { ...simulatedField('A', 'ASCII'), dimension: 0xffff_ffff, subDimensions: [0xffff_ffff] }],
  ])('of a field with too %s are refused', (_, field) => {
    expect(columnsOf([field])).toMatchObject({ ok: false, fault: { code: 'PAKBUS_TABLES_MALFORMED' } });
  });
});
