import { expect, test } from 'vitest';
import { chain, expectFile, hour, minute, type Pair, publish, second } from './camp.ts';

/** One end of a session is gone and the other does not know, because it has nothing to say. */

test('a node that others dial reaches them by itself after its power failed', async () => {
  const camp = await chain(61, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1');
  await camp.world.runFor(hour);
  base.kill();
  await camp.world.finish(base.start());
  // Only the ridge was ever given an address, and it is waiting to be told something.
  await publish(camp, base, 'plan.txt', 'day 2');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 2', 5 * minute);
});

test('a node that was invited reaches the other after its own power failed', async () => {
  const camp = await chain(62, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  for (let day = 1; day < 4; day++) {
    ridge.kill();
    await camp.world.runFor(minute);
    await publish(camp, base, 'plan.txt', `day ${day}`);
    await camp.world.finish(ridge.start());
    await expectFile(camp.world, ridge, 'plan.txt', `day ${day}`, 5 * minute);
  }
  // The port it is heard on is another one now; the base has to have noticed.
  base.kill();
  await camp.world.finish(base.start());
  await publish(camp, base, 'plan.txt', 'last day');
  await expectFile(camp.world, ridge, 'plan.txt', 'last day', 5 * minute);
});

test('a stream that breaks while nobody has anything to say is dialled again', async () => {
  const camp = await chain(63, ['base', 'ridge'], undefined, 'merge', 'tcp');
  const [base, ridge] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  base.kill();
  await camp.world.runFor(minute);
  await camp.world.finish(base.start());
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1', 5 * minute);
});

test('nodes that are in touch and have nothing to say have nothing to wake for', async () => {
  const camp = await chain(64, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1');
  expect(await camp.world.untilQuiet(10 * minute)).toBe(true);
  expect([base.pendingTimers, ridge.pendingTimers]).toEqual([0, 0]);
  const packets = base.packetsSent + ridge.packetsSent;
  camp.world.linkBetween('base', 'ridge').cut();
  await camp.world.runFor(24 * hour);
  expect(base.packetsSent + ridge.packetsSent).toBe(packets);
  camp.world.linkBetween('base', 'ridge').heal();
  await publish(camp, ridge, 'plan.txt', 'day 2');
  await expectFile(camp.world, base, 'plan.txt', 'day 2', 10 * second);
});
