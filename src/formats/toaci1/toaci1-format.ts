import type { RecordFormat } from '../record-stream.ts';
import { beginsToaci1, Toaci1Reader } from './toaci1-reader.ts';

/**
 * TOACI1: quoted, comma-separated text with a header of two lines, written by LoggerNet and PC400.
 *
 * Read: CRLF or LF; with or without RECNBR; headers repeated or changed in mid-file; sentinels such as 7999 stay as they are. The stamp has no offset, as the file names no zone. Every code of
 * a defect is explained in `toaci1Defects`.
 */
export const toaci1Format: RecordFormat = {
  id: 'toaci1',
  sniff: (head) => (beginsToaci1(head, 0) ? 1 : 0),
  reader: (resume) => new Toaci1Reader(resume),
};
