import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { Arrivals } from '../../../src/session/arrivals.ts';
import { dataWindowBytes, messageWindowBytes } from '../../../src/session/frames.ts';

const message = (offset: number, bytes: Uint8Array) => ({ type: 'message', priority: 'normal', offset, bytes }) as const;
const data = (position: number, bytes: Uint8Array, rest: { offset?: number; last?: boolean } = {}) =>
  ({ type: 'data', position: position % 2 ** 32, transfer: 4, offset: rest.offset ?? position, bytes, last: rest.last ?? false }) as const;

describe('messages', () => {
  const stream = concatBytes(Uint8Array.of(3), utf8('abc'), Uint8Array.of(0), Uint8Array.of(2), utf8('de'));

  it('come out in order whatever the order of their pieces', () => {
    const arrivals = new Arrivals();
    expect(arrivals.takeMessage(message(5, stream.subarray(5)))).toEqual({ verdict: 'taken', arrivals: [], repeatedBytes: 0 });
    expect(arrivals.takeMessage(message(6, stream.subarray(6, 7)))).toEqual({ verdict: 'taken', arrivals: [], repeatedBytes: 1 });
    const rest = arrivals.takeMessage(message(0, stream.subarray(0, 6)));
    expect(rest).toMatchObject({
      verdict: 'taken',
      arrivals: [{ bytes: utf8('abc') }, { bytes: new Uint8Array(0) }, { bytes: utf8('de') }],
    });
  });

  it('are not given twice when pieces overlap', () => {
    const arrivals = new Arrivals();
    expect(arrivals.takeMessage(message(0, stream.subarray(0, 4)))).toMatchObject({ arrivals: [{ bytes: utf8('abc') }] });
    expect(arrivals.takeMessage(message(0, stream))).toMatchObject({ repeatedBytes: 4, arrivals: [{}, { bytes: utf8('de') }] });
    expect(arrivals.takeMessage(message(0, stream))).toMatchObject({ repeatedBytes: 8, arrivals: [] });
  });

  it('of each class have their own stream', () => {
    const arrivals = new Arrivals();
    arrivals.takeMessage(message(0, stream));
    expect(arrivals.takeMessage({ ...message(0, stream), priority: 'bulk' })).toMatchObject({
      repeatedBytes: 0,
      arrivals: [{ priority: 'bulk' }, {}, {}],
    });
  });

  it.each([
    ['are longer than the limit', Uint8Array.of(0x80, 0x20, 0, 1), 0],
    ['have a length beyond the safe integers', new Uint8Array(8).fill(0xff), 0],
    ['lie beyond the window', Uint8Array.of(1), messageWindowBytes + 100_000],
  ])('that %s are a violation', (_, bytes, offset) => {
    expect(limits.messageBytesMax).toBeLessThan(0x200001);
    expect(new Arrivals().takeMessage(message(offset, bytes))).toMatchObject({ verdict: 'malformed' });
  });

  it('in too many pieces ahead of their turn are refused', () => {
    const arrivals = new Arrivals();
    const verdicts = new Set<string>();
    for (let i = 0; i < 9000; i++) verdicts.add(arrivals.takeMessage(message(2 + 2 * i, Uint8Array.of(1))).verdict);
    expect([...verdicts]).toEqual(['taken', 'refused']);
  });
});

describe('data', () => {
  it('is given at once, and the parts of a repetition that are new', () => {
    const arrivals = new Arrivals();
    expect(arrivals.takeData(data(10, utf8('klm')))).toMatchObject({ arrivals: [{ transfer: 4, offset: 10, bytes: utf8('klm') }] });
    expect(arrivals.takeData(data(8, utf8('ijklmn'), { last: true }))).toEqual({
      verdict: 'taken',
      repeatedBytes: 3,
      arrivals: [
        { type: 'data', transfer: 4, offset: 8, bytes: utf8('ij'), last: false },
        { type: 'data', transfer: 4, offset: 13, bytes: utf8('n'), last: true },
      ],
    });
    expect(arrivals.takeData(data(8, utf8('ijklmn'), { last: true }))).toEqual({ verdict: 'taken', repeatedBytes: 6, arrivals: [] });
  });

  it('that is empty and last is given once', () => {
    const arrivals = new Arrivals();
    expect(arrivals.takeData(data(0, new Uint8Array(0), { last: true }))).toMatchObject({
      arrivals: [{ last: true, bytes: new Uint8Array(0) }],
    });
    expect(arrivals.takeData(data(0, new Uint8Array(0), { last: true }))).toMatchObject({ arrivals: [] });
  });

  it('goes on when the 32 bits of its position start again', () => {
    const arrivals = new Arrivals();
    const step = new Uint8Array(60_000);
    let given = 0;
    for (let position = 0; position < 2 ** 32 + 200_000; position += step.length) {
      const admission = arrivals.takeData(data(position, step));
      if (admission.verdict === 'taken') given += admission.arrivals.length;
    }
    expect(given).toBe(Math.ceil((2 ** 32 + 200_000) / step.length));
    // A late repetition from before the wrap is still known.
    expect(arrivals.takeData(data(2 ** 32 - 100, new Uint8Array(50)))).toMatchObject({ repeatedBytes: 50, arrivals: [] });
  });

  it('beyond the window is a violation, and too many gaps are refused', () => {
    expect(new Arrivals().takeData(data(dataWindowBytes + 70_000, Uint8Array.of(1)))).toMatchObject({ verdict: 'malformed' });
    const arrivals = new Arrivals();
    const verdicts = new Set<string>();
    for (let i = 0; i < 9000; i++) verdicts.add(arrivals.takeData(data(2 + 2 * i, Uint8Array.of(1))).verdict);
    expect([...verdicts]).toEqual(['taken', 'refused']);
    // What fills a gap is always welcome.
    expect(arrivals.takeData(data(3, Uint8Array.of(1)))).toMatchObject({ verdict: 'taken' });
  });
});
