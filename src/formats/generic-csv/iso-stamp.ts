import { localMicroseconds } from '../civil-time.ts';
import type { LocalStamp } from '../record-stream.ts';

const form = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(?:(Z|UTC)|([+-])(\d\d)(?::?(\d\d))?)?$/;

/**
 * A date and time as ISO 8601 and RFC 3339 write them: `2024-05-06T07:08:09.5+02:00`, with a space for the T, without seconds, fraction or zone as may be. A date alone is its midnight.
 * Digits beyond the microsecond are cut off.
 *
 * @returns the stamp, with an offset when the text has one, or `undefined` when it is no such time
 */
export function parseIsoStamp(text: string): LocalStamp | undefined {
  const found = form.exec(text);
  if (!found) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', utc, sign, zoneHours = '0', zoneMinutes = '0'] = found;
  const microsecond = Number(fraction.slice(0, 6).padEnd(6, '0'));
  const localUs = localMicroseconds(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), microsecond);
  const eastMinutes = Number(zoneHours) * 60 + Number(zoneMinutes);
  if (localUs === undefined || eastMinutes > 14 * 60 || Number(zoneMinutes) > 59) return undefined;
  if (utc !== undefined) return { localUs, offsetMinutes: 0 };
  if (sign === undefined) return { localUs };
  return { localUs, offsetMinutes: sign === '-' && eastMinutes > 0 ? -eastMinutes : eastMinutes };
}
