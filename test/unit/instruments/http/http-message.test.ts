import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8, utf8Text } from '../../../../src/core/bytes.ts';
import { basicAuthorization, encodeRequest, ResponseReader } from '../../../../src/instruments/http/http-message.ts';

const bodyMax = 1000;

/** What a reader makes of bytes in pieces, and of the end of the connection behind them. */
function read(text: string | Uint8Array, pieceBytes = 1): unknown {
  const bytes = typeof text === 'string' ? utf8(text) : text;
  const reader = new ResponseReader(bodyMax);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const outcome = reader.push(bytes.subarray(at, at + pieceBytes));
    if (!outcome.ok) return outcome.fault.code;
    if (outcome.value !== undefined) {
      const { status, body, staysOpen } = outcome.value;
      return at + pieceBytes >= bytes.length ? [status, utf8Text(body), staysOpen] : 'early';
    }
  }
  const end = reader.end();
  return end.ok ? [end.value.status, utf8Text(end.value.body), end.value.staysOpen] : end.fault.code;
}

const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nExpires: never\r\n\r\n';

describe('a response', () => {
  it.each([
    ['with a length', plain, [200, 'hello', true]],
    ['in chunks, with a trailer', chunked, [200, 'hello', true]],
    ['that ends with its connection', 'HTTP/1.1 200 OK\n\nhello', [200, 'hello', false]],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', [200, 'x', false]],
    ['of HTTP/1.0 that stays open', 'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx', [200, 'x', true]],
    ['that closes', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', [200, '', false]],
    ['without a body', 'HTTP/1.1 204\r\n\r\n', [204, '', true]],
    ['behind an announcement', `HTTP/1.1 100 Continue\r\n\r\n${plain}`, [200, 'hello', true]],
    ['with its length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx', [200, 'x', true]],
  ])('%s is read in pieces of any size', (_, text, expected) => {
    for (const pieceBytes of [1, 3, 1000]) expect(read(text, pieceBytes)).toEqual(expected);
  });

  it.each([
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'HTTP_MALFORMED'],
    ['a broken header', 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n', 'HTTP_MALFORMED'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 'HTTP_MALFORMED'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx', 'HTTP_MALFORMED'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx', 'HTTP_MALFORMED'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx', 'HTTP_MALFORMED'],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`, 'HTTP_MALFORMED'],
    ['a chunk without length', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'HTTP_MALFORMED'],
    ['a chunk line without end', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1'.repeat(2000)}`, 'HTTP_MALFORMED'],
    ['a trailer without end', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'x: y\r\n'.repeat(20_000)}`, 'HTTP_MALFORMED'],
    ['too long a body', 'HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n', 'HTTP_TOO_LARGE'],
    ['too long a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n', 'HTTP_TOO_LARGE'],
    ['a body without end', `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(1001)}`, 'HTTP_TOO_LARGE'],
  ])('with %s is refused', (_, text, code) => {
    expect([code, 'early']).toContain(read(text, 1000));
    expect(read(text, 100_000)).toBe(code);
  });

  it('that is longer than it says is refused', () => {
    expect(read(`${plain}x`, 1000)).toBe('HTTP_MALFORMED');
    expect(read(`${chunked}x`, 1000)).toBe('HTTP_MALFORMED');
  });

  it('that is cut at any byte is unfinished, never another one', () => {
    for (const text of [plain, chunked]) {
      for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length))).toBe('INSTRUMENT_DISCONNECTED');
    }
  });

  it('of any bytes is read without failing', () => {
    const piece = fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      '\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Content-Length: 3\r\n',
      '3\r\n',
      'abc',
      '0\r\n',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece.map(utf8), fc.uint8Array({ maxLength: 8 })), { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        (parts, size) => {
          read(concatBytes(...parts), size);
        },
      ),
      { seed: 3, numRuns: 1500 },
    );
  });
});

describe('a request', () => {
  it('says whom it is for and how long it is', () => {
    const request = {
      method: 'POST' as const,
      target: '/a?b=c',
      headers: { Authorization: basicAuthorization('Aladdin', 'open sesame') },
      body: utf8('x=1'),
    };
    // Name and password of RFC 7617, section 2.
    expect(utf8Text(encodeRequest(request, 'logger'))).toBe(
      'POST /a?b=c HTTP/1.1\r\nHost: logger\r\nConnection: keep-alive\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nContent-Length: 3\r\n\r\nx=1',
    );
  });
});
