import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { Chores } from '../../../src/node/chores.ts';
import { SimulatedTimers } from '../../../src/simulation/simulated-timers.ts';
import { VirtualAgenda } from '../../../src/simulation/virtual-agenda.ts';

function recording(): { chores: Chores; failures: string[]; done: string[]; agenda: VirtualAgenda; timers: SimulatedTimers } {
  const failures: string[] = [];
  const agenda = new VirtualAgenda();
  const timers = new SimulatedTimers(agenda);
  return { chores: new Chores((name, error) => failures.push(`${name}: ${String(error)}`), timers), failures, done: [], agenda, timers };
}

describe('chores', () => {
  it('are done one after the other, in the order they were asked for, and never inside the call that asks', async () => {
    const { chores, done } = recording();
    for (const name of ['a', 'b', 'c']) {
      chores.add(name, async () => {
        done.push(`begin ${name}`);
        await undefined;
        done.push(`end ${name}`);
      });
    }
    expect(done).toEqual([]);
    await chores.idle();
    expect(done).toEqual(['begin a', 'end a', 'begin b', 'end b', 'begin c', 'end c']);
  });

  it('of one name are done once, the latest of them, unless one has begun', async () => {
    const { chores, done } = recording();
    chores.add('write x', async () => {
      done.push('first');
      chores.add('write x', async () => void done.push('again'));
    });
    chores.add('write y', async () => void done.push('y, old'));
    chores.add('write y', async () => void done.push('y, new'));
    await chores.idle();
    expect(done).toEqual(['first', 'y, new', 'again']);
  });

  it('that fail are told and stop nobody', async () => {
    const { chores, failures, done } = recording();
    chores.add('bad', () => Promise.reject(new Error('no')));
    chores.add('good', async () => void done.push('good'));
    await chores.idle();
    expect(failures).toEqual(['bad: Error: no']);
    expect(done).toEqual(['good']);
  });

  it('that fail for a cause that may pass are done again, less and less often, until they succeed', async () => {
    const { chores, failures, done, agenda, timers } = recording();
    let isFull = true;
    chores.add('write x', async () => {
      if (isFull) throw new GodwitError('DISK_FULL', 'full', { retryable: true });
      done.push('written');
    });
    await chores.idle();
    expect(failures).toHaveLength(1);
    for (const [untilMs, tries] of [
      [4999, 1],
      [5000, 2],
      [14_999, 2],
      [15_000, 3],
    ] as const) {
      agenda.runUntil(untilMs);
      await chores.idle();
      expect(failures).toHaveLength(tries);
    }
    isFull = false;
    agenda.runUntil(35_000);
    await chores.idle();
    expect(done).toEqual(['written']);
    expect(timers.pending).toBe(0);
  });

  it('that wait to be done again are given up on closing', async () => {
    const { chores, timers } = recording();
    chores.add('write x', () => Promise.reject(new GodwitError('DISK_FULL', 'full', { retryable: true })));
    await chores.idle();
    expect(timers.pending).toBe(1);
    await chores.close();
    expect(timers.pending).toBe(0);
  });

  it('give their result to who waits for it, or their error, which then is nobody else’s', async () => {
    const { chores, failures } = recording();
    const seven = chores.exclusive('seven', async () => 7);
    const bad = chores.exclusive('bad', () => Promise.reject(new Error('no')));
    expect(await seven).toBe(7);
    await expect(bad).rejects.toThrow('no');
    expect(failures).toEqual([]);
  });

  it('that have not begun are given up on closing, and what has begun is waited for', async () => {
    const { chores, done } = recording();
    const begun = chores.exclusive('begun', async () => {
      await undefined;
      done.push('begun');
      return 'kept';
    });
    await Promise.resolve();
    await Promise.resolve();
    const waiting = chores.exclusive('waiting', async () => void done.push('waiting'));
    chores.add('added', async () => void done.push('added'));
    const closed = chores.close();
    await expect(waiting).rejects.toMatchObject({ code: 'NODE_CLOSED' });
    await closed;
    expect(await begun).toBe('kept');
    await expect(chores.exclusive('late', async () => 1)).rejects.toMatchObject({ code: 'NODE_CLOSED', retryable: true });
    chores.add('late', async () => void done.push('late'));
    await chores.idle();
    expect(done).toEqual(['begun']);
  });
});
