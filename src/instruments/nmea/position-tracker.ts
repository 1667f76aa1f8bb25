import type { PositionFix } from '../../core/position-fix.ts';
import type { WallMs } from '../../core/time.ts';
import { secondUs } from '../../formats/civil-time.ts';
import type { NmeaSentence } from './sentence.ts';
import { angleField, dateField, dateFields, nearestInstant, numberField, timeOfDayField, withoutRollover } from './sentence-fields.ts';

/**
 * Puts a receiver's sentences together to fixes. One sentence has the height, another the date, a third the error:
 *
 *     GGA  time, position, quality, height above the sea     RMC, ZDA  date         GST  standard deviations, metres         DTM  datum, where it is not WGS 84
 *
 * A fix is made of each GGA that has one. Receivers that send none (sounders, old plotters) are taken at their RMC, or else their GLL.
 */

/** GGA quality: 1 to 5 are measured positions, and 9 is in use for SBAS; 6 to 8 are dead reckoning, typed in, and simulated. */
const measuredQualities: ReadonlySet<string> = new Set(['1', '2', '3', '4', '5', '9']);
/** Mode letters of RMC and GLL (NMEA 2.3 and later) that are not measured: estimated, manual, not valid, simulator. */
const unmeasuredModes: ReadonlySet<string> = new Set(['E', 'M', 'N', 'S']);
/** A better kind of sentence is waited for this long before a lesser one makes a fix. */
const patienceMs = 5000;
/** Standard deviations count for a fix up to this much later. */
const errorAgeUsMax = 2 * secondUs;

const datumNames: ReadonlyMap<string, string> = new Map([
  ['W84', 'WGS 84'],
  ['W72', 'WGS 72'],
  ['P90', 'PZ-90'],
]);

/** Kinds of sentences that a fix can be made of, best first. */
const fixTypes = ['GGA', 'RMC', 'GLL'] as const;
type FixType = (typeof fixTypes)[number];

interface PositionPart {
  readonly latitude: number | undefined;
  readonly longitude: number | undefined;
  readonly timeOfDayUs: number | undefined;
  readonly altitudeM?: number | undefined;
  readonly isMeasured: boolean;
}

/** One receiver. */
export class PositionTracker {
  #datum = 'WGS 84';
  #instantUs: number | undefined;
  #errors: { readonly timeOfDayUs: number; readonly horizontalM: number; readonly verticalM: number | undefined } | undefined;
  #firstHeardMs: number | undefined;
  readonly #lastSeenMs = new Map<FixType, number>();

  /** Takes the next sentence, at `wallMs` of this node's clock; returns a fix when it made one. */
  handle(sentence: NmeaSentence, wallMs: number): PositionFix | undefined {
    const { type, fields } = sentence;
    this.#firstHeardMs ??= wallMs;
    if (type === 'RMC') this.#learnInstant(dateField(fields[8]), fields[0], wallMs);
    else if (type === 'ZDA') this.#learnInstant(dateFields(fields[3], fields[2], fields[1]), fields[0], wallMs);
    else if (type === 'DTM') this.#datum = datumNames.get(fields[0] ?? '') ?? fields[0] ?? this.#datum;
    else if (type === 'GST') this.#learnErrors(fields);
    return isFixType(type) ? this.#fix(type, positionPart(type, fields), wallMs) : undefined;
  }

  /** The instant that a time of day means, from the date that the receiver last said; `undefined` before it has. Microseconds since 1970 UTC. */
  instantOf(timeOfDayUs: number): number | undefined {
    return this.#instantUs === undefined ? undefined : nearestInstant(timeOfDayUs, this.#instantUs);
  }

  #learnInstant(dateUs: number | undefined, time: string | undefined, wallMs: number): void {
    const timeOfDayUs = timeOfDayField(time);
    if (dateUs !== undefined && timeOfDayUs !== undefined) this.#instantUs = withoutRollover(dateUs + timeOfDayUs, wallMs);
  }

  #learnErrors(fields: readonly string[]): void {
    const timeOfDayUs = timeOfDayField(fields[0]);
    const [latitudeM, longitudeM, verticalM] = fields.slice(5, 8).map(numberField);
    if (timeOfDayUs !== undefined && latitudeM !== undefined && longitudeM !== undefined) {
      this.#errors = { timeOfDayUs, horizontalM: Math.hypot(latitudeM, longitudeM), verticalM };
    }
  }

  #fix(type: FixType, part: PositionPart, wallMs: number): PositionFix | undefined {
    this.#lastSeenMs.set(type, wallMs);
    const { latitude, longitude, altitudeM, timeOfDayUs, isMeasured } = part;
    if (!isMeasured || latitude === undefined || longitude === undefined) return undefined;
    const better = fixTypes.slice(0, fixTypes.indexOf(type));
    // A clock that is set back makes what was seen lie in the future; that must not silence a receiver.
    const isRecent = (atMs: number | undefined) => atMs !== undefined && Math.abs(wallMs - atMs) < patienceMs;
    if (better.some((each) => isRecent(this.#lastSeenMs.get(each) ?? this.#firstHeardMs))) return undefined;
    const instantUs = timeOfDayUs === undefined ? undefined : this.instantOf(timeOfDayUs);
    const errors = this.#errors;
    const isErrorKnown =
      errors !== undefined &&
      timeOfDayUs !== undefined &&
      Math.abs(nearestInstant(errors.timeOfDayUs, timeOfDayUs) - timeOfDayUs) <= errorAgeUsMax;
    return {
      latitude,
      longitude,
      ...(altitudeM === undefined ? {} : { altitudeM, altitudeReference: 'mean-sea-level' as const }),
      datum: this.#datum,
      ...(isErrorKnown ? { horizontalAccuracyM: errors.horizontalM } : {}),
      ...(isErrorKnown && errors.verticalM !== undefined ? { verticalAccuracyM: errors.verticalM } : {}),
      ...(instantUs === undefined ? {} : { instantUs }),
      receivedAtMs: wallMs as WallMs,
      source: 'nmea',
    };
  }
}

function isFixType(type: string): type is FixType {
  return (fixTypes as readonly string[]).includes(type);
}

function positionPart(type: FixType, fields: readonly string[]): PositionPart {
  if (type === 'GGA') {
    return {
      latitude: angleField(fields[1], fields[2]),
      longitude: angleField(fields[3], fields[4]),
      timeOfDayUs: timeOfDayField(fields[0]),
      altitudeM: fields[9] === 'M' ? numberField(fields[8]) : undefined,
      isMeasured: measuredQualities.has(fields[5] ?? ''),
    };
  }
  // Both say position, time, an A for "valid", and since NMEA 2.3 how it was found.
  const [at, time, status, mode] = type === 'RMC' ? [2, 0, 1, 11] : [0, 4, 5, 6];
  return {
    latitude: angleField(fields[at], fields[at + 1]),
    longitude: angleField(fields[at + 2], fields[at + 3]),
    timeOfDayUs: timeOfDayField(fields[time]),
    isMeasured: fields[status] === 'A' && !unmeasuredModes.has(fields[mode] ?? ''),
  };
}
