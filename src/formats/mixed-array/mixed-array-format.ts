import { decodeText } from '../csv-row.ts';
import type { Confidence, RecordFormat } from '../record-stream.ts';
import { MixedArrayReader } from './mixed-array-reader.ts';
import type { MixedArrayLayout } from './mixed-array-time.ts';

/** Rows of numbers that begin with an array number and a possible time with its year. */
const withYear: Confidence = 0.6;
/** Rows of numbers that begin with a whole number: they may be anything. */
const numbersAlone: Confidence = 0.1;
/** Array number and values, as loggers write them. */
const arrayRow = /^\d{1,4}(?:,-?(?:\d+\.?\d*|\.\d+)){2,}$/;
const timedRow = /^\d{1,4},(?:19|2[01])\d{2},(?:[1-9]\d{0,2}),(?:\d{1,2}|[0-2]?\d[0-5]\d),/;

function sniff(head: Uint8Array): Confidence {
  const text = decodeText(head);
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split(/\r?\n/)
    .filter((line) => line !== '');
  if (lines.length === 0 || !lines.every((line) => arrayRow.test(line))) return 0;
  return lines.some((line) => timedRow.test(line)) ? withYear : numbersAlone;
}

/**
 * Mixed-array files of one site, of which the owner knows what the file does not say: where the time stands in its arrays, and the year if they do not have it.
 *
 * @example mixedArrayFormatFor({ timeColumns: ['day', 'hour-minute', 'second'], year: 1996 })
 */
export function mixedArrayFormatFor(layout: MixedArrayLayout): RecordFormat {
  return {
    id: 'mixed-array',
    sniff,
    reader: (resume) => new MixedArrayReader(layout, resume),
  };
}

/**
 * Mixed arrays: comma-separated rows without a header, written by Campbell Scientific's loggers before tables (CR10X, CR23X, 21X) and by LoggerNet for them.
 *
 * Read: any number of arrays of any length, interleaved; year, day of the year and hours with minutes behind the array's number; 2400 as the end of a day; leading points; CRLF or LF.
 * Sentinels such as -6999 stay as they are. The stamp has no offset. Rows without a year are not dated: see `mixedArrayFormatFor`. Every code of a defect is explained in `mixedArrayDefects`.
 */
export const mixedArrayFormat: RecordFormat = mixedArrayFormatFor({ timeColumns: ['year', 'day', 'hour-minute'] });
