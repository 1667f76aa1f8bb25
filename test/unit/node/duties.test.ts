import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { Duties, type Duty } from '../../../src/node/duties.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const listen: Duty = { kind: 'listen', address: 'udp://0.0.0.0:7077' };

/** Duties whose timers go off when the test says so, and that fail while `busy`. */
function rehearsal(duty: Duty) {
  const catalog = openSqliteCatalog(':memory:');
  const pending: { delayMs: number; callback: () => void; cancelled: boolean }[] = [];
  const timers = {
    schedule: (delayMs: number, callback: () => void) => {
      const timer = { delayMs, callback, cancelled: false };
      pending.push(timer);
      return {
        cancel: () => {
          timer.cancelled = true;
        },
      };
    },
  };
  const seen = { runs: 0, failures: [] as string[], busy: true };
  const duties = new Duties(
    catalog,
    timers,
    async () => {
      seen.runs++;
      if (seen.busy) throw new GodwitError('PORT_BUSY', 'taken');
    },
    (_duty, error) => seen.failures.push((error as GodwitError).code),
  );
  /** Lets the run that is under way end. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const id = duties.add(duty);
  return { duties, id, pending, seen, settle };
}

describe('listening', () => {
  it('is tried again with a growing pause, up to five minutes, and says so every time', async () => {
    const { pending, seen, settle } = rehearsal(listen);
    for (let run = 0; run < 12; run++) {
      await settle();
      pending.at(-1)?.callback();
    }
    await settle();
    expect(pending.map(({ delayMs }) => delayMs / 1000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]);
    expect(seen.failures).toEqual(Array(13).fill('PORT_BUSY'));
  });

  it('is not begun again once it has succeeded', async () => {
    const { pending, seen, settle } = rehearsal(listen);
    await settle();
    seen.busy = false;
    pending[0]?.callback();
    await settle();
    expect([seen.runs, seen.failures.length, pending.length]).toEqual([2, 1, 1]);
  });

  it.each(['removed', 'closed'])('is not tried again when the duty is %s', async (how) => {
    const { duties, id, pending, settle } = rehearsal(listen);
    await settle();
    if (how === 'removed') duties.remove(id);
    else duties.close();
    expect(pending.map(({ cancelled }) => cancelled)).toEqual([true]);
  });
});

describe('a duty with an interval', () => {
  it('is done again at it, whether it failed or not', async () => {
    const { pending, seen, settle } = rehearsal({ kind: 'scan', dataset: '0'.repeat(64), everyMs: 5000 });
    await settle();
    seen.busy = false;
    pending[0]?.callback();
    await settle();
    expect(pending.map(({ delayMs }) => delayMs)).toEqual([5000, 5000]);
  });
});

it('an instrument that does not answer is asked less and less often, up to once an hour, and at its interval again once it has answered', async () => {
  const dataset = 'ab'.repeat(32);
  const duty: Duty = { kind: 'collect', dataset, driver: 'modbus', address: 'tcp://weir:502', profile: {}, everyMs: 600_000 };
  const { pending, seen, settle } = rehearsal(duty);
  await settle();
  for (let attempt = 0; attempt < 5; attempt++) {
    pending.at(-1)?.callback();
    await settle();
  }
  seen.busy = false;
  pending.at(-1)?.callback();
  await settle();
  expect(pending.map(({ delayMs }) => delayMs / 60_000)).toEqual([10, 20, 40, 60, 60, 60, 10]);
});
