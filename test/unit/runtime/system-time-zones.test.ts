import { describe, expect, it } from 'vitest';
import { systemTimeZones } from '../../../src/runtime/system-time-zones.ts';
import { worldTimeZones } from '../../../src/simulation/declared-time-zones.ts';

const zones = systemTimeZones();

describe('the time zones of this computer', () => {
  // Rules from the IANA time zone database, files `northamerica`, `europe`, `australasia`, `asia` and `africa`.
  it.each([
    ['America/Denver', '2026-03-08T08:59:59.999Z', -7 * 3600],
    ['America/Denver', '2026-03-08T09:00:00Z', -6 * 3600],
    ['America/Denver', '2026-11-01T07:59:59Z', -6 * 3600],
    ['America/Denver', '2026-11-01T08:00:00Z', -7 * 3600],
    ['Europe/Oslo', '2026-03-29T01:00:00Z', 7200],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z', 20_700],
    ['Australia/Lord_Howe', '2026-07-01T00:00:00Z', 37_800],
    ['Africa/Monrovia', '1971-06-01T00:00:00Z', -2670],
    ['Etc/UTC', '1969-12-31T23:59:59.500Z', 0],
  ])('say of %s at %s that it is %i seconds east of UTC', (zone, at, seconds) => {
    expect(zones.offsetSeconds(zone, Date.parse(at))).toBe(seconds);
  });

  it.each(['', 'Mars/Olympus', '+01:00', '-07:00', 'America/Denver '.repeat(10)])('do not know %j', (zone) => {
    expect(zones.offsetSeconds(zone, 0)).toBeUndefined();
  });

  it('do not throw for an instant that is none', () => {
    expect(zones.offsetSeconds('Etc/UTC', Number.NaN)).toBeUndefined();
  });

  it('agree with the table of the simulated world', () => {
    for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 1, 1); at += 3600_000)
      expect(worldTimeZones.offsetSeconds('America/Denver', at)).toBe(zones.offsetSeconds('America/Denver', at));
  });
});
