import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEarly, type EarlySpeaker, earlyBytesMax, encodeEarly } from '../../../src/session/early-data.ts';
import type { EndpointOutput } from '../../../src/session/endpoint.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/session/messages.ts';
import type { LinkModel } from '../../../src/simulation/virtual-link.ts';
import { dial, type SessionPair, sessionPair, type TestEnd } from '../../simulation/session-pair.ts';

const clean: LinkModel = { delayMs: 50 };
const frontier = (of: number): Uint8Array =>
  encodeMessage({ type: 'frontier', logs: new Uint8Array(16).fill(of), receipts: new Uint8Array(4) });
const vectors = encodeMessage({ type: 'vectors', vectors: [] });
const withdraws = encodeMessage({ type: 'withdraws', numbers: [2] });

/** Asks with frontier 1, and answers frontier 1 with these. */
function speaker(...answer: Uint8Array[]): EarlySpeaker & { asked: number } {
  const self = {
    asked: 0,
    question: () => [frontier(1)],
    answer: () => {
      self.asked++;
      return answer;
    },
  };
  return self;
}

function messages(end: TestEnd): Message[] {
  return end.outputs.flatMap((output) => {
    const decoded = output.type === 'message' ? decodeMessage(output.bytes) : undefined;
    return decoded?.ok ? [decoded.value] : [];
  });
}

function established(end: TestEnd): Extract<EndpointOutput, { type: 'established' }>[] {
  return end.outputs.flatMap((output) => (output.type === 'established' ? [output] : []));
}

/** A's first packet, taken off the wire. */
function helloOf(pair: SessionPair): Uint8Array {
  let hello: Uint8Array | undefined;
  const before = pair.a.react;
  pair.a.react = (output) => {
    if (output.type === 'transmit') hello ??= output.bytes.slice();
  };
  dial(pair, 'datagram');
  pair.a.react = before;
  return hello!;
}

describe('early data', () => {
  it('is read as it was written, as far as it fits', () => {
    const { bytes, said } = encodeEarly([frontier(1), vectors, frontier(2)], frontier(1).length + vectors.length + 2);
    expect(said).toEqual([frontier(1), vectors]);
    expect(decodeEarly(bytes)).toEqual({ ok: true, value: said });
    expect(encodeEarly([frontier(1)], 10)).toEqual({ bytes: new Uint8Array(0), said: [] });
    expect(
      encodeEarly(
        Array.from({ length: 200 }, () => frontier(1)),
        Infinity,
      ).bytes.length,
    ).toBeLessThanOrEqual(earlyBytesMax);
  });

  it.each([
    ['what asks to do something', encodeEarly([withdraws], 100).bytes],
    ['what is cut', encodeEarly([frontier(1)], 100).bytes.subarray(0, 20)],
    ['what is no message', Uint8Array.of(1, 0x40)],
    ['a length without end', Uint8Array.of(0xc0)],
    ['more than the limit', new Uint8Array(earlyBytesMax + 1)],
  ] as const)('is refused: %s', (_, bytes) => {
    expect(decodeEarly(bytes)).toMatchObject({ ok: false, fault: { code: 'EARLY_DATA_REFUSED', blame: 'peer' } });
  });

  it('of any bytes at all is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 900 }), (bytes) => {
        const decoded = decodeEarly(bytes);
        if (!decoded.ok) expect(decoded.fault.code).toBe('EARLY_DATA_REFUSED');
      }),
      { numRuns: 500, seed: 9 },
    );
  });
});

