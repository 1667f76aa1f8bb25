import * as v from 'valibot';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { localMicroseconds, secondUs } from '../../formats/civil-time.ts';

/**
 * What gpsd says: one JSON object a line, with a `class`. Only what is used here is looked at; whatever else an object holds is left alone, as every version adds something.
 *
 * Source: gpsd project, gpsd_json(5), protocol version 3.
 */

/** Asks gpsd to report everything, as JSON. */
export const watchCommand: Uint8Array = utf8('?WATCH={"enable":true,"json":true};\n');

const finite = v.optional(v.pipe(v.number(), v.finite()));
const tpvShape = v.object({
  class: v.literal('TPV'),
  time: v.optional(v.string()),
  mode: v.optional(v.pipe(v.number(), v.integer())),
  lat: v.optional(v.pipe(v.number(), v.minValue(-90), v.maxValue(90))),
  lon: v.optional(v.pipe(v.number(), v.minValue(-180), v.maxValue(180))),
  /** Height above the ellipsoid and above the sea; `alt` is what versions before 3.20 call the latter. */
  altHAE: finite,
  altMSL: finite,
  alt: finite,
  /** Estimated errors, metres. Older versions give the horizontal one only by its two parts. */
  eph: finite,
  epx: finite,
  epy: finite,
  epv: finite,
  speed: finite,
  track: finite,
  climb: finite,
});
const skyShape = v.object({
  class: v.literal('SKY'),
  time: v.optional(v.string()),
  hdop: finite,
  vdop: finite,
  pdop: finite,
  uSat: finite,
  nSat: finite,
  satellites: v.optional(v.pipe(v.array(v.object({ used: v.optional(v.boolean()) })), v.maxLength(1024))),
});
const versionShape = v.object({ class: v.literal('VERSION'), release: v.string() });
const deviceShape = v.object({ driver: v.optional(v.string()) });
const devicesShape = v.object({ class: v.literal('DEVICES'), devices: v.pipe(v.array(deviceShape), v.maxLength(64)) });
const reportShape = v.variant('class', [tpvShape, skyShape, versionShape, devicesShape]);

/** A report that is understood. Instants are ISO 8601 in UTC. */
export type GpsdReport = v.InferOutput<typeof reportShape>;
/** Time, position and velocity. */
export type GpsdPosition = v.InferOutput<typeof tpvShape>;
/** The satellites in the sky. */
export type GpsdSky = v.InferOutput<typeof skyShape>;

/** The report in a line; `undefined` for a class that is of no use here. Fails with `GPSD_MALFORMED`. */
export function decodeReport(line: string): Outcome<GpsdReport | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return failure('GPSD_MALFORMED', 'instrument', 'a line from gpsd is no JSON');
  }
  const shaped = v.safeParse(reportShape, value);
  if (shaped.success) return success(shaped.output);
  const isOther = v.is(v.object({ class: v.string() }), value) && !['TPV', 'SKY', 'VERSION', 'DEVICES'].includes(value.class);
  return isOther ? success(undefined) : failure('GPSD_MALFORMED', 'instrument', 'a report of gpsd is not of the documented form');
}

/** Microseconds since 1970 UTC of a time as gpsd writes it, `2005-06-19T12:10:09.000Z`; `undefined` when it is none. */
export function instantOfText(text: string | undefined): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?Z$/.exec(text ?? '');
  if (parts === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.slice(1, 7).map(Number);
  // A leap second is the first of the next minute.
  const whole = localMicroseconds(year, month, day, hour, minute, Math.min(second, 59), 0);
  if (whole === undefined || second > 60) return undefined;
  return whole + (second === 60 ? secondUs : 0) + Math.round(Number(parts[7] ?? 0) * secondUs);
}

/** Bytes of one report at most; a sky of many systems takes a few thousand. */
const lineBytesMax = 64 * 1024;
const lineFeed = 10;

/** Finds reports in a stream that is cut anywhere. Holds less than one line; a longer one than any report is dropped. */
export class ReportFinder {
  #held: number[] = [];
  #isOverlong = false;
  #damaged = 0;

  /** Lines that were no report. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Adds the next bytes; returns the reports they completed. */
  push(bytes: Uint8Array): GpsdReport[] {
    const found: GpsdReport[] = [];
    for (const byte of bytes) {
      if (byte === lineFeed) this.#finish(found);
      else if (this.#held.length === lineBytesMax) this.#isOverlong = true;
      else this.#held.push(byte);
    }
    return found;
  }

  #finish(found: GpsdReport[]): void {
    const text = this.#isOverlong ? undefined : utf8Text(Uint8Array.from(this.#held));
    this.#held = [];
    this.#isOverlong = false;
    if (text?.trim() === '') return;
    const report = text === undefined ? undefined : decodeReport(text);
    if (report?.ok !== true) this.#damaged += 1;
    else if (report.value !== undefined) found.push(report.value);
  }
}
