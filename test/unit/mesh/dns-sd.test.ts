import { beforeEach, expect, test } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import type { NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { later, type MonotonicMs } from '../../../src/core/time.ts';
import { Discovery } from '../../../src/mesh/discovery.ts';
import { type DnsMessage, decodeDns, encodeDns } from '../../../src/mesh/dns-message.ts';
import { type DnsOutput, DnsSd, serviceName } from '../../../src/mesh/dns-sd.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';

/** Responders and browsers of members on one link, without sockets. */

const nodes = ['11', '22'].map((digits) => digits.repeat(32)) as [NodeId, NodeId];
const empty: DnsMessage = { id: 0, isResponse: false, questions: [], answers: [], authorities: [], additionals: [] };
const browse: DnsMessage = { ...empty, questions: [{ name: serviceName, type: 12, isUnicast: false }] };

interface Said {
  readonly ms: number;
  readonly message: DnsMessage;
  readonly to: DnsOutput['to'];
}

class Station {
  readonly discovery: Discovery;
  readonly dns: DnsSd;
  readonly host: string;
  readonly said: Said[] = [];
  now = 0 as MonotonicMs;

  constructor(self: NodeId, number: number) {
    const random = seededRandom(number);
    this.host = `10.0.0.${number}`;
    this.discovery = new Discovery({
      self,
      crypto: nodeCrypto,
      entropy: random,
      random,
      secret: () => new Uint8Array(32).fill(7),
      memberByName: (name) => nodes.find((node) => node.startsWith(toHex(name))),
      isHeard: () => false,
    });
    this.discovery.setListening([{ scheme: 'udp', family: 4, host: undefined, port: 7077 }], this.now);
    this.discovery.setInterfaces(
      [
        {
          name: 'lan',
          addresses: [
            { host: this.host, family: 4 },
            { host: `fe80::${number}%lan`, family: 6 },
          ],
        },
      ],
      this.now,
    );
    this.dns = new DnsSd(this.discovery, random, random.fork());
    this.dns.restart(this.now);
  }

  /** Lets time pass; gives what was said, and hands it to others. */
  runUntil(ms: number, ...others: Station[]): Said[] {
    const from = this.said.length;
    for (;;) {
      for (let output = this.dns.poll(); output !== undefined; output = this.dns.poll()) {
        const decoded = decodeDns(output.bytes);
        if (!decoded.ok) throw new Error('what is said cannot be read');
        this.said.push({ ms: this.now, message: decoded.value, to: output.to });
        for (const other of others) {
          other.now = this.now;
          other.hear(output.bytes, this.host);
        }
      }
      const next = this.dns.nextDeadline();
      if (next === undefined || next.at > ms) break;
      this.now = next.at;
      this.dns.wake(this.now);
    }
    this.now = ms as MonotonicMs;
    return this.said.slice(from);
  }

  hear(bytes: Uint8Array, host: string, port = 5353): void {
    this.dns.hear({ service: 'mdns', interface: 'lan', host, family: 4, port, bytes }, this.now);
  }

  ask(message: Partial<DnsMessage> = {}, port = 5353): void {
    this.hear(encodeDns({ ...browse, ...message }), '10.0.0.99', port);
  }
}

let camp: Station;
let ridge: Station;

beforeEach(() => {
  camp = new Station(nodes[0], 1);
  ridge = new Station(nodes[1], 2);
});

test('a name is probed three times and announced twice, and others are asked for less and less often', () => {
  const said = camp.runUntil(4_000_000);
  const probes = said.filter(({ message }) => message.authorities.length > 0);
  const announced = said.filter(({ message }) => message.isResponse);
  const questions = said.filter(({ message }) => message.questions[0]?.type === 12).map(({ ms }) => ms);
  expect([probes.length, announced.length]).toEqual([3, 2]);
  expect((probes[2] as Said).ms - (probes[0] as Said).ms).toBe(500);
  expect((announced[1] as Said).ms - (announced[0] as Said).ms).toBe(1000);
  const pauses = questions.slice(1).map((ms, index) => ms - (questions[index] as number));
  expect(pauses.slice(0, 4)).toEqual([1000, 3000, 9000, 27_000]);
  expect(questions.length).toBeLessThan(11);
});

test('what is announced names neither node nor team, and has the times to live and flags of RFC 6762', () => {
  const [announced] = camp.runUntil(1500).filter(({ message }) => message.isResponse);
  const records = announced?.message.answers ?? [];
  expect(records.map(({ data, ttlS, flushes }) => [data.type, ttlS, flushes])).toEqual([
    [12, 4500, false],
    [33, 120, true],
    [16, 4500, true],
    [1, 120, true],
    [28, 120, true],
    [12, 4500, false],
  ]);
  expect(JSON.stringify(records.map(({ name }) => name))).not.toContain(nodes[0].slice(0, 8));
});

test('two members find each other, and one that says goodbye is a candidate no more', () => {
  ridge.runUntil(3000, camp);
  expect(camp.discovery.candidates.list()).toContainEqual({ peer: nodes[1], address: 'udp://10.0.0.2:7077', means: 'dns-sd', failures: 0 });
  ridge.dns.leave();
  ridge.runUntil(3001, camp);
  expect(camp.discovery.candidates.list()).toEqual([]);
});

test('who asks is answered after a short moment of its own, but not who knows the answer already', () => {
  camp.runUntil(10_000);
  camp.ask();
  const [answer] = camp.runUntil(10_200).filter(({ message }) => message.isResponse);
  expect(answer?.ms).toBeGreaterThanOrEqual(10_020);
  expect(answer?.to).toBeUndefined();
  const [pointer] = answer?.message.answers ?? [];
  camp.runUntil(12_000);
  camp.ask({ answers: [pointer as NonNullable<typeof pointer>] });
  expect(camp.runUntil(12_500).filter(({ message }) => message.isResponse)).toEqual([]);
  camp.ask({ answers: [{ ...(pointer as NonNullable<typeof pointer>), ttlS: 2000 }] });
  expect(camp.runUntil(13_000).filter(({ message }) => message.isResponse)).toHaveLength(1);
});

test('however often it is asked, a node answers everybody at most once a second', () => {
  camp.runUntil(10_000);
  let answers = 0;
  for (let ms = 10_000; ms < 20_000; ms += 50) {
    camp.ask();
    answers += camp.runUntil(ms + 50).filter(({ message }) => message.isResponse).length;
  }
  expect(answers).toBeGreaterThan(5);
  expect(answers).toBeLessThanOrEqual(11);
});

test('an answer goes to the asker alone when that is asked for, and to a simple resolver with its number and short times to live', () => {
  camp.runUntil(10_000);
  camp.ask({ questions: [{ name: serviceName, type: 12, isUnicast: true }] });
  expect(camp.runUntil(10_001).map(({ to }) => to)).toEqual([{ host: '10.0.0.99', port: 5353 }]);
  camp.ask({ id: 77 }, 40_000);
  const [legacy] = camp.runUntil(10_002);
  expect([legacy?.to, legacy?.message.id, legacy?.message.questions.length]).toEqual([{ host: '10.0.0.99', port: 40_000 }, 77, 1]);
  expect(legacy?.message.answers.every(({ ttlS, flushes }) => ttlS <= 10 && !flushes)).toBe(true);
});

test('nothing is answered before the probes are through, nor to other questions', () => {
  camp.ask();
  expect(camp.runUntil(200).filter(({ message }) => message.isResponse)).toEqual([]);
  camp.runUntil(10_000);
  camp.ask({ questions: [{ name: ['_ipp', '_tcp', 'local'], type: 12, isUnicast: false }] });
  camp.hear(Uint8Array.of(1, 2, 3), '10.0.0.99');
  expect(camp.runUntil(11_000)).toEqual([]);
});

test('a node whose name another claims while it probes takes another name; one that has it defends it at once', () => {
  const [probe] = camp.runUntil(400).filter(({ message }) => message.authorities.length > 0);
  const label = probe?.message.questions[0]?.name[0] as string;
  camp.hear(encodeDns({ ...empty, isResponse: true, answers: probe?.message.authorities ?? [] }), '10.0.0.99');
  const [next] = camp.runUntil(900).filter(({ message }) => message.authorities.length > 0);
  expect(next?.message.questions[0]?.name[0]).not.toBe(label);
  camp.runUntil(10_000);
  camp.ask(camp.said.findLast(({ message }) => message.authorities.length > 0)?.message);
  expect(camp.runUntil(10_001).filter(({ message, to }) => message.isResponse && to === undefined)).toHaveLength(1);
});

test('what comes back of its own packets and what comes from a wrong port is not heard', () => {
  const bytes: Uint8Array[] = [];
  camp.dns.wake(later(camp.now, 2000));
  for (let output = camp.dns.poll(); output !== undefined; output = camp.dns.poll()) bytes.push(output.bytes);
  camp.runUntil(10_000);
  for (const each of bytes) camp.hear(each, camp.host);
  expect(camp.runUntil(11_000)).toEqual([]);
  ridge.runUntil(1500);
  for (const { message } of ridge.said) camp.hear(encodeDns(message), ridge.host, 9999);
  expect(camp.discovery.candidates.list()).toEqual([]);
});
