import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../../src/core/bytes.ts';
import { type TopicMapping, TopicMappings, topicMappingShape } from '../../../../src/instruments/mqtt/topic-mapping.ts';
import { csijsonText } from '../../formats/campbell-files.ts';
import { expectTiling, itemsOf, outline } from '../../formats/reading.ts';

const arrivedUs = 1_780_308_000_000_000;

function understand(mapping: TopicMapping, topic: string, payload: string | Uint8Array, isRetained = false) {
  const mappings = new TopicMappings([v.parse(topicMappingShape, mapping)]);
  const bytes = typeof payload === 'string' ? utf8(payload) : payload;
  const understood = mappings.understand({ topic, payload: bytes, isRetained }, arrivedUs);
  if (understood === undefined) return undefined;
  const reader = understood.format.reader();
  const items = [...reader.push(bytes), ...reader.end({ complete: true })];
  expectTiling(items, bytes.length);
  understood.stored();
  return { items, source: understood.source, sniffed: understood.format.sniff(bytes, topic), position: reader.position() };
}

/** A message in short: station, table, fields, and for each record its time, offset and cells; or the defects. */
function brief(...given: Parameters<typeof understand>): unknown {
  const items = understand(...given)?.items;
  if (items === undefined) return undefined;
  const defects = itemsOf(items, 'defect').map(({ code }) => code);
  if (defects.length > 0) return defects;
  const [{ table } = expect.fail()] = itemsOf(items, 'table');
  const records = itemsOf(items, 'record').map(({ stamp, recordNumber, cells }) => [
    stamp.localUs / 1e6,
    stamp.offsetMinutes,
    recordNumber,
    ...cells,
  ]);
  return [table.station, table.table, table.fields.map(({ name, unit, kind }) => [name, unit, kind].join('|')), ...records];
}

const seconds = arrivedUs / 1e6;
const lastOf = (found: unknown): unknown => (Array.isArray(found) ? found.at(-1) : undefined);

describe('a value alone', () => {
  const mapping: TopicMapping = { kind: 'value', topic: 'site/{station}/{field}', unit: 'Deg C', missing: ['-9999'] };

  it('has the time it came, in its own digits', () => {
    expect(brief(mapping, 'site/ridge/airT', ' 12.50\n')).toEqual([
      'ridge',
      'airT',
      ['airT|Deg C|number'],
      [seconds, 0, undefined, '12.50'],
    ]);
    expect(brief(mapping, 'site/ridge/airT', '-9999')).toEqual(['ridge', 'airT', ['airT|Deg C|number'], [seconds, 0, undefined, null]]);
    expect(lastOf(brief(mapping, 'site/ridge/airT', 'NaN'))).toEqual([seconds, 0, undefined, 'NaN']);
  });

  it('may be text or a truth, under names of the mapping', () => {
    const door: TopicMapping = { kind: 'value', topic: 'door', station: 'hut', table: 'doors', field: 'open', valueKind: 'boolean' };
    expect(brief(door, 'door', 'true')).toEqual(['hut', 'doors', ['open||boolean'], [seconds, 0, undefined, 'true']]);
    expect(brief(door, 'door', 'ajar')).toEqual(['MQTT_MESSAGE_MALFORMED']);
    expect(brief({ kind: 'value', topic: '#', valueKind: 'text' }, 'a', 'hello')).toEqual([
      '',
      'value',
      ['value||text'],
      [seconds, 0, undefined, 'hello'],
    ]);
  });

  it.each(['warm', '0x1F', '1,5', '{}', '1'.repeat(70_000)])('is no number when it is %.20s', (payload) => {
    expect(brief(mapping, 'site/ridge/airT', payload)).toEqual(['MQTT_MESSAGE_MALFORMED']);
  });

  it('that the broker kept from earlier has no time', () => {
    expect(brief(mapping, 'site/ridge/airT', '1', true)).toEqual(['MQTT_MESSAGE_WITHOUT_TIME']);
  });

  it('that is empty says nothing', () => {
    expect(understand(mapping, 'site/ridge/airT', '')?.items).toEqual([]);
  });

  it('on another topic is nobody’s', () => {
    expect(understand(mapping, 'other', '1')).toBeUndefined();
  });
});

describe('a JSON object', () => {
  const mapping: TopicMapping = {
    kind: 'object',
    topic: 'site/{station}/{table}',
    fields: [
      { name: 'AirT', pointer: '/air/t', unit: 'Deg C', processing: 'Avg' },
      { name: 'Note', pointer: '/note', kind: 'text' },
      { name: 'Rain', pointer: '/rain', missing: ['-1'] },
    ],
    time: { pointer: '/ts', form: 'unix-seconds' },
  };

  it('has a cell for each declared field and the time it says', () => {
    expect(brief(mapping, 'site/ridge/met', '{"ts":1780300000,"air":{"t":-0.50},"rain":-1,"other":[1]}', true)).toEqual([
      'ridge',
      'met',
      ['AirT|Deg C|number', 'Note||text', 'Rain||number'],
      [1_780_300_000, 0, undefined, '-0.50', null, null],
    ]);
  });

  it('without a declared time has the time it came', () => {
    const { time: _, ...untimed } = mapping;
    expect(lastOf(brief(untimed, 'site/ridge/met', '{"note":"x","rain":null}'))).toEqual([seconds, 0, undefined, null, 'x', null]);
    expect(brief(untimed, 'site/ridge/met', '{"note":"x"}', true)).toEqual(['MQTT_MESSAGE_WITHOUT_TIME']);
  });

  it.each(['', '{', '{"ts":1}', '{"air":{"t":1}}', '{"ts":"x","air":{"t":1}}', '{"ts":1,"air":{"t":"warm"}}', '{"ts":1,"air":{"t":[1]}}'])(
    '%s is not usable',
    (payload) => {
      const found = brief(mapping, 'site/ridge/met', payload === '' ? ' ' : payload);
      expect(found).toEqual(['MQTT_MESSAGE_MALFORMED']);
    },
  );
});

