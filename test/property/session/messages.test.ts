import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CborValue } from '../../../src/core/cbor.ts';
import { encodeCbor } from '../../../src/core/cbor.ts';
import type { Hash, NodeId, ShortName } from '../../../src/core/identifiers.ts';
import { priorityClasses } from '../../../src/core/priority.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/session/messages.ts';

const seed = 20_260_601;
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((each) => new Uint8Array(each));
const id = fc.stringMatching(/^[0-9a-f]{64}$/);
const count = fc.nat(2 ** 31 - 1);
const resume = fc.record(
  {
    planId: bytes(16),
    held: fc.array(fc.record({ first: count, count }), { maxLength: 5 }),
    partials: fc.array(fc.record({ group: count, offset: count, prefixHash: bytes(8) }), { maxLength: 4 }),
  },
  { requiredKeys: ['planId', 'held'] },
);
const want = fc.record(
  {
    number: count,
    root: bytes(32) as fc.Arbitrary<Hash>,
    sizeBytes: count,
    depth: fc.nat(16),
    priority: fc.constantFrom(...priorityClasses),
    bases: fc.array(bytes(32) as fc.Arbitrary<Hash>, { maxLength: 4 }),
    resume,
  },
  { requiredKeys: ['number', 'root', 'sizeBytes', 'depth', 'priority', 'bases'] },
);
const node = id as fc.Arbitrary<NodeId>;
const name = fc.stringMatching(/^[0-9a-f]{16}$/) as fc.Arbitrary<ShortName>;
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('frontier' as const), logs: bytes(16), receipts: bytes(4) }),
  fc.record({
    type: fc.constant('entries' as const),
    dataset: name,
    author: name,
    first: fc.integer({ min: 1, max: 2 ** 40 }),
    entries: fc.array(fc.record({ body: fc.uint8Array({ maxLength: 40 }).map((each) => new Uint8Array(each)), signature: bytes(64) }), {
      maxLength: 4,
    }),
  }),
  fc.record({ type: fc.constant('wants' as const), wants: fc.array(want, { maxLength: 5 }) }),
  fc.record({ type: fc.constantFrom('lacks' as const, 'withdraws' as const), numbers: fc.array(count, { maxLength: 9 }) }),
  fc.record({ type: fc.constant('progress' as const), number: count, storedBytes: count }),
  fc.record({ type: fc.constant('base-query' as const), number: count, group: fc.nat(2 ** 20), query: bytes(30) }),
  fc.record({ type: fc.constant('base-blocks' as const), number: count, group: fc.nat(2 ** 20), answer: bytes(60) }),
  fc.record({ type: fc.constant('join' as const), node, name: fc.string({ maxLength: 40 }), binding: bytes(64), proof: bytes(64) }),
);

describe('messages', () => {
  it('read as they were written, whatever they say', () => {
    fc.assert(
      fc.property(message, (each) => {
        expect(decodeMessage(encodeMessage(each))).toEqual({ ok: true, value: each });
      }),
      { seed, numRuns: 300 },
    );
  });

  it('never throw, and what they read reads the same when it is written again, when somebody changed, cut or lengthened them', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), fc.constantFrom('change', 'cut', 'append'), (each, at, value, how) => {
        const encoded = encodeMessage(each);
        const place = at % encoded.length;
        const hostile =
          how === 'cut' ? encoded.slice(0, place) : how === 'append' ? Uint8Array.of(...encoded, value) : encoded.with(place, value);
        const decoded = decodeMessage(hostile);
        if (decoded.ok) expect(decodeMessage(encodeMessage(decoded.value))).toEqual(decoded);
        else expect(['peer', 'incompatible']).toContain(decoded.fault.blame);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('never throw for lists of anything', () => {
    const anything: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        count,
        fc.string({ maxLength: 8 }),
        bytes(32),
        bytes(64),
        fc.boolean(),
        fc.array(tie('value'), { maxLength: 6 }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.nat(13), fc.array(anything, { maxLength: 6 }), (number, parts) => {
        const decoded = decodeMessage(encodeCbor([number, ...parts]));
        if (!decoded.ok) expect(decoded.fault.code).toMatch(/^MESSAGE_/);
      }),
      { seed, numRuns: 2000 },
    );
  });
});
