import * as v from 'valibot';
import type { QualityProfile } from '../observations/quality-checks.ts';
import type { TableRevision } from '../observations/table-revision.ts';

/**
 * What the owner knows of a site and its loggers do not say. Nothing in it is guessed where it is missing.
 */
export interface SiteProfile {
  /** Name of the station that stays the same over years and loggers. Default: the station name the logger states. */
  readonly stationId?: string;
  readonly stationName?: string;
  /** Minutes east of UTC that the logger's clock is set to, all year, as most are. Needed where the file does not say; this or `zone`. */
  readonly utcOffsetMinutes?: number;
  /**
   * Zone whose summer time the logger's clock follows, by its name in the IANA database (`America/Denver`). An hour that it shows twice is told apart by the order of the records; what it cannot have shown goes to
   * quarantine (`observations/zoned-clock.ts`).
   */
  readonly zone?: string;
  /** Where the station stands, as it was surveyed. */
  readonly position?: NonNullable<TableRevision['position']>;
  /** Microseconds between records, where it is known. */
  readonly intervalUs?: number;
  /** Thresholds that values are held against; without it they are not checked. Applies to what is read from then on, and to the past by `reprocess`. */
  readonly quality?: QualityProfile;
}

const finite = v.pipe(v.number(), v.finite());
const positive = v.pipe(finite, v.gtValue(0));
const range = v.pipe(
  v.strictTuple([finite, finite]),
  v.check(([low, high]) => low <= high, 'a range begins with its lower end'),
);
const count = v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(512));
const name = v.pipe(v.string(), v.maxLength(256));
const ruleShape = v.strictObject({
  fields: v.pipe(v.array(name), v.minLength(1), v.maxLength(1024)),
  sensorRange: v.optional(range),
  expectedRange: v.optional(range),
  spike: v.optional(v.strictObject({ suspect: positive, fail: positive })),
  changePerSecond: v.optional(positive),
  flatLine: v.optional(v.strictObject({ tolerance: v.pipe(finite, v.minValue(0)), suspectCount: count, failCount: count })),
});
const qualityShape = v.strictObject({
  rules: v.optional(v.pipe(v.array(ruleShape), v.maxLength(256))),
  missing: v.optional(v.pipe(v.array(name), v.maxLength(64))),
  gapUs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
});

const profileShape = v.strictObject({
  stationId: v.optional(v.string()),
  stationName: v.optional(v.string()),
  utcOffsetMinutes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1080), v.maxValue(1080))),
  zone: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/), v.maxLength(64))),
  intervalUs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  position: v.optional(
    v.strictObject({
      latitude: v.pipe(v.number(), v.minValue(-90), v.maxValue(90)),
      longitude: v.pipe(v.number(), v.minValue(-180), v.maxValue(180)),
      altitudeM: v.optional(finite),
      method: v.string(),
      datum: v.optional(name),
      accuracyM: v.optional(v.pipe(finite, v.minValue(0))),
      instantUs: v.optional(v.pipe(v.number(), v.integer())),
    }),
  ),
  quality: v.optional(qualityShape),
});

/** A `SiteProfile` in data of foreign origin. */
export const siteProfileShape = v.pipe(
  profileShape,
  v.check((profile) => profile.utcOffsetMinutes === undefined || profile.zone === undefined, 'a clock has an offset or a zone, not both'),
);
