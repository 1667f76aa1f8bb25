import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { Collections } from '../../../src/node/collections.ts';
import { Duties } from '../../../src/node/duties.ts';
import { type Duty, parseDuty } from '../../../src/node/duty.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { systemClock } from '../../../src/runtime/system-clock.ts';

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
  const onFailure = (_duty: Duty, error: unknown) => seen.failures.push((error as GodwitError).code);
  const duties = new Duties(catalog, timers, {
    perform: async () => {
      seen.runs++;
      if (seen.busy) throw new GodwitError('PORT_BUSY', 'taken');
    },
    onFailure,
    collections: new Collections({
      platform: { catalog, timers, clock: systemClock },
      instruments: { collectByDuty: async () => ({}), answers: async () => true },
      onFailure,
    }),
  });
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

describe('a duty to collect', () => {
  const collect = { kind: 'collect', dataset: '0'.repeat(64), driver: 'modbus', address: 'tcp://weir:502', profile: {} };

  it.each([
    { everyMs: 60_000 },
    { at: ['0,30 6-18 * * *', '15 3 * * 0'] },
    { onConnection: true },
    { probeEveryMs: 1000, when: { chargeAtLeast: 0.4, unmetered: true } },
  ])('may be brought about by %j', (more) => {
    expect(parseDuty({ ...collect, ...more })).toEqual({ ...collect, ...more });
  });

  it.each([
    {},
    { at: [] },
    { at: ['noon'] },
    { onConnection: false },
    { everyMs: 1 },
    { everyMs: 1000, when: { chargeAtLeast: 40 } },
    { everyMs: 1000, when: { sunny: true } },
    { everyMs: 1000, profile: { utcOffsetMinutes: 60, zone: 'Europe/Oslo' } },
  ])('is none with %j', (more) => {
    expect(() => parseDuty({ ...collect, ...more })).toThrow(expect.objectContaining({ code: 'DUTY_MALFORMED' }));
  });
});
