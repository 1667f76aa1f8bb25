import { describe, expect, it } from 'vitest';
import { identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { LinkCosts } from '../../../src/node/link-costs.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const peer = identifier<NodeId>(new Uint8Array(32).fill(1));
const other = identifier<NodeId>(new Uint8Array(32).fill(2));

describe('costs of links', () => {
  it('are of a class or of a member, the member counting where both are, and outlive a restart', () => {
    const catalog = openSqliteCatalog(':memory:');
    const costs = new LinkCosts(catalog);
    costs.set({ linkClass: 'satellite', penaltyMs: 9000 });
    costs.set({ peer, penaltyMs: 100 });
    for (const each of [costs, new LinkCosts(catalog)]) {
      expect(each.of(peer, 'satellite')).toBe(100);
      expect(each.of(other, 'satellite')).toBe(9000);
      expect(each.of(other, 'lan')).toBe(0);
      expect(each.list()).toEqual([
        { linkClass: 'satellite', penaltyMs: 9000 },
        { peer, penaltyMs: 100 },
      ]);
    }
    costs.set({ peer, penaltyMs: 0 });
    expect(costs.of(peer, 'satellite')).toBe(9000);
    expect(new LinkCosts(catalog).list()).toEqual([{ linkClass: 'satellite', penaltyMs: 9000 }]);
  });

  it('are refused when they are of nothing, of two things, of no class, or out of range', () => {
    const costs = new LinkCosts(openSqliteCatalog(':memory:'));
    for (const cost of [
      { penaltyMs: 1 },
      { peer, linkClass: 'lan' as const, penaltyMs: 1 },
      { linkClass: 'telegraph' as 'lan', penaltyMs: 1 },
      { peer, penaltyMs: -1 },
      { peer, penaltyMs: Number.NaN },
      { peer, penaltyMs: 3_600_001 },
    ])
      expect(() => costs.set(cost)).toThrowError(expect.objectContaining({ code: 'LINK_COST_MALFORMED' }));
    expect(costs.list()).toEqual([]);
  });
});
