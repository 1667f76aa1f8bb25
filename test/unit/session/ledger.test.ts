import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { encodeLinePacket } from '../../../src/runtime/line-framing.ts';
import { linkKindOf, packetBytesWithin, packetLinkBytes } from '../../../src/session/ledger.ts';

describe('bytes on a link', () => {
  it('of a path to a serial port or a lent line are what the framing puts there', () => {
    const random = seededRandom(1);
    for (let length = 1; length <= 2000; length += 13) {
      const packet = random.bytes(length);
      const counted = packetLinkBytes(linkKindOf('datagram', 'serial:/dev/ttyUSB0'), length);
      const onLine = encodeLinePacket(packet).length;
      // Zeros in the packet spare the bytes that long runs without one would take.
      expect(counted - onLine).toBeGreaterThanOrEqual(0);
      expect(counted - onLine).toBeLessThanOrEqual(Math.floor((length + 2) / 254));
      expect(packetLinkBytes('line', length)).toBe(packetLinkBytes(linkKindOf('datagram', 'line:radio'), length));
    }
    expect(packetLinkBytes('datagram', 100)).toBe(128);
  });

  it.each(['datagram', 'line', 'stream'] as const)('of the longest packet within an allowance are within it, over a %s', (kind) => {
    for (let allowed = 320; allowed < 20_000; allowed += 97) {
      const longest = packetBytesWithin(kind, allowed);
      expect(packetLinkBytes(kind, longest)).toBeLessThanOrEqual(allowed);
      expect(packetLinkBytes(kind, longest + 130)).toBeGreaterThan(allowed);
    }
    expect(packetBytesWithin(kind, Infinity)).toBe(Infinity);
  });

  it('of a path over IP or a connection are those of their kind', () => {
    expect([linkKindOf('datagram', 'udp://10.0.0.1:7077'), linkKindOf('stream', 'tcp://10.0.0.1:7077')]).toEqual(['datagram', 'stream']);
  });
});
