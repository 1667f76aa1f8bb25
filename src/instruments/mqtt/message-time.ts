import { parseIsoStamp } from '../../formats/generic-csv/iso-stamp.ts';
import type { LocalStamp } from '../../formats/record-stream.ts';

/** How a message writes its time: ISO 8601 with or without a zone, or a count since 1970 UTC. */
export type TimeForm = 'iso' | 'unix-seconds' | 'unix-milliseconds';

/** Behind the year 2199, as everywhere. */
const localUsMax = 7_258_118_400_000_000;

/** The time a text writes. Without a zone in the text the stamp has no offset, and the site profile decides. `undefined` when there is no such time. */
export function parseMessageTime(text: string, form: TimeForm): LocalStamp | undefined {
  if (form === 'iso') return parseIsoStamp(text);
  const count = /^\d{1,14}(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  const localUs = Math.round(count * (form === 'unix-seconds' ? 1_000_000 : 1000));
  return localUs >= 0 && localUs < localUsMax ? { localUs, offsetMinutes: 0 } : undefined;
}
