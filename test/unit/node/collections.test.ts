import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import type { MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { Collections } from '../../../src/node/collections.ts';
import type { CollectDuty, Duty } from '../../../src/node/duty.ts';
import type { PowerReading } from '../../../src/ports/power-state.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const minute = 60_000;
const hour = 60 * minute;
const noon = Date.UTC(2026, 5, 1, 12);

function duty(more: Partial<CollectDuty>, address = 'tcp://weir:502'): CollectDuty {
  return { kind: 'collect', dataset: '0'.repeat(64), driver: 'modbus', address, profile: {}, ...more };
}

/** Collections in time that passes when the test says so. */
class Rehearsal {
  readonly catalog = openSqliteCatalog(':memory:');
  readonly visits: [number, string][] = [];
  readonly failures: string[] = [];
  power: PowerReading = { source: 'mains' };
  isMetered = false;
  /** Nothing answers at all. */
  isAway = false;
  /** What the next visits end with. */
  fault: GodwitError | undefined;
  ringMs: number | undefined;
  /** Milliseconds that a visit takes. */
  visitMs = 0;
  nowMs = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];
  collections = this.#open();

  #open(): Collections {
    const onFailure = (_duty: Duty, error: unknown) => void this.failures.push((error as GodwitError).code);
    const schedule = (delayMs: number, callback: () => void) => {
      const timer = { at: this.nowMs + delayMs, callback };
      this.#timers.push(timer);
      const cancel = (): void => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      };
      return { cancel };
    };
    return new Collections({
      platform: {
        catalog: this.catalog,
        timers: { schedule },
        clock: { now: () => ({ monotonicMs: this.nowMs as MonotonicMs, wallMs: (noon + this.nowMs) as WallMs }) },
        power: { read: () => this.power },
        networkCost: { isMetered: () => this.isMetered },
      },
      instruments: {
        collectByDuty: async ({ address }) => {
          this.visits.push([this.nowMs / minute, address]);
          if (this.visitMs > 0) await new Promise<void>((resolve) => schedule(this.visitMs, resolve));
          if (this.isAway) throw new GodwitError('INSTRUMENT_UNREACHABLE', 'nobody', { retryable: true });
          if (this.fault !== undefined) throw this.fault;
          return this.ringMs === undefined ? {} : { ringMs: this.ringMs };
        },
        answers: async () => !this.isAway,
      },
      onFailure,
    });
  }

  /** The process ends and begins again. */
  restart(offMs: number): void {
    this.collections.close();
    this.#timers = [];
    this.nowMs += offMs;
    this.collections = this.#open();
  }

  async runFor(durationMs: number): Promise<void> {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [first] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (first === undefined || first.at > endMs) break;
      this.#timers = this.#timers.filter((each) => each !== first);
      this.nowMs = Math.max(this.nowMs, first.at);
      first.callback();
    }
    this.nowMs = endMs;
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Minutes at which there were visits. */
  get minutes(): number[] {
    return this.visits.map(([at]) => at);
  }
}

describe('visits at an interval', () => {
  it('begin at once, and are made less and less often while they fail', async () => {
    const world = new Rehearsal();
    world.fault = new GodwitError('INSTRUMENT_TIMEOUT', 'silence', { retryable: true });
    world.collections.take(1, duty({ everyMs: 10 * minute }));
    await world.runFor(249 * minute);
    world.fault = undefined;
    await world.runFor(21 * minute);
    expect(world.minutes).toEqual([0, 10, 30, 70, 130, 190, 250, 260, 270]);
    expect(world.failures).toHaveLength(6);
  });

  it('are explained: what is waited for, since when it fails, and when records are lost', async () => {
    const world = new Rehearsal();
    world.ringMs = 2 * hour;
    world.collections.take(1, duty({ everyMs: 10 * minute }));
    await world.runFor(minute);
    expect(world.collections.list()).toEqual([
      {
        id: 1,
        driver: 'modbus',
        address: 'tcp://weir:502',
        state: 'waiting',
        why: 'every 600 s',
        nextMs: noon + 10 * minute,
        failures: 0,
        last: { atMs: noon },
        overwrittenFromMs: noon + 2 * hour,
      },
    ]);
    world.fault = new GodwitError('INSTRUMENT_TIMEOUT', 'silence', { retryable: true });
    await world.runFor(30 * minute);
    expect(world.collections.list()).toMatchObject([
      {
        state: 'waiting',
        why: 'failed 2 times in a row, last with INSTRUMENT_TIMEOUT',
        failures: 2,
        last: { atMs: noon + 20 * minute, code: 'INSTRUMENT_TIMEOUT', message: 'silence' },
        nextMs: noon + 40 * minute,
        overwrittenFromMs: noon + 2 * hour,
      },
    ]);
  });
});

describe('visits by the clock', () => {
  it('are made at their times, and one for those that were missed', async () => {
    const world = new Rehearsal();
    const twice = duty({ at: ['0 6,18 * * *'] });
    world.collections.take(7, twice);
    expect(world.collections.list()).toMatchObject([{ state: 'waiting', why: 'at 0 6,18 * * * UTC', nextMs: noon + 6 * hour }]);
    await world.runFor(24 * hour);
    expect(world.minutes.map((at) => at / 60)).toEqual([6, 18]);
    world.restart(60 * hour);
    world.collections.take(7, twice);
    await world.runFor(7 * hour);
    expect(world.minutes.map((at) => at / 60)).toEqual([6, 18, 84, 90]);
    world.restart(minute);
    world.collections.take(7, twice);
    await world.runFor(minute);
    expect(world.visits).toHaveLength(4);
    // A duty that was removed and comes again under its number owes nothing.
    world.collections.drop(7);
    world.restart(60 * hour);
    world.collections.take(7, twice);
    await world.runFor(minute);
    expect(world.visits).toHaveLength(4);
  });
});

