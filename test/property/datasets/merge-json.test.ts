import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8, utf8Text } from '../../../src/core/bytes.ts';
import { isJson, plainJson } from '../../../src/datasets/merge/json-text.ts';
import { mergeThreeWay } from '../../../src/datasets/merge/merge-three-way.ts';

type Value = number | string | boolean | null | Value[] | { [name: string]: Value };

// Few names and few values, so that both sides meet in the same places.
const scalar: fc.Arbitrary<Value> = fc.constantFrom<Value[]>(1, 2, 'x', 'é', true, null);
const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value; object: Value; features: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: scalar },
    { weight: 2, arbitrary: tie('object') },
    { weight: 1, arbitrary: fc.array(scalar, { maxLength: 2 }) },
    { weight: 1, arbitrary: tie('features') },
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'é"/~'), tie('value'), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<Value>,
  features: fc.uniqueArray(fc.record({ id: fc.constantFrom<(number | string)[]>(1, 2, 10, 'p'), v: tie('value') }), {
    selector: ({ id }) => id,
    maxLength: 3,
  }) as fc.Arbitrary<Value>,
})).value;

const isObject = (v: Value | undefined): v is { [name: string]: Value } => typeof v === 'object' && v !== null && !Array.isArray(v);
const hasIds = (v: Value | undefined): v is { id: number | string }[] =>
  Array.isArray(v) && v.every((element) => isObject(element) && 'id' in element);
const text = (v: Value | undefined) => JSON.stringify(v);

/** The dumb implementation: on parsed values, throwing at the first conflict. Order and layout are beyond it. */
function dumbMerge(b: Value | undefined, l: Value, r: Value): Value {
  if (text(l) === text(r) || text(r) === text(b)) return l;
  if (text(l) === text(b)) return r;
  if (isObject(l) && isObject(r)) return dumbMembers(isObject(b) ? b : {}, l, r);
  if (hasIds(l) && hasIds(r) && (!Array.isArray(b) || hasIds(b))) {
    const named = (list: { id: number | string }[]) =>
      Object.fromEntries(list.map((element) => [`k${text(element.id)}`, element as Value]));
    return Object.values(dumbMembers(hasIds(b) ? named(b) : {}, named(l), named(r)));
  }
  throw new Error('conflict');
}

function dumbMembers(b: { [name: string]: Value }, l: { [name: string]: Value }, r: { [name: string]: Value }): { [name: string]: Value } {
  const merged: { [name: string]: Value } = {};
  for (const name of new Set([...Object.keys(l), ...Object.keys(r)])) {
    const [inB, inL, inR] = [b[name], l[name], r[name]];
    if (inL !== undefined && inR !== undefined) merged[name] = dumbMerge(inB, inL, inR);
    else if (inB === undefined) merged[name] = (name in l ? inL : inR) as Value;
    else if (text(inB) !== text(name in l ? inL : inR)) throw new Error('conflict');
  }
  return merged;
}

/** The same whatever the order of members and of elements with identifiers. */
function unordered(v: Value): Value {
  if (hasIds(v)) return [...(v as Value[])].map(unordered).sort((a, b) => (text(a)! < text(b)! ? -1 : 1));
  if (Array.isArray(v)) return v.map(unordered);
  if (isObject(v))
    return Object.fromEntries(
      Object.entries(v)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, inner]) => [name, unordered(inner)]),
    );
  return v;
}

/** Changes a value in a few random places, so that both sides share most of it. */
function edited(v: Value, picks: readonly number[], replacement: Value): Value {
  const [pick = 0, ...rest] = picks;
  if (isObject(v) && Object.keys(v).length > 0 && pick % 5 !== 0) {
    const name = Object.keys(v)[pick % Object.keys(v).length]!;
    const { [name]: old, ...others } = v;
    if (pick % 7 === 1) return others;
    if (pick % 7 === 2) return { ...v, c: replacement };
    return { ...v, [name]: name === 'id' ? old! : edited(old!, rest, replacement) };
  }
  if (hasIds(v) && v.length > 0 && pick % 5 !== 0) {
    const at = pick % v.length;
    if (pick % 7 === 1) return (v as Value[]).toSpliced(at, 1);
    return (v as Value[]).with(at, edited(v[at] as Value, rest, replacement));
  }
  return replacement;
}

const layout = fc.constantFrom(undefined, 1, 2, '\t');
const picks = fc.array(fc.nat({ max: 34 }), { minLength: 3, maxLength: 4 });
const inputs = value.chain((base) =>
  fc.record({
    base: fc.constant(base),
    left: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(picks, value).map(([path, v]) => edited(base, path, v)) },
      { weight: 1, arbitrary: value },
    ),
    right: fc.oneof(
      { weight: 4, arbitrary: fc.tuple(picks, value).map(([path, v]) => edited(base, path, v)) },
      { weight: 1, arbitrary: value },
    ),
    layouts: fc.tuple(layout, layout, layout),
    known: fc.boolean(),
    end: fc.constantFrom('', '\n'),
  }),
);

it('merging JSON does what merging parsed values does, and does not depend on sides or repetition', () => {
  const counts = { merged: 0, conflict: 0 };
  fc.assert(
    fc.property(inputs, ({ base, left, right, layouts, known, end }) => {
      const write = (v: Value, index: 0 | 1 | 2) => utf8(JSON.stringify(v, null, layouts[index]) + (index === 1 ? end : ''));
      const [b, l, r] = [known ? write(base, 0) : undefined, write(left, 1), write(right, 2)];
      const merge = (x: Uint8Array | undefined, y: Uint8Array, z: Uint8Array) =>
        mergeThreeWay({ base: x, left: y, right: z, path: 'sites.geojson' });
      let expected: Value | undefined;
      try {
        expected = dumbMerge(known ? base : undefined, left, right);
      } catch {
        expected = undefined;
      }
      const result = merge(b, l, r);
      const swapped = merge(b, r, l);
      expect(swapped.outcome).toBe(result.outcome);
      if (result.outcome !== 'merged' || swapped.outcome !== 'merged') {
        counts.conflict++;
        expect(expected).toBeUndefined();
        return;
      }
      counts.merged++;
      expect(unordered(JSON.parse(utf8Text(result.bytes)!))).toEqual(unordered(expected as Value));
      expect(utf8Text(swapped.bytes)).toBe(utf8Text(result.bytes));
      for (const side of [l, r]) {
        const again = merge(b, result.bytes, side);
        expect(again.outcome === 'merged' && utf8Text(again.bytes)).toBe(utf8Text(result.bytes));
      }
    }),
    { numRuns: 1500 },
  );
  expect(counts.merged).toBeGreaterThan(150);
  expect(counts.conflict).toBeGreaterThan(50);
});

it('what is taken for JSON is what the platform takes for JSON', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '\\',
    '\\u00e9',
    '\\x',
    '1',
    '-',
    '0',
    '.5',
    'e+3',
    'true',
    'null',
    'nul',
    ' ',
    '\n',
    '\u0001',
    '{"a":1}',
    '[]',
  );
  const parses = (candidate: string) => {
    try {
      JSON.parse(candidate);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join('')),
        fc.json(),
        fc.string(),
      ),
      (candidate) => {
        expect(isJson(candidate)).toBe(parses(candidate));
      },
    ),
    { numRuns: 5000 },
  );
});

it('the plain form of JSON depends on the value alone', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' }), layout, (v, space) => {
      const escaped = JSON.stringify(v, null, space).replaceAll(
        /[\u0080-\uffff]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      expect(plainJson(escaped)).toBe(JSON.stringify(v));
    }),
  );
});
