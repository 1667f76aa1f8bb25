import { describe, expect, it } from 'vitest';
import { utf8, utf8Text } from '../../../../src/core/bytes.ts';
import { mergeThreeWay } from '../../../../src/datasets/merge/merge-three-way.ts';

const merge = (base: string | undefined, left: string, right: string, path = 'sites.json') =>
  mergeThreeWay({ base: base === undefined ? undefined : utf8(base), left: utf8(left), right: utf8(right), path });

function merged(base: string | undefined, left: string, right: string, path?: string): string | undefined {
  const result = merge(base, left, right, path);
  if (result.outcome !== 'merged') throw new Error(JSON.stringify(result));
  return utf8Text(result.bytes);
}

const feature = (id: number, name: string, coordinates = '[6.10, 46.20]') =>
  `{ "type": "Feature", "id": ${id}, "geometry": { "type": "Point", "coordinates": ${coordinates} }, "properties": { "name": "${name}" } }`;
const collection = (...features: string[]) =>
  `{\n  "type": "FeatureCollection",\n  "features": [\n    ${features.join(',\n    ')}\n  ]\n}\n`;

describe('merging JSON', () => {
  it('takes each side’s members and leaves every other digit, escape and blank as it was', () => {
    const base = '{\n  "rate": 1.50e+3,\n  "name": "\\u00c5re",\n  "depth": 10.0\n}\n';
    expect(merged(base, base.replace('10.0', '12.00'), base.replace('"name"', '"operator": "K",\n  "name"'))).toBe(
      '{\n  "rate": 1.50e+3,\n  "operator": "K",\n  "name": "\\u00c5re",\n  "depth": 12.00\n}\n',
    );
  });

  it('merges GeoJSON feature by feature', () => {
    const base = collection(feature(1, 'gate'), feature(2, 'weir'));
    const left = collection(feature(1, 'gate', '[6.11, 46.20]'), feature(2, 'weir'), feature(7, 'new left'));
    const right = collection(feature(1, 'upper gate'), feature(5, 'new right'));
    expect(merged(base, left, right, 'stations.geojson')).toBe(
      collection(feature(1, 'upper gate', '[6.11, 46.20]'), feature(5, 'new right'), feature(7, 'new left')),
    );
  });

  it('finds the identifier of a feature among its properties too', () => {
    const list = (...ids: string[]) => `[${ids.map((id) => `{"properties":{"fid":${id}}}`).join(',')}]`;
    expect(merged(list('1'), list('1', '3'), list('1', '2'))).toBe(list('1', '2', '3'));
  });

  it('names the member that both sides changed by the pointer of its object', () => {
    const base = '{"sites":[{"id":"a/b","at":{"height":1}}]}';
    expect(merge(base, base.replace('1}', '2}'), base.replace('1}', '3}'))).toEqual({
      outcome: 'conflict',
      cells: [{ row: '/sites/id="a~1b"/at', column: 'height', base: '1', left: '2', right: '3' }],
      reason: 'one place was changed in different ways on both sides',
    });
  });

  it('does not decide between a member removed and the same member changed', () => {
    expect(merge('{"a":1,"b":2}', '{"b":2}', '{"a":5,"b":2}')).toMatchObject({
      outcome: 'conflict',
      cells: [{ row: '', column: 'a', base: '1', right: '5' }],
    });
    expect(merged('{"a": 1,"b":2}', '{"b":3}', '{"a":1, "b":2}')).toBe('{ "b":3}');
  });

  it('takes lists without identifiers, scalars and values of changed type as units', () => {
    expect(merged('{"x":[1,2],"y":1}', '{"x":[1,2,3],"y":1}', '{"x":[ 1, 2 ],"y":2}')).toBe('{"x":[1,2,3],"y":2}');
    expect(merge('{"x":[1,2]}', '{"x":[1,2,3]}', '{"x":[0,1,2]}').outcome).toBe('conflict');
    expect(merge('{"x":1}', '{"x":{"a":1}}', '{"x":[{"id":1}]}').outcome).toBe('conflict');
    expect(merged('{"x":1}', '{"x":{"a":1}}', '{"x":{"b":1}}')).toBe('{"x":{"a":1,"b":1}}');
    expect(merge('1', '2', '3').outcome).toBe('conflict');
    expect(merge('[{"id":1},{"id":1}]', '[{"id":1},{"id":1},{"id":2}]', '[]').outcome).toBe('conflict');
    expect(merge('[{"id":true}]', '[{"id":true,"a":1}]', '[{"id":true,"b":1}]').outcome).toBe('conflict');
  });

  it('takes objects with a name twice as units', () => {
    expect(merge('{"a":1,"a":2}', '{"a":1,"a":3}', '{"a":1,"a":2,"b":1}').outcome).toBe('conflict');
  });

  it('takes what is very deep as a unit', () => {
    const deep = (inner: string) => `${'{"a":'.repeat(300)}${inner}${'}'.repeat(300)}`;
    expect(merge(deep('{"x":1}'), deep('{"x":1,"y":2}'), deep('{"x":1,"z":2}')).outcome).toBe('conflict');
  });

  it('takes a list of too many elements as a unit', () => {
    const list = (ids: number, name: string) => `[${'{},'.repeat(ids)}{"id":"${name}"}]`;
    expect(merge(undefined, list(500_000, 'a'), list(500_000, 'b')).outcome).toBe('conflict');
  });

  it('lets one side move members while the other changes them', () => {
    expect(merged('{"a":1,"b":2,"c":3}', '{"c":3,"a":1,"b":2}', '{"a":1,"b":5,"c":3}')).toBe('{"c":3,"a":1,"b":5}');
    expect(merged('{"a":1,"b":2,"c":3}', '{"a":1,"b":5,"c":3}', '{"c":3,"a":1,"b":2}')).toBe('{"c":3,"a":1,"b":5}');
  });

  it('is chosen by content where the name does not say it, and refuses what is no JSON', () => {
    expect(merged('{"a":1}', '{"a":1,"b":2}', '\ufeff {"a":3}', 'settings')).toBe('\ufeff {"a":3,"b":2}');
    expect(merge('{"a":1}', '{"a":1,"b":2}', '{"a":3', 'settings')).toMatchObject({
      outcome: 'not-mergeable',
      reason: 'not all versions are valid JSON',
    });
    expect(merge('nothing', '{"a":1}', '{"a":2}').outcome).toBe('not-mergeable');
    expect(mergeThreeWay({ base: undefined, left: Uint8Array.of(0x22, 0xff, 0x22), right: utf8('1'), path: 'a.json' }).outcome).toBe(
      'not-mergeable',
    );
  });

  it('keeps an empty object’s blanks', () => {
    expect(merged('{ }', '{ "a": 1 }', '{\n}')).toBe('{ "a": 1\n}');
  });
});
