import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import type { NmeaSentence } from './sentence.ts';
import { angleField, timeOfDayField } from './sentence-fields.ts';

/**
 * Which columns a sentence makes.
 *
 * A kind of sentence is a row of a table, named after talker and type (`SDDPT`): columns with unit, each from one field, in the talker's own digits. Where a sentence gives one quantity in three units, the
 * metric one is taken. Where a field says what the others mean (relative or true wind, the transducers of XDR), it is part of the table's name, so that every column has one meaning and one unit. A
 * sentence that is not listed here is kept as it is, in a table with a single column of text.
 *
 * Sources: NMEA 0183 4.10, section 6; E. S. Raymond, "NMEA Revealed", 2.23; the talkers of gpsd's test logs.
 */

/** A column that is a field as it stands. */
interface PlainColumn {
  readonly name: string;
  readonly unit: string;
  readonly at: number;
  readonly kind?: 'text';
}

/** A column that is a latitude or longitude: degrees and minutes in one field, the hemisphere in the next. */
interface AngleColumn {
  readonly name: string;
  readonly at: number;
  readonly kind: 'angle';
}

type Column = PlainColumn | AngleColumn;

const position = (at: number): Column[] => [
  { name: 'Latitude', at, kind: 'angle' },
  { name: 'Longitude', at: at + 2, kind: 'angle' },
];
const depth: readonly Column[] = [{ name: 'Depth', unit: 'm', at: 2 }];

/** Columns by type of sentence. `time` is the field with the time of day, where there is one. */
const layouts: Readonly<Record<string, { readonly time?: number; readonly columns: readonly Column[] }>> = {
  GGA: {
    time: 0,
    columns: [
      ...position(1),
      { name: 'Quality', unit: '', at: 5 },
      { name: 'Satellites', unit: '', at: 6 },
      { name: 'HDOP', unit: '', at: 7 },
      { name: 'Altitude', unit: 'm', at: 8 },
      { name: 'GeoidSeparation', unit: 'm', at: 10 },
    ],
  },
  RMC: {
    time: 0,
    columns: [
      { name: 'Status', unit: '', at: 1, kind: 'text' },
      ...position(2),
      { name: 'Speed', unit: 'kn', at: 6 },
      { name: 'Course', unit: 'deg', at: 7 },
    ],
  },
  GLL: { time: 4, columns: [...position(0), { name: 'Status', unit: '', at: 5, kind: 'text' }] },
  VTG: {
    columns: [
      { name: 'CourseTrue', unit: 'deg', at: 0 },
      { name: 'CourseMagnetic', unit: 'deg', at: 2 },
      { name: 'Speed', unit: 'km/h', at: 6 },
    ],
  },
  GSA: {
    columns: [
      { name: 'Mode', unit: '', at: 1 },
      { name: 'PDOP', unit: '', at: 14 },
      { name: 'HDOP', unit: '', at: 15 },
      { name: 'VDOP', unit: '', at: 16 },
    ],
  },
  GST: {
    time: 0,
    columns: [
      { name: 'LatitudeError', unit: 'm', at: 5 },
      { name: 'LongitudeError', unit: 'm', at: 6 },
      { name: 'AltitudeError', unit: 'm', at: 7 },
    ],
  },
  ZDA: { time: 0, columns: [{ name: 'Time', unit: 'hhmmss', at: 0, kind: 'text' }] },
  DPT: {
    columns: [
      { name: 'Depth', unit: 'm', at: 0 },
      { name: 'TransducerOffset', unit: 'm', at: 1 },
    ],
  },
  DBT: { columns: depth },
  DBS: { columns: depth },
  DBK: { columns: depth },
  MTW: { columns: [{ name: 'WaterTemperature', unit: 'degC', at: 0 }] },
  MTA: { columns: [{ name: 'AirTemperature', unit: 'degC', at: 0 }] },
  MMB: { columns: [{ name: 'Pressure', unit: 'bar', at: 2 }] },
  MHU: {
    columns: [
      { name: 'RelativeHumidity', unit: '%', at: 0 },
      { name: 'DewPoint', unit: 'degC', at: 2 },
    ],
  },
  MWD: {
    columns: [
      { name: 'WindDirectionTrue', unit: 'deg', at: 0 },
      { name: 'WindDirectionMagnetic', unit: 'deg', at: 2 },
      { name: 'WindSpeed', unit: 'm/s', at: 6 },
    ],
  },
  MDA: {
    columns: [
      { name: 'Pressure', unit: 'bar', at: 2 },
      { name: 'AirTemperature', unit: 'degC', at: 4 },
      { name: 'WaterTemperature', unit: 'degC', at: 6 },
      { name: 'RelativeHumidity', unit: '%', at: 8 },
      { name: 'DewPoint', unit: 'degC', at: 10 },
      { name: 'WindDirectionTrue', unit: 'deg', at: 12 },
      { name: 'WindSpeed', unit: 'm/s', at: 18 },
    ],
  },
  HDT: { columns: [{ name: 'HeadingTrue', unit: 'deg', at: 0 }] },
  HDM: { columns: [{ name: 'HeadingMagnetic', unit: 'deg', at: 0 }] },
  ROT: { columns: [{ name: 'RateOfTurn', unit: 'deg/min', at: 0 }] },
};

