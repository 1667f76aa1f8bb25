import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/core/random.ts';
import {
  answerContent,
  decodeIdentity,
  decodePromise,
  decodeValues,
  isSensorAddress,
  sdi12Crc,
} from '../../../../src/instruments/sdi12/messages.ts';

const malformed = { ok: false, fault: { code: 'SDI12_MALFORMED', blame: 'instrument' } };

describe('a checksum', () => {
  test('is that of the standard', () => {
    // SDI-12 Specification V1.4, 4.4.12: the answer 0+3.14 carries OqZ.
    expect(sdi12Crc('0+3.14')).toBe('OqZ');
    expect(answerContent('0', '0+3.14OqZ', true)).toEqual({ ok: true, value: '+3.14' });
  });

  test('finds every flipped bit, every cut, and an answer without one', () => {
    const line = '0+3.14OqZ';
    for (let bit = 0; bit < line.length * 7; bit++) {
      const at = Math.floor(bit / 7);
      const flipped = line.slice(0, at) + String.fromCharCode(line.charCodeAt(at) ^ (1 << (bit % 7))) + line.slice(at + 1);
      expect(answerContent('0', flipped, true)).toMatchObject(malformed);
    }
    for (let length = 0; length < line.length; length++) {
      // The bare address is an answer of its own: nothing to say.
      const cut = answerContent('0', line.slice(0, length), true);
      if (length === 1) expect(cut).toEqual({ ok: true, value: '' });
      else expect(cut).toMatchObject(malformed);
    }
    expect(answerContent('0', '0+3.14', true)).toMatchObject(malformed);
  });
});

describe('an answer', () => {
  test('of another address, or longer than any, is refused', () => {
    expect(answerContent('0', '1+3.14', false)).toMatchObject(malformed);
    expect(answerContent('0', `0${'+1'.repeat(40)}`, false)).toMatchObject(malformed);
  });

  test('identifies the sensor', () => {
    const content = '13NRSYSINC1000001.2001300012345';
    expect(decodeIdentity('0', content)).toEqual({
      ok: true,
      value: { standard: '1.3', vendor: 'NRSYSINC', model: '100000', version: '1.2', serial: '001300012345' },
    });
    expect(decodeIdentity('0', '14METER   TER12 421')).toMatchObject({
      value: { vendor: 'METER', model: 'TER12', version: '421', serial: '' },
    });
    for (let length = 0; length < 19; length++) expect(decodeIdentity('0', content.slice(0, length))).toMatchObject(malformed);
    expect(decodeIdentity('0', `${content}00`)).toMatchObject(malformed);
  });

  test('promises a measurement', () => {
    expect(decodePromise('0', '0053', false)).toEqual({ ok: true, value: { waitSeconds: 5, valueCount: 3 } });
    expect(decodePromise('0', '12020', true)).toEqual({ ok: true, value: { waitSeconds: 120, valueCount: 20 } });
    for (const cut of ['', '0', '00', '005', '00533', '005x']) expect(decodePromise('0', cut, false)).toMatchObject(malformed);
    expect(decodePromise('0', '0053', true)).toMatchObject(malformed);
  });

  test('gives values in the sensor’s own digits', () => {
    expect(decodeValues('0', '+3.14-0.50+1000000+.5-7.')).toEqual({ ok: true, value: ['3.14', '-0.50', '1000000', '.5', '-7.'] });
    expect(decodeValues('0', '')).toEqual({ ok: true, value: [] });
  });

  test.each(['3.14', '+3.1.4', '+', '+-1', '+3 ', '+12345678', '+1e5', '+1'.repeat(38)])('with %s for values is refused', (content) => {
    expect(decodeValues('0', content)).toMatchObject(malformed);
  });

  test('of noise never throws', () => {
    const random = seededRandom(21);
    for (let i = 0; i < 20_000; i++) {
      const text = String.fromCharCode(
        ...random.bytes(random.below(90)).map((byte) => (random.below(2) === 0 ? byte & 0x7f : 0x2b + (byte % 15))),
      );
      const content = answerContent('0', `0${text}`, false);
      for (const decode of [decodeIdentity, decodeValues]) expect(decode('0', content.ok ? content.value : text).ok).toBeTypeOf('boolean');
      expect(decodePromise('0', text, false).ok).toBeTypeOf('boolean');
    }
  });
});

test('an address is one digit or letter', () => {
  expect(['0', '9', 'a', 'Z'].every(isSensorAddress)).toBe(true);
  expect(['', '?', '10', ' ', 'é'].some(isSensorAddress)).toBe(false);
});
