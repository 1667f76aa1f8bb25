import { seededRandom } from '../core/random.ts';
import { type CivilTime, civilTime, dayUs } from '../formats/civil-time.ts';

/**
 * Files as loggers write them, made from a seed: met data with days, weather and noise, in the formats of the two commonest loggers.
 *
 * A value depends on the seed, its column, its time and its record number alone, never on the rows before it. So a file may be written in any number of calls, each going on where the
 * last one stopped, and is the same byte for byte as if it had been written in one: a growing file can be grown, and a second copy be compared with the first.
 */

/** What a column measures, and how it behaves. */
export interface LoggerColumn {
  readonly name: string;
  readonly unit: string;
  /** Campbell's processing code: `Avg`, `Min`, `Tot`, `Smp`… */
  readonly processing: string;
  readonly mean: number;
  /** Half the difference between the day's extremes. */
  readonly daily: number;
  /** Hour at which the daily course is highest. */
  readonly peakHour: number;
  /** How far weather of several days moves the value. */
  readonly weather: number;
  /** Largest random deviation of one reading. */
  readonly noise: number;
  readonly min: number;
  readonly max: number;
}

/** The ten columns of an ordinary weather station. */
export const weatherStationColumns: readonly LoggerColumn[] = [
  column('BattV_Min', 'Volts', 'Min', { mean: 12.9, daily: 0.5, peakHour: 13, weather: 0.1, noise: 0.03, min: 10, max: 14.5 }),
  column('PTemp_C_Avg', 'Deg C', 'Avg', { mean: 18, daily: 9, peakHour: 15, weather: 4, noise: 0.2, min: -40, max: 70 }),
  column('AirT_C_Avg', 'Deg C', 'Avg', { mean: 14, daily: 6, peakHour: 15, weather: 5, noise: 0.3, min: -40, max: 60 }),
  column('RH', '%', 'Smp', { mean: 68, daily: -18, peakHour: 15, weather: 12, noise: 1.5, min: 5, max: 100 }),
  column('WS_ms_Avg', 'meters/second', 'Avg', { mean: 3, daily: 1.6, peakHour: 14, weather: 2, noise: 1.2, min: 0, max: 60 }),
  column('WindDir', 'Deg', 'Smp', { mean: 210, daily: 35, peakHour: 16, weather: 60, noise: 25, min: 0, max: 359.99 }),
  column('SlrW_Avg', 'W/m^2', 'Avg', { mean: 40, daily: 720, peakHour: 12, weather: 120, noise: 40, min: 0, max: 1400 }),
  column('Rain_mm_Tot', 'mm', 'Tot', { mean: -1.4, daily: 0, peakHour: 0, weather: 1.5, noise: 1, min: 0, max: 30 }),
  column('BP_mbar_Avg', 'mbar', 'Avg', { mean: 1009, daily: 0.8, peakHour: 10, weather: 14, noise: 0.1, min: 850, max: 1080 }),
  column('SoilT_C_Avg', 'Deg C', 'Avg', { mean: 12, daily: 1.2, peakHour: 18, weather: 1.5, noise: 0.05, min: -20, max: 40 }),
];

/** One reading in this many is missing. */
const missingEvery = 500;
/** Periods of the weather in days: fronts, and spells of fronts. */
const weatherDays = [4.3, 11.7] as const;

function column(name: string, unit: string, processing: string, course: Omit<LoggerColumn, 'name' | 'unit' | 'processing'>): LoggerColumn {
  return { name, unit, processing, ...course };
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0');
}

/** Readings of one row by record number and time; `undefined` is a reading that failed. */
type Series = (record: number, localUs: number) => (number | undefined)[];

function seriesOf(columns: readonly LoggerColumn[], seed: number): Series {
  const phases = seededRandom(seed);
  const spells = weatherDays.map((period) => ({ period, phase: phases.float() }));
  return (record, localUs) => {
    const random = seededRandom(seed ^ Math.imul(record, 0x9e3779b1));
    const days = localUs / dayUs;
    const weather = spells.reduce((sum, { period, phase }) => sum + 0.5 * Math.sin(2 * Math.PI * (days / period + phase)), 0);
    return columns.map(({ mean, daily, peakHour, weather: weatherGain, noise, min, max }) => {
      const missing = random.below(missingEvery) === 0;
      const deviation = random.float() + random.float() - 1;
      const course = Math.cos(2 * Math.PI * (days - peakHour / 24));
      const value = mean + daily * course + weatherGain * weather + noise * deviation;
      return missing ? undefined : Math.min(max, Math.max(min, value));
    });
  };
}

/** Two decimals, and no negative zero. */
function decimals(value: number): string {
  return (Math.round(value * 100) / 100 + 0).toFixed(2);
}