/** Units of wind speeds in MWV. */
const speedUnits: ReadonlyMap<string, string> = new Map([
  ['K', 'km/h'],
  ['M', 'm/s'],
  ['N', 'kn'],
  ['S', 'mi/h'],
]);

/** Units of XDR, by kind of transducer and letter of the unit. Others keep the letter. */
const transducerUnits: ReadonlyMap<string, string> = new Map([
  ['AD', 'deg'],
  ['CC', 'degC'],
  ['DM', 'm'],
  ['HP', '%'],
  ['PB', 'bar'],
  ['PP', 'Pa'],
  ['UV', 'V'],
]);
const transducersMax = 16;

/** What one sentence says: the table it is a row of, and the row. */
export interface SentenceRow {
  readonly table: string;
  readonly fields: readonly FieldDefinition[];
  readonly cells: readonly Cell[];
  /** Microseconds since midnight UTC, where the sentence says the time. */
  readonly timeOfDayUs?: number;
}

/** The row that a sentence is. Fields that are missing or empty are empty cells. */
export function sentenceRow(sentence: NmeaSentence): SentenceRow {
  const { talker, type, fields } = sentence;
  const name = `${talker}${type}`;
  if (type === 'MWV' && talker !== 'P') return windRow(name, fields);
  if (type === 'XDR' && talker !== 'P') return transducerRow(name, sentence);
  const layout = talker === 'P' ? undefined : layouts[type];
  if (layout === undefined) return rawRow(name, sentence);
  const timeOfDayUs = layout.time === undefined ? undefined : timeOfDayField(fields[layout.time]);
  return {
    table: name,
    fields: layout.columns.map((column) =>
      column.kind === 'angle' ? field(column.name, 'deg') : field(column.name, column.unit, column.kind === 'text' ? 'text' : 'number'),
    ),
    cells: layout.columns.map((column) => (column.kind === 'angle' ? angleCell(fields, column.at) : cell(fields[column.at]))),
    ...(timeOfDayUs === undefined ? {} : { timeOfDayUs }),
  };
}

/** MWV: angle, R(elative) or T(rue), speed, unit of the speed, status. */
function windRow(name: string, fields: readonly string[]): SentenceRow {
  const [angle, reference = '', speed, unit = '', status] = fields;
  const speedUnit = speedUnits.get(unit) ?? unit;
  return {
    table: `${name} ${reference} ${speedUnit}`.trimEnd(),
    fields: [field('WindAngle', 'deg'), field('WindSpeed', speedUnit), field('Status', '', 'text')],
    cells: [cell(angle), cell(speed), cell(status)],
  };
}

/** XDR: any number of kind, value, unit, name. */
function transducerRow(name: string, sentence: NmeaSentence): SentenceRow {
  const { fields } = sentence;
  const columns: { readonly definition: FieldDefinition; readonly cell: Cell }[] = [];
  for (let at = 0; at + 3 < fields.length && columns.length < transducersMax; at += 4) {
    const [kind = '', value, unit = '', transducer = ''] = fields.slice(at, at + 4);
    const called = transducer === '' ? `${kind}${at / 4}` : transducer;
    columns.push({ definition: field(called, transducerUnits.get(kind + unit) ?? unit), cell: cell(value) });
  }
  const names = columns.map(({ definition }) => definition.name);
  // Two columns of one name could not be told apart.
  if (columns.length === 0 || new Set(names).size !== names.length) return rawRow(name, sentence);
  const units = columns.map(({ definition }) => definition.unit);
  return {
    table: `${name} ${names.map((each, i) => `${each} ${units[i]}`.trimEnd()).join(' ')}`,
    fields: columns.map(({ definition }) => definition),
    cells: columns.map((column) => column.cell),
  };
}

function rawRow(name: string, sentence: NmeaSentence): SentenceRow {
  return { table: `${name} raw`, fields: [field('Sentence', '', 'text')], cells: [sentence.text] };
}

function field(name: string, unit: string, kind: FieldDefinition['kind'] = 'number'): FieldDefinition {
  return { name, unit, processing: '', kind };
}

function cell(text: string | undefined): Cell {
  return text === undefined || text === '' ? null : text;
}

/** Degrees with as many digits as a minute with four decimals needs, and one to spare. */
function angleCell(fields: readonly string[], at: number): Cell {
  const degrees = angleField(fields[at], fields[at + 1]);
  return degrees === undefined ? null : degrees.toFixed(8);
}
