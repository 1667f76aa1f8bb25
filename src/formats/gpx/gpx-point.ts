import { parseIsoStamp } from '../generic-csv/iso-stamp.ts';
import type { FieldDefinition, LocalStamp, TableDefinition } from '../record-stream.ts';
import type { GpxDefectCode } from './defects.ts';

/**
 * What the elements of a GPX file say (GPX 1.1 schema, topografix.com/GPX/1/1; 1.0 has the same points).
 *
 * Positions are WGS 84, heights metres above mean sea level, times UTC by the schema; programs that write another offset say so in the time.
 */

/** Kinds of points, by their elements: of a track, of a route, and marked by itself. */
export const pointNames = ['trkpt', 'rtept', 'wpt'] as const;

const number = (name: string, unit: string): FieldDefinition => ({ name, unit, processing: '', kind: 'number' });
const text = (name: string): FieldDefinition => ({ name, unit: '', processing: '', kind: 'text' });
const fields: readonly FieldDefinition[] = [
  number('Latitude', 'deg'),
  number('Longitude', 'deg'),
  number('AltitudeSea', 'm'),
  number('GeoidSeparation', 'm'),
  text('Fix'),
  number('Satellites', ''),
  number('HDOP', ''),
  number('VDOP', ''),
  number('PDOP', ''),
  text('Kind'),
  text('Name'),
];
/** Elements of a point that go into the fields behind the longitude, in their order. */
const elements = ['ele', 'geoidheight', 'fix', 'sat', 'hdop', 'vdop', 'pdop'] as const;

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(escaped: string): string {
  return escaped.replaceAll(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => entities[name] as string).trim();
}

/** An attribute of a tag; empty where it has none. */
function attribute(tag: string, name: string): string {
  const [, double, single = ''] = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"<]*)"|'([^'<]*)')`).exec(tag) ?? [];
  return unescaped(double ?? single);
}

/** The table that a tag `<gpx …>` begins: the points of one file are one table of whatever program wrote it. */
export function gpxTable(tag: string): TableDefinition {
  const creator = attribute(tag, 'creator');
  const version = attribute(tag, 'version');
  const attributes = { datum: 'WGS 84', ...(version === '' ? {} : { gpxVersion: version }) };
  return { format: 'gpx', station: creator, table: 'points', model: creator, serial: '', attributes, fields };
}

/** What a point says, or why it cannot be used. */
export type GpxPoint = { readonly stamp: LocalStamp; readonly cells: readonly (string | null)[] } | GpxDefectCode;

function isWithin(degrees: string, limit: number): boolean {
  return /^[+-]?\d{1,3}(?:\.\d{0,32})?$/.test(degrees) && Math.abs(Number(degrees)) <= limit;
}

/** In one pass: a point may be nothing but such tags, and none of them closed. */
function withoutExtensions(xml: string): string {
  const [opening, closing] = ['<extensions>', '</extensions>'];
  let own = '';
  let from = 0;
  for (let at = xml.indexOf(opening); at >= 0; at = xml.indexOf(opening, from)) {
    const end = xml.indexOf(closing, at);
    if (end < 0) break;
    own += xml.slice(from, at);
    from = end + closing.length;
  }
  return own + xml.slice(from);
}

/** @param xml the element from its first tag to its last */
export function parseGpxPoint(xml: string): GpxPoint {
  const tag = xml.slice(0, xml.indexOf('>') + 1);
  const [latitude, longitude] = [attribute(tag, 'lat'), attribute(tag, 'lon')];
  if (!isWithin(latitude, 90) || !isWithin(longitude, 180)) return 'GPX_BAD_POINT';
  // What programs add under `extensions` may have elements of the same names.
  const own = withoutExtensions(xml);
  const element = (name: string): string | undefined => {
    const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(own)?.[1];
    return found === undefined ? undefined : unescaped(found);
  };
  const time = element('time');
  if (time === undefined || time === '') return 'GPX_POINT_WITHOUT_TIME';
  const stamp = parseIsoStamp(time);
  if (stamp === undefined) return 'GPX_BAD_POINT';
  const cell = (name: string): string | null => element(name) || null;
  const kind = /^<(\w+)/.exec(tag)?.[1] ?? null;
  const cells = [latitude, longitude, ...elements.map(cell), kind, cell('name')];
  return { stamp: { offsetMinutes: 0, ...stamp }, cells };
}
