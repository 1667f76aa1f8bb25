import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import { seededRandom } from '../../../../src/core/random.ts';
import { modbusCrc } from '../../../../src/instruments/modbus/crc.ts';
import { findRtuAnswer, rtuFrame, rtuMessage, TcpDeframer, tcpFrame } from '../../../../src/instruments/modbus/framing.ts';
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeException,
  encodeRequest,
  type ReadRequest,
  type RegisterKind,
} from '../../../../src/instruments/modbus/messages.ts';

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(' ', ''));

/** Three holding registers from 107 on: the example of the specification, 6.3. */
const request: ReadRequest = { kind: 'holding-register', address: 107, count: 3 };
const answer = bytes('03 06 02 2b 00 00 00 64');

describe('a request', () => {
  test.each<[RegisterKind, number, number, string]>([
    // MODBUS Application Protocol Specification V1.1b3, the examples of 6.1 to 6.4.
    ['coil', 19, 19, '01 00 13 00 13'],
    ['discrete-input', 196, 22, '02 00 c4 00 16'],
    ['holding-register', 107, 3, '03 00 6b 00 03'],
    ['input-register', 8, 1, '04 00 08 00 01'],
  ])('for a %s is encoded as the specification shows', (kind, address, count, hex) => {
    expect(encodeRequest({ kind, address, count })).toEqual(bytes(hex));
    expect(decodeRequest(bytes(hex))).toEqual({ kind, address, count });
  });

  test('that writes, or is cut, is none', () => {
    expect(decodeRequest(bytes('06 00 01 00 03'))).toBeUndefined();
    expect(decodeRequest(bytes('03 00 6b 00'))).toBeUndefined();
  });
});

describe('an answer', () => {
  test('of the specification gives its data', () => {
    expect(decodeAnswer(request, answer)).toEqual({ ok: true, value: bytes('02 2b 00 00 00 64') });
    expect(decodeAnswer({ kind: 'coil', address: 19, count: 19 }, bytes('01 03 cd 6b 05'))).toEqual({ ok: true, value: bytes('cd 6b 05') });
  });

  test.each([
    [1, 'INSTRUMENT_REFUSED'],
    [2, 'INSTRUMENT_REFUSED'],
    [3, 'INSTRUMENT_REFUSED'],
    [4, 'MODBUS_DEVICE_FAILURE'],
    [5, 'INSTRUMENT_BUSY'],
    [6, 'INSTRUMENT_BUSY'],
    [8, 'MODBUS_DEVICE_FAILURE'],
    [10, 'INSTRUMENT_TIMEOUT'],
    [11, 'INSTRUMENT_TIMEOUT'],
    [77, 'MODBUS_DEVICE_FAILURE'],
  ])('with exception %i is %s', (exception, code) => {
    expect(decodeAnswer(request, encodeException(3, exception))).toMatchObject({ ok: false, fault: { code, blame: 'instrument' } });
  });

  test('to something else, too short or too long is MODBUS_MALFORMED, and nothing throws', () => {
    const wrong = [bytes('04 06 02 2b 00 00 00 64'), bytes('03 04 02 2b 00 00'), concatBytes(answer, bytes('00')), bytes('83 02 00')];
    for (let length = 0; length < answer.length; length++) wrong.push(answer.subarray(0, length));
    for (const pdu of wrong) expect(decodeAnswer(request, pdu)).toMatchObject({ ok: false, fault: { code: 'MODBUS_MALFORMED' } });
  });
});

describe('an RTU frame', () => {
  test('has the checksum of published frames, low byte first', () => {
    // Modbus over Serial Line V1.02, 6.2.2: the frame 02 07 has the CRC 1241 in the order 41 12.
    expect(modbusCrc(bytes('02 07'))).toBe(0x1241);
    expect(rtuFrame(2, bytes('07'))).toEqual(bytes('02 07 41 12'));
    // The check value of CRC-16/MODBUS in the catalogue of parametrised CRC algorithms.
    expect(modbusCrc(new TextEncoder().encode('123456789'))).toBe(0x4b37);
  });

  test('is the message only when unit, length and checksum are right', () => {
    const frame = rtuFrame(17, answer);
    expect(rtuMessage(17, frame)).toEqual(answer);
    expect(rtuMessage(18, frame)).toBeUndefined();
    for (let length = 0; length < frame.length; length++) expect(rtuMessage(17, frame.subarray(0, length))).toBeUndefined();
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = frame.slice();
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      expect(rtuMessage(17, damaged)).toBeUndefined();
    }
  });

  test('is found behind noise, behind the echo of the request, and as an exception', () => {
    const frame = rtuFrame(17, answer);
    const exception = rtuFrame(17, encodeException(3, 2));
    const echo = rtuFrame(17, encodeRequest(request));
    for (const noise of [bytes(''), bytes('00 ff'), bytes('11'), bytes('11 03 06'), echo]) {
      expect(findRtuAnswer(17, request, concatBytes(noise, frame))).toEqual(answer);
      expect(findRtuAnswer(17, request, concatBytes(noise, exception))).toEqual(encodeException(3, 2));
    }
  });

  test('is not found in an echo, in what is cut, or in noise', () => {
    const coils: ReadRequest = { kind: 'coil', address: 0x0300, count: 20 };
    expect(findRtuAnswer(1, coils, rtuFrame(1, encodeRequest(coils)))).toBeUndefined();
    const frame = rtuFrame(17, answer);
    for (let length = 0; length < frame.length; length++) expect(findRtuAnswer(17, request, frame.subarray(0, length))).toBeUndefined();
    const random = seededRandom(5);
    let found = 0;
    for (let i = 0; i < 20_000; i++) if (findRtuAnswer(17, request, random.bytes(random.below(64))) !== undefined) found += 1;
    expect(found).toBe(0);
  });
});

describe('a TCP stream', () => {
  const first = { transaction: 0x1234, unit: 255, pdu: answer };
  const second = { transaction: 7, unit: 1, pdu: encodeException(3, 2) };
  const stream = concatBytes(tcpFrame(first), tcpFrame(second));

  test('has the header of the guide', () => {
    expect(tcpFrame({ transaction: 0x1501, unit: 0xff, pdu: bytes('03 00 04 00 01') })).toEqual(
      bytes('15 01 00 00 00 06 ff 03 00 04 00 01'),
    );
  });

  test('cut anywhere gives the same messages', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const deframer = new TcpDeframer();
      const messages = [stream.subarray(0, cut), stream.subarray(cut)].flatMap((part) => {
        const found = deframer.push(part);
        return found.ok ? found.value : [];
      });
      expect(messages).toEqual([first, second]);
    }
  });

  test.each(['0001 0001 0006 01 03', '0001 0000 0001 01 03', '0001 0000 00ff 01 03'])('that begins %s is out of step for good', (hex) => {
    const deframer = new TcpDeframer();
    expect(deframer.push(bytes(hex))).toMatchObject({ ok: false, fault: { code: 'MODBUS_MALFORMED' } });
    expect(deframer.push(stream)).toMatchObject({ ok: false });
  });

  test('of noise never throws and holds less than a frame', () => {
    const random = seededRandom(9);
    for (let i = 0; i < 500; i++) {
      const deframer = new TcpDeframer();
      for (let j = 0; j < 8; j++) expect(deframer.push(random.bytes(random.below(40))).ok).toBeTypeOf('boolean');
    }
  });

  test('carries every kind of answer a device makes', () => {
    expect(encodeAnswer('input-register', bytes('00 0a'))).toEqual(bytes('04 02 00 0a'));
  });
});