/** What `toa5Text` writes. */
export interface Toa5TextOptions {
  readonly station: string;
  readonly table: string;
  /** The table's columns; a weather station's ten when absent. */
  readonly fields?: readonly LoggerColumn[];
  /** Stamp of the first row, in microseconds on the logger's calendar. */
  readonly firstLocalUs: number;
  /** Time between rows in microseconds. */
  readonly intervalUs: number;
  readonly rows: number;
  /** Record number of the first row. */
  readonly firstRecord: number;
  readonly seed: number;
  /** Whether the four header lines come first; not when the text continues a file. */
  readonly withHeader: boolean;
}

/**
 * A TOA5 file, or the continuation of one, as LoggerNet writes it: CRLF, quoted text, two decimals, now and then a `"NAN"`.
 *
 * The text of rows 0..n+m is the text of rows 0..n followed by that of rows n..n+m (`firstLocalUs`, `firstRecord` moved on by n, `withHeader: false`).
 */
export function toa5Text(options: Toa5TextOptions): string {
  const { station, table, fields = weatherStationColumns, firstLocalUs, intervalUs, rows, firstRecord, seed, withHeader } = options;
  const lines: string[] = [];
  if (withHeader) {
    lines.push(
      quoted(['TOA5', station, 'CR1000X', '38412', 'CR1000X.Std.07.02', `CPU:${station}.CR1X`, '41235', table]),
      quoted(['TIMESTAMP', 'RECORD', ...fields.map(({ name }) => name)]),
      quoted(['TS', 'RN', ...fields.map(({ unit }) => unit)]),
      quoted(['', '', ...fields.map(({ processing }) => processing)]),
    );
  }
  const series = seriesOf(fields, seed);
  for (let row = 0; row < rows; row++) {
    const localUs = firstLocalUs + row * intervalUs;
    const record = firstRecord + row;
    const values = series(record, localUs).map((value) => (value === undefined ? '"NAN"' : decimals(value)));
    lines.push(`"${toa5Stamp(civilTime(localUs))}",${record},${values.join(',')}`);
  }
  return lines.map((line) => `${line}\r\n`).join('');
}

function quoted(cells: readonly string[]): string {
  return cells.map((cell) => `"${cell}"`).join(',');
}

function toa5Stamp(time: CivilTime): string {
  const fraction = time.microsecond === 0 ? '' : `.${pad(time.microsecond, 6).replace(/0+$/, '')}`;
  return `${time.year}-${pad(time.month)}-${pad(time.day)} ${pad(time.hour)}:${pad(time.minute)}:${pad(time.second)}${fraction}`;
}

/** How one setting of HOBOware's preferences, or one program behind it, makes a file look. */
interface HobowareDialect {
  /** What stands before the first line. */
  readonly mark: '' | '\ufeff';
  readonly lineEnd: '\n' | '\r\n';
  readonly delimiter: ',' | ';';
  readonly title: (title: string, columns: number) => string;
  /** Heading of the row numbers; none without them. */
  readonly numberHeading?: string;
  readonly dateHeading: string;
  /** Headings of temperature and humidity, before the serial numbers. */
  readonly fieldHeadings: readonly [string, string];
  readonly stamp: (time: CivilTime) => string;
  readonly decimalMark: '.' | ',';
  /** Headings of the columns for coupler detached, host connected and end of file; none without events. */
  readonly eventHeadings: readonly string[];
  readonly withDetails: boolean;
}

function twelveHours(time: CivilTime, gap: string): string {
  return `${pad(time.hour % 12 === 0 ? 12 : time.hour % 12)}:${pad(time.minute)}:${pad(time.second)}${gap}${time.hour < 12 ? 'AM' : 'PM'}`;
}

function clock(time: CivilTime): string {
  return `${pad(time.hour)}:${pad(time.minute)}:${pad(time.second)}`;
}

function american(time: CivilTime): string {
  return `${pad(time.month)}/${pad(time.day)}/${pad(time.year % 100)}`;
}

const ordinaryDialect = {
  mark: '\ufeff',
  lineEnd: '\n',
  delimiter: ',',
  title: (title: string) => `"Plot Title: ${title}"`,
  fieldHeadings: ['Temp, °C', 'RH, %'],
  decimalMark: '.',
  eventHeadings: [],
  withDetails: false,
} as const;

