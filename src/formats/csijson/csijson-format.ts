import { decodeText } from '../csv-row.ts';
import type { Confidence, RecordFormat } from '../record-stream.ts';
import { CsijsonReader } from './csijson-reader.ts';

/** An object whose first member is `head`, with the logger's words in sight. */
const typical: Confidence = 0.95;
/** An object whose first member is `head`, as other programs may write one. */
const headAlone: Confidence = 0.5;

function sniff(head: Uint8Array): Confidence {
  const text = decodeText(head);
  if (!/^\uFEFF?\s*\{\s*"head"\s*:\s*\{/.test(text)) return 0;
  return /"(?:environment|fields)"\s*:/.test(text) ? typical : headAlone;
}

/**
 * CSIJSON: what Campbell Scientific's loggers and LoggerNet's web server answer to a query for data (`command=DataQuery&format=json`), and LoggerNet's files of that name.
 *
 * Read: one answer or several, one behind the other; `data` that is `null` or empty; `"NAN"` and other texts among the values, kept as text; numbers in their own digits; times with `T` or a
 * space. The stamp has no offset, as the answer names no zone. `more`, which tells whoever asked to ask again from the last record on, is passed over. Every code of a defect is explained in
 * `csijsonDefects`.
 */
export const csijsonFormat: RecordFormat = {
  id: 'csijson',
  sniff,
  reader: (resume) => new CsijsonReader(resume),
};
