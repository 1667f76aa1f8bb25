/**
 * Column headings of HOBOware exports.
 *
 * A heading is a name, a unit and properties, in one of three styles that are preferences of the exporting program: `Temp, °C (LGR S/N: 1, SEN S/N: 2, LBL: air)`, the same with fewer
 * properties or empty parentheses, and the "no quotes or commas" style `Temp (°C)  #2`.
 */

/** A heading taken apart. Parts that are not there are empty. */
export interface Heading {
  readonly name: string;
  readonly unit: string;
  readonly loggerSerial: string;
  readonly sensorSerial: string;
  readonly label: string;
}

/**
 * Names of columns that hold no values but the mark that something happened, in English and as the German program writes them, with the English name of what happened. `Host Connect` and
 * `EOF` are what files of older programs say.
 */
const eventNames: ReadonlyMap<string, string> = new Map([
  ['coupler attached', 'Coupler Attached'],
  ['coupler detached', 'Coupler Detached'],
  ['host connected', 'Host Connected'],
  ['host connect', 'Host Connected'],
  ['logged', 'Logged'],
  ['stopped', 'Stopped'],
  ['end of file', 'End Of File'],
  ['eof', 'End Of File'],
  ['button', 'Button'],
  ['button up', 'Button Up'],
  ['button down', 'Button Down'],
  ['bad battery', 'Bad Battery'],
  ['good battery', 'Good Battery'],
  ['low battery', 'Low Battery'],
  ['koppler verbunden', 'Coupler Attached'],
  ['koppler abgetrennt', 'Coupler Detached'],
  ['koppler getrennt', 'Coupler Detached'],
  ['host verbunden', 'Host Connected'],
  ['angehalten', 'Stopped'],
  ['dateiende', 'End Of File'],
  ['batterie defekt', 'Bad Battery'],
  ['batterie gut', 'Good Battery'],
]);

/** Takes a heading apart. Zero bytes, which some versions leave in names, are dropped. Never fails: what is not understood is part of the name. */
export function parseHeading(text: string): Heading {
  const { head, properties } = splitProperties(text.replaceAll('\0', '').trim());
  const { name, unit } = splitUnit(head);
  return {
    name,
    unit,
    loggerSerial: property(properties, 'LGR S/N:'),
    sensorSerial: property(properties, 'SEN S/N:'),
    label: property(properties, 'LBL:'),
  };
}

/**
 * The English name of the event that a column marks, or `undefined` for a column of values.
 *
 * Measurements have a unit. A heading without one is an event's when its name is known, or when it carries the logger's serial number and no sensor's: so HOBOware heads event columns
 * in every language. The name of an unknown event stays as written.
 */
export function eventName(heading: Heading): string | undefined {
  if (heading.unit !== '') return undefined;
  const known = eventNames.get(heading.name.toLowerCase());
  if (known) return known;
  return heading.loggerSerial !== '' && heading.sensorSerial === '' ? heading.name : undefined;
}

/**
 * Minutes east of UTC that a heading states as `GMT-06:00`, `GMT +01:00` or, in the style without colons, `GMT-06 00`; `undefined` when it states none.
 *
 * It is the setting of the exporting computer, fixed for the whole file: daylight saving time is not in it.
 */
export function zoneOffsetMinutes(text: string): number | undefined {
  const found = /GMT ?([+-])(\d{1,2})(?:[: ]?(\d{2}))?(?!\d)/.exec(text);
  if (!found) return undefined;
  const hours = Number(found[2]);
  const minutes = Number(found[3] ?? 0);
  if (hours > 14 || minutes > 59) return undefined;
  return (found[1] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

/** Cuts the properties off the end: a group of parentheses that holds serial numbers, a label or nothing, or `#` and a serial number. */
function splitProperties(text: string): { head: string; properties: string } {
  if (text.endsWith(')')) {
    const open = openingParenthesis(text);
    const inner = text.slice(open + 1, -1);
    if (open >= 0 && (inner.trim() === '' || inner.includes('S/N:') || inner.includes('LBL:'))) {
      return { head: text.slice(0, open).trim(), properties: inner };
    }
    return { head: text, properties: '' };
  }
  const mark = text.lastIndexOf('#');
  const serial = text.slice(mark + 1);
  if (mark > 0 && serial !== '' && !serial.includes(' ')) return { head: text.slice(0, mark).trim(), properties: `SEN S/N: ${serial}` };
  return { head: text, properties: '' };
}

/** Index of the parenthesis that the last character closes, -1 when there is none. */
function openingParenthesis(text: string): number {
  let depth = 0;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ')') depth++;
    else if (text[at] === '(' && --depth === 0) return at;
  }
  return -1;
}

function splitUnit(text: string): { name: string; unit: string } {
  const comma = text.lastIndexOf(', ');
  if (comma > 0) return { name: text.slice(0, comma).trim(), unit: text.slice(comma + 2).trim() };
  const open = text.endsWith(')') ? openingParenthesis(text) : -1;
  if (open > 0) return { name: text.slice(0, open).trim(), unit: text.slice(open + 1, -1).trim() };
  return { name: text, unit: '' };
}

/** The text behind a property's key, up to the next property. A label is the last one and may hold commas. */
function property(properties: string, key: string): string {
  const at = properties.indexOf(key);
  if (at < 0) return '';
  const rest = properties.slice(at + key.length);
  const end = key === 'LBL:' ? -1 : rest.indexOf(',');
  return (end < 0 ? rest : rest.slice(0, end)).trim();
}
