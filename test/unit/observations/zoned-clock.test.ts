import { describe, expect, it } from 'vitest';
import { ZonedClock, type ZonedClockState } from '../../../src/observations/zoned-clock.ts';
import { systemTimeZones } from '../../../src/runtime/system-time-zones.ts';
import { declaredTimeZones, worldTimeZones } from '../../../src/simulation/declared-time-zones.ts';

const minuteUs = 60_000_000;
/** A time of the calendar, as a clock shows it. */
const shown = (text: string): number => Date.parse(`${text}Z`) * 1000;
const instant = (timeUs: number): string => new Date(timeUs / 1000).toISOString().slice(0, 16);

function denver(options: { intervalUs?: number; state?: ZonedClockState } = {}): ZonedClock {
  return new ZonedClock(worldTimeZones, 'America/Denver', options);
}

/** What the clock makes of stamps, in short: `01:00 doubtful`. */
function resolved(clock: ZonedClock, stamps: readonly string[]): string[] {
  return stamps.map((stamp) => {
    const time = clock.resolve(shown(stamp));
    if (time.kind === 'skipped') return 'skipped';
    return `${instant(time.timeUs).slice(11)}${time.kind === 'certain' ? '' : ` or ${instant(time.otherUs).slice(11)}`}`;
  });
}

/** Stamps from one time to another on a calendar, both included. */
function every(minutes: number, from: string, to: string): string[] {
  const stamps: string[] = [];
  for (let at = shown(from); at <= shown(to); at += minutes * minuteUs) stamps.push(new Date(at / 1000).toISOString().slice(0, 19));
  return stamps;
}

describe('a clock that follows a zone', () => {
  it('has one instant for a time, with summer time and without', () => {
    expect(resolved(denver(), ['2026-01-15T12:00', '2026-07-15T12:00'])).toEqual(['19:00', '18:00']);
  });

  it('cannot have shown the hour that is left out in spring', () => {
    expect(resolved(denver(), ['2026-03-08T01:59', '2026-03-08T02:00', '2026-03-08T02:59', '2026-03-08T03:00'])).toEqual([
      '08:59',
      'skipped',
      'skipped',
      '09:00',
    ]);
  });

  it('shows an hour twice in autumn, and the step of the records says which is which', () => {
    const stamps = [...every(20, '2026-11-01T00:00', '2026-11-01T01:40'), ...every(20, '2026-11-01T01:00', '2026-11-01T02:20')];
    expect(resolved(denver(), stamps)).toEqual([
      ...['06:00', '06:20', '06:40', '07:00', '07:20', '07:40'],
      ...['08:00', '08:20', '08:40', '09:00', '09:20'],
    ]);
  });

  it('tells records an hour apart in both passes, where one stamp comes twice', () => {
    const stamps = ['2026-10-31T23:00', '2026-11-01T00:00', '2026-11-01T01:00', '2026-11-01T01:00', '2026-11-01T02:00'];
    expect(resolved(denver({ intervalUs: 60 * minuteUs }), stamps)).toEqual(['05:00', '06:00', '07:00', '08:00', '09:00']);
  });

  it('is in the second pass when the first would lie before the record before, however irregular they are', () => {
    expect(resolved(denver(), ['2026-11-01T00:13', '2026-11-01T01:51', '2026-11-01T01:07', '2026-11-01T02:02'])).toEqual([
      '06:13',
      '07:51 or 08:51',
      '08:07',
      '09:02',
    ]);
  });

  it('is doubtful where nothing came before, and so is what goes on from there', () => {
    expect(resolved(denver({ intervalUs: 20 * minuteUs }), ['2026-11-01T01:00', '2026-11-01T01:20', '2026-11-01T02:00'])).toEqual([
      '07:00 or 08:00',
      '07:20 or 08:20',
      '09:00',
    ]);
  });

  it('is doubtful behind a gap that leaves both passes open', () => {
    const stamps = [...every(10, '2026-10-31T20:00', '2026-10-31T21:00'), '2026-11-01T01:30'];
    expect(resolved(denver(), stamps).at(-1)).toBe('07:30 or 08:30');
  });

  it('goes on from its state as if it had not stopped', () => {
    const stamps = [...every(10, '2026-11-01T00:00', '2026-11-01T01:50'), ...every(10, '2026-11-01T01:00', '2026-11-01T03:00')];
    const whole = resolved(denver(), stamps);
    for (let cut = 1; cut < stamps.length; cut++) {
      const first = denver();
      const before = resolved(first, stamps.slice(0, cut));
      const state = JSON.parse(JSON.stringify(first.state)) as ZonedClockState;
      expect([...before, ...resolved(denver({ state }), stamps.slice(cut))]).toEqual(whole);
    }
  });

  it('finds for every quarter of an hour of a year what the zone itself says, in the order in which they pass', () => {
    for (const [zones, zone] of [
      [systemTimeZones(), 'Europe/Oslo'],
      [systemTimeZones(), 'Australia/Lord_Howe'],
      [worldTimeZones, 'America/Denver'],
      [declaredTimeZones({ Half: [{ fromMs: 0, offsetSeconds: -2670 }] }), 'Half'],
    ] as const) {
      const clock = new ZonedClock(zones, zone);
      const from = Date.UTC(2026, 0, 1);
      const wrong: string[] = [];
      for (let at = from; at < from + 366 * 86_400_000; at += 900_000) {
        const localUs = (at + (zones.offsetSeconds(zone, at) ?? Number.NaN) * 1000) * 1000;
        const time = clock.resolve(localUs);
        if (time.kind !== 'certain' || time.timeUs !== at * 1000) wrong.push(`${zone} ${new Date(at).toISOString()} ${time.kind}`);
      }
      expect(wrong).toEqual([]);
    }
  });
});