describe('a handshake with early data', () => {
  it('brings the answer after one round trip, and the streams of messages go on behind it', () => {
    const pair = sessionPair(1, 'datagram', clean, clean, { earlySpeaker: speaker(frontier(2), vectors) });
    let answeredAt = 0;
    pair.a.react = (output) => {
      if (output.type === 'message' && answeredAt === 0) answeredAt = pair.agenda.now.monotonicMs;
      if (output.type === 'established') pair.a.endpoint.sendMessage(output.session, 'critical', frontier(3), pair.agenda.now);
    };
    pair.b.react = (output) => {
      if (output.type === 'established') pair.b.endpoint.sendMessage(output.session, 'critical', withdraws, pair.agenda.now);
    };
    dial(pair, 'datagram');
    pair.agenda.runUntil(5000);
    expect(answeredAt).toBeCloseTo(100, 0);
    expect(established(pair.a)[0]?.said).toEqual([frontier(1)]);
    expect(established(pair.b)[0]?.said).toEqual([frontier(2), vectors]);
    expect(messages(pair.a)).toMatchObject([
      { type: 'frontier', logs: new Uint8Array(16).fill(2) },
      { type: 'vectors' },
      { type: 'withdraws' },
    ]);
    expect(messages(pair.b)).toMatchObject([
      { type: 'frontier', logs: new Uint8Array(16).fill(1) },
      { type: 'frontier', logs: new Uint8Array(16).fill(3) },
    ]);
  });

  it('over losses says everything once and in order', () => {
    for (let seed = 0; seed < 15; seed++) {
      const lossy = { delayMs: 50, lossRatio: 0.4 };
      const pair = sessionPair(seed, 'datagram', lossy, lossy, { earlySpeaker: speaker(frontier(2)) });
      pair.b.react = (output) => {
        if (output.type === 'established') pair.b.endpoint.sendMessage(output.session, 'critical', withdraws, pair.agenda.now);
      };
      dial(pair, 'datagram');
      pair.agenda.runUntil(110_000);
      expect(messages(pair.a).map(({ type }) => type)).toEqual(['frontier', 'withdraws']);
      expect(messages(pair.b).map(({ type }) => type)).toEqual(['frontier']);
    }
  });

  it('is answered with no more bytes than it brought, by what fits', () => {
    const many = Array.from({ length: 10 }, () => frontier(2));
    const pair = sessionPair(1, 'datagram', clean, clean, { earlySpeaker: speaker(...many) });
    dial(pair, 'datagram');
    pair.agenda.runUntil(99);
    const [there, back] = pair.links;
    expect(back.counts.packetsEntered).toBe(1);
    expect(back.counts.bytesEntered).toBeLessThanOrEqual(there.counts.bytesEntered);
    pair.agenda.runUntil(5000);
    expect(messages(pair.a).length).toBeGreaterThan(0);
    expect(messages(pair.a).length).toBe(established(pair.b)[0]?.said.length);
  });

  it('that is replayed is looked up once, answered alike, and nothing comes of it', () => {
    const earlySpeaker = speaker(frontier(2));
    const pair = sessionPair(1, 'datagram', clean, clean, { earlySpeaker });
    const hello = helloOf(pair);
    pair.agenda.runUntil(5000);
    const sessions = established(pair.b).length;
    const heard = pair.b.outputs.length;
    const before = pair.b.endpoint.nextDeadline();
    expect(before).toBeUndefined();
    const asked = earlySpeaker.asked;
    const answers: Uint8Array[] = [];
    for (let i = 0; i < 5; i++) {
      pair.b.endpoint.handle({ type: 'received', path: 'elsewhere', kind: 'datagram', bytes: hello.slice() }, pair.agenda.now);
      for (let output = pair.b.endpoint.poll(); output !== undefined; output = pair.b.endpoint.poll())
        if (output.type === 'transmit') answers.push(output.bytes);
        else pair.b.onOutput(output);
    }
    expect(answers.length).toBe(5);
    expect(new Set(answers.map((bytes) => Buffer.from(bytes).toString('hex'))).size).toBe(1);
    expect(earlySpeaker.asked - asked).toBe(1);
    expect([established(pair.b).length, pair.b.outputs.length]).toEqual([sessions, heard]);
  });

  it('is met with silence when the question may not be asked early', () => {
    const pair = sessionPair(1, 'datagram', clean, clean, { earlySpeaker: { question: () => [withdraws], answer: () => [] } });
    dial(pair, 'datagram');
    pair.agenda.runUntil(3000);
    expect(pair.links[1].counts.packetsEntered).toBe(0);
  });

  it('ends with a clear code when the answer may not be given early', () => {
    const pair = sessionPair(1, 'datagram', clean, clean, { earlySpeaker: speaker(withdraws) });
    const session = dial(pair, 'datagram');
    pair.agenda.runUntil(300);
    expect(pair.a.outputs).toMatchObject([{ type: 'closed', session, fault: { code: 'EARLY_DATA_REFUSED', blame: 'peer' } }]);
    expect(established(pair.b)).toEqual([]);
  });
});
