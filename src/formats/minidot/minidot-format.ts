import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { isSerialLine, isSystemLine, MinidotReader } from './minidot-reader.ts';

/**
 * Text files of PME's miniDOT oxygen loggers, as they lie on the logger.
 *
 * The time is Unix time, so stamps have the offset 0 whatever zone the station is in. Values keep their sign and digits (`+9.654`). The last row counts only with its line end: the
 * logger writes the file row by row. What the vendor's program makes of several files (`Cat.TXT`) is not read.
 *
 * Every code of a defect is explained in `minidotDefects`.
 */
export const minidotFormat: RecordFormat = {
  id: 'minidot',
  sniff: (head) => {
    const [first = '', second = ''] = decodeText(head.subarray(0, 200)).split(/\r?\n/);
    return isSerialLine(first) && isSystemLine(second) ? 1 : 0;
  },
  reader: (resume) => new MinidotReader(resume),
};
