import { describe, expect, test } from 'vitest';
import { toHex } from '../../../../src/core/bytes.ts';
import { Deframer, framed, packetBytesMax } from '../../../../src/instruments/pakbus/framing.ts';
import { decodePacket, encodePacket, linkStatePacket, linkStates } from '../../../../src/instruments/pakbus/packet.ts';
import { nullifierOf, signatureOf } from '../../../../src/instruments/pakbus/signature.ts';

function found(deframer: Deframer, ...hex: string[]): string[] {
  return hex.flatMap((piece) => deframer.push(Uint8Array.fromHex(piece)).map(toHex));
}

describe('a deframer', () => {
  test('finds packets that share a delimiter, and ignores runs of delimiters', () => {
    expect(found(new Deframer(), 'bdbdbd01020304bd05060708bdbd')).toEqual(['01020304', '05060708']);
  });

  test('finds a packet that arrives byte by byte', () => {
    expect(found(new Deframer(), 'bd', '01', 'bc', 'dd', '03', '04', 'bd')).toEqual(['01bd0304']);
  });

  test.each([
    ['a quote behind nothing', 'bd010203bcbd'],
    ['a quote before another byte', 'bd010203bc0405bd'],
    ['a quote before a quote', 'bd0102bcbc03bd'],
    ['fewer bytes than half a header', 'bd010203bd'],
  ])('drops and counts %s, and finds what follows', (_, hex) => {
    const deframer = new Deframer();
    expect(found(deframer, hex, '0a0b0c0dbd')).toEqual(['0a0b0c0d']);
    expect(deframer.framesDropped).toBe(1);
  });

  test('drops bytes before the first delimiter only as far as they are no packet', () => {
    const deframer = new Deframer();
    expect(found(deframer, '0102', 'bd0a0b0c0dbd')).toEqual(['0a0b0c0d']);
    expect(deframer.framesDropped).toBe(1);
  });

  test('takes the longest packet and nothing longer', () => {
    const deframer = new Deframer();
    const longest = new Uint8Array(packetBytesMax).fill(0xbd);
    expect(deframer.push(framed(longest))).toEqual([longest]);
    expect(deframer.push(framed(new Uint8Array(packetBytesMax + 1)))).toEqual([]);
    expect(deframer.framesDropped).toBe(1);
    expect(deframer.push(framed(longest))).toEqual([longest]);
  });

  test('gives each packet its own bytes', () => {
    const deframer = new Deframer();
    const [first] = deframer.push(Uint8Array.fromHex('bd01020304bd'));
    deframer.push(Uint8Array.fromHex('bd0a0b0c0dbd'));
    expect(toHex(first!)).toBe('01020304');
  });
});

describe('a packet', () => {
  test('with any one bit flipped has a wrong signature', () => {
    const packet = encodePacket(linkStatePacket({ from: 4094, to: 1 }, linkStates.ring));
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const damaged = packet.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodePacket(damaged)).toMatchObject({ ok: false, fault: { code: 'PAKBUS_SIGNATURE' } });
    }
  });

  test.each([2, 3, 5, 6, 7])('of %i signed bytes is malformed', (length) => {
    const signed = new Uint8Array(length).fill(0xa0);
    const packet = Uint8Array.of(...signed, ...nullifierOf(signatureOf(signed)));
    expect(decodePacket(packet)).toMatchObject({ ok: false, fault: { code: 'PAKBUS_MALFORMED', blame: 'instrument' } });
  });

  test('of no bytes is refused', () => {
    expect(decodePacket(new Uint8Array(0)).ok).toBe(false);
  });
});
