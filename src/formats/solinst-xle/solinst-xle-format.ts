import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { XleReader } from './xle-reader.ts';

/**
 * XLE, the XML in which Solinst's programs save what Leveloggers and Barologgers recorded.
 *
 * - Times are those of the computer that started the logger; the file names no zone, so stamps have no offset.
 * - Channels have the names and units that the header gives them (`LEVEL`, `m`). Values keep their digits; a decimal comma becomes a point.
 * - `Log` has a number that begins anew with every download, so records have none.
 *
 * Every code of a defect is explained in `xleDefects`.
 */
export const solinstXleFormat: RecordFormat = {
  id: 'solinst-xle',
  sniff: (head) => (/^\ufeff?\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<Body_xle[\s>]/.test(decodeText(head)) ? 1 : 0),
  reader: (resume) => new XleReader(resume),
};
