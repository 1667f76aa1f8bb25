import { afterEach, expect, test, vi } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { decodeCell, encodeCell } from '../../src/mesh/circuit-wire.ts';
import { Circuits, type CircuitsOutput } from '../../src/mesh/circuits.ts';
import type { FieldNodeEvent } from '../../src/node/field-node.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, expectFile, hour, minute, publish, second } from './camp.ts';

const wifi = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };

/** What a relay does to the bytes of others, instead of passing them on. */
type Trick = (bytes: Uint8Array) => Uint8Array | undefined;

const random = seededRandom(77);

const tricks: Readonly<Record<string, () => Trick>> = {
  'garbles every hundredth cell': () => {
    let count = 0;
    return (bytes) => (++count % 100 === 0 ? random.bytes(bytes.length) : bytes);
  },
  'swallows what it is given': () => () => undefined,
  'says again what it was given before': () => {
    const heard: Uint8Array[] = [];
    return (bytes) => {
      heard.push(bytes);
      return heard.length < 5 ? bytes : (heard[random.below(heard.length)] ?? bytes);
    };
  },
  'passes on two cells in the wrong order': () => {
    let held: Uint8Array | undefined;
    return (bytes) => {
      const before = held;
      held = bytes;
      return before;
    };
  },
  'changes one bit now and then': () => {
    let count = 0;
    return (bytes) => {
      const copy = bytes.slice();
      const at = copy.length - 1;
      if (++count % 20 === 0) copy[at] = (copy[at] as number) ^ 1;
      return copy;
    };
  },
};

afterEach(() => vi.restoreAllMocks());

/** Makes the first node through which a circuit leads from now on play a trick on it. `garbage`: it says no cells at all. */
function turnHostile(trick: Trick, garbage = false): void {
  const receive = Circuits.prototype.receive;
  const poll = Circuits.prototype.poll;
  let hostile: Circuits<unknown> | undefined;
  vi.spyOn(Circuits.prototype, 'receive').mockImplementation(function (this: Circuits<unknown>, ...parameters) {
    if (hostile === undefined && this.states().some(({ role }) => role === 'relayed')) hostile = this;
    return receive.apply(this, parameters);
  });
  vi.spyOn(Circuits.prototype, 'poll').mockImplementation(function (this: Circuits<unknown>): CircuitsOutput<unknown> | undefined {
    const output = poll.apply(this);
    if (this !== hostile || output?.type !== 'cell') return output;
    const cell = decodeCell(output.bytes);
    if (!cell.ok || cell.value.type !== 'data') return output;
    if (garbage) return { ...output, bytes: random.bytes(20) };
    const bytes = trick(cell.value.bytes);
    const { label } = cell.value;
    return {
      ...output,
      bytes: encodeCell(bytes === undefined ? { type: 'credit', label, creditBytes: 0 } : { type: 'data', label, bytes }),
    };
  });
}

/** Two ways from `valley` to `coast`, through nodes that keep nothing for others. */
async function diamond(seed: number): Promise<Camp> {
  const camp = await chain(seed, ['valley', 'ridge', 'coast'], wifi);
  const { world, dataset } = camp;
  const [valley, ridge, coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  const dunes = await world.add('dunes');
  await world.finish(dunes.node.listen('udp://dunes:7077', { keep: true }));
  world.link('valley', 'dunes', wifi);
  world.link('dunes', 'coast', wifi);
  await world.finish(dunes.node.join(valley.node.createInvite({ role: 'carrier' })), hour);
  coast.node.addContact(dunes.node.id, ['udp://dunes:7077']);
  ridge.node.unsubscribe(dataset);
  for (const { node } of [ridge, dunes]) node.mesh.setRelaying({ custody: false });
  expect(await world.until(() => coast.node.connectedPeers().includes(dunes.node.id), hour)).toBe(true);
  await world.runFor(minute);
  return { world, nodes: world.nodes, dataset };
}

/** What nodes found fault with since they had reported so many events. */
function faultsSince(begun: readonly number[], ...nodes: SimulatedNode[]): Extract<FieldNodeEvent, { type: 'fault' }>[] {
  return nodes.flatMap(({ events }, index) => events.slice(begun[index]).filter((event) => event.type === 'fault'));
}

test.each(Object.entries(tricks))('a relay that %s is left for another, and what arrives is what was sent', async (_name, trick) => {
  const camp = await diamond(831);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => coast.node.connectedPeers().includes(valley.node.id), minute)).toBe(true);
  await world.runFor(10 * second);
  const [first] = valley.node.mesh.circuits();
  const begun = [valley.events.length, coast.events.length];
  turnHostile(trick());
  const photo = seededRandom(5).bytes(150_000);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(world, coast, 'photo.raw', photo, 3 * minute);
  const [last] = valley.node.mesh.circuits();
  expect(last?.neighbours).not.toEqual(first?.neighbours);
  // Nobody is blamed who only was sent garbage, and the sessions with the relays stand.
  expect(faultsSince(begun, valley, coast)).toEqual([]);
});

test('a relay that swallows from the beginning is left after half a minute', async () => {
  const camp = await diamond(833);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  turnHostile(() => undefined);
  valley.node.mesh.openCircuit(coast.node.id);
  await world.runFor(10 * second);
  expect(coast.node.connectedPeers()).not.toContain(valley.node.id);
  expect(await world.until(() => coast.node.connectedPeers().includes(valley.node.id), minute)).toBe(true);
  expect(valley.events.filter(({ type }) => type === 'circuit')).toMatchObject([
    { isOpen: true },
    { isOpen: false, reason: 'timeout' },
    { isOpen: true },
  ]);
});

test('a neighbour whose cells are none is told so by the end of its session, and named', async () => {
  const camp = await diamond(834);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => coast.node.connectedPeers().includes(valley.node.id), minute)).toBe(true);
  await world.runFor(second);
  const relay = valley.node.mesh.circuits()[0]?.neighbours[0];
  const begun = [valley.events.length, coast.events.length];
  turnHostile((bytes) => bytes, true);
  await publish(camp, valley, 'note.txt', 'by the other way');
  await expectFile(world, coast, 'note.txt', 'by the other way', minute);
  const faults = faultsSince(begun, valley, coast);
  expect(faults.length).toBeGreaterThan(0);
  for (const each of faults) {
    expect(each).toMatchObject({ peer: relay, fault: { blame: 'peer' } });
    expect(['CIRCUIT_MALFORMED', 'CBOR_MALFORMED']).toContain(each.fault.code);
  }
});

test('a relay whose budget is used up is left for another that has more', async () => {
  const camp = await diamond(832);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => coast.node.connectedPeers().includes(valley.node.id), minute)).toBe(true);
  await world.runFor(second);
  const relay = world.nodes.find(({ node }) => node.id === valley.node.mesh.circuits()[0]?.neighbours[0]);
  relay?.node.mesh.setRelaying({ bytesPerMinute: 4096 });
  const photo = seededRandom(6).bytes(150_000);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(world, coast, 'photo.raw', photo, minute);
  expect(valley.node.mesh.circuits()[0]?.neighbours).not.toEqual([relay?.node.id]);
});
