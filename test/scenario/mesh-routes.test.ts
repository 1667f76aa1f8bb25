import { describe, expect, it } from 'vitest';
import type { FieldNodeEvent } from '../../src/node/field-node.ts';
import { chain, publish } from './camp.ts';

const model = { delayMs: 5, rateBytesPerSecond: 125_000 };

describe('nodes in a chain', () => {
  it('have routes to each other and a picture of the network, lose them with the link, and get them back', async () => {
    const camp = await chain(61, ['ridge', 'camp', 'valley'], model);
    const [ridge, base, valley] = camp.nodes;
    if (ridge === undefined || base === undefined || valley === undefined) throw new Error('three nodes were asked for');
    await camp.world.runFor(10_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBe(base.node.id);
    expect(valley.node.mesh.nextHop(ridge.node.id)).toBe(base.node.id);
    expect(base.node.mesh.nextHop(ridge.node.id)).toBe(ridge.node.id);
    const far = ridge.node.mesh.routes().find(({ node }) => node === valley.node.id);
    expect(far).toMatchObject({ nextHop: base.node.id, reason: 'only', alternatives: [] });
    const { self, nodes, links } = base.node.mesh.topology();
    expect(self).toBe(base.node.id);
    expect(nodes.map(({ node }) => node).sort()).toEqual([ridge.node.id, valley.node.id].sort());
    expect(links.map(({ neighbour, state }) => [neighbour, state])).toContainEqual([valley.node.id, 'heard']);

    camp.world.linkBetween('camp', 'valley').cut();
    await publish(camp, ridge, 'note.txt', 'the bridge is gone');
    await camp.world.runFor(20_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBeUndefined();
    const of = (type: FieldNodeEvent['type']) => ridge.events.filter((event) => event.type === type);
    expect(of('node-lost')).toEqual([{ type: 'node-lost', node: valley.node.id }]);

    camp.world.linkBetween('camp', 'valley').heal();
    await camp.world.runFor(60_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBe(base.node.id);
    expect(of('node-seen').at(-1)).toMatchObject({ node: valley.node.id, nextHop: base.node.id });
  });

  it('keep their sequence numbers over a restart, so that what neighbours remember does not shut them out', async () => {
    const camp = await chain(62, ['ridge', 'camp', 'valley'], model);
    const [ridge, base, valley] = camp.nodes;
    if (ridge === undefined || base === undefined || valley === undefined) throw new Error('three nodes were asked for');
    await camp.world.runFor(10_000);
    const { id } = valley.node;
    const seqno = () => base.node.mesh.routes().find(({ node }) => node === id)?.feasibleDistance?.seqno;
    const before = seqno();
    await camp.world.finish(valley.stop());
    await camp.world.runFor(5000);
    await camp.world.finish(valley.start());
    await camp.world.runFor(120_000);
    expect(ridge.node.mesh.nextHop(id)).toBe(base.node.id);
    expect(seqno()).toBeGreaterThan(before ?? Number.POSITIVE_INFINITY);
  });

  it('go round a link that costs its owner too much, and over it when there is no other way', async () => {
    const camp = await chain(63, ['ridge', 'camp', 'valley'], model);
    const [ridge, base, valley] = camp.nodes;
    if (ridge === undefined || base === undefined || valley === undefined) throw new Error('three nodes were asked for');
    camp.world.link('ridge', 'valley', model);
    ridge.node.addContact(valley.node.id, ['udp://valley:7077']);
    await camp.world.runFor(20_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBe(valley.node.id);

    ridge.node.mesh.setLinkCost({ peer: valley.node.id, penaltyMs: 60_000 });
    expect(ridge.node.mesh.linkCosts()).toEqual([{ peer: valley.node.id, penaltyMs: 60_000 }]);
    await publish(camp, ridge, 'note.txt', 'dear satellite');
    await camp.world.runFor(60_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBe(base.node.id);

    camp.world.linkBetween('camp', 'valley').cut();
    await publish(camp, ridge, 'note.txt', 'the bridge is gone');
    await camp.world.runFor(60_000);
    expect(ridge.node.mesh.nextHop(valley.node.id)).toBe(valley.node.id);
    expect(() => ridge.node.mesh.setLinkCost({ penaltyMs: 1 })).toThrowError(expect.objectContaining({ code: 'LINK_COST_MALFORMED' }));
    expect(() => ridge.node.mesh.setLinkCost({ linkClass: 'lan', penaltyMs: -1 })).toThrowError(
      expect.objectContaining({ code: 'LINK_COST_MALFORMED' }),
    );
  });
});
