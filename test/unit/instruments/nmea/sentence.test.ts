import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../../../src/core/bytes.ts';
import { seededRandom } from '../../../../src/core/random.ts';
import { decodeSentence, encodeSentence, SentenceFinder, sentenceBytes } from '../../../../src/instruments/nmea/sentence.ts';
import {
  angleField,
  dateField,
  dateFields,
  nearestInstant,
  numberField,
  timeOfDayField,
  withoutRollover,
} from '../../../../src/instruments/nmea/sentence-fields.ts';

const samples = new URL('../../../../../shared/samples/nmea/', import.meta.url);
const hasSamples = existsSync(samples);
if (!hasSamples) console.warn('NMEA logs are not read: the folder of samples is not beside the repository');

/** The example of many receivers' manuals. */
const gga = '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47';

const ends: [string, string][] = [
  ['nothing', ''],
  ['no checksum', '$GPGGA,123519'],
  ['no address', encodeSentence('', ['1'])],
  ['a short address', encodeSentence('GPGG', ['1'])],
  ['text behind', `${gga} `],
  ['two stars', `$GPGGA,1*2*${'00'}`],
];

describe('a sentence', () => {
  test('has talker, type and fields', () => {
    expect(decodeSentence(gga)).toMatchObject({ ok: true, value: { talker: 'GP', type: 'GGA', text: gga } });
    const decoded = decodeSentence(gga);
    expect(decoded.ok && decoded.value.fields.slice(0, 5)).toEqual(['123519', '4807.038', 'N', '01131.000', 'E']);
    expect(encodeSentence('GPGGA', '123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,'.split(','))).toBe(gga);
  });

  test('of a maker is one of its own name', () => {
    expect(decodeSentence(encodeSentence('PGRME', ['15.0', 'M']))).toMatchObject({ ok: true, value: { talker: 'P', type: 'GRME' } });
  });

  test.each(ends)('with %s is NMEA_MALFORMED', (_, text) => {
    expect(decodeSentence(text)).toMatchObject({ ok: false, fault: { code: 'NMEA_MALFORMED', blame: 'instrument' } });
  });

  test('with any flipped bit is refused', () => {
    for (let bit = 0; bit < gga.length * 7; bit++) {
      const at = Math.floor(bit / 7);
      const flipped = gga.slice(0, at) + String.fromCharCode(gga.charCodeAt(at) ^ (1 << (bit % 7))) + gga.slice(at + 1);
      // The two letters of a checksum may be small.
      if (flipped.toUpperCase() !== gga) expect(decodeSentence(flipped).ok).toBe(false);
    }
    expect(decodeSentence(gga.replace('*47', '*48'))).toMatchObject({ fault: { code: 'NMEA_CHECKSUM' } });
  });

  test('that is longer than any is refused', () => {
    expect(decodeSentence(encodeSentence('GPTXT', ['x'.repeat(300)]))).toMatchObject({ fault: { code: 'NMEA_MALFORMED' } });
    expect(decodeSentence(encodeSentence('GPTXT', new Array(70).fill('')))).toMatchObject({ fault: { code: 'NMEA_MALFORMED' } });
  });
});

describe('a stream', () => {
  const bytes = concatBytes(
    utf8('# comment\n'),
    Uint8Array.of(0xa0, 0xa2, 0x24, 0x00),
    utf8('$GPGGA,12'),
    sentenceBytes([gga]),
    utf8('!AIVDM,1*00\r'),
    sentenceBytes([gga]),
  );

  test('cut anywhere gives the same sentences and counts, whatever else it holds', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const finder = new SentenceFinder();
      const found = [...finder.push(bytes.subarray(0, cut)), ...finder.push(bytes.subarray(cut))];
      expect(found.map(({ text }) => text)).toEqual([gga, gga]);
      expect(finder.counts).toEqual({ sentences: 2, damaged: 3 });
    }
  });

  test('that ends anywhere gives only whole sentences', () => {
    for (let length = 0; length < bytes.length; length++) {
      const finder = new SentenceFinder();
      for (const { text } of finder.push(bytes.subarray(0, length))) expect(text).toBe(gga);
    }
  });

  test('of noise gives nothing, and holds less than a sentence', () => {
    const random = seededRandom(31);
    const finder = new SentenceFinder();
    for (let i = 0; i < 2000; i++) {
      const noise = random.bytes(random.below(200)).map((byte) => (byte < 128 ? byte : 0x20 + (byte & 0x3f)));
      expect(finder.push(noise)).toEqual([]);
    }
    expect(finder.push(concatBytes(utf8('\n'), sentenceBytes([gga])))).toHaveLength(1);
  });
});

