import type { StationPosition } from './table-revision.ts';

/**
 * Where a station was at a time, from everything that is known of it.
 *
 * A station that stands still is where it was surveyed; without a survey where its best fixes put it. One that moves is where a fix near the time says, and between two fixes on the line
 * between them; where no fix is near, nobody knows. A survey is never moved by a fix.
 */

/** A fix as it was stored: where a receiver said it was, and when. */
export type StoredFix = StationPosition & { readonly instantUs: number };

/** What is known of where a station is. */
export interface KnownPlaces {
  /** What the table's definition says. */
  readonly declared?: StationPosition;
  /** In order of time. */
  readonly fixes: readonly StoredFix[];
  /** The station moves: only fixes count. */
  readonly isMoving: boolean;
}

/** A fix says where a moving station is for so long, microseconds. */
const fixAgeUsMax = 600 * 1_000_000;

/** Where the station was at `timeUs` (microseconds since 1970 UTC); `undefined` when nobody knows. */
export function placeAt({ declared, fixes, isMoving }: KnownPlaces, timeUs: number): StationPosition | undefined {
  if (!isMoving) return declared ?? middleOf(fixes);
  const after = fixes.findIndex((fix) => fix.instantUs >= timeUs);
  const next = fixes[after === -1 ? fixes.length : after];
  const previous = fixes[after === -1 ? fixes.length - 1 : after - 1];
  const isNear = (fix: StoredFix | undefined): fix is StoredFix => fix !== undefined && Math.abs(fix.instantUs - timeUs) <= fixAgeUsMax;
  if (isNear(next) && isNear(previous)) return between(previous, next, timeUs);
  return isNear(next) ? next : isNear(previous) ? previous : undefined;
}

/** The point between two fixes. Both are minutes apart, so a straight line in degrees will do, the short way around. */
function between(a: StoredFix, b: StoredFix, timeUs: number): StationPosition {
  const share = b.instantUs === a.instantUs ? 0 : (timeUs - a.instantUs) / (b.instantUs - a.instantUs);
  const along = (from: number, to: number): number => from + share * (to - from);
  const eastward = ((b.longitude - a.longitude + 540) % 360) - 180;
  const altitudeM = a.altitudeM === undefined || b.altitudeM === undefined ? undefined : along(a.altitudeM, b.altitudeM);
  const accuracyM = a.accuracyM === undefined || b.accuracyM === undefined ? undefined : Math.max(a.accuracyM, b.accuracyM);
  return {
    latitude: along(a.latitude, b.latitude),
    longitude: ((a.longitude + share * eastward + 540) % 360) - 180,
    ...(altitudeM === undefined ? {} : { altitudeM }),
    method: a.method,
    ...(a.datum === undefined ? {} : { datum: a.datum }),
    ...(accuracyM === undefined ? {} : { accuracyM }),
    instantUs: timeUs,
  };
}

/** The fix in the middle of all of one station that stands still: outliers do not move it. */
function middleOf(fixes: readonly StoredFix[]): StationPosition | undefined {
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
  if (fixes.length === 0) return undefined;
  const [latitude, longitude] = [median(fixes.map((fix) => fix.latitude)), median(fixes.map((fix) => fix.longitude))];
  const distance = (fix: StoredFix): number =>
    Math.hypot(fix.latitude - latitude, (fix.longitude - longitude) * Math.cos((latitude * Math.PI) / 180));
  return fixes.reduce((best, fix) => (distance(fix) < distance(best) ? fix : best));
}
