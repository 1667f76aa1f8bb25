import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { PositionFix } from '../core/position-fix.ts';
import { isPosition, type Position } from '../datasets/entry-body.ts';
import { cellNumber } from '../formats/series-table.ts';
import type { ObservationStore } from '../observations/observation-store.ts';
import type { StoredRow } from '../observations/row-store.ts';
import type { StoredFix } from '../observations/station-place.ts';
import { isFix, type TableRevision } from '../observations/table-revision.ts';

/**
 * Positions that receivers say: among a station's observations, where every table with a latitude and a longitude holds fixes, whoever filled it; and of the node itself.
 */

/**
 * A receiver's fix as a node's position, with its datum, its own estimates of its errors and its time. An altitude above the ellipsoid is left out: positions have theirs above mean sea level.
 *
 * @example
 * for await (const fix of gpsdPositions(transport, timer, signal)) node.setPosition(fixedPosition(fix));
 */
export function fixedPosition(fix: PositionFix): Position {
  const { latitude, longitude, altitudeM, altitudeReference, horizontalAccuracyM, verticalAccuracyM, datum, instantUs } = fix;
  const hasAltitude = altitudeM !== undefined && altitudeReference === 'mean-sea-level';
  return {
    latitude,
    longitude,
    ...(hasAltitude && { altitudeM, ...(verticalAccuracyM !== undefined && { verticalAccuracyM }) }),
    ...(horizontalAccuracyM !== undefined && { accuracyM: horizontalAccuracyM }),
    datum,
    method: 'gnss',
    ...(instantUs !== undefined && { instantUs }),
  };
}

/** Which of two a node's position is from now on: the one heard of last, unless it is a fix and the other was surveyed. @throws GodwitError `POSITION_INVALID` */
export function betterPosition(known: Position | undefined, heard: Position): Position {
  if (!isPosition(heard))
    throw new GodwitError('POSITION_INVALID', 'A position has a latitude of -90 to 90 and a longitude of -180 to 180 degrees.');
  return known?.method?.toLowerCase() === 'survey' && isFix(heard.method ?? '') ? known : heard;
}

/** Fixes of one receiver that are looked at, at most. */
const fixesMax = 4096;
/** Microseconds around a time that a moving station's fixes are looked for in. */
export const fixReachUs = 600 * 1_000_000;
/** Columns that say so, the preferred one first. */
const columns = {
  latitude: ['Latitude'],
  longitude: ['Longitude'],
  altitudeM: ['AltitudeSea', 'Altitude', 'AltitudeEllipsoid'],
  accuracyM: ['HorizontalError'],
} as const;

/** Says of a row of a table what fix it holds; `undefined` for a table that holds none. */
export function fixReader({ fields, attributes }: TableRevision): ((row: StoredRow) => StoredFix | undefined) | undefined {
  const at = (names: readonly string[]): number[] =>
    names.map((wanted) => fields.findIndex(({ name }) => name === wanted)).filter((index) => index !== -1);
  const places = {
    latitude: at(columns.latitude),
    longitude: at(columns.longitude),
    altitudeM: at(columns.altitudeM),
    accuracyM: at(columns.accuracyM),
  };
  if (places.latitude.length === 0 || places.longitude.length === 0) return undefined;
  const { datum } = attributes;
  return ({ timeUs, cells }) => {
    const value = (indices: readonly number[]): number | undefined =>
      indices.map((index) => cellNumber(cells[index] ?? null)).find((number) => number !== undefined && Number.isFinite(number));
    const [latitude, longitude, altitudeM, accuracyM] = [
      value(places.latitude),
      value(places.longitude),
      value(places.altitudeM),
      value(places.accuracyM),
    ];
    if (latitude === undefined || longitude === undefined) return undefined;
    return {
      latitude,
      longitude,
      ...(altitudeM === undefined ? {} : { altitudeM }),
      method: 'gnss',
      ...(datum === undefined ? {} : { datum }),
      ...(accuracyM === undefined ? {} : { accuracyM }),
      instantUs: timeUs,
    };
  };
}

/** Fixes that a table holds, in order of time: the last ones, or all those near a time (microseconds since 1970 UTC). */
export function fixesIn(observations: ObservationStore, dataset: DatasetId, revision: TableRevision, nearUs?: number): StoredFix[] {
  const fixOf = fixReader(revision);
  if (fixOf === undefined) return [];
  const rows =
    nearUs === undefined
      ? observations.rowsBefore(dataset, revision.id, Number.MAX_SAFE_INTEGER, fixesMax)
      : observations.rows(dataset, revision.id, nearUs - fixReachUs, nearUs + fixReachUs + 1);
  const fixes: StoredFix[] = [];
  for (const row of rows) {
    const fix = fixOf(row);
    if (fix !== undefined) fixes.push(fix);
  }
  return fixes;
}
