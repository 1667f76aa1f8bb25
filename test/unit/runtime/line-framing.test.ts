import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { encodeLinePacket, LineUnframer, linePacketBytesMax } from '../../../src/runtime/line-framing.ts';

const anyPacket = fc.oneof(
  fc.uint8Array({ minLength: 0, maxLength: 40 }),
  // Lengths about the ends of blocks, and contents with few zeros.
  fc
    .tuple(fc.integer({ min: 250, max: 260 }), fc.array(fc.integer({ min: 0, max: 259 }), { maxLength: 3 }))
    .map(([length, zeros]) => Uint8Array.from({ length }, (_, at) => (zeros.includes(at) ? 0 : (at % 255) + 1))),
  fc.uint8Array({ minLength: 1000, maxLength: linePacketBytesMax }),
);

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

/** What comes out of a line in pieces of these lengths. */
function carried(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const unframer = new LineUnframer();
  const packets: Uint8Array[] = [];
  let at = 0;
  for (const cut of cuts) {
    packets.push(...unframer.push(bytes.subarray(at, at + cut)));
    at += cut;
  }
  return [...packets, ...unframer.push(bytes.subarray(at))];
}

describe('packets on a line', () => {
  test('have the checksum of HDLC behind them, and no zero but at their ends', () => {
    // The check value of CRC-16/X-25 is 906e for these nine digits.
    expect([...encodeLinePacket(new TextEncoder().encode('123456789'))]).toEqual([
      0,
      12,
      ...[...'123456789'].map((digit) => digit.charCodeAt(0)),
      0x6e,
      0x90,
      0,
    ]);
    expect([...encodeLinePacket(Uint8Array.of(0, 1, 0))].slice(1, -1)).not.toContain(0);
  });

  test('are five bytes longer than before, and nine with 1,200', () => {
    expect(encodeLinePacket(new Uint8Array(100).fill(7)).length).toBeLessThanOrEqual(105);
    expect(encodeLinePacket(new Uint8Array(1200).fill(7)).length).toBeLessThanOrEqual(1209);
  });

  test('come out as they went in, however the line cuts them', () => {
    fc.assert(
      fc.property(fc.array(anyPacket, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 20 }), (packets, cuts) => {
        expect(carried(joined(packets.map(encodeLinePacket)), cuts)).toEqual(packets);
      }),
      { numRuns: 200, seed: 4711 },
    );
  });

  test('pass when the end of the one before, or the beginning of their own, is lost, and behind noise', () => {
    const [first, second] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)];
    const noise = Uint8Array.of(0x55, 0xaa, 0x31);
    const line = joined([encodeLinePacket(first).subarray(0, -1), noise, encodeLinePacket(second), encodeLinePacket(first).subarray(1)]);
    expect(carried(line, [])).toEqual([second, first]);
    expect(carried(joined([encodeLinePacket(first).subarray(0, -1), encodeLinePacket(second)]), [])).toEqual([first, second]);
  });

  test('are not made up from what is garbled, and the next whole one passes', () => {
    fc.assert(
      fc.property(anyPacket, fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 255 }), (packet, place, flip) => {
        const encoded = encodeLinePacket(packet);
        const at = 1 + (place % (encoded.length - 2));
        encoded[at] = (encoded[at] as number) ^ flip;
        const whole = Uint8Array.of(9, 9, 9);
        // A burst of errors of 8 bits is always found by 16 bits of checksum, unless it moved a boundary.
        const found = carried(joined([encoded, encodeLinePacket(whole)]), []);
        expect(found.at(-1)).toEqual(whole);
        expect(found).not.toContainEqual(packet);
      }),
      { numRuns: 300, seed: 4712 },
    );
  });

  test('are found again after any amount of noise without a zero', () => {
    const noise = seededRandom(3)
      .bytes(100_000)
      .map((byte) => byte || 1);
    const packet = Uint8Array.of(1, 0, 2);
    expect(carried(joined([noise, encodeLinePacket(packet)]), [1, 99_998])).toEqual([packet]);
  });
});
