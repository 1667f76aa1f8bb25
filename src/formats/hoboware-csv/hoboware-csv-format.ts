import { decodeText } from '../csv-row.ts';
import type { Confidence, RecordFormat } from '../record-stream.ts';
import { looksLikeTitle, parseHobowareHeader } from './hoboware-header.ts';
import { HobowareReader } from './hoboware-reader.ts';

/** A header that could be another program's: dates and columns, but no title, zone or serial number as HOBOware writes them. */
const plainHeader: Confidence = 0.3;
/** A title as HOBOware writes it, and the headings not yet in sight. */
const titleAlone: Confidence = 0.6;
const typicalHeader: Confidence = 0.95;

function sniff(head: Uint8Array): Confidence {
  const lines = decodeText(head)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .slice(0, 2);
  const titled = looksLikeTitle(lines[0] ?? '');
  for (const line of lines) {
    const header = parseHobowareHeader(line, '');
    if (header) return titled || header.layout.offsetMinutes !== undefined || header.table.serial !== '' ? typicalHeader : plainHeader;
  }
  return titled ? titleAlone : 0;
}

/**
 * Text exports of Onset's HOBOware, in whatever its preferences and the spreadsheets behind it made of them.
 *
 * Read: UTF-8 with or without a byte-order mark, Latin-1, Windows-1252; a title or none; a column of row numbers or none; commas, tabs, semicolons; `mm/dd/yy`, `dd.mm.yy`, `yy/mm/dd`,
 * `yyyy/mm/dd`, `m/d/yyyy`; twelve and twenty-four hours, seconds or none, fractions; date and time in one column or two; event columns, which become events; details to the right of
 * the values, which become `other`.
 *
 * - The zone is the one the header states as `GMT±hh:mm`. Without one a stamp has no offset.
 * - Where the order of day and month is open, the file's dates decide, as `DateOrderEvidence` says, and where they do not, the dialect as `preferredDateOrders` says. Rows wait for that
 *   decision; in a file that may still grow they stay pending.
 * - Values keep their own digits; a decimal comma becomes a point (`decimalPoint`).
 * - Row numbers count the rows of the export and not the logger's records: the same reading has another number in the next export. So records have none.
 * - The last row counts without a line end when it has every cell, unlike in a growing logger file: exports are written at once, and editors drop the last line end.
 *
 * Every code of a defect is explained in `hobowareDefects`.
 */
export const hobowareCsvFormat: RecordFormat = {
  id: 'hoboware-csv',
  sniff,
  reader: (resume) => new HobowareReader(resume),
};