describe('what Campbell loggers publish', () => {
  const mapping: TopicMapping = { kind: 'campbell', topic: 'cs/v1/data/{station}/{table}/cj' };
  const topic = 'cs/v1/data/1844/Hour/cj';

  it('may be CSIJSON', () => {
    const found = understand(mapping, topic, csijsonText(2));
    expect(outline(found?.items ?? []).filter((kind) => kind === 'record')).toHaveLength(2);
    expect(found).toMatchObject({ source: `mqtt ${topic}`, sniffed: 0.95 });
  });

  it('may be GeoJSON, of new firmware and old', () => {
    const observations =
      '{"observationNames":["BattV","AirT"],"observations":{"2026-06-01T10:00:00Z":[12.60,"NAN"],"2026-06-01T11:00:00Z":[12.50,null]},"observationUnits":{"BattV":"Volts"}}';
    const expected = [
      '1844',
      'Hour',
      ['BattV|Volts|number', 'AirT||number'],
      [seconds, 0, undefined, '12.60', 'NAN'],
      [seconds + 3600, 0, undefined, '12.50', null],
    ];
    expect(
      brief(mapping, topic, `{"type":"Feature","geometry":{"type":"Point","coordinates":["8","61","9"]},"properties":${observations}}`),
    ).toEqual(expected);
    expect(brief(mapping, topic, `{"type":"Feature","Properties":${observations}}`)).toEqual(expected);
    const named = observations.replace('{', '{"loggerID":"CR6_7",');
    expect(brief(mapping, topic, `{"properties":${named}}`)).toEqual(['CR6_7', ...expected.slice(1)]);
  });

  it.each([
    '',
    '[]',
    '{"properties":{}}',
    '{"properties":{"observationNames":[],"observations":{}}}',
    '{"properties":{"observationNames":["a","a"],"observations":{}}}',
    '{"properties":{"observationNames":[1],"observations":{}}}',
    '{"properties":{"observationNames":["a"],"observations":{"noon":[1]}}}',
    '{"properties":{"observationNames":["a"],"observations":{"2026-06-01T10:00:00Z":[1,2]}}}',
    '{"properties":{"observationNames":["a"],"observations":{"2026-06-01T10:00:00Z":[[1]]}}}',
    `{"properties":{"observationNames":["a"],"observations":{${Array.from({ length: 4097 }, (_, at) => `"${at}":[1]`)}}}}`,
  ])('%.90s is refused by name', (payload) => {
    expect(brief(mapping, topic, payload === '' ? ' ' : payload)).toEqual(['GEOJSON_MALFORMED']);
  });
});

describe('mappings', () => {
  it('subscribe to each filter once, and the first that matches counts', () => {
    const mappings = new TopicMappings([
      { kind: 'value', topic: 'a/{station}', table: 'first' },
      { kind: 'value', topic: 'a/+', table: 'second' },
      { kind: 'value', topic: '#', table: 'third' },
    ]);
    expect(mappings.filters()).toEqual(['a/+', '#']);
    const message = { topic: 'a/b', payload: utf8('1'), isRetained: false };
    const reader = mappings.understand(message, arrivedUs)?.format.reader();
    const [table] = itemsOf([...(reader?.push(message.payload) ?? []), ...(reader?.end({ complete: true }) ?? [])], 'table');
    expect(table?.table.table).toBe('first');
    expect(reader?.end({ complete: true })).toEqual([]);
  });

  it('are refused when a pattern is none', () => {
    expect(() => new TopicMappings([{ kind: 'value', topic: 'a/#/b' }])).toThrow(expect.objectContaining({ code: 'TOPIC_MALFORMED' }));
  });

  it.each([
    { kind: 'object', topic: 'a', fields: [] },
    { kind: 'object', topic: 'a', fields: [{ name: 'x', pointer: 'x' }] },
    { kind: 'object', topic: 'a', fields: [{ name: '', pointer: '/x' }] },
    { kind: 'value', topic: 'a', speed: 1 },
    { kind: 'sparkplug', topic: 'a' },
  ])('in data of foreign origin are refused when they are %j', (mapping) => {
    expect(v.safeParse(topicMappingShape, mapping).success).toBe(false);
  });

  it('take any bytes without failing', () => {
    const kinds: TopicMapping[] = [
      { kind: 'campbell', topic: '#' },
      { kind: 'chirpstack', topic: '#' },
      { kind: 'value', topic: '#' },
      { kind: 'object', topic: '#', fields: [{ name: 'a', pointer: '/properties' }] },
    ];
    const text = fc.oneof(fc.json(), fc.string()).map((each) => utf8(each));
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.oneof(text, fc.uint8Array({ maxLength: 60 })), (mapping, payload) => {
        understand(mapping, 'a', payload);
      }),
      { seed: 9, numRuns: 1500 },
    );
  });
});
