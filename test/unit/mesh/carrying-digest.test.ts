import { describe, expect, it } from 'vitest';
import {
  type CarryingDigest,
  carryingDigestBytesMax,
  decodeCarryingDigest,
  encodeCarryingDigest,
  heldTagsMax,
  itemReceiptsMax,
  itemTag,
} from '../../../src/mesh/carrying-digest.ts';
import { meetingEntriesMax } from '../../../src/mesh/meeting-history.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const digest: CarryingDigest = {
  freeBytes: 5 * 1024,
  meetings: [
    { node: nameOf(1), intervalMs: 1000, delayMs: 1000 },
    { node: nameOf(2), intervalMs: Number.POSITIVE_INFINITY, delayMs: 86_400_000 },
  ],
  held: [itemTag('a'), 0xffffffff],
  receipts: [{ tag: itemTag('b'), served: 0x80000001 }],
};

function decoded(bytes: Uint8Array): CarryingDigest {
  const outcome = decodeCarryingDigest(bytes);
  if (!outcome.ok) throw new Error(outcome.fault.message);
  return outcome.value;
}

describe('the digest of a contact', () => {
  it('is read as it was written, delays within five per cent', () => {
    const { meetings, ...rest } = decoded(encodeCarryingDigest(digest));
    expect(rest).toEqual({ freeBytes: digest.freeBytes, held: digest.held, receipts: digest.receipts });
    expect(meetings[0]).toEqual(digest.meetings[0]);
    expect(meetings[1]?.intervalMs).toBe(Number.POSITIVE_INFINITY);
    expect(Math.abs((meetings[1]?.delayMs ?? 0) / 86_400_000 - 1)).toBeLessThan(0.05);
  });

  it('has the bytes that are promised, and no more than the limit', () => {
    expect(encodeCarryingDigest(digest)).toHaveLength(10 + 20 + 8 + 8);
    const full = encodeCarryingDigest({
      freeBytes: 2 ** 60,
      meetings: Array.from({ length: meetingEntriesMax }, (_, i) => ({ node: nameOf(i), intervalMs: 1, delayMs: 1e300 })),
      held: Array.from({ length: heldTagsMax }, (_, i) => i),
      receipts: Array.from({ length: itemReceiptsMax }, (_, i) => ({ tag: i, served: 1 })),
    });
    expect(full).toHaveLength(carryingDigestBytesMax);
    expect(carryingDigestBytesMax).toBe(9202);
    expect(decoded(full).receipts).toHaveLength(itemReceiptsMax);
  });

  it('names items by FNV-1a', () => {
    // From the reference vectors of Fowler, Noll and Vo.
    expect(itemTag('')).toBe(0x811c9dc5);
    expect(itemTag('a')).toBe(0xe40c292c);
    expect(itemTag('foobar')).toBe(0xbf9cf968);
  });

  it('is refused when it is cut off anywhere, goes on, or claims more than there may be', () => {
    const bytes = encodeCarryingDigest(digest);
    for (let length = 0; length < bytes.length; length++)
      expect(decodeCarryingDigest(bytes.subarray(0, length))).toMatchObject({ ok: false });
    expect(decodeCarryingDigest(new Uint8Array([...bytes, 0]))).toMatchObject({
      ok: false,
      fault: { code: 'CARRYING_DIGEST_MALFORMED', blame: 'peer' },
    });
    const many = new Uint8Array(10 + 10 * (meetingEntriesMax + 1));
    new DataView(many.buffer).setUint16(4, meetingEntriesMax + 1);
    expect(decodeCarryingDigest(many)).toMatchObject({ ok: false });
  });
});
