import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemTimers } from '../../../src/runtime/system-timers.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('the timers of this process', () => {
  it('never come early, not by a fraction of a millisecond', async () => {
    const waits = Array.from({ length: 50 }, (_, i) => {
      const delayMs = (i * 7.3) % 11;
      const dueAt = performance.now() + delayMs;
      return new Promise<number>((resolve) => {
        systemTimers.schedule(delayMs, () => resolve(performance.now() - dueAt));
      });
    });
    for (const lateMs of await Promise.all(waits)) expect(lateMs).toBeGreaterThanOrEqual(0);
  });

  it('come back once each, the earlier one first', async () => {
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      systemTimers.schedule(20, () => {
        order.push(20);
        resolve();
      });
      for (const delayMs of [10, 0, -5]) systemTimers.schedule(delayMs, () => order.push(delayMs));
    });
    expect(order).toEqual([0, -5, 10, 20]);
  });

  it('do not call back from within the call that schedules them', async () => {
    let scheduled = false;
    await new Promise<void>((resolve, reject) => {
      systemTimers.schedule(0, () => (scheduled ? resolve() : reject(new Error('called at once'))));
      scheduled = true;
    });
  });

  it('wait for weeks as well as for moments', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const callback = vi.fn();
    const weekMs = 7 * 86_400_000;
    systemTimers.schedule(5 * weekMs, callback);
    vi.advanceTimersByTime(5 * weekMs - 1);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
  });

  it('stay silent when they are cancelled, at whatever stage', async () => {
    const cancelled = vi.fn();
    systemTimers.schedule(0, cancelled).cancel();
    systemTimers.schedule(1, cancelled).cancel();
    await new Promise<void>((resolve) => {
      systemTimers.schedule(5, resolve);
    });
    expect(cancelled).not.toHaveBeenCalled();

    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const long = systemTimers.schedule(2 ** 32, cancelled);
    vi.advanceTimersByTime(2 ** 31);
    long.cancel();
    vi.advanceTimersByTime(2 ** 32);
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('do not keep the process alive', () => {
    const module = new URL('../../../src/runtime/system-timers.ts', import.meta.url);
    const program = `import { systemTimers } from ${JSON.stringify(module.href)}; systemTimers.schedule(3_600_000, () => {}); systemTimers.schedule(0, () => {});`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: 30_000, encoding: 'utf8' });
    expect([ended.status, ended.stderr]).toEqual([0, '']);
  });
});
