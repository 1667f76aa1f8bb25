import { describe, expect, it } from 'vitest';
import { admitPush } from '../../../../src/instruments/http-push/push-request.ts';

const isToken = (text: string) => text === 'sesame-open';
const head = (authorization?: string, method = 'POST', target = '/ridge/met.dat?x=1') => ({ method, target, headers: { authorization } });
const basic = (text: string) => `Basic ${new TextEncoder().encode(text).toBase64()}`;

const verdict = (...given: Parameters<typeof admitPush>) => {
  const admitted = admitPush(...given);
  return admitted.ok ? admitted.value : admitted.fault.code;
};

describe('a push', () => {
  it('is named by its path', () => {
    expect(verdict(head(), undefined)).toBe('push /ridge/met.dat');
    expect(verdict(head(undefined, 'PUT', '/'), undefined)).toBe('push /');
  });

  it.each([
    ['Bearer sesame-open', true],
    ['bearer sesame-open', true],
    [basic('logger:sesame-open'), true],
    [basic(':sesame-open'), true],
    [basic('sesame-open'), false],
    [undefined, false],
    ['Bearer wrong', false],
    ['Bearer', false],
    ['Basic ???', false],
    ['Basic a', false],
    ['Digest sesame-open', false],
  ])('with the authorisation %s is taken: %s', (authorization, taken) => {
    expect(verdict(head(authorization), isToken)).toBe(taken ? 'push /ridge/met.dat' : 'PUSH_UNAUTHORISED');
  });

  it.each([
    ['GET', '/'],
    ['DELETE', '/'],
    ['POST', 'ridge'],
    ['POST', '/a b'],
    ['POST', '/a\u0007'],
    ['POST', `/${'a'.repeat(600)}`],
    ['POST', ''],
  ])('by %s to %s is refused', (method, target) => {
    expect(verdict(head('Bearer sesame-open', method, target), isToken)).toBe('PUSH_REFUSED');
  });
});
