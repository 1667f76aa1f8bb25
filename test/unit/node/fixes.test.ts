import { describe, expect, it } from 'vitest';
import type { PositionFix } from '../../../src/core/position-fix.ts';
import type { WallMs } from '../../../src/core/time.ts';
import { betterPosition, fixedPosition } from '../../../src/node/fixes.ts';

const fix: PositionFix = {
  latitude: 61.6,
  longitude: 8.1,
  altitudeM: 1500,
  altitudeReference: 'mean-sea-level',
  datum: 'WGS 84',
  horizontalAccuracyM: 4,
  verticalAccuracyM: 7,
  instantUs: 1e15,
  receivedAtMs: 1e12 as WallMs,
  source: 'gpsd',
};

describe('the position of a node', () => {
  it('has of a fix its datum, its errors and its time', () => {
    expect(fixedPosition(fix)).toEqual({
      latitude: 61.6,
      longitude: 8.1,
      altitudeM: 1500,
      accuracyM: 4,
      verticalAccuracyM: 7,
      datum: 'WGS 84',
      method: 'gnss',
      instantUs: 1e15,
    });
  });

  it('has no altitude of a fix that has it above the ellipsoid', () => {
    expect(fixedPosition({ ...fix, altitudeReference: 'ellipsoid' })).not.toHaveProperty('altitudeM');
  });

  it('is the last one heard of, but a fix does not take the place of a survey', () => {
    const survey = { latitude: 61.61, longitude: 8.11, method: 'survey' };
    const moved = { ...survey, latitude: 61.7 };
    expect(betterPosition(undefined, fixedPosition(fix))).toEqual(fixedPosition(fix));
    expect(betterPosition(fixedPosition(fix), survey)).toBe(survey);
    expect(betterPosition(survey, fixedPosition(fix))).toBe(survey);
    expect(betterPosition(survey, moved)).toBe(moved);
    expect(() => betterPosition(survey, { latitude: 91, longitude: 0 })).toThrow('latitude');
  });
});
