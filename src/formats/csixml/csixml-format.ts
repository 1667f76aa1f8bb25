import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { CsixmlReader } from './csixml-reader.ts';

/** A `csixml` element behind nothing but declarations and comments. */
const beginning = /^\uFEFF?\s*(?:<\?[^>]*>\s*|<!--[^>]*-->\s*){0,8}<csixml[\s>]/;

/**
 * CSIXML: what Campbell Scientific's loggers and LoggerNet's web server answer to a query for data (`command=DataQuery&format=xml`), and LoggerNet's files of that name.
 *
 * Read: UTF-8, Latin-1 or Windows-1252 whatever the declaration says; tags with blanks in them (`</head >`); times with `T` or a space; with or without record numbers; empty values; several
 * documents, one behind the other, also after one that was cut. There is no document type and no CDATA in it; a file with them is refused. The stamp has no offset, as the file names no zone.
 * Every code of a defect is explained in `csixmlDefects`.
 */
export const csixmlFormat: RecordFormat = {
  id: 'csixml',
  sniff: (head) => (beginning.test(decodeText(head)) ? 1 : 0),
  reader: (resume) => new CsixmlReader(resume),
};
