import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { HoboconnectXlsxReader } from './hoboconnect-xlsx-reader.ts';

/**
 * XLSX exports of Onset's HOBOconnect, the app of the MX loggers: sheets `Data`, `Events` and `Details`.
 *
 * - Headings and zones as in the app's CSV (`hoboconnectFormat`); dates are numbers, so nothing about their order is open.
 * - The table's station, model and serial number are what `Details` says of the logger that wrote the file.
 * - Row numbers count the rows of the export and not the logger's records, so records have none.
 * - Any workbook is taken for one of these until its headings are seen; another one is refused as `HOBOCONNECT_XLSX_NO_HEADER`.
 *
 * Every code of a defect is explained in `hoboconnectXlsxDefects`.
 */
export const hoboconnectXlsxFormat: RecordFormat = {
  id: 'hoboconnect-xlsx',
  sniff: (head, name) => {
    const text = decodeText(head);
    if (!text.startsWith('PK\x03\x04')) return 0;
    return /\.xlsx$/i.test(name) || /\[Content_Types\]\.xml|xl\//.test(text) ? 0.9 : 0;
  },
  reader: (resume) => new HoboconnectXlsxReader(resume),
};
