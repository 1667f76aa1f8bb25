import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import type { PowerReading, PowerState } from '../ports/power-state.ts';

/**
 * Where the energy comes from, as the Linux kernel says in `/sys/class/power_supply` (Documentation/ABI/testing/sysfs-class-power): a folder a supply, in it `type` (`Mains`, `USB`, `Battery`, …), `online` for what
 * feeds the computer, and for batteries `status`, `capacity` in percent, `present`, and `scope`, which is `Device` for the battery of a mouse or a headset.
 *
 * A battery that discharges is the source whatever is plugged in: the charger of a logger box may be weaker than the box. On other systems the folder is not there, and nothing is known.
 */

/** How long a reading is used again. Some drivers ask a slow bus for every file. */
const readingMs = 30_000;

const suppliesDirectory = '/sys/class/power_supply';

/** Reads the power supplies below `directory`. */
export function linuxPower(clock: Clock, directory: string = suppliesDirectory): PowerState {
  let latest: { readonly at: number; readonly reading: PowerReading } | undefined;
  return {
    read() {
      const { monotonicMs } = clock.now();
      if (latest === undefined || monotonicMs - latest.at >= readingMs) latest = { at: monotonicMs, reading: readSupplies(directory) };
      return latest.reading;
    },
  };
}

function readSupplies(directory: string): PowerReading {
  const supplies = namesIn(directory).map((name) => (file: string) => textOf(join(directory, name, file)));
  const batteries = supplies.filter((of) => of('type') === 'Battery' && of('scope') !== 'Device' && of('present') !== '0');
  const isFed = supplies.some((of) => of('type') !== 'Battery' && of('online') === '1');
  const discharges = batteries.some((of) => of('status') === 'Discharging');
  const charges = batteries.flatMap((of) => percentOf(of('capacity')));
  const source =
    discharges || (batteries.length > 0 && !isFed && !batteries.some(isResting)) ? 'battery' : supplies.length > 0 ? 'mains' : 'unknown';
  if (charges.length === 0) return { source };
  return { source, chargeShare: charges.reduce((sum, each) => sum + each, 0) / charges.length / 100 };
}

/** True for a battery that is charged or full: something feeds it, whether that shows as a supply of its own or not. */
function isResting(of: (file: string) => string): boolean {
  return ['Charging', 'Full', 'Not charging'].includes(of('status'));
}

function percentOf(text: string): number[] {
  const percent = text === '' ? Number.NaN : Number(text);
  return percent >= 0 && percent <= 100 ? [percent] : [];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** The text of a small file; empty when it cannot be read, as where a supply was just unplugged. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
