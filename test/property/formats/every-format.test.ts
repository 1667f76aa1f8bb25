import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { recordFormats } from '../../../src/formats/record-formats.ts';
import { hobowareCsvText, toa5Text } from '../../../src/simulation/logger-files.ts';
import { csijsonText, csixmlText, toaci1Text, tob1File, tob3Frame, tob3Header, tob3Residue } from '../../unit/formats/campbell-files.ts';
import { exportOf } from '../../unit/formats/hoboconnect-xlsx/xlsx-files.ts';
import { bytesOf, itemsOf, latin1, readGrowing, readWhole } from '../../unit/formats/reading.ts';
import { damaged, expectSound } from './reader-soundness.ts';

/**
 * What no file may break in any format that files are recognised in: no exception, ranges that follow each other, records that fit their table, the same items in whatever pieces the file comes, and a position that stays
 * small. The formats come from the registry; one without an example here fails.
 */

const firstLocalUs = Date.UTC(2023, 4, 1, 23) * 1000;
const xleLog = (id: number, value: string) => `<Log id="${id}"><Date>2019/11/20</Date><Time>12:0${id}:00</Time><ch1>${value}</ch1></Log>\n`;
const gpxPoint = (minute: number, kind = 'trkpt') =>
  `<${kind} lat="57.0${minute}" lon='9.9'>\n<ele>2${minute}.5</ele><time>2015-12-11T15:4${minute}:13.994+01:00</time><hdop>1.5</hdop>` +
  `<extensions><time>no</time></extensions></${kind}>\n`;

/** A small file of each format, by its identifier. */
const examples: Readonly<Record<string, Uint8Array>> = {
  toa5: bytesOf(
    toa5Text({ station: 'Ridge', table: 'Ten', firstLocalUs, intervalUs: 6e8, firstRecord: 1, seed: 3, rows: 4, withHeader: true }),
  ),
  tob1: concatBytes(tob1File(4)),
  tob3: concatBytes(tob3Header(), tob3Frame(0), tob3Frame(4), tob3Residue(1)),
  toaci1: bytesOf(toaci1Text(3)),
  'mixed-array': bytesOf('213,2010,48,2200,240.21,-.058\r\n111,2010,48,2400,-6999\r\n\r\n213,2010,49,1,240.2,.1\r\n213,2010,49\r\n'),
  csixml: bytesOf(csixmlText(3)),
  csijson: bytesOf(csijsonText(3)),
  'hoboware-csv': bytesOf(
    hobowareCsvText({ title: 'Creek', serial: '1', firstLocalUs, intervalUs: 6e8, rows: 8, seed: 5, dialect: 'with-events-and-details' }),
  ),
  hoboconnect: bytesOf(
    '\ufeff#,Date-Time (EST),T (°C)\r\n1,01/02/2025 23:50:02,1\r\n2,01/03/2025 00:00:02,\r\n4,01/31/2025 00:00:02,1\r\n',
  ),
  'hoboconnect-xlsx': exportOf(4),
  'hobo-binary': latin1('HOBO\u0088\x05\x02AB\u0088\x08\x04\0\0\0\x05\u0088\x07\x07\x14\x18\x05\x06\x01\x02\x03data\u0088\0\0'),
  'seabird-cnv': bytesOf(
    '* Sea-Bird SBE 19 Data File:\n# nquan = 2\n# name 0 = timeS: Time\n# name 1 = t090C: T\n# start_time = Dec 31 2015 08:26:04\n*END*\n 1.5 12.1\n 2.5 x\n',
  ),
  'solinst-xle': bytesOf(
    `<?xml version="1.0"?>\n<Body_xle>\n<Ch1_data_header><Identification>LEVEL</Identification></Ch1_data_header>\n<Data>\n${xleLog(1, '3.77')}${xleLog(2, '')}</Data>\n</Body_xle>\n`,
  ),
  minidot: bytesOf('7392-354869\nOS REV: 1.11 Sensor Cal: 151\nTime (sec),  BV (Volts),  Q ()\n1576250220,+3.49,+1\n1576250280,+3.5,\n'),
  ameriflux: bytesOf(
    '# Site: US-CRT,,\nTIMESTAMP_START,TIMESTAMP_END,TA\n201101010000,201101010030,-9999\n201101010030,201101010100,1.5\n',
  ),
  csv: bytesOf('# by hand\ntime (UTC),T [K]\n2024-05-06T07:08:09.5+02:00,1.5\n2024-05-06 07:08,2\n'),
  gpx: bytesOf(
    `<?xml version="1.0"?>\n<gpx version="1.1" creator="A &amp; B">\n<trk><trkseg>${gpxPoint(1)}${gpxPoint(2)}<trkpt lat="1" lon="2"/>${gpxPoint(3)}</trkseg></trk>${gpxPoint(4, 'wpt')}</gpx>\n`,
  ),
  hdf5: latin1('\x89HDF\r\n\x1a\n\0\0\0\0and so on'),
  'netcdf-classic': latin1('CDF\x01\0\0\0\0and so on'),
  'netcdf-cdl': bytesOf('// of a mooring\nnetcdf mooring {\ndimensions:\n time = 2 ;\n}\n'),
};

