import { expect, test } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { identifierToBytes, type NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { beaconBytes, beaconKey, openBeacon } from '../../../src/mesh/beacon.ts';
import { Discovery, type ListeningSocket } from '../../../src/mesh/discovery.ts';
import type { LocalInterface, LocalPacket } from '../../../src/ports/discovery.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';

const camp = '11'.repeat(32) as NodeId;
const ridge = '22'.repeat(32) as NodeId;
const team = new Uint8Array(32).fill(7);
const socket: ListeningSocket = { scheme: 'udp', family: 6, host: undefined, port: 7077 };
const at = (ms: number): MonotonicMs => ms as MonotonicMs;

function radio(host: string): LocalInterface {
  return { name: 'radio', addresses: [{ host, family: 6 }] };
}

function discoveryOf(self: NodeId, secret: Uint8Array = team): Discovery {
  const random = seededRandom(Number.parseInt(self.slice(0, 4), 16));
  const discovery = new Discovery({
    self,
    crypto: nodeCrypto,
    entropy: random,
    random,
    secret: () => secret,
    memberByName: (name) => [camp, ridge].find((node) => node.startsWith(toHex(name))),
    isHeard: () => false,
  });
  discovery.setListening([socket], at(0));
  discovery.setInterfaces([radio(`fe80::${self[0]}%radio`)], at(0));
  return discovery;
}

/** Instants at which a node speaks until `untilMs`, and what it says. */
function spoken(discovery: Discovery, untilMs: number): { readonly ms: number; readonly bytes: Uint8Array }[] {
  const said: { ms: number; bytes: Uint8Array }[] = [];
  let now = at(0);
  discovery.wake(now);
  for (;;) {
    for (let output = discovery.poll(); output !== undefined; output = discovery.poll()) said.push({ ms: now, bytes: output.bytes });
    const next = discovery.nextDeadline();
    if (next === undefined || next.at > untilMs) return said;
    now = next.at;
    discovery.wake(now);
  }
}

function packet(bytes: Uint8Array, host = 'fe80::2%radio'): LocalPacket {
  return { service: 'beacon', interface: 'radio', host, family: 6, port: 47_787, bytes };
}

function firstBeacon(self: NodeId, secret = team): Uint8Array {
  return spoken(discoveryOf(self, secret), 0)[0]?.bytes as Uint8Array;
}

test('a node speaks at 0, 1, 3 and 7 seconds after a change, after half a minute more, and then once a minute', () => {
  const instants = spoken(discoveryOf(camp), 300_000).map(({ ms }) => ms);
  expect(instants.slice(0, 5)).toEqual([0, 1000, 3000, 7000, 37_000]);
  const pauses = instants.slice(5).map((ms, index) => ms - (instants[index + 4] as number));
  expect(pauses.length).toBeGreaterThanOrEqual(3);
  for (const pauseMs of pauses) expect(Math.abs(pauseMs - 60_000)).toBeLessThanOrEqual(6000);
});

test('beacons are short, and two of one node have nothing in common but three bytes', () => {
  const [a, b] = spoken(discoveryOf(camp), 1000).map(({ bytes }) => bytes) as [Uint8Array, Uint8Array];
  expect([a.length, b.length]).toEqual([beaconBytes, beaconBytes]);
  expect(beaconBytes).toBeLessThanOrEqual(60);
  expect(a.subarray(0, 3)).toEqual(b.subarray(0, 3));
  expect(a.subarray(3).filter((byte, index) => byte === b[index + 3]).length).toBeLessThan(5);
  expect(toHex(a)).not.toContain(camp.slice(0, 8));
});

test('a beacon tells a member of the same team who it is and where it listens, and nobody else anything', () => {
  const bytes = firstBeacon(ridge);
  expect(openBeacon(nodeCrypto, beaconKey(nodeCrypto, team), bytes)).toEqual({
    node: identifierToBytes(ridge).slice(0, 8),
    udp4: 0,
    udp6: 7077,
    tcp4: 0,
    tcp6: 0,
  });
  expect(openBeacon(nodeCrypto, beaconKey(nodeCrypto, new Uint8Array(32)), bytes)).toBeUndefined();
  for (let index = 0; index < bytes.length; index++) {
    const changed = bytes.slice();
    changed[index] = (changed[index] as number) ^ 1;
    expect(openBeacon(nodeCrypto, beaconKey(nodeCrypto, team), changed)).toBeUndefined();
  }
});

test('what is heard of a member becomes a candidate where the packet came from', () => {
  const discovery = discoveryOf(camp);
  discovery.hear(packet(firstBeacon(ridge)), at(10));
  expect(discovery.candidates.list()).toEqual([{ peer: ridge, address: 'udp://[fe80::2%radio]:7077', means: 'beacon', failures: 0 }]);
});

test('beacons of another team, of the node itself and from its own address are nothing', () => {
  const discovery = discoveryOf(camp);
  discovery.hear(packet(firstBeacon(ridge, new Uint8Array(32))), at(10));
  discovery.hear(packet(firstBeacon(camp)), at(10));
  discovery.hear(packet(firstBeacon(ridge), 'fe80::1%radio'), at(10));
  discovery.hear(packet(new Uint8Array(beaconBytes)), at(10));
  discovery.hear(packet(new Uint8Array(0)), at(10));
  expect(discovery.candidates.list()).toEqual([]);
});

test('a beacon that is replayed counts once at a host, and at few hosts', () => {
  const discovery = discoveryOf(camp);
  const bytes = firstBeacon(ridge);
  for (let host = 2; host < 40; host++)
    for (let round = 0; round < 3; round++) discovery.hear(packet(bytes, `fe80::${host}%radio`), at(10_000 * host));
  const attempted = new Set<string>();
  for (let ms = 0; ms < 600_000; ms += 1000) for (const { address } of discovery.candidates.due(at(400_000 + ms))) attempted.add(address);
  expect(discovery.candidates.list().length + attempted.size).toBeLessThanOrEqual(8);
  expect(discovery.open(bytes, 'fe80::99%radio', at(1_000_000))).toBeUndefined();
});

test('a flood costs at most a hundred decryptions a second', () => {
  const discovery = discoveryOf(camp);
  for (let count = 0; count < 100; count++) discovery.open(new Uint8Array(beaconBytes), 'x', at(5000));
  expect(discovery.open(firstBeacon(ridge), 'x', at(5999))).toBeUndefined();
  expect(discovery.open(firstBeacon(ridge), 'x', at(6000))?.peer).toBe(ridge);
});

test('a node without a team says nothing and understands nothing, and neither has a deadline', () => {
  const alone = new Discovery({
    self: camp,
    crypto: nodeCrypto,
    entropy: seededRandom(1),
    random: seededRandom(1),
    secret: () => undefined,
    memberByName: () => ridge,
    isHeard: () => false,
  });
  alone.setInterfaces([radio('fe80::1%radio')], at(0));
  expect(spoken(alone, 100_000)).toEqual([]);
  expect(alone.nextDeadline()).toBeUndefined();
  expect(alone.open(firstBeacon(ridge), 'x', at(0))).toBeUndefined();
});

test('a node that comes into a team says so at once', () => {
  let secret: Uint8Array | undefined;
  const random = seededRandom(3);
  const discovery = new Discovery({
    self: camp,
    crypto: nodeCrypto,
    entropy: random,
    random,
    secret: () => secret,
    memberByName: () => ridge,
    isHeard: () => false,
  });
  discovery.setInterfaces([radio('fe80::1%radio')], at(0));
  secret = team;
  discovery.wake(at(50));
  expect(discovery.poll()).toBeDefined();
});

test('an asleep node says nothing, not even when its interfaces change, until it is woken', () => {
  const discovery = discoveryOf(camp);
  discovery.sleep();
  discovery.setInterfaces([radio('fe80::5%radio')], at(100));
  discovery.wake(at(100));
  expect([discovery.poll(), discovery.nextDeadline(), discovery.isAwake]).toEqual([undefined, undefined, false]);
  discovery.changed(at(200), true);
  discovery.wake(at(200));
  expect(discovery.poll()).toBeDefined();
});

test('a listener at one address is told of on the interface that has the address', () => {
  const discovery = discoveryOf(camp);
  discovery.setListening(
    [
      { scheme: 'tcp', family: 4, host: '10.0.0.1', port: 80 },
      { ...socket, host: 'fe80::1%radio' },
    ],
    at(0),
  );
  const lan: LocalInterface = { name: 'lan', addresses: [{ host: '10.0.0.1', family: 4 }] };
  expect(discovery.portsOn(lan)).toEqual({ udp4: 0, udp6: 0, tcp4: 80, tcp6: 0 });
  expect(discovery.portsOn(radio('fe80::1%radio'))).toEqual({ udp4: 0, udp6: 7077, tcp4: 0, tcp6: 0 });
});
