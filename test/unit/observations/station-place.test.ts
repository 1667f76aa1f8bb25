import { describe, expect, it } from 'vitest';
import { placeAt, type StoredFix } from '../../../src/observations/station-place.ts';
import { comparePositions } from '../../../src/observations/table-revision.ts';

const minute = 60_000_000;
const fix = (atMinutes: number, latitude: number, longitude: number, more: Partial<StoredFix> = {}): StoredFix => ({
  latitude,
  longitude,
  method: 'gnss',
  instantUs: atMinutes * minute,
  ...more,
});
const survey = { latitude: 61.6, longitude: 8.1, altitudeM: 1570, method: 'survey', datum: 'EUREF89', accuracyM: 0.02 };

describe('a station that stands still', () => {
  it('is where it was surveyed, whatever a receiver says', () => {
    expect(placeAt({ declared: survey, fixes: [fix(0, 10, 10)], isMoving: false }, 0)).toEqual(survey);
  });

  it('is without a survey where most of its fixes put it', () => {
    const fixes = [fix(0, 46.5, 7.5), fix(1, 80, -170), fix(2, 46.5001, 7.5001), fix(3, 46.4999, 7.4999)];
    const place = placeAt({ fixes, isMoving: false }, 0);
    expect(Math.abs((place?.latitude ?? 0) - 46.5)).toBeLessThan(0.001);
    expect(placeAt({ fixes: [], isMoving: false }, 0)).toBeUndefined();
  });
});

describe('a station that moves', () => {
  const fixes = [
    fix(0, 10, 179, { altitudeM: 100, accuracyM: 3, datum: 'WGS 84' }),
    fix(10, 12, -179, { altitudeM: 200, accuracyM: 8 }),
    fix(60, 20, 0),
  ];

  it('is between two fixes on the line between them, the short way around', () => {
    expect(placeAt({ declared: survey, fixes, isMoving: true }, 5 * minute)).toEqual({
      latitude: 11,
      longitude: -180,
      altitudeM: 150,
      method: 'gnss',
      datum: 'WGS 84',
      accuracyM: 8,
      instantUs: 5 * minute,
    });
  });

  it('is at a fix that is near, and nowhere when none is', () => {
    expect(placeAt({ fixes, isMoving: true }, 15 * minute)).toBe(fixes[1]);
    expect(placeAt({ fixes, isMoving: true }, 55 * minute)).toBe(fixes[2]);
    expect(placeAt({ fixes, isMoving: true }, 65 * minute)).toBe(fixes[2]);
    expect(placeAt({ fixes, isMoving: true }, 30 * minute)).toBeUndefined();
    expect(placeAt({ fixes: [], isMoving: true }, 0)).toBeUndefined();
  });
});

it('a survey is better known than what somebody said, that than a fix, and of two alike the later counts', () => {
  const said = { ...survey, method: 'map' };
  const fixed = fix(0, 61, 8);
  expect(
    [comparePositions(survey, said), comparePositions(said, fixed), comparePositions(fixed, undefined)].every((order) => order > 0),
  ).toBe(true);
  expect(comparePositions(fixed, fix(1, 0, 0))).toBeLessThan(0);
  expect(comparePositions(survey, { ...survey })).toBe(0);
});
