import { describe, expect, it } from 'vitest';
import type { DatasetId, NodeId } from '../../../src/core/identifiers.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { StrandedData, type StrandedDataParts } from '../../../src/node/stranded-data.ts';

const [self, relay, member] = ['a-self', 'b-relay', 'c-member'] as [NodeId, NodeId, NodeId];
const dataset = 'weather' as DatasetId;

/** A node that has one entry for a member behind a relay which takes nothing. */
function valley() {
  const world = { changes: 0, hop: relay as NodeId | undefined, held: 0 };
  const parts = {
    self,
    membership: { members: () => [{ node: member }], datasets: () => [{ id: dataset }] },
    logs: { lengths: () => new Map([[self, 1]]) },
    receipts: { of: () => ({ vector: { lengthOf: () => world.held } }) },
    interests: { subscribes: () => true },
    mesh: {
      nextHop: () => world.hop,
      get changes() {
        return world.changes;
      },
    },
    takes: () => false,
  };
  const stranded = new StrandedData(parts as unknown as StrandedDataParts);
  /** Whom a circuit is due to at an instant, and that the next look lies behind it. */
  const due = (ms: number): readonly NodeId[] => {
    const members = [...stranded.members(ms as MonotonicMs)];
    expect(stranded.nextDeadline()?.at ?? Infinity).toBeGreaterThan(ms);
    return members;
  };
  return { world, stranded, due };
}

describe('data that nobody on the way takes', () => {
  it('makes a circuit due after a while, which stays for a while when all has arrived', () => {
    const { world, stranded, due } = valley();
    expect(due(0)).toEqual([]);
    expect(due(stranded.nextDeadline()?.at as number)).toEqual([member]);
    world.held = 1;
    world.changes++;
    expect(due(20_000)).toEqual([member]);
    expect(due(stranded.nextDeadline()?.at as number)).toEqual([]);
  });

  it('is not looked for again and again when the way is lost behind a circuit that has served its purpose', () => {
    const { world, stranded, due } = valley();
    due(0);
    due(8000);
    world.held = 1;
    world.changes++;
    expect(due(20_000)).toEqual([member]);
    world.hop = undefined;
    world.changes++;
    expect(due(30_000)).toEqual([member]);
    expect(due(stranded.nextDeadline()?.at as number)).toEqual([]);
  });

  it('is looked for once at an instant, whatever the last digits of the clock are', () => {
    // The sum of this instant and eight seconds, less it, is less than eight seconds.
    const { stranded, due } = valley();
    due(193.53333333333333);
    expect(due(stranded.nextDeadline()?.at as number)).toEqual([member]);
  });
});
