import type { WallMs } from './time.ts';

/**
 * Where something was at an instant, and how well that is known.
 *
 * A fix is a measurement, not a survey: it says who measured it, in which datum, how exactly and when, so that whoever uses it can decide. What the source did not say is absent; nothing is assumed.
 */
export interface PositionFix {
  /** Degrees, -90 to 90, north positive. */
  readonly latitude: number;
  /** Degrees, -180 to 180, east positive. */
  readonly longitude: number;
  /** Metres above what `altitudeReference` says. */
  readonly altitudeM?: number;
  readonly altitudeReference?: 'ellipsoid' | 'mean-sea-level';
  /** Geodetic datum of the coordinates, for example `WGS 84`; a receiver that was set to another names it. */
  readonly datum: string;
  /** The source's own estimate of the horizontal error, metres. Receivers mean between 63 and 95 % confidence, and seldom say which. */
  readonly horizontalAccuracyM?: number;
  /** The source's own estimate of the vertical error, metres. */
  readonly verticalAccuracyM?: number;
  /** Microseconds since 1970 UTC by the satellites' clock; absent until the receiver knows the date. */
  readonly instantUs?: number;
  /** This node's wall clock when the fix arrived. */
  readonly receivedAtMs: WallMs;
  /** Who measured. */
  readonly source: 'gpsd' | 'nmea';
}
