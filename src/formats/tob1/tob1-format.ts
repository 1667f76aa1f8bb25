import type { RecordFormat } from '../record-stream.ts';
import { beginsTob1, Tob1Reader } from './tob1-reader.ts';

/**
 * TOB1: the binary format of LoggerNet and of Campbell Scientific's loggers, a header of five lines and records of fixed length.
 *
 * Read: every data type that the vendor's documents name for it, in either byte order (`campbellType`); with or without NANOSECONDS and RECORD; headers repeated or changed between two
 * records; a header without data. The stamp has no offset, as the file names no zone. Cells are what CardConvert writes into a TOA5 file made of this one. Every code of a defect is explained
 * in `tob1Defects`.
 *
 * IEEE8 is little-endian, as the vendor defines it and CardConvert reads it. A CR1000X (OS 8.01) has been seen to write it big-endian, which CardConvert shows as values around 1E-312; the file
 * does not say so, hence they are read the same way here.
 */
export const tob1Format: RecordFormat = {
  id: 'tob1',
  sniff: (head) => (beginsTob1(head) ? 1 : 0),
  reader: (resume) => new Tob1Reader(resume),
};
