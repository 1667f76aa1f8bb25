import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { localMicroseconds } from '../civil-time.ts';
import { distinctNames } from '../distinct-names.ts';
import { decimalPoint } from '../hoboware-csv/decimal-point.ts';
import type { Cell, FieldDefinition, TableDefinition } from '../record-stream.ts';
import { type XleDefectCode, xleDefects } from './defects.ts';

/**
 * What the elements of an XLE file say.
 *
 * The file is XML of a very regular kind: sections of elements that hold text, `Instrument_info`, `Instrument_info_data_header` and `Ch1_data_header` and up, then `Data` with a `Log` for
 * each measurement. Only that is understood: elements that hold text, one level within a section.
 */

/** Channels at most; loggers have three. */
const channelsMax = 64;

/**
 * Settings that stay the same from one download of a deployment to the next, by the names of their elements (`Longtitude` is spelled so). Battery, times of download and counts of
 * measurements are left out: with them every download would be a table of its own.
 */
const settings = ['Project_ID', 'Latitude', 'Longtitude', 'Firmware', 'Sample_mode', 'Start_time'];

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|([a-z]{2,4}));/g, (whole: string, code?: string, name?: string) => {
    if (code !== undefined) return Number(code) >= 0x20 && Number(code) <= 0x10ffff ? String.fromCodePoint(Number(code)) : whole;
    return Object.hasOwn(entities, name ?? '') ? (entities[name ?? ''] as string) : whole;
  });
}

/** Texts of the elements in a piece of XML, by name; the first of a name counts. Empty elements have empty texts. */
function textByName(xml: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [, name = '', text = '', closing, empty] of xml.matchAll(/<(\w{1,64})>([^<]*)<\/(\w{1,64})>|<(\w{1,64}) ?\/>/g)) {
    const key = empty ?? name;
    if ((empty === undefined && closing !== name) || texts.has(key)) continue;
    texts.set(key, unescaped(text).trim());
  }
  return texts;
}

/** What stands within the first element of a name, empty when there is none. */
function section(xml: string, name: string): string {
  const from = xml.indexOf(`<${name}>`);
  const to = xml.indexOf(`</${name}>`, from);
  return from < 0 || to < 0 ? '' : xml.slice(from + name.length + 2, to);
}

function hasControls(xml: string): boolean {
  for (let at = 0; at < xml.length; at++) {
    const code = xml.charCodeAt(at);
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return true;
  }
  return false;
}

function refused(code: XleDefectCode): Outcome<TableDefinition> {
  return failure(code, 'instrument', xleDefects[code].message);
}

/**
 * The table that the sections before the measurements define, one field for each channel.
 *
 * Station and table have the name of the location. Attributes are the settings as found, and `sampleIntervalSeconds`, for which the file has hundredths of seconds (`Sample_rate`).
 */
export function parseXleHeader(xml: string): Outcome<TableDefinition> {
  if (!/<Body_xle[\s>]/.test(xml)) return refused('XLE_NOT_XLE');
  if (hasControls(xml)) return refused('XLE_HEADER_MALFORMED');
  const instrument = textByName(section(xml, 'Instrument_info'));
  const deployment = textByName(section(xml, 'Instrument_info_data_header'));
  const channels: ReadonlyMap<string, string>[] = [];
  for (let channel = 1; channel <= channelsMax; channel++) {
    const texts = textByName(section(xml, `Ch${channel}_data_header`));
    if (texts.size === 0) break;
    channels.push(texts);
  }
  if (channels.length === 0) return refused('XLE_HEADER_MALFORMED');
  const names = distinctNames(channels.map((texts) => texts.get('Identification') ?? ''));
  const fields = channels.map(
    (texts, index): FieldDefinition => ({
      name: names[index] as string,
      unit: texts.get('Unit') ?? '',
      processing: '',
      kind: 'number',
    }),
  );
  const attributes: Record<string, string> = {};
  for (const name of settings) {
    const text = deployment.get(name) ?? instrument.get(name) ?? '';
    if (text !== '') attributes[name] = text;
  }
  const sampleRate = deployment.get('Sample_rate') ?? '';
  if (/^\d{1,12}$/.test(sampleRate)) attributes.sampleIntervalSeconds = String(Number(sampleRate) / 100);
  const model = [instrument.get('Instrument_type'), instrument.get('Model_number')].filter((text) => text).join(' ');
  const station = deployment.get('Location') ?? '';
  return success({
    format: 'solinst-xle',
    station,
    table: station,
    model,
    serial: instrument.get('Serial_number') ?? '',
    attributes,
    fields,
  });
}

/**
 * What a `Log` says: its time, which is in the zone of the computer that started the logger and has no offset, and its values.
 *
 * @param xml the element, which has at most `limits.instrumentLineBytesMax` bytes
 * @param channels fields of the table
 * @returns `undefined` when it has no usable date and time or not one value for each channel
 */
export function parseXleLog(xml: string, channels: number): { localUs: number; cells: Cell[] } | undefined {
  if (hasControls(xml) || xml.length > limits.instrumentLineBytesMax) return undefined;
  const texts = textByName(xml);
  const [, year, month, day] = /^(\d{4})[/-](\d\d)[/-](\d\d)$/.exec(texts.get('Date') ?? '') ?? [];
  const [, hour, minute, second] = /^(\d\d):(\d\d):(\d\d)$/.exec(texts.get('Time') ?? '') ?? [];
  const [milliseconds] = /^\d{1,3}$/.exec(texts.get('ms') || '0') ?? [];
  const microsecond = Number(milliseconds) * 1000;
  if (milliseconds === undefined || hour === undefined) return undefined;
  const localUs = localMicroseconds(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), microsecond);
  if (localUs === undefined || texts.has(`ch${channels + 1}`)) return undefined;
  const cells: Cell[] = [];
  for (let channel = 1; channel <= channels; channel++) {
    const text = texts.get(`ch${channel}`);
    if (text === undefined) return undefined;
    cells.push(text === '' ? null : decimalPoint(text, true));
  }
  return { localUs, cells };
}
