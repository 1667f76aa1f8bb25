import * as v from 'valibot';
import { GodwitError } from '../core/errors.ts';
import { parseCronTimes } from '../forwarding/cron-times.ts';
import { topicMappingShape } from '../instruments/mqtt/topic-mapping.ts';
import { collectionGuardsShape } from './collection-guards.ts';
import { siteProfileShape } from './site-profile.ts';

/** What a standing duty is, as it is kept and as it is asked for. */

const everyMs = v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(366 * 24 * 3600 * 1000));
const dataset = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const cronTimes = v.pipe(
  v.string(),
  v.check((text) => parseCronTimes(text) !== undefined, 'not the five fields of a crontab'),
);
const dutyShape = v.variant('kind', [
  v.strictObject({ kind: v.literal('listen'), address: v.string() }),
  v.strictObject({ kind: v.literal('scan'), dataset, everyMs, settleMs: v.optional(v.pipe(v.number(), v.minValue(0))) }),
  v.strictObject({
    kind: v.literal('ingest'),
    dataset,
    directory: v.string(),
    everyMs,
    profile: v.optional(siteProfileShape),
    profileByPath: v.optional(
      v.pipe(v.array(v.strictObject({ path: v.pipe(v.string(), v.maxLength(1024)), profile: siteProfileShape })), v.maxLength(1024)),
    ),
  }),
  v.pipe(
    v.strictObject({
      kind: v.literal('collect'),
      dataset,
      driver: v.string(),
      address: v.string(),
      configuration: v.optional(v.record(v.string(), v.unknown())),
      profile: siteProfileShape,
      tables: v.optional(v.array(v.string())),
      everyMs: v.optional(everyMs),
      at: v.optional(v.pipe(v.array(cronTimes), v.minLength(1), v.maxLength(16))),
      onConnection: v.optional(v.literal(true)),
      probeEveryMs: v.optional(everyMs),
      when: v.optional(collectionGuardsShape),
    }),
    v.check(
      (duty) => [duty.everyMs, duty.at, duty.onConnection, duty.probeEveryMs].some((each) => each !== undefined),
      'nothing brings about a visit: everyMs, at, onConnection or probeEveryMs',
    ),
  ),
  v.strictObject({
    kind: v.literal('mqtt'),
    dataset,
    address: v.string(),
    topics: v.pipe(v.array(topicMappingShape), v.minLength(1), v.maxLength(256)),
    clientId: v.optional(v.pipe(v.string(), v.regex(/^[\w.:-]{1,64}$/))),
    username: v.optional(v.string()),
    password: v.optional(v.string()),
    profile: v.optional(siteProfileShape),
  }),
  v.strictObject({
    kind: v.literal('receive'),
    dataset,
    address: v.string(),
    token: v.optional(v.pipe(v.string(), v.minLength(8), v.maxLength(256))),
    profile: v.optional(siteProfileShape),
  }),
  v.strictObject({
    kind: v.literal('drop'),
    dataset,
    directory: v.string(),
    everyMs,
    settleMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(24 * 3600 * 1000))),
    moveTo: v.optional(v.pipe(v.string(), v.regex(/^[\w -]{1,64}$/))),
    profile: v.optional(siteProfileShape),
  }),
]);

/**
 * One standing duty. Intervals count from the end of one run to the beginning of the next. Those without an interval are tried again after a growing pause: listening until it succeeds, `mqtt`
 * (messages of a broker) and `receive` (what loggers push) whenever they end.
 *
 * `collect` visits an instrument `everyMs`, `at` times as crontab writes them (UTC), `onConnection` (a session with a member came up, or `hint` was called), and when its address answers again that is looked at
 * `probeEveryMs`; one of these at least. `when`: what must be so for a visit to begin (`CollectionGuards`).
 *
 * `drop` reads files that others put into a directory, once they have not changed for `settleMs` (10 s by default), and moves them into the folder `moveTo` within it where that is given.
 */
export type Duty = v.InferOutput<typeof dutyShape>;

/** The duty in data of foreign origin. @throws GodwitError `DUTY_MALFORMED` */
export function parseDuty(value: unknown): Duty {
  const shaped = v.safeParse(dutyShape, value);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    throw new GodwitError('DUTY_MALFORMED', `This is not a duty: ${v.getDotPath(issue) ?? 'kind'}: ${issue.message}`);
  }
  return shaped.output;
}

/** A duty as text for people and logs: nothing that opens a door stands in it. */
export function dutyText(duty: Duty): string {
  return JSON.stringify(duty, (name, value: unknown) => (/password|token|secret/i.test(name) ? '…' : value));
}

/** A duty to visit an instrument. Visits have a schedule of their own (`collections.ts`). */
export type CollectDuty = Extract<Duty, { kind: 'collect' }>;
/** A duty with an interval, or that lasts. */
export type TimedDuty = Exclude<Duty, CollectDuty>;

/** A duty in the catalog; `undefined` for one of a newer version. */
export function keptDuty(text: string): Duty | undefined {
  const shaped = v.safeParse(dutyShape, JSON.parse(text));
  return shaped.success ? shaped.output : undefined;
}