describe.skipIf(!hasSamples && process.env.CI !== 'true')('a real log', () => {
  test.each([
    ['GPSmap-76S.log', 151, 0],
    // Damaged: an exclamation mark and a dollar sign in the comments, and in two logs of binary messages.
    ['garmin48.log', 91, 2],
    ['pypilot.log', 29, 1],
    ['sounder.log', 244, 0],
    ['bu303-climbing.log', 0, 35],
    ['bu303-nofix.log', 0, 0],
  ])('%s holds %i sentences and %i pieces that only begin like one', (name, sentences, damaged) => {
    const finder = new SentenceFinder();
    finder.push(readFileSync(new URL(name, samples)));
    expect(finder.counts).toEqual({ sentences, damaged });
  });
});

describe('a field', () => {
  test('is a number or nothing', () => {
    expect(['1', '-0.5', '.5', '7.', '', 'x', '1e5', undefined].map(numberField)).toEqual([
      1,
      -0.5,
      0.5,
      7,
      ...new Array(4).fill(undefined),
    ]);
  });

  test('of degrees and minutes is an angle within the globe', () => {
    expect(angleField('4807.038', 'N')).toBeCloseTo(48.1173, 10);
    expect(angleField('01131.000', 'W')).toBeCloseTo(-11.516666666, 8);
    expect(angleField('9000.000', 'S')).toBe(-90);
    expect(angleField('18000', 'E')).toBe(180);
    for (const [text, letter] of [
      ['9000.001', 'N'],
      ['18000.1', 'W'],
      ['4860.0', 'N'],
      ['48', 'N'],
      ['4807', 'X'],
      ['', 'N'],
      ['4807', ''],
    ]) {
      expect(angleField(text, letter)).toBeUndefined();
    }
  });

  test('of time and date is an instant, a leap second that of the next minute', () => {
    expect(timeOfDayField('123519.25')).toBe(45_319_250_000);
    expect(timeOfDayField('235960')).toBe(86_400_000_000);
    expect(['', '1235', '246000', '126000', '120061', undefined].map(timeOfDayField)).toEqual(new Array(6).fill(undefined));
    expect(dateField('230394')).toBe(Date.UTC(1994, 2, 23) * 1000);
    expect(dateFields('2026', '07', '01')).toBe(Date.UTC(2026, 6, 1) * 1000);
    expect([dateField('310226'), dateField(''), dateFields('26', '', '1')]).toEqual([undefined, undefined, undefined]);
  });

  test('of time without a date is the nearest one, across midnight', () => {
    const midnight = Date.UTC(2026, 6, 2) * 1000;
    expect(nearestInstant(1_000_000, midnight - 5_000_000)).toBe(midnight + 1_000_000);
    expect(nearestInstant(86_399_000_000, midnight + 5_000_000)).toBe(midnight - 1_000_000);
  });

  test('of a receiver that is whole rounds of 1024 weeks behind is repaired, and no other', () => {
    const nowMs = Date.UTC(2026, 6, 1, 12);
    const rolloverUs = 1024 * 7 * 86_400 * 1_000_000;
    expect(withoutRollover(nowMs * 1000 - 2 * rolloverUs + 5e6, nowMs)).toBe(nowMs * 1000 + 5e6);
    expect(withoutRollover(nowMs * 1000 - rolloverUs + 3 * 86_400e6, nowMs)).toBe(nowMs * 1000 - rolloverUs + 3 * 86_400e6);
    // The node's clock is the one that is behind: the receiver's word stands.
    expect(withoutRollover(nowMs * 1000, nowMs - rolloverUs / 1000)).toBe(nowMs * 1000);
  });
});
