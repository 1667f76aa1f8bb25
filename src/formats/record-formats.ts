import { amerifluxFormat } from './ameriflux/ameriflux-format.ts';
import { csijsonFormat } from './csijson/csijson-format.ts';
import { csixmlFormat } from './csixml/csixml-format.ts';
import { genericCsvFormat } from './generic-csv/generic-csv-format.ts';
import { gpxFormat } from './gpx/gpx-format.ts';
import { hoboBinaryFormat } from './hobo-binary/hobo-binary-format.ts';
import { hoboconnectFormat } from './hoboconnect/hoboconnect-format.ts';
import { hoboconnectXlsxFormat } from './hoboconnect-xlsx/hoboconnect-xlsx-format.ts';
import { hobowareCsvFormat } from './hoboware-csv/hoboware-csv-format.ts';
import { keptWholeFormats } from './kept-whole/kept-whole-formats.ts';
import { minidotFormat } from './minidot/minidot-format.ts';
import { mixedArrayFormat } from './mixed-array/mixed-array-format.ts';
import type { RecordFormat } from './record-stream.ts';
import { seabirdCnvFormat } from './seabird-cnv/seabird-cnv-format.ts';
import { solinstXleFormat } from './solinst-xle/solinst-xle-format.ts';
import { toa5Format } from './toa5/toa5-format.ts';
import { toaci1Format } from './toaci1/toaci1-format.ts';
import { tob1Format } from './tob1/tob1-format.ts';
import { tob3Format } from './tob3/tob3-format.ts';

/** Every format that instruments' files are recognised in. Which one a file is of is decided by its bytes, not by this order. */
export const recordFormats: readonly RecordFormat[] = [
  toa5Format,
  tob1Format,
  tob3Format,
  toaci1Format,
  mixedArrayFormat,
  csixmlFormat,
  csijsonFormat,
  hobowareCsvFormat,
  hoboconnectFormat,
  hoboconnectXlsxFormat,
  hoboBinaryFormat,
  seabirdCnvFormat,
  solinstXleFormat,
  minidotFormat,
  amerifluxFormat,
  genericCsvFormat,
  gpxFormat,
  ...keptWholeFormats,
];