/** Dialects of HOBOware exports, each as a real file has shown it or its preferences make it. */
const hobowareDialects = {
  'bom-ampm': {
    ...ordinaryDialect,
    numberHeading: '#',
    dateHeading: 'Date Time, GMT-06:00',
    stamp: (time) => `${american(time)} ${twelveHours(time, ' ')}`,
  },
  'no-number-iso': {
    ...ordinaryDialect,
    dateHeading: 'Date Time, GMT-04:00',
    stamp: (time) => `${time.year}/${pad(time.month)}/${pad(time.day)} ${clock(time)}`,
  },
  'ampm-nospace': {
    ...ordinaryDialect,
    lineEnd: '\r\n',
    title: (title, columns) => `Plot Title: ${title}${','.repeat(columns - 1)}`,
    numberHeading: '#',
    dateHeading: 'Date Time, GMT-04:00',
    stamp: (time) => `${american(time)} ${twelveHours(time, '')}`,
  },
  'german-semicolon': {
    ...ordinaryDialect,
    mark: '',
    lineEnd: '\r\n',
    delimiter: ';',
    title: (title) => `"Plot-Titel: ${title}"`,
    numberHeading: 'Anz.',
    dateHeading: 'Datum Zeit, GMT+01:00',
    fieldHeadings: ['Temp., °C', 'RH, %'],
    stamp: (time) => `${pad(time.day)}.${pad(time.month)}.${pad(time.year % 100)} ${clock(time)}`,
    decimalMark: ',',
    eventHeadings: ['Koppler abgetrennt', 'Host verbunden', 'Dateiende'],
  },
  'with-events-and-details': {
    ...ordinaryDialect,
    numberHeading: '#',
    dateHeading: 'Date Time, GMT-06:00',
    stamp: (time) => `${american(time)} ${clock(time)}`,
    eventHeadings: ['Coupler Detached', 'Host Connected', 'End Of File'],
    withDetails: true,
  },
} as const satisfies Record<string, HobowareDialect>;

/** Name of a dialect that `hobowareCsvText` writes. */
export type HobowareDialectName = keyof typeof hobowareDialects;

/** What `hobowareCsvText` writes. */
export interface HobowareCsvTextOptions {
  readonly dialect: HobowareDialectName;
  readonly title: string;
  /** Serial number of the logger, and of the sensors in it. */
  readonly serial: string;
  /** Stamp of the first reading, in microseconds on the calendar of the zone in the header. */
  readonly firstLocalUs: number;
  /** Time between readings in microseconds. */
  readonly intervalUs: number;
  /** Readings; rows of events come on top. */
  readonly rows: number;
  readonly seed: number;
}

/**
 * A HOBOware export of temperature and relative humidity. Encode it as UTF-8, or as Latin-1 to have what older versions wrote.
 *
 * Dialects with events have the coupler detached two seconds after the first reading, and the host connected and the file ended in a row two seconds after the last one.
 */
export function hobowareCsvText(options: HobowareCsvTextOptions): string {
  const { title, serial, firstLocalUs, intervalUs, rows, seed } = options;
  const dialect: HobowareDialect = hobowareDialects[options.dialect];
  const { delimiter, decimalMark, eventHeadings, numberHeading } = dialect;
  const headings = [
    ...(numberHeading === undefined ? [] : [numberHeading]),
    dialect.dateHeading,
    ...dialect.fieldHeadings.map((heading) => `${heading} (LGR S/N: ${serial}, SEN S/N: ${serial})`),
    ...eventHeadings.map((heading) => `${heading} (LGR S/N: ${serial})`),
  ];
  const lines = [`${dialect.mark}${dialect.title(title, headings.length)}`, headings.map((heading) => `"${heading}"`).join(delimiter)];
  const details = dialect.withDetails ? detailLines(title, serial, rows) : [];
  let number = 0;
  const addRow = (localUs: number, values: readonly string[], marked: readonly number[]): void => {
    const detail = details[number];
    number++;
    const cells = [
      ...(numberHeading === undefined ? [] : [String(number)]),
      dialect.stamp(civilTime(localUs)),
      ...values,
      ...eventHeadings.map((_, event) => (marked.includes(event) ? 'Logged' : '')),
      ...(detail === undefined ? [] : [detail]),
    ];
    lines.push(cells.join(delimiter));
  };
  const series = seriesOf(weatherStationColumns.slice(2, 4), seed);
  for (let row = 0; row < rows; row++) {
    const localUs = firstLocalUs + row * intervalUs;
    const values = series(row, localUs).map((value) => (value === undefined ? '' : decimals(value).replace('.', decimalMark)));
    addRow(localUs, values, []);
    if (eventHeadings.length === 0) continue;
    if (row === 0) addRow(localUs + 2_000_000, ['', ''], [0]);
    if (row === rows - 1) addRow(localUs + 2_000_000, ['', ''], [1, 2]);
  }
  return lines.map((line) => `${line}${dialect.lineEnd}`).join('');
}

function detailLines(title: string, serial: string, rows: number): string[] {
  return [
    'Details',
    'Series: Temp, °C',
    'Devices',
    'Device Info',
    'Product: HOBO U23-001 Temp/RH',
    `Serial Number: ${serial}`,
    'Deployment Info',
    `Launch Name: ${title}`,
    'Series Statistics',
    `Samples: ${String(rows).replace(/\B(?=(\d{3})+$)/g, ',')}`,
  ];
}
