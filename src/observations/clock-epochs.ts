import type { ClockQuality } from '../core/time.ts';

/**
 * What an instrument's clock was worth, from comparing it with a better one now and then.
 *
 * A clock drifts a little and steps when somebody sets it. An *epoch* is a time in which it only drifted: readings that a straight line explains. Between the last reading of an epoch and the
 * first of the next nobody knows when the clock was set, so what was stamped there is not corrected. Instruments' clocks are read, never set, and stored times stay as the instrument wrote
 * them: a corrected series is a derived one beside the first.
 */

/** One comparison of an instrument's clock with this node's. */
export interface ClockReading {
  /** What the instrument said, in microseconds since 1970 UTC by the zone of the site profile. */
  readonly instrumentUs: number;
  /** What this node's clock said at the same moment, microseconds since 1970 UTC. */
  readonly referenceUs: number;
  /** How far both may be apart by the reading alone, milliseconds. */
  readonly uncertaintyMs: number;
  /** How far this node's clock could be trusted. */
  readonly quality: ClockQuality;
}

/** A time in which a clock was not set. */
export interface ClockEpoch {
  /** The instrument's time at the first and the last reading, microseconds since 1970 UTC. */
  readonly fromUs: number;
  readonly toUs: number;
  /** How much the instrument was ahead (negative: behind) at these, microseconds. */
  readonly aheadAtFromUs: number;
  readonly aheadAtToUs: number;
  readonly readings: number;
  /** The best clock that it was compared with. */
  readonly quality: ClockQuality;
}

/** A clock that drifts more than this, in millionths, was set: the quartz of a logger in the cold stays far below. */
const driftMax = 100e-6;
/** Smallest change that counts as a step, microseconds: loggers show whole seconds. */
const stepUsMin = 1_500_000;
const qualitiesBestFirst: readonly ClockQuality[] = ['gnss', 'ntp', 'rtc', 'unknown'];

function aheadUs(reading: ClockReading): number {
  return reading.instrumentUs - reading.referenceUs;
}

/** True when the clock cannot have come from one reading to the next by drifting. */
export function hasStepped(before: ClockReading, after: ClockReading): boolean {
  const drift = driftMax * Math.abs(after.referenceUs - before.referenceUs);
  const uncertainty = (before.uncertaintyMs + after.uncertaintyMs) * 1000;
  return Math.abs(aheadUs(after) - aheadUs(before)) > stepUsMin + drift + uncertainty;
}

/** The epochs of a clock, in order, from its readings in any order. */
export function clockEpochs(readings: readonly ClockReading[]): ClockEpoch[] {
  const ordered = readings.toSorted((a, b) => a.referenceUs - b.referenceUs);
  const epochs: ClockReading[][] = [];
  for (const reading of ordered) {
    const last = epochs.at(-1)?.at(-1);
    if (last === undefined || hasStepped(last, reading)) epochs.push([reading]);
    else epochs.at(-1)?.push(reading);
  }
  return epochs.map((members) => {
    const [first, last] = [members[0] as ClockReading, members.at(-1) as ClockReading];
    const ranks = members.map(({ quality }) => qualitiesBestFirst.indexOf(quality));
    return {
      fromUs: first.instrumentUs,
      toUs: last.instrumentUs,
      aheadAtFromUs: aheadUs(first),
      aheadAtToUs: aheadUs(last),
      readings: members.length,
      quality: qualitiesBestFirst[Math.min(...ranks)] as ClockQuality,
    };
  });
}

/**
 * What an instrument's time was by the better clock, microseconds since 1970 UTC; `undefined` where nobody knows: between two epochs, and in a time that the clock showed twice.
 *
 * Before the first reading and behind the last the clock is taken to have been as far off as there, as nothing is known of its drift.
 */
export function correctedUs(epochs: readonly ClockEpoch[], instrumentUs: number): number | undefined {
  const found = epochs.filter(
    ({ fromUs, toUs }, index) => (index === 0 || instrumentUs >= fromUs) && (index === epochs.length - 1 || instrumentUs <= toUs),
  );
  const [epoch] = found;
  if (epoch === undefined || found.length > 1) return undefined;
  const { fromUs, toUs, aheadAtFromUs, aheadAtToUs } = epoch;
  const share = toUs === fromUs ? 0 : Math.min(1, Math.max(0, (instrumentUs - fromUs) / (toUs - fromUs)));
  return Math.round(instrumentUs - (aheadAtFromUs + share * (aheadAtToUs - aheadAtFromUs)));
}

/** A numbered row of a table, in the order in which the instrument made it. */
interface NumberedRow {
  readonly timeUs: number;
  readonly recordNumber?: number;
}

/** Steps of one batch that are told: where there are more, it is the declared interval that is wrong. */
const stepsMax = 16;

/** Name of the logger events that say that a clock was set, found in the rows alone. */
export const clockStepEventName = 'clock-stepped';

/**
 * Where an instrument's clock was set, by its rows: a later record with an earlier time, or, in a table with an interval, the next record at another time than the interval later. One event for each, at the first row behind
 * it; `by_us=…` is how far the clock went beyond what was due, microseconds.
 *
 * Rows stay as they are stamped. Where nobody read the clock, these events are all that tells of an epoch's end.
 *
 * @param before the last row before these, where there was one
 */
export function clockSteps(
  rows: readonly NumberedRow[],
  intervalUs: number | undefined,
  before?: NumberedRow,
): { readonly timeUs: number; readonly name: string; readonly detail: string }[] {
  const found: { readonly timeUs: number; readonly name: string; readonly detail: string }[] = [];
  let last = before;
  for (const row of rows) {
    const { timeUs, recordNumber } = row;
    if (last?.recordNumber !== undefined && recordNumber !== undefined && recordNumber > last.recordNumber) {
      const isNext = recordNumber === last.recordNumber + 1 && intervalUs !== undefined;
      const aheadUs = timeUs - last.timeUs - (isNext ? intervalUs : 0);
      if (aheadUs < -stepUsMin || (isNext && aheadUs > stepUsMin))
        found.push({ timeUs, name: clockStepEventName, detail: `by_us=${aheadUs}` });
    }
    last = row;
    if (found.length === stepsMax) break;
  }
  return found;
}

/** Name of the logger events that hold clock readings. */
export const clockEventName = 'clock-read';

/** A reading as a logger event: at the reference's time, `ahead_us=… uncertainty_ms=… quality=…`. */
export function clockEvent(reading: ClockReading): { readonly timeUs: number; readonly name: string; readonly detail: string } {
  const { referenceUs, uncertaintyMs, quality } = reading;
  return {
    timeUs: referenceUs,
    name: clockEventName,
    detail: `ahead_us=${aheadUs(reading)} uncertainty_ms=${Math.ceil(uncertaintyMs)} quality=${quality}`,
  };
}

/** The readings among logger events. What is not of that form is left out. */
export function clockReadings(
  events: readonly { readonly timeUs: number; readonly name: string; readonly detail: string }[],
): ClockReading[] {
  return events.flatMap(({ timeUs, name, detail }) => {
    const parts = name === clockEventName ? /^ahead_us=(-?\d{1,15}) uncertainty_ms=(\d{1,9}) quality=(\w+)$/.exec(detail) : null;
    const quality = qualitiesBestFirst.find((each) => each === parts?.[3]);
    if (parts === null || quality === undefined) return [];
    return [{ instrumentUs: timeUs + Number(parts[1]), referenceUs: timeUs, uncertaintyMs: Number(parts[2]), quality }];
  });
}
