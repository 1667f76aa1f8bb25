import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import {
  completePacketNumber,
  decodePacket,
  encodeHandshakePacket,
  packetNumberBytes,
  writeTransportHeader,
} from '../../../src/session/packets.ts';

describe('packets', () => {
  it('of a session carry connection id and the low bytes of the number', () => {
    const bytes = new Uint8Array(10);
    expect(writeTransportHeader(bytes, { connectionId: 0x0a0b0c, packetNumber: 0x1234, numberBytes: 2 })).toBe(6);
    expect(toHex(bytes.subarray(0, 6))).toBe('010a0b0c1234');
    expect(decodePacket(bytes)).toEqual({
      ok: true,
      value: {
        form: 'transport',
        connectionId: 0x0a0b0c,
        shortNumber: 0x1234,
        numberBytes: 2,
        lane: 0,
        isPatient: false,
        header: fromHex('010a0b0c1234'),
        sealed: new Uint8Array(4),
      },
    });
  });

  it('say when nothing follows them for now', () => {
    const bytes = new Uint8Array(10);
    writeTransportHeader(bytes, { connectionId: 1, packetNumber: 2, numberBytes: 1, isPatient: true });
    expect(bytes[0]).toBe(4);
    expect(decodePacket(bytes)).toMatchObject({ ok: true, value: { form: 'transport', numberBytes: 1, isPatient: true } });
  });

  it('of a handshake carry type, version, connection id and attempt', () => {
    const message = new Uint8Array(40).fill(5);
    const bytes = encodeHandshakePacket({ type: 'memberHello', connectionId: 7, attempt: 300, message });
    expect(toHex(bytes.subarray(0, 5))).toBe('81000007ff');
    expect(decodePacket(bytes)).toEqual({
      ok: true,
      value: { form: 'handshake', type: 'memberHello', version: 1, connectionId: 7, attempt: 255, message },
    });
    const proof = encodeHandshakePacket({ type: 'joinProof', connectionId: 7, attempt: 0, message });
    expect(proof.length).toBe(44);
    expect(decodePacket(proof)).toMatchObject({ ok: true, value: { type: 'joinProof', attempt: 0, message } });
  });

  it('of another version are known by their first four bytes alone', () => {
    expect(decodePacket(fromHex('8f000007'))).toMatchObject({ ok: true, value: { type: 'memberHello', version: 15, connectionId: 7 } });
  });

  it('that refuse a version have four bytes', () => {
    const bytes = encodeHandshakePacket({ type: 'refusal', connectionId: 9, attempt: 0, message: new Uint8Array(0) });
    expect(toHex(bytes)).toBe('f1000009');
    expect(decodePacket(bytes)).toMatchObject({ ok: true, value: { type: 'refusal', version: 1, connectionId: 9 } });
  });

  it.each([
    ['', 'nothing'],
    ['010203', 'less than a connection id'],
    ['0301020304', 'less than the packet number'],
    ['20010203ff', 'reserved bits'],
    ['d1000000', 'an unknown kind of handshake'],
    [`8100000000${'00'.repeat(31)}`, 'less than a key'],
    ['81000000', 'no attempt'],
  ])('%s are refused: %s', (hex) => {
    expect(decodePacket(fromHex(hex))).toMatchObject({ ok: false, fault: { code: 'PACKET_MALFORMED' } });
  });
});

describe('a packet number', () => {
  it('is completed as in RFC 9000 appendix A.3', () => {
    expect(completePacketNumber(0x9b32, 2, 0xa82f30ea)).toBe(0xa82f9b32);
  });

  it('is completed from as few bytes as it was sent with, whatever of what is under way was missed', () => {
    for (const newest of [-1, 0, 5, 127, 128, 40_000, 10_000_000]) {
      for (const ahead of [1, 2, 127, 128, 32_000, 8_000_000]) {
        const number = newest + ahead;
        const bytes = packetNumberBytes(number, newest);
        for (const received of [newest, Math.floor((newest + number) / 2), number - 1]) {
          expect(completePacketNumber(number % 256 ** bytes, bytes, received)).toBe(number);
        }
      }
    }
  });

  it('that comes late is completed downwards', () => {
    expect(completePacketNumber(0xf0, 1, 0x105)).toBe(0xf0);
    expect(completePacketNumber(0xf0, 1, 0x05)).toBe(0xf0);
  });
});
