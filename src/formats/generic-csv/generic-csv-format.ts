import type { Confidence, RecordFormat } from '../record-stream.ts';
import type { CsvSchema } from './csv-header.ts';
import { CsvReader } from './csv-reader.ts';

/** Below every format that knows its own files. */
const lastResort: Confidence = 0.1;

/**
 * A format for CSV files of unknown origin, of which the owner may know something. Files that a program of its own writes should have a format of their own.
 *
 * Read: commas, semicolons or tabs; comments with `#` before the headings; one line of headings, the first row right behind it; times as in ISO 8601 (with or without a zone), or dates with
 * slashes, hyphens or points and a clock of twelve or twenty-four hours; date and time in one column or two neighbouring ones; dates alone.
 *
 * - A zone is what the time itself says, else what is declared, else `UTC`, `GMT` or `UTC+01:00` in the heading; otherwise stamps have no offset.
 * - The order of day and month is never guessed: it is declared, or the file's dates settle it, or the file is not used (`DateOrderReader`).
 * - Values keep their own digits; where commas do not separate cells a decimal comma becomes a point.
 * - The last row counts without a line end when it has every cell.
 *
 * Every code of a defect is explained in `csvDefects`.
 *
 * @param schema what is known of the files; what is left out is inferred from each
 */
export function csvFormat(schema: CsvSchema = {}): RecordFormat {
  return {
    id: 'csv',
    sniff: (head) => {
      const reader = new CsvReader(schema);
      const items = [...reader.push(head), ...reader.end({ complete: true })];
      return items.some(({ type }) => type === 'table') ? lastResort : 0;
    },
    reader: (resume) => new CsvReader(schema, resume),
  };
}

/** The format for CSV files of which nothing is known: everything is inferred. */
export const genericCsvFormat: RecordFormat = csvFormat();
