import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { GpxReader } from './gpx-reader.ts';

/**
 * GPX, in which satellite receivers and their programs exchange tracks, routes and waypoints.
 *
 * - A point with a time is a row, in the order of the file; its columns are those that positions of a moving station are found by. Digits stay as they are.
 * - Points without a time are set aside, each by itself.
 * - What programs add under `extensions` stays in the archived file.
 *
 * Every code of a defect is explained in `gpxDefects`.
 */
export const gpxFormat: RecordFormat = {
  id: 'gpx',
  sniff: (head) => (/^\ufeff?\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<gpx[\s>]/.test(decodeText(head)) ? 1 : 0),
  reader: (resume) => new GpxReader(resume),
};
