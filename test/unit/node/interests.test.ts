import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { ReceiptBook } from '../../../src/datasets/receipts.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { Interests } from '../../../src/node/interests.ts';
import type { Membership, Role } from '../../../src/node/membership.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const keys = [1, 2, 3, 4].map((value) => crypto.ed25519KeyPair(new Uint8Array(32).fill(value)));
const [self, west, east, truck] = keys.map(({ publicKey }) => identifier<NodeId>(publicKey)) as [NodeId, NodeId, NodeId, NodeId];
const nodes = [self, west, east, truck];
const [team, rows] = [8, 9].map((value) => identifier<DatasetId>(new Uint8Array(32).fill(value))) as [DatasetId, DatasetId];

/** A team in which the last member is a carrier, and the ways that there are now. */
function relay(hops: Readonly<Record<NodeId, NodeId>>, ownRole: Role = 'member') {
  const catalog = openSqliteCatalog(':memory:');
  const receipts = new ReceiptBook(catalog, crypto);
  const member = (node: NodeId) => ({ node, role: (node === truck ? 'carrier' : node === self ? ownRole : 'member') as Role });
  const membership = { logDataset: team, members: () => nodes.map(member), member } as unknown as Membership;
  const interests = new Interests(catalog, self, membership, receipts);
  interests.follow({ nextHop: (node) => hops[node] });
  const says = (node: NodeId, held: readonly (readonly [NodeId, number])[], subscribed = true, wallMs = 1) => {
    const seed = new Uint8Array(32).fill(nodes.indexOf(node) + 1);
    receipts.issue(node, seed, rows, VersionVector.of(held), subscribed, { wallMs, counter: 0 });
  };
  return { interests, says };
}

describe('interest in a dataset', () => {
  it('is what a member has and a carrier has not, until they say otherwise', () => {
    const { interests, says } = relay({});
    expect(nodes.map((node) => interests.subscribes(node, rows))).toEqual([true, true, true, false]);
    says(west, [], false);
    expect(interests.subscribes(west, rows)).toBe(false);
    expect([interests.choose(rows, false), interests.choose(rows, false)]).toEqual([true, false]);
    expect(interests.subscribes(self, rows)).toBe(false);
    expect(interests.takes(team, west)).toBe(true);
  });
});

describe('a relay', () => {
  it('takes a dataset from the side that is not the way to a subscriber', () => {
    const { interests, says } = relay({ [west]: west, [east]: east });
    interests.choose(rows, false);
    expect([interests.takes(rows, west), interests.takes(rows, east), interests.moves(rows)]).toEqual([true, true, true]);
    says(east, [], false);
    expect([interests.takes(rows, west), interests.takes(rows, east)]).toEqual([false, true]);
  });

  it('is none while no way leads to a subscriber', () => {
    const { interests } = relay({});
    interests.choose(rows, false);
    expect([interests.takes(rows, west), interests.moves(rows)]).toEqual([false, false]);
  });

  it('moves about when it is a carrier, and takes what is for members that are out of reach, too, from whoever it meets', () => {
    const { interests, says } = relay({ [west]: west }, 'carrier');
    // East is nowhere to be seen; west is in reach, and needs nobody else for that.
    expect([interests.takes(rows, west), interests.takes(rows, east), interests.moves(rows)]).toEqual([true, true, true]);
    says(east, [], false);
    expect([interests.takes(rows, west), interests.takes(rows, east)]).toEqual([false, true]);
    interests.setRelaying(false);
    expect(interests.takes(rows, east)).toBe(false);
  });

  it('is owed an entry until every subscriber but its author holds it, and keeps it while nobody else is known to', () => {
    const { interests, says } = relay({ [west]: west, [east]: east });
    interests.choose(rows, false);
    const entry = { author: west, sequence: 3 };
    expect([interests.owed(rows, entry), interests.keeps(rows, entry)]).toEqual([true, true]);
    says(east, [[west, 2]]);
    expect(interests.owed(rows, entry)).toBe(true);
    says(east, [[west, 3]], true, 2);
    expect([interests.owed(rows, entry), interests.keeps(rows, entry)]).toEqual([false, false]);
    says(east, [[west, 3]], false, 3);
    expect([interests.owed(rows, entry), interests.keeps(rows, entry)]).toEqual([false, true]);
    expect(interests.keeps(rows, { author: self, sequence: 1 })).toBe(true);
  });
});
