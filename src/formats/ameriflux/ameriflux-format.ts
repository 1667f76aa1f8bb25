import { decodeText } from '../csv-row.ts';
import type { RecordFormat } from '../record-stream.ts';
import { AmerifluxReader } from './ameriflux-reader.ts';

/**
 * Tables of flux towers as AmeriFlux (BASE, uploads) and FLUXNET exchange them, half-hourly and hourly.
 *
 * - The stamp is TIMESTAMP_END, in the site's standard time all year. The file does not say which zone that is, so stamps have no offset.
 * - `-9999` is kept as text: it is a missing value by the network's convention, and the site profile's to declare.
 * - Comments before the names become attributes; `Site` is the station.
 * - The last row counts without a line end when it has every cell.
 *
 * Every code of a defect is explained in `amerifluxDefects`. (AmeriFlux, "Half-Hourly / Hourly Data Upload Format".)
 */
export const amerifluxFormat: RecordFormat = {
  id: 'ameriflux',
  sniff: (head) => (/^\ufeff?(?:#.*\r?\n)*TIMESTAMP_START,TIMESTAMP_END,/.test(decodeText(head)) ? 1 : 0),
  reader: (resume) => new AmerifluxReader(resume),
};