describe('visits on a connection', () => {
  it('are made when one comes up, at most once a minute', async () => {
    const world = new Rehearsal();
    world.collections.take(1, duty({ onConnection: true }));
    world.collections.take(2, duty({ everyMs: 24 * hour }, 'tcp://other:1'));
    expect(world.collections.list()[0]).toMatchObject({ state: 'waiting', why: 'for a connection to come up' });
    await world.runFor(5 * minute);
    for (let time = 0; time < 6; time++) {
      world.collections.connected();
      await world.runFor(10_000);
    }
    await world.runFor(10 * minute);
    expect(world.visits.filter(([, address]) => address === 'tcp://weir:502').map(([at]) => at)).toEqual([5, 6]);
  });

  it('are made when the instrument comes in reach, once until it has been away, and quietly', async () => {
    const world = new Rehearsal();
    world.isAway = true;
    world.collections.take(1, duty({ probeEveryMs: minute }));
    await world.runFor(10 * minute);
    expect(world.collections.list()).toMatchObject([{ why: 'looks whether weir:502 answers', failures: 0 }]);
    for (const isAway of [false, true, false]) {
      world.isAway = isAway;
      await world.runFor(5 * minute);
    }
    expect(world.minutes).toEqual([11, 21]);
    expect(world.failures).toEqual([]);
  });

  it('that find the instrument gone again say nothing, and those that fail there are repeated', async () => {
    const world = new Rehearsal();
    world.collections.take(1, duty({ probeEveryMs: hour }));
    world.fault = new GodwitError('INSTRUMENT_REFUSED', 'no');
    await world.runFor(10 * minute);
    expect(world.minutes).toEqual([0, 1, 3, 7]);
    world.fault = undefined;
    world.isAway = true;
    await world.runFor(10 * minute);
    expect([world.minutes.at(-1), world.failures.length]).toEqual([15, 4]);
  });
});

describe('guards', () => {
  it('hold a visit while the battery is low, say so, and let it go when it is not', async () => {
    const world = new Rehearsal();
    world.power = { source: 'battery', chargeShare: 0.355 };
    world.collections.take(1, duty({ everyMs: hour, when: { chargeAtLeast: 0.5 } }));
    await world.runFor(12 * minute);
    expect(world.collections.list()).toMatchObject([
      { state: 'held', why: 'the battery is at 35 %, and the duty waits for 50 %', nextMs: noon + 15 * minute },
    ]);
    world.power = { source: 'mains', chargeShare: 0.36 };
    await world.runFor(5 * minute);
    expect(world.minutes).toEqual([15]);
    expect(world.collections.list()).toMatchObject([{ state: 'waiting', why: 'every 3600 s' }]);
  });

  it('hold what would be paid for by the byte', async () => {
    const world = new Rehearsal();
    world.isMetered = true;
    world.collections.take(1, duty({ everyMs: hour, when: { unmetered: true } }, 'https://webservice.hobolink.com'));
    world.collections.take(2, duty({ everyMs: hour, when: { unmetered: true } }, 'serial:/dev/ttyS0'));
    await world.runFor(minute);
    expect(world.collections.list()).toMatchObject([
      { state: 'held', why: 'what goes to webservice.hobolink.com is paid for by the byte' },
      { state: 'waiting' },
    ]);
    world.isMetered = false;
    await world.runFor(5 * minute);
    expect(world.visits.map(([, address]) => address)).toEqual(['serial:/dev/ttyS0', 'https://webservice.hobolink.com']);
  });

  it('let through what nobody knows', async () => {
    const world = new Rehearsal();
    world.power = { source: 'battery' };
    world.collections.take(1, duty({ everyMs: hour, when: { chargeAtLeast: 1 } }));
    world.power = { source: 'unknown' };
    world.collections.take(2, duty({ everyMs: hour, when: { chargeAtLeast: 1 } }));
    expect(world.visits).toHaveLength(2);
  });
});

it('two duties on one line are shown to take turns', async () => {
  const world = new Rehearsal();
  world.visitMs = 5000;
  world.collections.take(1, duty({ everyMs: hour }, 'serial:/dev/ttyS0?baud=9600'));
  world.collections.take(2, duty({ everyMs: hour }, 'serial:/dev/ttyS0'));
  expect(world.collections.list().map(({ state, why }) => [state, why])).toEqual([
    ['running', 'it is being visited'],
    ['queued', 'duty 1 is at serial:/dev/ttyS0'],
  ]);
  await world.runFor(10_000);
  expect(world.collections.list().map(({ state }) => state)).toEqual(['waiting', 'waiting']);
});

it('nothing goes on behind a duty that was dropped, or behind the end', async () => {
  const world = new Rehearsal();
  world.visitMs = 5000;
  for (const id of [1, 2]) world.collections.take(id, duty({ everyMs: minute }, `tcp://h:${id}`));
  world.collections.drop(1);
  await world.runFor(10_000);
  world.collections.close();
  await world.runFor(hour);
  expect([world.visits.length, world.pending, world.collections.list()]).toEqual([2, 0, []]);
});
