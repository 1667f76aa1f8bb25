import type { TimeZones } from '../ports/time-zones.ts';

/**
 * Instants of a clock that somebody set to the time of day of a place, summer time included.
 *
 * Such a clock shows one hour twice in autumn, and one hour of spring it never shows. Most loggers do not do that: they run on one offset all year, and a fixed offset in the site profile is right for them. Where a
 * clock does follow a zone, three things can be said of what it shows:
 *
 *     once    there is one instant
 *     twice   the first pass or the second: the order of the records decides where it can, see below; where it cannot, the first pass is taken and the record is marked as doubtful
 *     never   the clock did not follow the zone, or the zone is another: nothing is made of the record
 *
 * Records come in the order in which they were made. So an hour that is shown twice is in its second pass when the first would lie before the record before; and in either pass where exactly that continues the step in
 * which the records before came. Doubt is handed on: what continues a doubtful record is doubtful.
 */

/** An instant and how sure it is, with the other one at which the clock showed the same, where there is one; `skipped`: the clock cannot have shown this. Microseconds since 1970 UTC. */
export type ZonedTime =
  | { readonly kind: 'certain'; readonly timeUs: number; readonly otherUs?: number }
  | { readonly kind: 'doubtful'; readonly timeUs: number; readonly otherUs: number }
  | { readonly kind: 'skipped' };

/** What must be remembered of the records so far, to go on later. Plain data. */
export interface ZonedClockState {
  readonly lastUs: number;
  readonly isCertain: boolean;
  /** Microseconds between the last two records, where there were two. */
  readonly stepUs?: number;
  /** The two records before were as far apart. */
  readonly isSteady?: boolean;
}

/** States of the clocks of one source, by table. */
export type ZonedClockStates = Readonly<Record<string, ZonedClockState>>;

const dayUs = 86_400_000_000;

/** Offsets (microseconds east of UTC) that a zone's clock may have had when it showed a time, and that agree with it: none, one, or two with the earlier instant first. Undefined for an unknown zone. */
function offsetsAt(zones: TimeZones, zone: string, localUs: number): readonly number[] | undefined {
  const at = (instantUs: number): number | undefined => {
    const seconds = zones.offsetSeconds(zone, instantUs / 1000);
    return seconds === undefined ? undefined : seconds * 1_000_000;
  };
  // No zone is a day from UTC, and none changes twice within two days.
  const [before, after] = [at(localUs - dayUs), at(localUs + dayUs)];
  if (before === undefined || after === undefined) return undefined;
  if (before === after) return [before];
  return [before, after].filter((offsetUs) => at(localUs - offsetUs) === offsetUs).sort((a, b) => b - a);
}

/** True where the zone is known here. */
export function isKnownZone(zones: TimeZones, zone: string): boolean {
  return zones.offsetSeconds(zone, 0) !== undefined;
}

/** One clock that follows a zone, asked for the instants of its records in the order in which they were made. */
export class ZonedClock {
  readonly #zones: TimeZones;
  readonly #zone: string;
  readonly #intervalUs: number | undefined;
  #state: ZonedClockState | undefined;
  /** The day of the calendar asked for last, with its offset where nothing changes near it: asking for a zone's offset costs more than all the rest of a record. */
  #day: { readonly number: number; readonly offsetUs: number | undefined } | undefined;

  /**
   * @param zone must be known (`isKnownZone`)
   * @param options `intervalUs`: microseconds between records, where it is declared; `state`: where an earlier reading stopped
   */
  constructor(zones: TimeZones, zone: string, options: { readonly intervalUs?: number; readonly state?: ZonedClockState } = {}) {
    this.#zones = zones;
    this.#zone = zone;
    this.#intervalUs = options.intervalUs;
    this.#state = options.state;
  }

  /** What to go on from; `undefined` before the first record. */
  get state(): ZonedClockState | undefined {
    return this.#state;
  }

  /** The instant of the next record, stamped `localUs` (microseconds from 1970 on the zone's calendar). */
  resolve(localUs: number): ZonedTime {
    const found = this.#choose(localUs, this.#offsets(localUs));
    if (found.kind !== 'skipped') this.#advance(found);
    return found;
  }

  #offsets(localUs: number): readonly number[] {
    const number = Math.floor(localUs / dayUs);
    if (this.#day?.number !== number) {
      const [from, to] = [number * dayUs, (number + 1) * dayUs].map((edgeUs) => offsetsAt(this.#zones, this.#zone, edgeUs) ?? []);
      const offsetUs = from?.length === 1 && to?.length === 1 && from[0] === to[0] ? from[0] : undefined;
      this.#day = { number, offsetUs };
    }
    const { offsetUs } = this.#day;
    return offsetUs === undefined ? (offsetsAt(this.#zones, this.#zone, localUs) ?? []) : [offsetUs];
  }

  #choose(localUs: number, offsets: readonly number[]): ZonedTime {
    const [firstUs, secondUs] = offsets.map((offsetUs) => localUs - offsetUs);
    if (firstUs === undefined) return { kind: 'skipped' };
    if (secondUs === undefined) return { kind: 'certain', timeUs: firstUs };
    const doubtful = { kind: 'doubtful', timeUs: firstUs, otherUs: secondUs } as const;
    const last = this.#state;
    if (last === undefined) return doubtful;
    const stepUs = this.#intervalUs ?? (last.isSteady === true ? last.stepUs : undefined);
    const next = stepUs === undefined ? undefined : [firstUs, secondUs].find((timeUs) => timeUs === last.lastUs + stepUs);
    if (next !== undefined && last.isCertain) return { kind: 'certain', timeUs: next, otherUs: next === firstUs ? secondUs : firstUs };
    if (firstUs < last.lastUs && secondUs >= last.lastUs) return { kind: 'certain', timeUs: secondUs, otherUs: firstUs };
    return doubtful;
  }

  #advance({ kind, timeUs }: Exclude<ZonedTime, { kind: 'skipped' }>): void {
    const last = this.#state;
    const stepUs = last === undefined ? undefined : timeUs - last.lastUs;
    this.#state = {
      lastUs: timeUs,
      isCertain: kind === 'certain',
      ...(stepUs === undefined ? {} : { stepUs, isSteady: stepUs > 0 && stepUs === last?.stepUs }),
    };
  }
}
