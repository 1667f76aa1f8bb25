import { failure, type Outcome, success } from '../../core/outcome.ts';
import { localMicroseconds } from '../civil-time.ts';
import { decodeText } from '../csv-row.ts';
import type { TableDefinition } from '../record-stream.ts';
import { type HoboBinaryDefectCode, hoboBinaryDefects } from './defects.ts';

/**
 * The header of a `.hobo` file: `HOBO`, then settings of the form 0x88, tag, length, value, in big-endian order.
 *
 * Onset has not published the format. The meaning of the tags below was found by comparing files with what HOBOware shows of them; tags that are not listed are passed over. The header ends
 * where the data begin, which one tag says, or where something else than 0x88 stands.
 */

/** Bytes of a header at most; known ones have less than 2 KB. */
export const hoboHeaderBytesMax = 65_536;

const magic = [0x48, 0x4f, 0x42, 0x4f];
const mark = 0x88;
const dataOffsetTag = 0x0d;

/** How a value is written. */
type ValueForm = 'text' | 'unsigned' | 'signed' | 'time';

/** The settings that are known, by tag. */
const settings: ReadonlyMap<number, { readonly name: string; readonly form: ValueForm }> = new Map([
  [0x04, { name: 'manufacturer', form: 'text' }],
  [0x05, { name: 'model', form: 'text' }],
  [0x06, { name: 'serial', form: 'text' }],
  [0x07, { name: 'launched', form: 'time' }],
  [0x08, { name: 'intervalSeconds', form: 'unsigned' }],
  [0x09, { name: 'startDelaySeconds', form: 'unsigned' }],
  [0x0a, { name: 'name', form: 'text' }],
  [0x12, { name: 'zoneOffsetSeconds', form: 'signed' }],
  [0x14, { name: 'zone', form: 'text' }],
  [0x34, { name: 'software', form: 'text' }],
]);

/** True when bytes begin like a `.hobo` file. Fewer than five bytes never do. */
export function beginsHobo(bytes: Uint8Array): boolean {
  return magic.every((byte, index) => bytes[index] === byte) && bytes[magic.length] === mark;
}

/** Where the header ends, `undefined` until more bytes are there. The bytes begin with the file. */
export function hoboHeaderEnd(bytes: Uint8Array): number | undefined {
  let dataOffset = Number.POSITIVE_INFINITY;
  let at = magic.length;
  while (at < dataOffset) {
    if (at >= bytes.length) return undefined;
    if (bytes[at] !== mark) return at;
    const [tag, length] = [bytes[at + 1], bytes[at + 2]];
    if (length === undefined || at + 3 + length > bytes.length) return undefined;
    if (tag === dataOffsetTag && length === 4) {
      const offset = unsigned(bytes.subarray(at + 3, at + 7));
      if (offset > at) dataOffset = offset;
    }
    at += 3 + length;
  }
  return at;
}

/**
 * The table that a header describes. It has no fields, because the values are not read.
 *
 * Station and table have the name of the deployment. Attributes are the other settings: `launched` in the zone that `zoneOffsetSeconds` (seconds east of UTC) and `zone` state, both as set on
 * the computer that launched the logger.
 *
 * @param bytes the header, from the beginning of the file
 */
export function parseHoboHeader(bytes: Uint8Array): Outcome<TableDefinition> {
  const found: Record<string, string> = {};
  for (let at = magic.length; at + 3 <= bytes.length; ) {
    const length = bytes[at + 2] as number;
    const setting = settings.get(bytes[at + 1] as number);
    const value = bytes.subarray(at + 3, at + 3 + length);
    const text = setting && settingText(setting.form, value);
    if (setting && text) found[setting.name] ??= text;
    at += 3 + length;
  }
  const { model = '', serial = '', name = '', ...attributes } = found;
  if (model === '') {
    const code: HoboBinaryDefectCode = 'HOBO_HEADER_MALFORMED';
    return failure(code, 'instrument', hoboBinaryDefects[code].message);
  }
  return success({ format: 'hobo-binary', station: name, table: name, model, serial, attributes, fields: [] });
}

function settingText(form: ValueForm, value: Uint8Array): string | undefined {
  if (form === 'text') {
    const printable = value.filter((byte) => byte >= 0x20 && byte !== 0x7f);
    return decodeText(printable).trim();
  }
  if (form === 'time') return timeText(value);
  if (value.length !== 4) return undefined;
  const number = unsigned(value);
  return String(form === 'signed' ? number | 0 : number);
}

/** Century, year, month, day, hour, minute, second, a byte each; `undefined` when they are no such time. */
function timeText(value: Uint8Array): string | undefined {
  const [century = 0, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = value;
  if (localMicroseconds(century * 100 + year, month, day, hour, minute, second, 0) === undefined) return undefined;
  const two = (number: number) => String(number).padStart(2, '0');
  return `${two(century)}${two(year)}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}`;
}

function unsigned(value: Uint8Array): number {
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}