/** Bytes that mean something in some format. */
const alphabet = '\0\0\r\n\n",,;\t#*<>/={}[]:"0129.- AMPGT\x01\x89\xb0\xff\xef';

it('is held for every format of the registry, and for no other', () => {
  expect(Object.keys(examples).sort()).toEqual(recordFormats.map(({ id }) => id).sort());
});

describe.each(recordFormats)('reading $id', (format) => {
  const bytes = examples[format.id] as Uint8Array;

  it('gives rows, or says why not, of a file that is known as its own best', () => {
    const items = readWhole(format, bytes);
    const best = recordFormats.toSorted((a, b) => b.sniff(bytes.subarray(0, 4096), 'x') - a.sniff(bytes.subarray(0, 4096), 'x'))[0];
    expect(best?.id).toBe(format.id);
    if (format.id === 'hobo-binary') expect(itemsOf(items, 'table')).toHaveLength(1);
    else if (itemsOf(items, 'record').length === 0) expect(itemsOf(items, 'defect').map(({ scope }) => scope)).toEqual(['file']);
  });

  it('is sound when the file is cut at any byte, complete or still growing', () => {
    const whole = readWhole(format, bytes);
    for (let length = 0; length <= bytes.length; length++) {
      expectSound(readWhole(format, bytes.subarray(0, length)), length);
      const reader = format.reader();
      const items = [...reader.push(bytes.subarray(0, length)), ...reader.end({ complete: false })];
      expectSound(items, reader.position().offset);
      expect(items).toEqual(whole.slice(0, items.length));
    }
  });

  it('is sound whatever happened to the file, and the same in pieces and as it grew', () => {
    for (let seed = 1; seed <= 120; seed++) {
      const random = seededRandom(seed);
      const broken = damaged(bytes, random, alphabet);
      try {
        const whole = readWhole(format, broken);
        expectSound(whole, broken.length);
        expect(readWhole(format, broken, 1 + random.below(100))).toEqual(whole);
        const lengths = Array.from({ length: 3 }, () => random.below(broken.length + 1)).sort((a, b) => a - b);
        expect(readGrowing(format, broken, lengths)).toEqual(whole);
        const confidence = format.sniff(broken.subarray(0, 4096), 'x');
        expect(confidence >= 0 && confidence <= 1).toBe(true);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });

  it('ends of a long file of noise, with a position that is no longer than at first', () => {
    const random = seededRandom(7);
    const reader = format.reader();
    const piece = Uint8Array.from({ length: 64 * 1024 }, () => alphabet.charCodeAt(random.below(alphabet.length)));
    const sizes: number[] = [];
    let at = 0;
    for (let round = 0; round < 20; round++) {
      for (const { range } of [...reader.push(piece), ...(round === 19 ? reader.end({ complete: true }) : [])]) {
        expect(range.offset).toBe(at);
        at += range.length;
      }
      sizes.push(JSON.stringify({ ...reader.position(), offset: 0 }).length);
    }
    expect(at).toBe(20 * piece.length);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
  });
});
