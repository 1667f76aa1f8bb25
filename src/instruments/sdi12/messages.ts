import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * What an SDI-12 recorder says and what sensors answer. Everything is printable text: a command is an address, letters and `!`; an answer is the address, its content, CR and LF.
 *
 *     aI!                       allccccccccmmmmmmvvvx…     identification: version of the standard, maker, model, version, the rest free
 *     aM! aM1!…aM9! (aMC…)      atttn                      n values will be ready in ttt seconds; the sensor may say `a` as soon as they are (service request)
 *     aC! aC1!…aC9! (aCC…)      atttnn                     the same without a service request; meanwhile others may be asked
 *     aD0!…aD9!                 a<values>[CRC]             the values of the measurement
 *     aR0!…aR9! (aRC…)          a<values>[CRC]             the values at this moment
 *
 * Source: SDI-12 Support Group, SDI-12 Specification V1.4, section 4.
 */

/** Characters of the longest answer, without CR and LF: the address, 75 characters of values and 3 of checksum. */
const answerCharactersMax = 79;
/** Values in one answer: each takes at least a sign and a digit. */
const valuesPerAnswerMax = 37;

/** What a sensor says of itself. */
export interface SensorIdentity {
  /** Version of the standard, for example `1.4`. */
  readonly standard: string;
  readonly vendor: string;
  readonly model: string;
  readonly version: string;
  /** What the maker adds, most often the serial number; empty where nothing. */
  readonly serial: string;
}

/** The promise of a measurement. */
export interface MeasurementPromise {
  /** Seconds until the values are ready, at most. */
  readonly waitSeconds: number;
  readonly valueCount: number;
}

/** The checksum of an answer: CRC-16, reversed polynomial 0xA001, beginning at 0, as three characters of six bits each (V1.4, section 4.4.12). */
export function sdi12Crc(text: string): string {
  let crc = 0;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return String.fromCharCode(0x40 | (crc >>> 12), 0x40 | ((crc >>> 6) & 0x3f), 0x40 | (crc & 0x3f));
}

/** True for a sensor's address: one digit or letter. */
export function isSensorAddress(text: string): boolean {
  return /^[0-9A-Za-z]$/.test(text);
}

/**
 * The content of an answer behind the address, with the checksum verified and taken off where there is to be one. Fails with `SDI12_MALFORMED`.
 *
 * @param line The answer without CR and LF.
 */
export function answerContent(address: string, line: string, hasCrc: boolean): Outcome<string> {
  if (line.length > answerCharactersMax) return malformed(address, 'a longer answer than there can be');
  if (!line.startsWith(address)) return malformed(address, 'an answer from another address, or a damaged one');
  // The bare address is what a sensor says that has nothing to say, with a checksum or without.
  if (!hasCrc || line === address) return success(line.slice(1));
  const text = line.slice(0, -3);
  if (text === '' || sdi12Crc(text) !== line.slice(-3)) return malformed(address, 'an answer with a wrong checksum');
  return success(text.slice(1));
}

/** What stands in the answer to `aI!`. Fails with `SDI12_MALFORMED`. */
export function decodeIdentity(address: string, content: string): Outcome<SensorIdentity> {
  const parts = /^(\d)(\d)([\x20-\x7e]{8})([\x20-\x7e]{6})([\x20-\x7e]{3})([\x20-\x7e]{0,13})$/.exec(content);
  if (parts === null) return malformed(address, 'an identification that is not one');
  const [, major, minor, vendor = '', model = '', version = '', serial = ''] = parts;
  return success({
    standard: `${major}.${minor}`,
    vendor: vendor.trim(),
    model: model.trim(),
    version: version.trim(),
    serial: serial.trim(),
  });
}

/** What stands in the answer to a command that starts a measurement; a concurrent one counts its values with two digits. Fails with `SDI12_MALFORMED`. */
export function decodePromise(address: string, content: string, isConcurrent: boolean): Outcome<MeasurementPromise> {
  if (!(isConcurrent ? /^\d{5}$/ : /^\d{4}$/).test(content)) return malformed(address, 'no promise of a measurement');
  return success({ waitSeconds: Number(content.slice(0, 3)), valueCount: Number(content.slice(3)) });
}

/** The values in an answer, each in the sensor's own digits, without a plus sign. An answer without values is an empty list. Fails with `SDI12_MALFORMED`. */
export function decodeValues(address: string, content: string): Outcome<string[]> {
  const values = content.match(/[+-](?:\d+\.?\d*|\.\d+)/g) ?? [];
  const isAll = values.reduce((sum, value) => sum + value.length, 0) === content.length;
  // A sign, at most seven digits and a point (V1.4, table 10).
  const areShort = values.every((value) => value.replace(/[^\d]/g, '').length <= 7);
  if (!isAll || !areShort || values.length > valuesPerAnswerMax) return malformed(address, 'values that are none');
  return success(values.map((value) => (value.startsWith('+') ? value.slice(1) : value)));
}

function malformed(address: string, what: string): Outcome<never> {
  return failure('SDI12_MALFORMED', 'instrument', `sensor ${address} was asked, and came ${what}`);
}
