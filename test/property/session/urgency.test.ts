import fc from 'fast-check';
import { expect, it } from 'vitest';
import { priorityClasses } from '../../../src/core/priority.ts';
import { SendQueue } from '../../../src/session/send-queue.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

const step = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('data' as const), priority: fc.constantFrom(...priorityClasses), bytes: fc.nat(200_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('message' as const), priority: fc.constantFrom(...priorityClasses), bytes: fc.nat(3000) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('packets' as const),
      count: fc.integer({ min: 1, max: 150 }),
      bytes: fc.integer({ min: 100, max: 1400 }),
    }),
  },
);

it('never puts two packets in a row before a more urgent class that waits, and gives it all packets but the floor of the classes behind', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new SendQueue();
      let inversions = 0;
      let packets = 0;
      let passedOver = 0;
      for (const each of steps) {
        if (each.kind === 'message') queue.pushMessage(each.priority, new Uint8Array(each.bytes));
        if (each.kind === 'data') queue.pushData(each.priority, { transfer: 1, offset: 0, bytes: new Uint8Array(each.bytes), last: false });
        if (each.kind !== 'packets') continue;
        for (let n = 0; n < each.count; n++) {
          const waiting = queue.mostUrgent;
          const { pieces } = queue.fill(new WireWriter(new Uint8Array(each.bytes)));
          const [first] = pieces;
          if (first === undefined || waiting === undefined) continue;
          for (const piece of pieces) queue.acknowledge(piece);
          packets++;
          const isInverted = first.priority !== waiting;
          passedOver = isInverted ? passedOver + 1 : 0;
          if (isInverted) inversions++;
          expect(passedOver).toBeLessThanOrEqual(1);
        }
      }
      // Three classes behind the first, a thirty-second each; packets grow shorter, and longer.
      expect(inversions).toBeLessThanOrEqual(2 + (packets * 3 * 14) / 32);
    }),
    { numRuns: 300, seed: 7 },
  );
});
