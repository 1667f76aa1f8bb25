import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { amerifluxFormat } from '../../../src/formats/ameriflux/ameriflux-format.ts';
import { genericCsvFormat } from '../../../src/formats/generic-csv/generic-csv-format.ts';
import { hoboBinaryFormat } from '../../../src/formats/hobo-binary/hobo-binary-format.ts';
import { hoboconnectFormat } from '../../../src/formats/hoboconnect/hoboconnect-format.ts';
import { minidotFormat } from '../../../src/formats/minidot/minidot-format.ts';
import type { RecordFormat } from '../../../src/formats/record-stream.ts';
import { seabirdCnvFormat } from '../../../src/formats/seabird-cnv/seabird-cnv-format.ts';
import { solinstXleFormat } from '../../../src/formats/solinst-xle/solinst-xle-format.ts';
import { bytesOf, latin1, readGrowing, readWhole } from '../../unit/formats/reading.ts';
import { damaged, expectSound } from './reader-soundness.ts';

/** What no input may break in the other instruments' formats: no exception, ranges that follow each other, records that fit their table, the same items in whatever pieces the file comes. */

const cnv = [
  "* Sea-Bird SBE 19 Data File:\n* <HardwareData SerialNumber='7'>\n** Station: 5\n# nquan = 3\n# name 0 = timeJ: Julian Days\n",
  '# name 1 = t090C: Temperature [ITS-90, deg C]\n# name 2 = flag: flag\n# interval = seconds: 1\n# start_time = Dec 31 2015 08:26:04\n',
  '# bad_flag = -9.990e-29\n*END*\n 365.500000    12.1234 0.0000e+00\n   1.500000-1234567.89-9.990e-29\n   2.500000    12.1234 0.0000e+00\n',
].join('');
const counted = cnv.replace('timeJ', 'prdM').replace('0.0000e+00\n ', 'x\n ');

const xle = [
  '<?xml version="1.0"?>\n<Body_xle>\n<Instrument_info><Serial_number>7</Serial_number></Instrument_info>\n',
  '<Ch1_data_header><Identification>LEVEL</Identification><Unit>m</Unit></Ch1_data_header>\n<Data>\n',
  '<Log id="1"><Date>2019/11/20</Date><Time>12:00:00</Time><ch1>3.77</ch1></Log>\n<Log id="2"><Date>2019/11/20</Date><Time>12:05:00</Time><ch1/></Log>\n',
  '</Data>\n</Body_xle>\n',
].join('');

const files: [name: string, format: RecordFormat, text: string][] = [
  [
    'miniDOT',
    minidotFormat,
    '7392-354869\nOS REV: 1.11 Sensor Cal: 151\nTime (sec),  BV (Volts),  Q ()\n1576250220,+3.49,+1\n1576250280,+3.5,\n7392-1\nOS REV: 2\nTime (sec), T (deg C)\n1,2\n',
  ],
  [
    'AmeriFlux',
    amerifluxFormat,
    '# Site: US-CRT,,\n# Version: 2-5,,\nTIMESTAMP_START,TIMESTAMP_END,TA\n201101010000,201101010030,-9999\n201101010030,201101010100,1.5\nTIMESTAMP_START,TIMESTAMP_END,P\n201101010000,201101010030,1\n',
  ],
  [
    'HOBOconnect',
    hoboconnectFormat,
    '\ufeff#,Date-Time (EST),Temp (°C) (W 22124011),"Temp (X 22118267), °C"\r\n1,01/02/2025 23:50:02,1,2\r\n2,01/03/2025 00:00:02,,2\r\n3,31/03/2025 00:00:02,1,\r\n4,01/31/2025 00:00:02,1,2\r\n',
  ],
  ['HOBOconnect without a date that settles', hoboconnectFormat, '#,Date-Time (GMT),T\n1,01/02/2025 23:50:02,1\n2,01/02/2025 23:55:02,1\n'],
  ['Sea-Bird', seabirdCnvFormat, cnv + cnv.replace('Station: 5', 'Station: 6')],
  ['Sea-Bird with rows that are counted', seabirdCnvFormat, counted],
  ['XLE', solinstXleFormat, xle],
  ['.hobo', hoboBinaryFormat, 'HOBO\u0088\x05\x02AB\u0088\x08\x04\0\0\0\x05\u0088\x07\x07\x14\x18\x05\x06\x01\x02\x03data\u0088\0\0'],
  ['CSV with ISO times', genericCsvFormat, '# by hand\ntime (UTC),T [K],\n2024-05-06T07:08:09.5+02:00,1.5,\n2024-05-06 07:08,2,\n'],
  [
    'CSV with other dates',
    genericCsvFormat,
    'a;b;c\n01/02/2024;11:50:00 PM;1,5\n02/02/2024;12:00 AM;2\n31/02/2024;1:00;2\n31/03/2024;1:00;3\n',
  ],
];

