import type { LocalStamp } from '../../formats/record-stream.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/**
 * Time as a logger has it: seconds and nanoseconds since 1990-01-01T00:00:00 of whatever clock time its owner set. There is no zone in it anywhere.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), data types Sec, USec and NSec.
 */
export interface PakbusTime {
  /** Seconds since 1990. Signed; also used for durations. */
  readonly seconds: number;
  /** Nanoseconds on top, as the logger wrote them: normally 0 to 999,999,999, but any 32-bit number is taken. */
  readonly nanoseconds: number;
}

/** Seconds from 1970-01-01 to 1990-01-01. */
const epochOffsetSeconds = 631_152_000;
const nanosecondsPerSecond = 1e9;
const secondsPerDay = 86_400;
/** The unit of a USec time. */
const ticksPerSecond = 100_000;

/** Codes of the types a record's time may have. */
export const timeTypeCodes = { seconds: 12, ticks: 13, nanoseconds: 14 } as const;

/** Bytes of a time of this type, or `undefined` when the code is no time type. */
export function timeBytes(typeCode: number): number | undefined {
  return new Map<number, number>([
    [timeTypeCodes.seconds, 4],
    [timeTypeCodes.ticks, 6],
    [timeTypeCodes.nanoseconds, 8],
  ]).get(typeCode);
}

/** Reads a time of a type for which `timeBytes` has an answer. */
export function readTime(reader: ByteReader, typeCode: number): PakbusTime {
  if (typeCode === timeTypeCodes.seconds) return { seconds: reader.int32(), nanoseconds: 0 };
  if (typeCode === timeTypeCodes.ticks) {
    const ticks = reader.uint16() * 0x1_0000_0000 + reader.uint32();
    const seconds = Math.floor(ticks / ticksPerSecond);
    return { seconds, nanoseconds: (ticks - seconds * ticksPerSecond) * (nanosecondsPerSecond / ticksPerSecond) };
  }
  return { seconds: reader.int32(), nanoseconds: reader.int32() };
}

/** Writes a time as `readTime` reads it, as exactly as the type can. */
export function writeTime(writer: ByteWriter, typeCode: number, time: PakbusTime): void {
  if (typeCode === timeTypeCodes.seconds) writer.uint32(time.seconds);
  else if (typeCode === timeTypeCodes.ticks) {
    const ticks = time.seconds * ticksPerSecond + Math.floor((time.nanoseconds * ticksPerSecond) / nanosecondsPerSecond);
    writer.uint16(Math.floor(ticks / 0x1_0000_0000)).uint32(ticks % 0x1_0000_0000);
  } else writer.uint32(time.seconds).uint32(time.nanoseconds);
}

/** `start` and `count` intervals. The nanoseconds of the result are 0 to 999,999,999. */
export function addIntervals(start: PakbusTime, interval: PakbusTime, count: number): PakbusTime {
  const nanoseconds = start.nanoseconds + interval.nanoseconds * count;
  const carrySeconds = Math.floor(nanoseconds / nanosecondsPerSecond);
  return {
    seconds: start.seconds + interval.seconds * count + carrySeconds,
    nanoseconds: nanoseconds - carrySeconds * nanosecondsPerSecond,
  };
}

/** Microseconds of a duration, rounded down. */
export function durationUs(duration: PakbusTime): number {
  return duration.seconds * 1e6 + Math.floor(duration.nanoseconds / 1000);
}

/** The stamp of a logger's time: no zone is known, so none is stated. Finer than a microsecond is cut off. */
export function localStampOf(time: PakbusTime): LocalStamp {
  return { localUs: epochOffsetSeconds * 1e6 + durationUs(time) };
}

/** The logger's time for microseconds of calendar time since 1970. */
export function pakbusTimeAt(localUs: number): PakbusTime {
  const sinceEpochUs = Math.floor(localUs) - epochOffsetSeconds * 1e6;
  const seconds = Math.floor(sinceEpochUs / 1e6);
  return { seconds, nanoseconds: (sinceEpochUs - seconds * 1e6) * 1000 };
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/**
 * Year, month and day of a day number since 1970, in the proleptic Gregorian calendar.
 *
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. Years are counted from March, so that the leap day is the last of its year.
 */
function civilDate(daysSince1970: number): { year: number; month: number; day: number } {
  const shifted = daysSince1970 + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

/** The time as the vendor's files write it: `2012-07-26 13:40:00`, with a fraction of a second only where there is one. */
export function timeText(time: PakbusTime): string {
  const whole = addIntervals(time, { seconds: 0, nanoseconds: 0 }, 1);
  const seconds = whole.seconds + epochOffsetSeconds;
  const days = Math.floor(seconds / secondsPerDay);
  const ofDay = seconds - days * secondsPerDay;
  const { year, month, day } = civilDate(days);
  const clock = [Math.floor(ofDay / 3600), Math.floor(ofDay / 60) % 60, ofDay % 60].map(twoDigits).join(':');
  const fraction = whole.nanoseconds === 0 ? '' : `.${String(whole.nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  return `${year}-${twoDigits(month)}-${twoDigits(day)} ${clock}${fraction}`;
}
