import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { linuxPower } from '../../../src/runtime/linux-power.ts';

let directory: string;
let nowMs: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-power-'));
  nowMs = 0;
});
afterEach(() => rmSync(directory, { recursive: true }));

const clock = { now: () => ({ monotonicMs: nowMs as MonotonicMs, wallMs: 0 as WallMs }) };

function supply(name: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(directory, name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, name, file), `${text}\n`);
}

describe('the power supplies of Linux', () => {
  it('are unknown where there is no such folder, and where it is empty', () => {
    expect(linuxPower(clock, join(directory, 'nothing')).read()).toEqual({ source: 'unknown' });
    expect(linuxPower(clock, directory).read()).toEqual({ source: 'unknown' });
  });

  it('tell a battery that discharges, and how full it is', () => {
    supply('AC', { type: 'Mains', online: '0' });
    supply('BAT0', { type: 'Battery', status: 'Discharging', capacity: '40', present: '1' });
    supply('BAT1', { type: 'Battery', status: 'Discharging', capacity: '20' });
    supply('hid-mouse', { type: 'Battery', scope: 'Device', status: 'Discharging', capacity: '3' });
    expect(linuxPower(clock, directory).read()).toEqual({ source: 'battery', chargeShare: 0.3 });
  });

  it('are mains while a battery rests or charges, or there is none', () => {
    supply('AC', { type: 'Mains', online: '1' });
    expect(linuxPower(clock, directory).read()).toEqual({ source: 'mains' });
    supply('BAT0', { type: 'Battery', status: 'Not charging', capacity: '80' });
    expect(linuxPower(clock, directory).read()).toEqual({ source: 'mains', chargeShare: 0.8 });
  });

  it('are a battery when nothing feeds it and it does not say what it does, and a battery bay may be empty', () => {
    supply('BAT0', { type: 'Battery', status: 'Unknown', capacity: 'none' });
    supply('BAT1', { type: 'Battery', present: '0', status: 'Discharging', capacity: '0' });
    expect(linuxPower(clock, directory).read()).toEqual({ source: 'battery' });
  });

  it('are read again after half a minute only', () => {
    supply('BAT0', { type: 'Battery', status: 'Discharging', capacity: '50' });
    const power = linuxPower(clock, directory);
    power.read();
    supply('BAT0', { status: 'Charging' });
    nowMs = 29_000;
    expect(power.read().source).toBe('battery');
    nowMs = 30_000;
    expect(power.read().source).toBe('mains');
  });
});
