import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { streamPacketBytesMax } from '../../../src/session/packets.ts';
import { framePacket, StreamUnframer } from '../../../src/session/stream-framing.ts';

describe('packets on a stream', () => {
  it('come out whole however the stream was split', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 90 })),
        (packets, cuts) => {
          const stream = concatBytes(...packets.map(framePacket));
          const unframer = new StreamUnframer();
          const got: Uint8Array[] = [];
          let offset = 0;
          for (const cut of [...cuts, stream.length]) {
            got.push(...unframer.push(stream.subarray(offset, offset + cut))!.map((packet) => packet.slice()));
            offset = Math.min(stream.length, offset + cut);
          }
          expect(got).toEqual(packets);
        },
      ),
      { seed: 11 },
    );
  });

  it('may have the greatest length', () => {
    const packet = new Uint8Array(streamPacketBytesMax).fill(1);
    expect(new StreamUnframer().push(framePacket(packet))).toEqual([packet]);
  });

  it.each([
    ['no length at all', Uint8Array.of(0)],
    ['more than a packet may have', Uint8Array.of(0x80, 1, 0, 0)],
    ['a length beyond the safe integers', new Uint8Array(8).fill(0xff)],
  ])('that announce %s end the stream', (_, bytes) => {
    expect(new StreamUnframer().push(bytes)).toBeUndefined();
  });
});
