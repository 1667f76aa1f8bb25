import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import { type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { decodeEntryBody, type EntryBody, encodeEntryBody, isDatasetPath } from '../../../src/datasets/entry-body.ts';

const nodes = [1, 2, 3].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n)));
const author = nodes[0]!;

const count = fc.maxSafeNat();
const dots = fc.array(fc.record({ author: fc.constantFrom(...nodes), sequence: fc.integer({ min: 1, max: 2 ** 40 }) }), { maxLength: 4 });
const path = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(isDatasetPath);
const text = fc.string({ unit: 'grapheme' });
const mtimeNs = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n });
const attributes = fc.dictionary(
  text,
  fc.oneof(
    text,
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n)),
  ),
);
const file = fc.record(
  {
    kind: fc.constant('file' as const),
    content: fc.record({
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes as Hash),
      sizeBytes: fc.integer({ min: 1, max: 2 ** 52 }),
      depth: fc.integer({ min: 1, max: 10 }),
    }),
    mtimeNs,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    attributes,
  },
  { requiredKeys: ['kind', 'content', 'mtimeNs', 'mode'] },
);
const symlink = fc.record({ kind: fc.constant('symlink' as const), target: path, mtimeNs });
const removal = fc.record({ kind: fc.constant('removal' as const) });
const change = fc
  .tuple(path, dots, fc.oneof(file, symlink, removal))
  .map(([at, superseded, state]) => ({ path: at, superseded, ...state }));
const coordinate = (bound: number) => fc.double({ min: -bound, max: bound, noNaN: true }).map((n) => (n === 0 ? 0 : n));
const body = fc.record(
  {
    instant: fc.record({ wallMs: count, counter: count }),
    clockQuality: fc.constantFrom('unknown', 'rtc', 'ntp', 'gnss'),
    position: fc.record(
      {
        latitude: coordinate(90),
        longitude: coordinate(180),
        altitudeM: coordinate(9000),
        verticalAccuracyM: fc.nat(500),
        datum: fc.constantFrom('WGS 84', 'NAD27'),
        instantUs: fc.maxSafeInteger(),
      },
      { requiredKeys: ['latitude', 'longitude'] },
    ),
    kind: fc.constant('files' as const),
    changes: fc.uniqueArray(change, { minLength: 1, maxLength: 5, selector: (each) => each.path }),
  },
  { requiredKeys: ['instant', 'clockQuality', 'kind', 'changes'] },
) as fc.Arbitrary<EntryBody>;

describe('entry bodies', () => {
  it('come back from their bytes as they were', () => {
    fc.assert(
      fc.property(body, (value) => {
        const outcome = decodeEntryBody(encodeEntryBody(value, author), author);
        expect(outcome.ok && outcome.value).toEqual(value);
      }),
    );
  });

  it('name heads of their author and of others apart, whoever reads them', () => {
    fc.assert(
      fc.property(body, fc.constantFrom(...nodes), (value, writer) => {
        const outcome = decodeEntryBody(encodeEntryBody(value, writer), writer);
        expect(outcome.ok && outcome.value).toEqual(value);
      }),
      { numRuns: 30 },
    );
  });

  it('never throw on bytes that were changed or cut, and what is taken can be encoded again', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(body, damage, fc.nat({ max: 20 }), (value, flips, cut) => {
        const bytes = encodeEntryBody(value, author);
        for (const [at, byte] of flips) bytes[at % bytes.length] = byte;
        const outcome = decodeEntryBody(bytes.subarray(0, bytes.length - (cut > 10 ? cut - 10 : 0)), author);
        if (outcome.ok && outcome.value.kind === 'files') {
          const again = decodeEntryBody(encodeEntryBody(outcome.value, author), author);
          expect(again).toEqual(outcome);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('never throw on foreign values', () => {
    const near = fc.tuple(fc.nat({ max: 5 }), fc.anything(), fc.nat(), fc.nat({ max: 4 }), fc.array(fc.array(fc.anything())));
    fc.assert(
      fc.property(fc.oneof(near, fc.anything()), (value) => {
        let bytes: Uint8Array;
        try {
          bytes = encodeCbor(value as never);
        } catch {
          return;
        }
        decodeEntryBody(bytes, author);
      }),
    );
  });

  it('survive a million nested lists', () => {
    expect(decodeCbor(new Uint8Array(1024 * 1024).fill(0x81)).ok).toBe(false);
    expect(decodeEntryBody(new Uint8Array(1024 * 1024).fill(0x81), author).ok).toBe(false);
  });
});
