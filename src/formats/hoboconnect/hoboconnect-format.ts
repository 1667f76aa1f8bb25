import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { parseHoboconnectHeader } from './hoboconnect-header.ts';
import { HoboconnectReader } from './hoboconnect-reader.ts';

/**
 * CSV exports of Onset's HOBOconnect, the app of the MX loggers.
 *
 * - The zone in the heading is an abbreviation such as `EST`, which is ambiguous: stamps have no offset then, and the site profile decides. `GMT`, `UTC` and `GMT-05:00` are taken.
 * - Where the order of day and month is open, the file's dates decide or the file is not used: see `DateOrderReader`.
 * - All devices of a file are one table, see `parseHoboconnectHeader`.
 * - Row numbers count the rows of the export and not the logger's records, so records have none.
 * - The last row counts without a line end when it has every cell.
 *
 * HOBOconnect's other export is `hoboconnectXlsxFormat`; events are only in there.
 *
 * Every code of a defect is explained in `hoboconnectDefects`.
 */
export const hoboconnectFormat: RecordFormat = {
  id: 'hoboconnect',
  sniff: (head) => {
    const [first = ''] = decodeText(head).trimStart().split(/\r?\n/, 1);
    return parseHoboconnectHeader(first) ? 1 : 0;
  },
  reader: (resume) => new HoboconnectReader(resume),
};
