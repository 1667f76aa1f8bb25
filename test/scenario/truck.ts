import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, hour, radio } from './camp.ts';

/** A truck that carries between two camps that never hear each other; it is at the west camp first. */
export async function trucked(seed: number) {
  const camp = await chain(seed, ['west', 'east']);
  const { world } = camp;
  const [west, east] = camp.nodes as [SimulatedNode, SimulatedNode];
  const truck = await world.add('truck');
  await world.finish(truck.node.listen('udp://truck:7077', { keep: true }));
  const toWest = world.link('west', 'truck', radio);
  const toEast = world.link('east', 'truck', radio);
  await world.finish(truck.node.join(west.node.createInvite({ role: 'carrier' })), hour);
  for (const { node } of [west, east]) node.addContact(truck.node.id, ['udp://truck:7077']);
  world.linkBetween('west', 'east').cut();
  const drive = async (place: 'west' | 'east' | 'road') => {
    for (const [link, name] of [
      [toWest, 'west'],
      [toEast, 'east'],
    ] as const)
      if (name === place) link.heal();
      else link.cut();
    await world.runFor(hour);
  };
  await drive('west');
  return { camp, world, west, east, truck, drive };
}
