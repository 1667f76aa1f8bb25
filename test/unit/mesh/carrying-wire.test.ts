import { array, assert, constantFrom, integer, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import {
  type CarryingMessage,
  carriedEntriesMax,
  carriedLogsMax,
  carryingMessageBytesMax,
  decodeCarryingMessage,
  encodeCarryingMessage,
} from '../../../src/mesh/carrying-wire.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const dataset = 'd'.repeat(16) as ShortName;

function offers(...logs: readonly (readonly number[])[]): CarryingMessage {
  return {
    type: 'offers',
    logs: logs.map((sequences, i) => ({ dataset, author: nameOf(i), entries: sequences.map((sequence) => ({ sequence, count: 1 })) })),
  };
}

describe('messages about carrying', () => {
  it('are read as they were written', () => {
    const digest = { freeBytes: 1024, meetings: [], held: [7], receipts: [] };
    for (const message of [
      { type: 'digest', digest } as const,
      offers(),
      offers([1, 2, 0xffff_ffff], [5]),
      { ...offers([3]), type: 'grants' } as CarryingMessage,
    ])
      expect(decodeCarryingMessage(encodeCarryingMessage(message))).toEqual({ ok: true, value: message });
  });

  it('say a count that is too great to be written as the greatest', () => {
    const many: CarryingMessage = { type: 'grants', logs: [{ dataset, author: nameOf(1), entries: [{ sequence: 1, count: 2 ** 30 }] }] };
    expect(decodeCarryingMessage(encodeCarryingMessage(many))).toMatchObject({ value: { logs: [{ entries: [{ count: 65_535 }] }] } });
  });

  it('have the bytes that a session allows for them', () => {
    expect(carryingMessageBytesMax).toBe(limits.carryingBytesMax);
    const each = carriedEntriesMax / carriedLogsMax;
    const full = encodeCarryingMessage(offers(...Array.from({ length: carriedLogsMax }, () => Array.from({ length: each }, (_, i) => i))));
    expect(full).toHaveLength(1 + 2 + carriedLogsMax * 18 + carriedEntriesMax * 6);
  });

  it('are refused when they name more than they may, are cut off anywhere, or go on', () => {
    const bytes = encodeCarryingMessage(offers([1, 2], [5]));
    for (let length = 1; length < bytes.length; length++)
      expect(decodeCarryingMessage(bytes.subarray(0, length))).toMatchObject({
        fault: { code: 'CARRYING_DIGEST_MALFORMED', blame: 'peer' },
      });
    expect(decodeCarryingMessage(new Uint8Array([...bytes, 0]))).toMatchObject({ ok: false });
    const many = (count: number) => offers(Array.from({ length: count }, (_, i) => i));
    expect(decodeCarryingMessage(encodeCarryingMessage(many(carriedEntriesMax)))).toMatchObject({ ok: true });
    expect(decodeCarryingMessage(encodeCarryingMessage(many(carriedEntriesMax + 1)))).toMatchObject({ ok: false });
    const logs = (count: number) => offers(...Array.from({ length: count }, () => []));
    expect(decodeCarryingMessage(encodeCarryingMessage(logs(carriedLogsMax)))).toMatchObject({ ok: true });
    expect(decodeCarryingMessage(encodeCarryingMessage(logs(carriedLogsMax + 1)))).toMatchObject({ ok: false });
  });

  it('of another kind belong to a newer version', () => {
    for (const bytes of [new Uint8Array(), new Uint8Array([0]), new Uint8Array([4, 1])])
      expect(decodeCarryingMessage(bytes)).toMatchObject({ fault: { code: 'CARRYING_MESSAGE_UNKNOWN', blame: 'incompatible' } });
  });

  it('never throw, whatever the bytes', () => {
    assert(
      property(
        constantFrom(1, 2, 3, 4),
        uint8Array({ maxLength: 200 }),
        array(integer({ min: 0, max: 3 }), { maxLength: 4 }),
        (kind, noise, head) => {
          const decoded = decodeCarryingMessage(new Uint8Array([kind, ...head, ...noise]));
          if (decoded.ok) expect(encodeCarryingMessage(decoded.value).length).toBeLessThanOrEqual(carryingMessageBytesMax);
        },
      ),
    );
  });
});
