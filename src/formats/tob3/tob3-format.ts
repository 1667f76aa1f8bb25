import type { RecordFormat } from '../record-stream.ts';
import { beginsTob3, Tob3Reader } from './tob3-reader.ts';
import { unrollTob3 } from './tob3-ring.ts';

/**
 * TOB3: the binary ring file that Campbell Scientific's loggers keep on a memory card, a header of six lines and frames of fixed size, each with a time, a record number and a stamp that says
 * whether it belongs to this file.
 *
 * Read: every data type that the vendor's documents name for it; full, divided and empty frames; what lay on the card before; a header without data; records in the order of the file, which
 * begins in the middle when the ring has gone round. The stamp has no offset, as the file names no zone. Cells are what CardConvert writes into a TOA5 file made of this one. Every code of a
 * defect is explained in `tob3Defects`.
 *
 * The file is overwritten in place and does not grow: `unrollTob3` makes one of it that does.
 */
export const tob3Format: RecordFormat = {
  id: 'tob3',
  sniff: (head) => (beginsTob3(head) ? 1 : 0),
  reader: (resume) => new Tob3Reader(resume),
  unroll: unrollTob3,
};