const formats = [...new Set(files.map(([, format]) => format))];

/** Bytes that mean something in these formats. */
const alphabet = '\0\0\r\n\n",,;\t#*=<>"0129/.:- AMPGT\x01\x88\xb0\xff\xef';

describe.each(files)('reading %s', (_, format, text) => {
  const bytes = format === hoboBinaryFormat ? latin1(text) : bytesOf(text);

  it('is sound when the file is cut at any byte, and complete', () => {
    for (let length = 0; length <= bytes.length; length++) expectSound(readWhole(format, bytes.subarray(0, length)), length);
  });

  it('is sound when the file is cut at any byte, and still growing', () => {
    const whole = readWhole(format, bytes);
    for (let length = 0; length <= bytes.length; length++) {
      const reader = format.reader();
      const items = [...reader.push(bytes.subarray(0, length)), ...reader.end({ complete: false })];
      expectSound(items, reader.position().offset);
      expect(items).toEqual(whole.slice(0, items.length));
    }
  });

  it('is sound whatever happened to the file, and the same in pieces and as it grew', () => {
    for (let seed = 1; seed <= 250; seed++) {
      const random = seededRandom(seed);
      const broken = damaged(bytes, random, alphabet);
      try {
        const whole = readWhole(format, broken);
        expectSound(whole, broken.length);
        expect(readWhole(format, broken, 1 + random.below(100))).toEqual(whole);
        const lengths = Array.from({ length: 3 }, () => random.below(broken.length + 1)).sort((a, b) => a - b);
        expect(readGrowing(format, broken, lengths)).toEqual(whole);
      } catch (error) {
        throw new Error(`with seed ${seed}`, { cause: error });
      }
    }
  });

  it('never takes bytes for more than certain', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const confidence = format.sniff(damaged(bytes, seededRandom(seed), alphabet).subarray(0, 4096), 'x.cnv');
      expect(confidence >= 0 && confidence <= 1).toBe(true);
    }
  });

  it('is the task of this format alone', () => {
    const confidences = formats.filter((each) => each.sniff(bytes, 'x') > 0.1);
    if (format !== genericCsvFormat) expect(confidences).toEqual([format]);
    else expect(confidences).toEqual([]);
  });
});

describe.each(formats)('reading arbitrary bytes as $id', (format) => {
  it('is sound', () => {
    const ours = files.filter(([, each]) => each === format).flatMap(([, , text]) => text.split(/(?<=\n)|(?<=,)/));
    const pieces = fc.constantFrom(...ours, '\n', ',', '"', '\0\0', '2021-06-18 20:00:00', 'a');
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(pieces, { maxLength: 60 }).map((parts) => (format === hoboBinaryFormat ? latin1 : bytesOf)(parts.join(''))),
    );
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 50 }), (bytes, pushBytes) => {
        const whole = readWhole(format, bytes);
        expectSound(whole, bytes.length);
        expect(readWhole(format, bytes, pushBytes)).toEqual(whole);
      }),
      { seed: 20250104, numRuns: 600 },
    );
  });
});
