import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { Mesh, type MeshOutput, messageOverheadBytes } from '../../../src/mesh/mesh.ts';
import { RouteWriter } from '../../../src/mesh/route-wire.ts';
import { MeshNetwork, nameOf } from '../../../src/simulation/mesh-network.ts';

const wifi = { delayMs: 5, rateBytesPerSecond: 125_000, lossRatio: 0 };
const nodes = 20;

/** Nodes in a row, each in range of the next. */
function row(size: number, seed = 1, model = wifi): MeshNetwork {
  const network = new MeshNetwork(size, seed);
  for (let node = 1; node < size; node++) network.connect(node - 1, node, model);
  return network;
}

function outputs(mesh: Mesh): MeshOutput[] {
  const all: MeshOutput[] = [];
  for (let output = mesh.poll(); output !== undefined; output = mesh.poll()) all.push(output);
  return all;
}

function total(network: MeshNetwork): number {
  return network.bytesSent.reduce((sum, bytes) => sum + bytes, 0);
}

describe('a mesh', () => {
  it('of twenty nodes in a row is one network within two seconds, and silent from then on while nothing is owed', () => {
    const network = row(nodes);
    expect(network.repair(10_000)).toBeLessThan(2500);
    network.run(10_000);
    const before = total(network);
    network.run(3_600_000);
    expect(total(network)).toBe(before);
  });

  it('works over 1 kbit/s with twenty nodes, and takes no more than a fiftieth of each link and what introduces them', () => {
    const network = row(nodes, 2, { delayMs: 200, rateBytesPerSecond: 125, lossRatio: 0 });
    network.demandAll(true);
    expect(network.repair(3_600_000, 1000)).toBeLessThan(600_000);
    const before = network.nowMs;
    for (let round = 0; round < 8; round++) {
      network.cut(9, 10);
      network.run(60_000);
      network.connect(9, 10, { delayMs: 200, rateBytesPerSecond: 125, lossRatio: 0 });
      network.run(60_000);
    }
    // Two links a node: the first burst of each, a fiftieth of both, and as much again for acknowledgements.
    const seconds = (network.nowMs - before) / 1000;
    const allowed = 2 * 2 * (600 + (125 / 50) * (seconds + before / 1000)) + 600;
    for (const bytes of network.bytesSent) expect(bytes).toBeLessThan(allowed);
  });

  it('whose halves meet again over a longer way than before needs no answer from the other end of either', () => {
    const slow = { ...wifi, delayMs: 100 };
    const network = row(nodes, 3, slow);
    network.demandAll(true);
    network.repair(60_000);
    network.run(10_000);
    network.cut(9, 10);
    network.run(30_000);
    for (let measured = 0; measured < 2; measured++) network.connect(9, 10, { ...slow, rateBytesPerSecond: 20_000 });
    // Half a second to find each other, and nine hops of a tenth of a second to the ends.
    expect(network.repair(60_000)).toBeLessThan(2000);
    expect(network.loops).toBe(0);
  });

  it('says when a neighbour does not answer any more, and when it is heard again', () => {
    const mesh = new Mesh(nameOf(0), 1, seededRandom(1), () => true);
    const now = 0 as MonotonicMs;
    mesh.handle({ type: 'begin', neighbour: nameOf(1), quality: { lossRatio: 0 } }, now);
    const said = () => outputs(mesh).filter(({ type }) => type === 'lost' || type === 'found');
    expect(said()).toEqual([]);
    mesh.handle({ type: 'silent', neighbour: nameOf(1) }, now);
    expect(said()).toEqual([{ type: 'lost', neighbour: nameOf(1) }]);
    mesh.handle({ type: 'heard', neighbour: nameOf(1), at: 10 as MonotonicMs }, 10 as MonotonicMs);
    expect(said()).toEqual([{ type: 'found', neighbour: nameOf(1) }]);
  });

  it('says what changed together, and nothing that came to nothing', () => {
    const mesh = new Mesh(nameOf(0), 1, seededRandom(1), () => true);
    const writer = new RouteWriter(nameOf(1), nameOf(0));
    let now = 0 as MonotonicMs;
    for (const neighbour of [nameOf(1), nameOf(2)]) mesh.handle({ type: 'begin', neighbour, quality: { ...wifi, rttMs: 10 } }, now);
    outputs(mesh);
    const say = (metric: number) =>
      mesh.receive(
        nameOf(1),
        writer.write(Array.from({ length: 30 }, (_, i) => ({ type: 'update', destination: nameOf(10 + i), seqno: 1, metric }))),
        now,
      );
    say(500);
    say(700);
    now = 50 as MonotonicMs;
    mesh.wake(now);
    expect(outputs(mesh).filter((output) => output.type === 'send')).toHaveLength(1);
    say(701);
    now = 200 as MonotonicMs;
    mesh.wake(now);
    expect(outputs(mesh).filter((output) => output.type === 'send')).toHaveLength(0);
  });

  it('does not listen to a neighbour that breaks the format, and says so once', () => {
    const mesh = new Mesh(nameOf(0), 1, seededRandom(1), () => true);
    const now = 0 as MonotonicMs;
    expect(mesh.receive(nameOf(1), new Uint8Array([0xff]), now)).toEqual({ ok: true, value: undefined });
    mesh.handle({ type: 'begin', neighbour: nameOf(1), quality: { lossRatio: 0 } }, now);
    expect(mesh.receive(nameOf(1), new Uint8Array([0x18]), now)).toMatchObject({ ok: false });
    expect(mesh.receive(nameOf(1), new Uint8Array([0x18]), now)).toMatchObject({ ok: true });
  });

  it('shows its links, their asymmetry, its routes and why they were chosen', () => {
    const network = row(3);
    network.connect(0, 2, { ...wifi, rateBytesPerSecond: 10_000 });
    network.repair(10_000);
    network.run(10_000);
    const { nodes: known, links } = network.mesh(0).topology();
    expect(known.map(({ node, nextHop }) => [node, nextHop])).toEqual([
      [nameOf(1), nameOf(1)],
      [nameOf(2), nameOf(1)],
    ]);
    expect(links.find(({ neighbour }) => neighbour === nameOf(2))).toMatchObject({ state: 'heard', deliveryRatio: 1, costBack: 1644 });
    const far = network
      .mesh(0)
      .routes()
      .find(({ destination }) => destination === nameOf(2));
    expect(far).toMatchObject({ reason: 'best', alternatives: [{ nextHop: nameOf(2), feasible: true }] });
    expect(messageOverheadBytes).toBeGreaterThan(50);
  });

  it('tells of nodes that are seen, lost and moved, and of a partition and its end', () => {
    const network = row(5);
    network.demandAll(true);
    network.repair(10_000);
    network.run(5000);
    const told = () => network.news.splice(0).flatMap(({ node, event }) => (node === 0 && event.type !== 'route-changed' ? [event] : []));
    expect(told().map(({ type }) => type)).toEqual(['node-seen', 'node-seen', 'node-seen', 'node-seen']);
    network.cut(2, 3);
    network.run(20_000);
    expect(told().map(({ type }) => type)).toEqual(['node-lost', 'node-lost', 'partition-suspected']);
    network.connect(2, 3, wifi);
    network.run(20_000);
    const healed = told();
    expect(healed.filter(({ type }) => type === 'node-seen')).toHaveLength(2);
    expect(healed.filter(({ type }) => type === 'partition-healed')).toEqual([{ type: 'partition-healed', nodes: [nameOf(3), nameOf(4)] }]);
    network.connect(0, 3, wifi);
    network.run(20_000);
    expect(told()).toContainEqual({ type: 'node-moved', node: nameOf(3), nextHop: nameOf(3), isNeighbour: true });
  });

  it('leads only to members, from the moment they are, and not through neighbours that their session gave up', () => {
    const members = new Set([nameOf(1)]);
    const mesh = new Mesh(nameOf(0), 1, seededRandom(1), (name) => members.has(name));
    const now = 0 as MonotonicMs;
    mesh.handle({ type: 'begin', neighbour: nameOf(1), quality: { lossRatio: 0 } }, now);
    const update = { type: 'update', destination: nameOf(5), seqno: 1, metric: 30 } as const;
    mesh.receive(nameOf(1), new RouteWriter(nameOf(1), nameOf(0)).write([update]), now);
    expect(mesh.nextHop(nameOf(5))).toBeUndefined();
    members.add(nameOf(5));
    mesh.handle({ type: 'members-changed' }, now);
    expect(mesh.nextHop(nameOf(5))).toBe(nameOf(1));
    mesh.handle({ type: 'silent', neighbour: nameOf(1) }, now);
    expect(mesh.nextHop(nameOf(5))).toBeUndefined();
    mesh.handle({ type: 'heard', neighbour: nameOf(1), at: 10 as MonotonicMs }, 10 as MonotonicMs);
    expect(mesh.nextHop(nameOf(5))).toBe(nameOf(1));
    mesh.handle({ type: 'end', neighbour: nameOf(1) }, 20 as MonotonicMs);
    expect(mesh.nextHop(nameOf(5))).toBeUndefined();
    expect(mesh.topology().links).toEqual([]);
  });

  it('keeps watch only on the ways that something is owed by', () => {
    const network = row(6);
    network.connect(5, 0, wifi);
    network.repair(10_000);
    network.run(10_000);
    const before = [...network.bytesSent];
    network.demand(0, [2]);
    network.run(60_000);
    const spent = network.bytesSent.map((bytes, node) => bytes - (before[node] ?? 0));
    expect(Math.min(...spent.slice(0, 3))).toBeGreaterThan(500);
    expect(Math.max(...spent.slice(4))).toBeLessThan(200);
    network.demand(0, []);
    network.run(10_000);
    const after = total(network);
    network.run(60_000);
    expect(total(network)).toBe(after);
  });
});

