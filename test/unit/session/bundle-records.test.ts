import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { encodeCbor } from '../../../src/core/cbor.ts';
import { type Hash, identifier, type NodeId, type ShortName } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type BundleRecord, decodeRecord, encodeRecord, tableBytesMin, tableRowBytesMax } from '../../../src/session/bundle-records.ts';

const random = seededRandom(1);
const node = identifier<NodeId>(random.bytes(32));
const root = random.bytes(32) as Hash;
const planId = random.bytes(16);
const name = '0123456789abcdef' as ShortName;

const records: readonly BundleRecord[] = [
  {
    type: 'table',
    table: {
      exporter: node,
      wallMs: 1_780_000_000_000,
      addressed: [node],
      hasReceipts: true,
      damaged: ['0001abcd.gwb'],
      rows: [
        { type: 'entries', dataset: name, author: name, first: 3, count: 4 },
        { type: 'groups', root, planId, groups: 9, first: 0, count: 2 },
      ],
    },
  },
  {
    type: 'message',
    message: { type: 'entries', dataset: name, author: name, first: 1, entries: [{ body: random.bytes(9), signature: random.bytes(64) }] },
  },
  { type: 'plan', plan: { root, sizeBytes: 17, depth: 1, bases: [root], planObject: random.bytes(40) } },
  { type: 'group', group: { root, planId, group: 70_000, encoded: random.bytes(33) } },
];

describe('a record of a bundle', () => {
  it.each(records)('comes back as it was written: $type', (record) => {
    expect(decodeRecord(encodeRecord(record))).toEqual({ ok: true, value: record });
  });

  it.each(records)('cut short or with another byte is refused or means something of its format, and never throws: $type', (record) => {
    const encoded = encodeRecord(record);
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const bad = cut ? encoded.slice(0, at) : encoded.slice();
        if (!cut) bad[at] = value;
        const decoded = decodeRecord(bad);
        if (!decoded.ok) expect(['peer', 'incompatible']).toContain(decoded.fault.blame);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('of an unknown kind belongs to a newer version', () => {
    expect(decodeRecord(Uint8Array.of(9, 1))).toMatchObject({ fault: { code: 'BUNDLE_RECORD_UNKNOWN', blame: 'incompatible' } });
    expect(decodeRecord(new Uint8Array(0))).toMatchObject({ ok: false });
  });

  it('that breaks its format is refused', () => {
    const malformed = { fault: { code: 'BUNDLE_RECORD_MALFORMED', blame: 'peer' } };
    expect(decodeRecord(concatBytes(Uint8Array.of(1), encodeCbor([1, 2])))).toMatchObject(malformed);
    expect(decodeRecord(concatBytes(Uint8Array.of(3), encodeCbor([root, -1, 0, [], root])))).toMatchObject(malformed);
    expect(decodeRecord(Uint8Array.of(4, 1, 2))).toMatchObject(malformed);
    // A message that makes no sense where nobody answers.
    expect(decodeRecord(concatBytes(Uint8Array.of(2), encodeCbor([5, [1]])))).toMatchObject(malformed);
  });

  it('takes no more room in a table than is reserved for it, however large its numbers', () => {
    const large = Number.MAX_SAFE_INTEGER;
    const table = { exporter: node, wallMs: large, addressed: [], hasReceipts: false, damaged: [] };
    const empty = encodeRecord({ type: 'table', table: { ...table, rows: [] } }).length;
    expect(empty).toBeLessThanOrEqual(tableBytesMin - 10);
    const rows = [
      { type: 'entries', dataset: name, author: name, first: large, count: large },
      { type: 'groups', root, planId, groups: 2 ** 20, first: 2 ** 20, count: 2 ** 20 },
    ] as const;
    for (const row of rows)
      expect(encodeRecord({ type: 'table', table: { ...table, rows: [row] } }).length - empty).toBeLessThanOrEqual(tableRowBytesMax);
  });
});
