import { expect, test } from 'vitest';
import type { TableDefinition } from '../../../src/formats/record-stream.ts';
import { decodeTableRevision, encodeTableRevision, tableRevision } from '../../../src/observations/table-revision.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';

const found: TableDefinition = {
  format: 'toa5',
  station: 'CR1000X',
  table: 'Hourly',
  model: 'CR1000X',
  serial: '12342',
  attributes: { operatingSystem: 'CR1000X.Std.03.02', program: 'CPU:a.CR1X', signature: '2438' },
  fields: [{ name: 'AirT_C', unit: 'Deg C', processing: 'Avg', kind: 'number', sensorSerial: '77' }],
};
const site = { stationId: 'storbreen', stationName: 'Storbreen', intervalUs: 60_000_000 };

test('two readings of one logger name its table alike, whatever they say of the station beside', () => {
  const one = tableRevision(found, site, nodeCrypto);
  const position = { latitude: 61.6, longitude: 8.13, altitudeM: 1570, method: 'survey' };
  const other = tableRevision(
    { ...found, attributes: { ...found.attributes, 'environment 9': 'x' } },
    { ...site, stationName: 'S', position },
    nodeCrypto,
  );
  expect(other.id).toEqual(one.id);
});

test('another program, unit, column or station is another revision', () => {
  const { id } = tableRevision(found, site, nodeCrypto);
  const [field] = found.fields as [TableDefinition['fields'][number]];
  const others = [
    tableRevision({ ...found, attributes: { ...found.attributes, signature: '2439' } }, site, nodeCrypto),
    tableRevision({ ...found, fields: [{ ...field, unit: 'K' }] }, site, nodeCrypto),
    tableRevision({ ...found, fields: [field, { ...field, name: 'RH' }] }, site, nodeCrypto),
    tableRevision(found, { ...site, stationId: 'hellstugubreen' }, nodeCrypto),
  ];
  for (const other of others) expect(other.id).not.toEqual(id);
});

test('a revision comes out of a log as it went in', () => {
  const position = { latitude: -90, longitude: 180, method: 'map' };
  for (const revision of [
    tableRevision(found, site, nodeCrypto),
    tableRevision(found, { stationId: 's', stationName: '', position }, nodeCrypto),
  ]) {
    expect(decodeTableRevision(encodeTableRevision(revision), nodeCrypto)).toEqual({ ok: true, value: revision });
  }
});

test('what is no table definition is refused', () => {
  for (const payload of [
    null,
    [],
    ['x'],
    [[], '', {}, null, null],
    [['s', 'f', 't', 'm', 's', [['n', 'u', 'p', 'colour', null]], ''], '', {}, null, null],
  ]) {
    expect(decodeTableRevision(payload, nodeCrypto)).toMatchObject({ ok: false, fault: { code: 'TABLE_MALFORMED', blame: 'peer' } });
  }
});
