import { decodeText } from '../csv-row.ts';
import type { Confidence, RecordFormat } from '../record-stream.ts';
import { CnvReader } from './cnv-reader.ts';

/** The names of columns are in sight. */
const certain: Confidence = 1;
/** A Sea-Bird header of which the end is not in sight, in a file with the right name: raw `.hex` and bottle files begin alike. */
const byName: Confidence = 0.95;

/**
 * Converted data of Sea-Bird's profilers and moored instruments (`.cnv`, text).
 *
 * - Every column is a field, also the one that says the time. Fields of the same name are told apart by their position: `sal00 (9)`.
 * - When a row was measured is found as `cnvClock` says. Stamps have the offset 0 where the header shows that its times are UTC, else none.
 * - The number that marks bad values (`bad_flag`, usually `-9.990e-29`) stays in the cells and is an attribute.
 * - The last row counts without a line end when it has every value.
 *
 * Binary `.cnv`, raw `.hex` and bottle files (`.btl`) are not read. Every code of a defect is explained in `cnvDefects`.
 */
export const seabirdCnvFormat: RecordFormat = {
  id: 'seabird-cnv',
  sniff: (head, name) => {
    const text = decodeText(head);
    if (!/^\ufeff?\* Sea-Bird/.test(text)) return 0;
    if (/\n# nquan = /.test(text)) return certain;
    return name.toLowerCase().endsWith('.cnv') ? byName : 0;
  },
  reader: (resume) => new CnvReader(resume),
};
