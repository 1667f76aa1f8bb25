import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { EndpointOutput } from '../../src/session/endpoint.ts';
import { protocolVersion } from '../../src/session/packets.ts';
import { framePacket } from '../../src/session/stream-framing.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { dial, type SessionPair, sessionPair, type TestEnd, teamSecret } from './session-pair.ts';

/** What a session has to live through: months on different addresses, more packets than one key may seal, eavesdroppers with recordings, and peers of another version. */

const hourMs = 3_600_000;
const radio: LinkModel = { delayMs: 50, rateBytesPerSecond: 125_000, queueBytes: 64_000 };

function types(end: TestEnd): string[] {
  return end.outputs.map(({ type }) => type);
}

function messages(end: TestEnd): number[] {
  return end.outputs.flatMap((output) => (output.type === 'message' ? [output.bytes[0] as number] : []));
}

function say(pair: SessionPair, from: TestEnd, what: number): void {
  pair.a.endpoint.sendMessage(from.session!, 'normal', Uint8Array.of(what), pair.agenda.now);
  pair.wires.pump(from);
}

/** What an end gives out by hand, packets and all. */
function drained(end: TestEnd): EndpointOutput[] {
  const outputs: EndpointOutput[] = [];
  for (let output = end.endpoint.poll(); output !== undefined; output = end.endpoint.poll()) outputs.push(output);
  return outputs;
}

describe('a session that wanders', () => {
  it('goes on at one address after another, after hours at each without a link, with one handshake in all', () => {
    const pair = sessionPair(61, 'datagram', radio);
    dial(pair, 'datagram');
    pair.agenda.runUntil(1000);
    let path = 'wire';
    const said: number[] = [];
    for (let stop = 1; stop <= 5; stop++) {
      // What is said while there is no link leaves at the next stop.
      pair.wires.cut(path);
      say(pair, pair.a, stop);
      said.push(stop);
      pair.agenda.runUntil(stop * 7 * hourMs);
      path = `stop ${stop}`;
      const kind = stop % 2 === 0 ? 'stream' : 'datagram';
      pair.lay(path, kind, radio);
      pair.a.endpoint.migrate(pair.a.session!, path, kind, pair.agenda.now);
      pair.wires.pump(pair.a);
      pair.agenda.runUntil(stop * 7 * hourMs + 2000);
      expect(messages(pair.b)).toEqual(said);
    }
    for (const end of [pair.a, pair.b]) {
      expect(types(end).filter((type) => type === 'established').length).toBe(1);
      expect(types(end)).not.toContain('closed');
      expect(end.endpoint.nextDeadline()).toBeUndefined();
    }
  });

  it('is not drawn to another address by recordings, however old, nor told anything twice', () => {
    const pair = sessionPair(62, 'datagram', radio);
    const recorded: Uint8Array[] = [];
    pair.a.react = (output) => {
      if (output.type === 'transmit') recorded.push(output.bytes.slice());
    };
    dial(pair, 'datagram');
    pair.agenda.runUntil(1000);
    for (let what = 1; what <= 20; what++) say(pair, pair.a, what);
    pair.agenda.runUntil(9 * hourMs);
    const heard = pair.b.endpoint.heardAt(pair.b.session!);
    const before = [...pair.b.outputs];
    for (const bytes of recorded)
      pair.b.endpoint.handle({ type: 'received', path: 'elsewhere', kind: 'datagram', bytes: bytes.slice() }, pair.agenda.now);
    const answers = drained(pair.b);
    // The first message of the handshake may be answered once more; it is shorter than what was asked, and establishes nothing.
    expect(answers.every(({ type }) => type === 'transmit')).toBe(true);
    expect(answers.length).toBeLessThanOrEqual(1);
    expect(pair.b.endpoint.path(pair.b.session!)).toBe('wire');
    expect(pair.b.endpoint.heardAt(pair.b.session!)).toBe(heard);
    expect(pair.b.outputs).toEqual(before);
  });
});

