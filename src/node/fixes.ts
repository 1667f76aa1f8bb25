import type { DatasetId } from '../core/identifiers.ts';
import { cellNumber } from '../formats/series-table.ts';
import type { ObservationStore } from '../observations/observation-store.ts';
import type { StoredFix } from '../observations/station-place.ts';
import type { TableRevision } from '../observations/table-revision.ts';

/**
 * The positions among a station's observations: every table with a latitude and a longitude holds fixes, whoever filled it.
 */

/** Fixes of one receiver that are looked at, at most. */
const fixesMax = 4096;
/** Microseconds around a time that a moving station's fixes are looked for in. */
const reachUs = 600 * 1_000_000;
/** Columns that say so, the preferred one first. */
const columns = {
  latitude: ['Latitude'],
  longitude: ['Longitude'],
  altitudeM: ['AltitudeSea', 'Altitude', 'AltitudeEllipsoid'],
  accuracyM: ['HorizontalError'],
} as const;

/** Fixes that a table holds, in order of time: the last ones, or all those near a time (microseconds since 1970 UTC). */
export function fixesIn(observations: ObservationStore, dataset: DatasetId, { id, fields }: TableRevision, nearUs?: number): StoredFix[] {
  const at = (names: readonly string[]): number[] =>
    names.map((wanted) => fields.findIndex(({ name }) => name === wanted)).filter((index) => index !== -1);
  const places = {
    latitude: at(columns.latitude),
    longitude: at(columns.longitude),
    altitudeM: at(columns.altitudeM),
    accuracyM: at(columns.accuracyM),
  };
  if (places.latitude.length === 0 || places.longitude.length === 0) return [];
  const rows =
    nearUs === undefined
      ? observations.rowsBefore(dataset, id, Number.MAX_SAFE_INTEGER, fixesMax)
      : observations.rows(dataset, id, nearUs - reachUs, nearUs + reachUs + 1);
  const fixes: StoredFix[] = [];
  for (const { timeUs, cells } of rows) {
    const value = (indices: readonly number[]): number | undefined =>
      indices.map((index) => cellNumber(cells[index] ?? null)).find((number) => number !== undefined && Number.isFinite(number));
    const [latitude, longitude, altitudeM, accuracyM] = [
      value(places.latitude),
      value(places.longitude),
      value(places.altitudeM),
      value(places.accuracyM),
    ];
    if (latitude === undefined || longitude === undefined) continue;
    fixes.push({
      latitude,
      longitude,
      ...(altitudeM === undefined ? {} : { altitudeM }),
      method: 'gnss',
      ...(accuracyM === undefined ? {} : { accuracyM }),
      instantUs: timeUs,
    });
  }
  return fixes;
}
