import { describe, expect, it } from 'vitest';
import type { TableDefinition } from '../../../src/formats/record-stream.ts';
import { sameTable } from '../../../src/formats/table-definition.ts';

const field = { name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' } as const;
const table: TableDefinition = {
  format: 'toa5',
  station: 'Ridge',
  table: 'Ten',
  model: 'CR1000X',
  serial: '1',
  attributes: { program: 'a', signature: 'b' },
  fields: [field, { ...field, name: 'RH', sensorSerial: '7' }],
};

describe('table revisions', () => {
  it('are the same whatever the order of the attributes', () => {
    expect(sameTable(table, { ...table, attributes: { signature: 'b', program: 'a' } })).toBe(true);
    expect(sameTable(table, JSON.parse(JSON.stringify(table)))).toBe(true);
  });

  it.each([
    ['format', { format: 'x' }],
    ['station', { station: 'x' }],
    ['table', { table: 'x' }],
    ['model', { model: 'x' }],
    ['serial number', { serial: 'x' }],
    ['attribute', { attributes: { program: 'a', signature: 'c' } }],
    ['number of attributes', { attributes: { program: 'a' } }],
    ['name of an attribute', { attributes: { program: 'a', sign: 'b' } }],
    ['number of fields', { fields: [field] }],
    ['field name', { fields: [field, { ...field, name: 'x', sensorSerial: '7' }] }],
    ['unit', { fields: [field, { ...field, name: 'RH', unit: '%', sensorSerial: '7' }] }],
    ['processing', { fields: [field, { ...field, name: 'RH', processing: 'Max', sensorSerial: '7' }] }],
    ['sensor', { fields: [field, { ...field, name: 'RH' }] }],
    ['kind', { fields: [field, { ...field, name: 'RH', kind: 'time', sensorSerial: '7' }] }],
  ] as [string, Partial<TableDefinition>][])('differ by a different %s', (_, change) => {
    expect(sameTable(table, { ...table, ...change })).toBe(false);
    expect(sameTable({ ...table, ...change }, table)).toBe(false);
  });
});