describe('a neighbour that lies', () => {
  /** A ring of six in which node 1 says what it wants; its session with node 0 has a writer of ours. */
  function liar(items: Parameters<RouteWriter['write']>[0]) {
    const network = new MeshNetwork(3, 5);
    const mesh = network.mesh(0);
    const now = 0 as MonotonicMs;
    for (const neighbour of [nameOf(1), nameOf(2)]) mesh.handle({ type: 'begin', neighbour, quality: { ...wifi, rttMs: 10 } }, now);
    const honest = new RouteWriter(nameOf(2), nameOf(0));
    mesh.receive(nameOf(2), honest.write([{ type: 'update', destination: nameOf(2), seqno: 5, metric: 140 }]), now);
    mesh.receive(nameOf(1), new RouteWriter(nameOf(1), nameOf(0)).write(items), now);
    return mesh;
  }

  it('does not come between a node and its neighbour with a metric of nothing or a number from the future', () => {
    for (const seqno of [5, 60, 1e9])
      expect(liar([{ type: 'update', destination: nameOf(2), seqno, metric: 0 }]).nextHop(nameOf(2))).toBe(nameOf(2));
  });

  it('is taken to be no nearer than the link to it, and 1', () => {
    const route = liar([{ type: 'update', destination: nameOf(7), seqno: 1, metric: 0 }])
      .routes()
      .find(({ destination }) => destination === nameOf(7));
    expect(route?.metric).toBe((route?.linkCost ?? 0) + 1);
  });

  it('cannot shut a node out by a sequence number: its source goes beyond it', () => {
    const mesh = liar([{ type: 'update', destination: nameOf(0), seqno: 50, metric: 10 }]);
    expect(outputs(mesh)).toContainEqual({ type: 'seqno', seqno: 51 });
  });

  it('raises a sequence number by one with each request, whatever it asks for', () => {
    const mesh = liar([{ type: 'request', destination: nameOf(0), seqno: 2 ** 40, hops: 64 }]);
    expect(outputs(mesh)).toContainEqual({ type: 'seqno', seqno: 3 });
  });
});
