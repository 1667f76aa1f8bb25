import { decodeText } from '../csv-row.ts';
import type { DefectKind } from '../item-trail.ts';
import type { RecordFormat } from '../record-stream.ts';
import { KeptWholeReader } from './kept-whole-reader.ts';

/**
 * Files that are known, kept byte for byte and not read as series: containers of arrays, of which only whoever made them can say which array is an instrument's and which its time.
 *
 * Each is archived as every file of an instrument is, and set aside under its own name instead of as something unknown.
 */
interface KeptWhole {
  readonly id: string;
  /** How it begins; text where it is text. */
  readonly begins: (head: Uint8Array) => boolean;
  readonly code: string;
  readonly defect: DefectKind;
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, index) => head[index] === byte);
}

const notRead = (what: string): DefectKind => ({ scope: 'file', message: `${what} is kept as it is; its series are not read` });

const kinds: readonly KeptWhole[] = [
  {
    // HDF5 file format specification 3.0, section II.A: the signature at the beginning. Files with a block of the user's before it are not known by this.
    id: 'hdf5',
    begins: (head) => startsWith(head, [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]),
    code: 'HDF5_NOT_READ',
    defect: notRead('an HDF5 or NetCDF-4 file'),
  },
  {
    // NetCDF classic format specification: "CDF" and the version, 1, 2 or 5.
    id: 'netcdf-classic',
    begins: (head) => startsWith(head, [0x43, 0x44, 0x46]) && [1, 2, 5].includes(head[3] ?? 0),
    code: 'NETCDF_NOT_READ',
    defect: notRead('a NetCDF file of the classic form'),
  },
  {
    id: 'netcdf-cdl',
    begins: (head) => /^\ufeff?(?:\s|\/\/[^\n]*\n)*netcdf\s+[^\s{]+\s*\{/.test(decodeText(head)),
    code: 'CDL_NOT_READ',
    defect: notRead('the text form of a NetCDF file'),
  },
];

/** The formats of these files. */
export const keptWholeFormats: readonly RecordFormat[] = kinds.map(
  ({ id, begins, code, defect }): RecordFormat => ({
    id,
    sniff: (head) => (begins(head) ? 1 : 0),
    reader: (resume) => new KeptWholeReader(code, defect, resume),
  }),
);
