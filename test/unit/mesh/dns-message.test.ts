import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../../src/core/bytes.ts';
import { type DnsData, type DnsMessage, type DnsRecord, decodeDns, encodeDns, isSameName } from '../../../src/mesh/dns-message.ts';

const empty: DnsMessage = { id: 0, isResponse: false, questions: [], answers: [], authorities: [], additionals: [] };

function withHeader(counts: readonly number[], body: Uint8Array): Uint8Array {
  const header = new Uint8Array(12);
  for (const [index, count] of counts.entries()) new DataView(header.buffer).setUint16(4 + 2 * index, count);
  return concatBytes(header, body);
}

test('a question is written as RFC 1035 and RFC 6762 say', () => {
  const bytes = encodeDns({ ...empty, questions: [{ name: ['_a', 'local'], type: 12, isUnicast: true }] });
  expect(bytes).toEqual(fromHex('000000000001000000000000' + '025f61' + '056c6f63616c' + '00' + '000c' + '8001'));
});

test('a name that was written before is pointed back to', () => {
  const record = (name: string[], target: string[]): DnsRecord => ({ name, ttlS: 1, flushes: false, data: { type: 12, target } });
  const bytes = encodeDns({ ...empty, isResponse: true, answers: [record(['_a', 'local'], ['x', '_A', 'local'])] });
  expect(bytes.slice(-4)).toEqual(Uint8Array.of(1, 0x78, 0xc0, 12));
  const decoded = decodeDns(bytes);
  expect(decoded.ok && decoded.value.answers[0]?.data).toEqual({ type: 12, target: ['x', '_a', 'local'] });
});

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { maxLength: 5 });
const host6 = fc.constantFrom('::1', 'fe80::1', '2001:db8::5:0:0:7', '1:2:3:4:5:6:7:8', '::', 'ff02::fb');
const data: fc.Arbitrary<DnsData> = fc.oneof(
  fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]): DnsData => ({ type: 1, host: `10.${a}.0.${b}` })),
  host6.map((host): DnsData => ({ type: 28, host })),
  name.map((target): DnsData => ({ type: 12, target })),
  fc.array(fc.uint8Array({ maxLength: 255 }), { maxLength: 3 }).map((strings): DnsData => ({ type: 16, strings })),
  fc.tuple(fc.nat(65_535), name).map(([port, target]): DnsData => ({ type: 33, port, target })),
  fc.uint8Array({ maxLength: 40 }).map((bytes): DnsData => ({ type: 0, otherType: 47, bytes })),
);
const records = fc.array(fc.record({ name, ttlS: fc.nat(2 ** 32 - 1), flushes: fc.boolean(), data }), { maxLength: 4 });
const message: fc.Arbitrary<DnsMessage> = fc.record({
  id: fc.nat(65_535),
  isResponse: fc.boolean(),
  questions: fc.array(fc.record({ name, type: fc.nat(65_535), isUnicast: fc.boolean() }), { maxLength: 3 }),
  answers: records,
  authorities: records,
  additionals: records,
});

test('every message is read as it was written', () => {
  fc.assert(
    fc.property(message, (written) => {
      expect(decodeDns(encodeDns(written))).toEqual({ ok: true, value: written });
    }),
    { numRuns: 300 },
  );
});

test('whatever arrives is read or refused, also what is almost a message', () => {
  fc.assert(
    fc.property(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat(), (written, changes, cut) => {
      const bytes = encodeDns(written);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const decoded = decodeDns(bytes.slice(0, cut % (bytes.length + 1)));
      expect(decoded.ok || decoded.fault.code === 'DNS_MALFORMED').toBe(true);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['that points to itself', withHeader([1, 0, 0, 0], Uint8Array.of(0xc0, 12, 0, 12, 0, 1))],
  ['that points forward', withHeader([1, 0, 0, 0], Uint8Array.of(0xc0, 14, 1, 0x61, 0, 0, 12, 0, 1))],
  ['whose pointers go round', withHeader([1, 0, 0, 0], Uint8Array.of(1, 0x61, 0xc0, 12, 0, 12, 0, 1))],
  ['with a label of an unknown kind', withHeader([1, 0, 0, 0], Uint8Array.of(0x80, 0, 0, 12, 0, 1))],
  [
    'that is longer than 255 bytes',
    withHeader([1, 0, 0, 0], concatBytes(...Array.from({ length: 30 }, () => utf8('\x09123456789')), new Uint8Array(5))),
  ],
  ['that is no text', withHeader([1, 0, 0, 0], Uint8Array.of(1, 0xff, 0, 0, 12, 0, 1))],
])('a name %s is refused', (_, bytes) => {
  expect(decodeDns(bytes)).toMatchObject({ ok: false, fault: { code: 'DNS_MALFORMED', blame: 'peer' } });
});

test.each([
  ['more records than it may have', withHeader([0, 65_535, 0, 0], new Uint8Array(9000))],
  [
    'another operation',
    (() => {
      const bytes = withHeader([0, 0, 0, 0], new Uint8Array(0));
      bytes[2] = 0x28;
      return bytes;
    })(),
  ],
  ['data longer than the message', withHeader([0, 1, 0, 0], Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 9, 1, 2, 3, 4))],
  ['data longer than its kind', withHeader([0, 1, 0, 0], Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 5, 1, 2, 3, 4, 5))],
  ['a string that runs out of its record', withHeader([0, 1, 0, 0], Uint8Array.of(0, 0, 16, 0, 1, 0, 0, 0, 1, 0, 2, 3, 1, 2, 3))],
  ['nothing', new Uint8Array(0)],
])('a message with %s is refused', (_, bytes) => {
  expect(decodeDns(bytes)).toMatchObject({ ok: false });
});

test('names are the same whatever the case of their letters', () => {
  expect(isSameName(['A', 'local'], ['a', 'LOCAL'])).toBe(true);
  expect(isSameName(['a'], ['a', 'local'])).toBe(false);
});