describe('a session with more packets than one key seals', () => {
  it('changes keys on the way at both ends, across an outage and a change of address', () => {
    // Small packets on a fast link: 65,536 of them are one epoch of keys.
    const fast: LinkModel = { delayMs: 1, rateBytesPerSecond: 50_000_000, queueBytes: 1_000_000 };
    const pair = sessionPair(63, 'datagram', fast);
    dial(pair, 'datagram');
    pair.agenda.runUntil(1000);
    let packets = 0;
    pair.a.react = (output) => {
      if (output.type === 'transmit') packets++;
    };
    let heard = 0;
    pair.b.react = (output) => {
      if (output.type === 'message') heard++;
    };
    let said = 0;
    const sayUntil = (count: number): void => {
      while (packets < count) {
        for (let each = 0; each < 8; each++) {
          pair.a.endpoint.sendMessage(pair.a.session!, 'normal', new Uint8Array(700), pair.agenda.now);
          said++;
        }
        pair.wires.pump(pair.a);
        pair.agenda.runUntil(pair.agenda.now.monotonicMs + 10);
        pair.a.outputs.length = 0;
        pair.b.outputs.length = 0;
      }
    };
    sayUntil(65_530);
    pair.wires.cut('wire');
    // The last packets of the first epoch are lost, and what they carried leaves in the second.
    for (let each = 0; each < 8; each++) pair.a.endpoint.sendMessage(pair.a.session!, 'normal', new Uint8Array(700), pair.agenda.now);
    said += 8;
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(pair.agenda.now.monotonicMs + 3 * hourMs);
    pair.lay('new address', 'datagram', fast);
    pair.a.endpoint.migrate(pair.a.session!, 'new address', 'datagram', pair.agenda.now);
    pair.wires.pump(pair.a);
    sayUntil(65_800);
    pair.agenda.runUntil(pair.agenda.now.monotonicMs + 5000);
    expect(heard).toBe(said);
    expect(types(pair.a)).not.toContain('closed');
  });
});

describe('a peer of the next version', () => {
  const next = protocolVersion + 1;

  /** The first message as the next version would send it: its first byte says which, and what follows is its own business. */
  const helloOfNext = (connectionId: readonly number[]): Uint8Array =>
    Uint8Array.of(0x80 | next, ...connectionId, ...new Uint8Array(120).fill(5));

  it('is told in four bytes which version is spoken here, and is understood when it speaks that', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const pair = sessionPair(64, kind, radio);
      const hello = helloOfNext([1, 2, 3]);
      const framed = kind === 'stream' ? framePacket(hello) : hello;
      if (kind === 'stream') pair.b.endpoint.handle({ type: 'path-opened', path: 'wire', kind }, pair.agenda.now);
      pair.b.endpoint.handle({ type: 'received', path: 'wire', kind, bytes: framed }, pair.agenda.now);
      const refusal = Uint8Array.of(0xf0 | protocolVersion, 1, 2, 3);
      expect(drained(pair.b)).toEqual([
        { type: 'transmit', path: 'wire', bytes: kind === 'stream' ? Uint8Array.of(4, ...refusal) : refusal },
      ]);
      dial(pair, kind);
      pair.agenda.runUntil(1000);
      expect(types(pair.a)).toEqual(['established']);
      expect(types(pair.b)).toEqual(['established']);
    }
  });

  it('is told so no more often than strangers are answered at all', () => {
    const pair = sessionPair(65, 'datagram', radio);
    let answers = 0;
    for (let count = 0; count < limits.handshakesPerSecondMax + 50; count++) {
      const bytes = helloOfNext([count >> 8, count & 255, 7]);
      pair.b.endpoint.handle({ type: 'received', path: `stranger ${count}`, kind: 'datagram', bytes }, pair.agenda.now);
      answers += drained(pair.b).length;
    }
    expect(answers).toBe(limits.handshakesPerSecondMax);
  });

  it('that speaks nothing else ends the attempt with a code that says so, and the next attempt is made as usual', () => {
    const pair = sessionPair(66, 'datagram', radio);
    const dialled = pair.a.endpoint.connect(
      { path: 'wire', kind: 'datagram', remoteStatic: pair.b.publicKey, secret: teamSecret },
      pair.agenda.now,
    );
    const [hello] = drained(pair.a).flatMap((output) => (output.type === 'transmit' ? [output.bytes] : []));
    const refusal = Uint8Array.of(0xf0 | next, ...hello!.subarray(1, 4));
    pair.a.endpoint.handle({ type: 'received', path: 'wire', kind: 'datagram', bytes: refusal }, pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(5000);
    expect(pair.a.outputs).toMatchObject([
      {
        type: 'closed',
        session: dialled,
        fault: { code: 'VERSION_REFUSED', blame: 'incompatible', message: `the peer speaks version ${next} at most` },
      },
    ]);
    // It was brought to our version meanwhile.
    dial(pair, 'datagram');
    pair.agenda.runUntil(8000);
    expect(types(pair.a)).toEqual(['closed', 'established']);
  });
});
