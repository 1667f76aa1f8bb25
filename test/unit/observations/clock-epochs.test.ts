import { describe, expect, it } from 'vitest';
import {
  type ClockReading,
  clockEpochs,
  clockEvent,
  clockReadings,
  clockSteps,
  correctedUs,
  hasStepped,
} from '../../../src/observations/clock-epochs.ts';

const second = 1_000_000;
const day = 86_400 * second;

/** A reading at a reference time, of a clock that is so many seconds ahead. */
function reading(referenceUs: number, aheadSeconds: number, quality: ClockReading['quality'] = 'ntp'): ClockReading {
  return { instrumentUs: referenceUs + aheadSeconds * second, referenceUs, uncertaintyMs: 200, quality };
}

/** A clock that gains 2 s in ten days, is set right, and then loses 1 s in five. */
const readings = [reading(0, 10), reading(10 * day, 12, 'gnss'), reading(11 * day, 0), reading(16 * day, -1, 'rtc')];

describe('a clock', () => {
  it('that drifts stays in one epoch, and one that was set begins another', () => {
    expect(clockEpochs(readings.toReversed())).toEqual([
      {
        fromUs: 10 * second,
        toUs: 10 * day + 12 * second,
        aheadAtFromUs: 10 * second,
        aheadAtToUs: 12 * second,
        readings: 2,
        quality: 'gnss',
      },
      { fromUs: 11 * day, toUs: 16 * day - second, aheadAtFromUs: 0, aheadAtToUs: -second, readings: 2, quality: 'ntp' },
    ]);
    expect(clockEpochs([])).toEqual([]);
  });

  it('has stepped when drift and both uncertainties cannot explain the change', () => {
    expect(hasStepped(reading(0, 0), reading(1000 * second, 1.9))).toBe(false);
    expect(hasStepped(reading(0, 0), reading(1000 * second, 2.1))).toBe(true);
    expect(hasStepped(reading(0, 0), reading(10 * day, 80))).toBe(false);
  });
});

describe('a time', () => {
  it('is corrected along the line between two readings, and by the nearest outside of them', () => {
    const epochs = clockEpochs(readings);
    expect(correctedUs(epochs, 5 * day + 11 * second)).toBe(5 * day);
    expect(correctedUs(epochs, -day)).toBe(-day - 10 * second);
    expect(correctedUs(epochs, 20 * day)).toBe(20 * day + second);
  });

  it('between two epochs is not corrected, as nobody knows when the clock was set', () => {
    const epochs = clockEpochs(readings);
    expect(correctedUs(epochs, 10 * day + 12 * second + 1)).toBeUndefined();
    expect(correctedUs(epochs, 11 * day - 1)).toBeUndefined();
    expect(correctedUs([], 5)).toBeUndefined();
  });

  it('that the clock showed twice is not corrected', () => {
    const back = clockEpochs([reading(0, 0), reading(10 * day, 0), reading(10 * day + 60 * second, -3600), reading(12 * day, -3600)]);
    expect(back).toHaveLength(2);
    expect(correctedUs(back, 10 * day - 60 * second)).toBeUndefined();
    expect(correctedUs(back, 5 * day)).toBe(5 * day);
  });
});

it('readings come out of events as they went in, and other events are left alone', () => {
  expect(clockReadings(readings.map(clockEvent))).toEqual(readings);
  const [event] = readings.map(clockEvent);
  for (const detail of ['', 'ahead_us=x uncertainty_ms=1 quality=ntp', 'ahead_us=1 uncertainty_ms=1 quality=sundial'])
    expect(clockReadings([{ timeUs: 0, name: event?.name ?? '', detail }])).toEqual([]);
  expect(clockReadings([{ timeUs: 0, name: 'host-connected', detail: event?.detail ?? '' }])).toEqual([]);
});

describe('rows alone', () => {
  const rows = (...pairs: readonly (readonly [number, number])[]) =>
    pairs.map(([recordNumber, seconds]) => ({ recordNumber, timeUs: seconds * second }));
  const told = (found: ReturnType<typeof clockSteps>) => found.map(({ timeUs, name, detail }) => [timeUs / second, name, detail]);

  it('tell that the clock was put back when a later record has an earlier time', () => {
    expect(told(clockSteps(rows([1, 100], [2, 160], [3, 40], [4, 100]), undefined))).toEqual([[40, 'clock-stepped', 'by_us=-120000000']]);
    expect(told(clockSteps(rows([3, 40]), undefined, { recordNumber: 2, timeUs: 160 * second }))).toHaveLength(1);
  });

  it('tell of a step either way in a table with an interval, and take records that are missing for none', () => {
    const minute = 60 * second;
    expect(told(clockSteps(rows([1, 0], [2, 60], [3, 180], [4, 240], [5, 270]), minute))).toEqual([
      [180, 'clock-stepped', 'by_us=60000000'],
      [270, 'clock-stepped', 'by_us=-30000000'],
    ]);
    expect(clockSteps(rows([1, 0], [3, 120], [4, 181]), minute)).toEqual([]);
    expect(clockSteps(rows([1, 0], [2, 120], [3, 121]), undefined)).toEqual([]);
  });

  it('tell nothing where records have no numbers, come again, or begin anew', () => {
    expect(clockSteps([{ timeUs: 5 * day }, { timeUs: 0 }], undefined)).toEqual([]);
    expect(clockSteps(rows([7, 500], [0, 10], [0, 10]), undefined)).toEqual([]);
  });

  it('tell of sixteen steps at most, where an interval is declared that is wrong', () => {
    expect(clockSteps(rows(...Array.from({ length: 100 }, (_, at) => [at, at * 600] as const)), 60 * second)).toHaveLength(16);
  });
});
