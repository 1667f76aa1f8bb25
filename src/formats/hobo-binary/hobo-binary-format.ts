import type { RecordFormat } from '../record-stream.ts';
import { HoboBinaryReader } from './hobo-binary-reader.ts';
import { beginsHobo } from './hobo-header.ts';

/**
 * Raw data of Onset's HOBO loggers as HOBOware saves them (`.hobo`): identified, not decoded.
 *
 * The header gives the logger's model and serial number, the deployment's name, launch, interval and zone as a table without fields; everything behind it is `other`. Onset has published
 * nothing about the values, so they are to be exported with HOBOware and read as `hoboware-csv`, while the raw file is kept.
 *
 * Every code of a defect is explained in `hoboBinaryDefects`.
 */
export const hoboBinaryFormat: RecordFormat = {
  id: 'hobo-binary',
  sniff: (head) => (beginsHobo(head) ? 1 : 0),
  reader: (resume) => new HoboBinaryReader(resume),
};
