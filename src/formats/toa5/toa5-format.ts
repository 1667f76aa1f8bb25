import type { RecordFormat } from '../record-stream.ts';
import { beginsToa5, Toa5Reader } from './toa5-reader.ts';

/**
 * TOA5: quoted, comma-separated text with a header of four lines, written by Campbell Scientific's loggers, LoggerNet and CardConvert.
 *
 * Read: CRLF or LF; UTF-8 or Latin-1; with or without RECORD; `"NAN"`, `NAN`, `"INF"` kept as text; times in quotes (columns of processing TMx and TMn, kind `time`); fractional
 * seconds; headers repeated or changed in mid-file. The stamp has no offset, as the file names no zone. Every code of a defect is explained in `toa5Defects`.
 *
 * A header never tells text from numbers, so every column but those of times is of kind `number`; a text in one stays text.
 */
export const toa5Format: RecordFormat = {
  id: 'toa5',
  sniff: (head) => (beginsToa5(head, 0, head.length) ? 1 : 0),
  reader: (resume) => new Toa5Reader(resume),
};
