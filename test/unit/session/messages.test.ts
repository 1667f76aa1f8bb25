import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../../src/core/cbor.ts';
import type { Hash, NodeId, ShortName } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/session/messages.ts';

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const node = 'a1'.repeat(32) as NodeId;
const author = 'a1'.repeat(8) as ShortName;
const dataset = 'b2'.repeat(8) as ShortName;
const root = bytes(32, 7) as Hash;
const want = { number: 3, root, sizeBytes: 1000, depth: 1, priority: 'normal', bases: [bytes(32, 8) as Hash] } as const;

/** One of each kind, and of every optional part. */
const examples: Message[] = [
  { type: 'frontier', logs: bytes(16, 1), receipts: bytes(4, 2) },
  { type: 'vectors', vectors: [{ dataset, vector: [bytes(8, 1), 4] }] },
  { type: 'vectors', vectors: [{ dataset, vector: null }] },
  { type: 'vectors', vectors: [] },
  { type: 'entries', dataset, author, first: 1, entries: [{ body: bytes(3, 1), signature: bytes(64, 2) }] },
  { type: 'entries', dataset, author, first: 7, entries: [{ body: bytes(3, 1), signature: bytes(64, 2) }], push: 5 },
  { type: 'entries', dataset, author: '' as ShortName, first: 7, entries: [] },
  { type: 'wants', wants: [{ ...want, bases: [] }, want] },
  {
    type: 'wants',
    wants: [
      {
        ...want,
        resume: {
          planId: bytes(16, 1),
          held: [
            { first: 0, count: 4 },
            { first: 9, count: 1 },
          ],
        },
      },
    ],
  },
  {
    type: 'wants',
    wants: [{ ...want, resume: { planId: bytes(16, 1), held: [], partials: [{ group: 4, offset: 77, prefixHash: bytes(8, 5) }] } }],
  },
  { type: 'wants', wants: [{ ...want, resume: { planId: bytes(16, 1), held: [] }, fromEnd: true }] },
  { type: 'lacks', numbers: [1, 2, 3] },
  { type: 'withdraws', numbers: [0] },
  { type: 'summary', fingerprints: bytes(8, 5) },
  { type: 'receipt-summary', fingerprints: bytes(4, 6) },
  { type: 'receipt-marks', marks: bytes(36, 7) },
  {
    type: 'receipts',
    receipts: [
      {
        node: author,
        dataset,
        vector: [],
        marks: bytes(6, 4),
        wallMs: 1_785_000_000_000,
        counter: 0,
        subscribed: true,
        signature: bytes(64, 3),
      },
    ],
  },
  {
    type: 'receipts',
    receipts: [
      { node: author, dataset, vector: [], marks: bytes(0, 0), wallMs: 1, counter: 0, subscribed: false, signature: bytes(64, 3) },
    ],
  },
  { type: 'join', node, name: 'ridge', binding: bytes(64, 1), proof: bytes(64, 2) },
  { type: 'welcome', founding: bytes(100, 1), secret: bytes(32, 2), member: node },
  { type: 'refused', code: 'INVITE_USED', message: 'It was used.' },
  { type: 'progress', number: 3, storedBytes: 123_456_789 },
  { type: 'addresses', members: [{ node: '0123456789abcdef' as ShortName, addresses: ['udp://10.0.0.2:7077'] }] },
  { type: 'heads', digest: bytes(4, 1), heads: [] },
  { type: 'heads', digest: bytes(4, 1), heads: [{ dataset, hashes: bytes(8, 2) }] },
  { type: 'entries', dataset, author, first: 7, entries: [{ body: bytes(3, 1), signature: bytes(64, 2) }], isBranch: true },
  { type: 'base-query', number: 3, group: 7, query: bytes(40, 4) },
  { type: 'base-blocks', number: 3, group: 7, answer: bytes(0, 0) },
];

describe('messages', () => {
  it.each(examples.map((message) => [message.type, message] as const))('read as they were written: %s', (_type, message) => {
    expect(decodeMessage(encodeMessage(message))).toEqual({ ok: true, value: message });
  });

  it('of a newer version are named as such, so that they can be skipped', () => {
    expect(decodeMessage(encodeCbor([99, 'something new']))).toMatchObject({
      ok: false,
      fault: { code: 'MESSAGE_UNKNOWN', blame: 'incompatible' },
    });
  });

  it.each([
    ['no CBOR', Uint8Array.of(0xff, 0x00)],
    ['empty', new Uint8Array(0)],
    ['not a list', encodeCbor('frontier')],
    ['without a number', encodeCbor(['frontier'])],
    ['with half a number', encodeCbor([1.5])],
    ['with a short digest', encodeCbor([1, bytes(15, 1), bytes(4, 1)])],
    ['with something behind the last part', encodeCbor([1, bytes(16, 1), bytes(4, 1), 0])],
    ['with a body and no signature', encodeCbor([3, bytes(8, 1), bytes(8, 1), 1, [bytes(3, 1)]])],
    ['with a short signature', encodeCbor([3, bytes(8, 1), bytes(8, 1), 1, [bytes(3, 1), bytes(63, 1)]])],
    ['with entry 0', encodeCbor([3, bytes(8, 1), bytes(8, 1), 0, []])],
    ['with an entry above the limit', encodeCbor([3, bytes(8, 1), bytes(8, 1), 1, [bytes(limits.logEntryBytesMax + 1, 1), bytes(64, 1)]])],
    ['with a class that does not exist', encodeCbor([4, [[1, root, 10, 1, 9, []]]])],
    ['with five bases', encodeCbor([4, [[1, root, 10, 1, 0, Array.from({ length: 5 }, () => root)]]])],
    ['with a manifest of depth 17', encodeCbor([4, [[1, root, 10, 17, 0, []]]])],
    ['with a negative size', encodeCbor([4, [[1, root, -1, 1, 0, []]]])],
    ['with half a run of held groups', encodeCbor([4, [[1, root, 10, 1, 0, [], [bytes(16, 1), [1, 2, 3]]]]])],
    ['with too many wants', encodeCbor([4, Array.from({ length: limits.wantsPerSessionMax + 1 }, (_, n) => [n, root, 10, 1, 0, []])])],
    ['with too many numbers', encodeCbor([5, Array.from({ length: limits.deferredWantsPerSessionMax + 1 }, (_, n) => n)])],
    [
      'with too many receipts',
      encodeCbor([7, Array.from({ length: limits.receiptsPerMessageMax + 1 }, () => [bytes(32, 1), bytes(32, 1), [], 0, 0, bytes(64, 1)])]),
    ],
    ['with a part of what stands for a dataset', encodeCbor([19, bytes(6, 1)])],
    ['with what stands for more nodes than a team has', encodeCbor([20, bytes(4 * (limits.membersPerTeamMax + 1), 1)])],
    ['with a part of how far receipts go', encodeCbor([21, bytes(17, 1)])],
    ['with a receipt without a whole signature', encodeCbor([7, [[bytes(8, 1), bytes(14, 1), [], 0, bytes(63, 1)]]])],
    ['with a receipt without an instant', encodeCbor([7, [[bytes(8, 1), bytes(8, 1), [], 0, bytes(64, 1)]]])],
    ['with a name that is too long', encodeCbor([8, bytes(32, 1), 'x'.repeat(257), bytes(64, 1), bytes(64, 1)])],
  ])('that break the format are the peer’s fault: %s', (_name, encoded) => {
    expect(decodeMessage(encoded)).toMatchObject({ ok: false, fault: { blame: 'peer' } });
  });
});
