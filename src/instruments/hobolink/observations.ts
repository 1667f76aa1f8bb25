import { failure, type Outcome, success } from '../../core/outcome.ts';
import { secondUs } from '../../formats/civil-time.ts';
import { type JsonValue, parseJson } from '../../formats/csijson/json-value.ts';
import { decodeText } from '../../formats/csv-row.ts';
import { parseIsoStamp } from '../../formats/generic-csv/iso-stamp.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import type { CollectedRecord } from '../driver.ts';

/**
 * What HOBOlink answers: tokens, and lists of observations, one value each, of all sensors of a logger mixed.
 *
 * Source: Onset, HOBOlink Web Services V3 Developer's Guide (25113-B), "Get Data Endpoint".
 */

/** In which units values are wanted: as the sensor's SI or US unit, or as scaled by its owner. */
export type HobolinkUnits = 'si' | 'us' | 'scaled';

/** Observations of one sensor: a record for each time. */
export interface SensorSeries {
  readonly sensorSerial: string;
  readonly fields: readonly FieldDefinition[];
  readonly records: readonly CollectedRecord[];
}

/** A list of observations, understood. */
export interface ObservationAnswer {
  readonly series: readonly SensorSeries[];
  /** The server had more than it gives at once. */
  readonly isCut: boolean;
  /** Seconds since 1970 UTC of the latest observation. */
  readonly lastSecond?: number;
}

/** What kind of value an observation is, by the guide's `data_type_id`. */
const processingByType: ReadonlyMap<string, string> = new Map([
  ['1', 'Smp'],
  ['2', 'Min'],
  ['3', 'Max'],
  ['4', 'Avg'],
  ['5', 'Std'],
]);
const observationsMax = 1_000_000;

function malformed(message: string) {
  return failure('HOBOLINK_MALFORMED', 'instrument', message);
}

function textOf(value: JsonValue | undefined, name: string): string {
  const member = value?.type === 'object' ? value.members.get(name) : undefined;
  return member?.type === 'string' || member?.type === 'number' ? member.text : '';
}

/** The access token in an answer to a request for one. */
export function decodeToken(body: Uint8Array): Outcome<string> {
  const token = textOf(parseJson(decodeText(body)), 'access_token');
  return /^[\w.~+/=-]{1,4096}$/.test(token) ? success(token) : malformed('the answer has no token');
}

interface Value {
  readonly timeUs: number;
  readonly field: string;
  readonly cell: Cell;
}

/** The observations of a logger, by sensor. Those of other loggers are left out. */
export function decodeObservations(body: Uint8Array, logger: string, units: HobolinkUnits): Outcome<ObservationAnswer> {
  const answer = parseJson(decodeText(body));
  const list = answer?.type === 'object' ? answer.members.get('observation_list') : undefined;
  if (answer?.type !== 'object' || list?.type !== 'array' || list.items.length > observationsMax)
    return malformed('the answer has no list of observations');
  const cut = answer.members.get('max_results');
  const sensors = new Map<string, { fields: Map<string, FieldDefinition>; values: Value[] }>();
  let lastSecond: number | undefined;
  for (const item of list.items) {
    if (textOf(item, 'logger_sn') !== logger) continue;
    const sensorSerial = textOf(item, 'sensor_sn');
    const processing = processingByType.get(textOf(item, 'data_type_id'));
    const stamp = parseIsoStamp(textOf(item, 'timestamp'));
    if (sensorSerial === '' || processing === undefined || stamp?.offsetMinutes === undefined)
      return malformed('an observation has no sensor, kind or time');
    const timeUs = stamp.localUs - stamp.offsetMinutes * 60 * secondUs;
    const unit = textOf(item, `${units}_unit`);
    const type = textOf(item, 'sensor_measurement_type');
    const name = `${type === '' ? 'Value' : type}${processing === 'Smp' ? '' : ` ${processing}`}`;
    const sensor = sensors.get(sensorSerial) ?? { fields: new Map<string, FieldDefinition>(), values: [] as Value[] };
    sensors.set(sensorSerial, sensor);
    sensor.fields.set(name, { name, unit, processing, sensorSerial, kind: 'number' });
    const text = textOf(item, `${units}_value`);
    sensor.values.push({ timeUs, field: name, cell: text === '' ? null : text });
    lastSecond = Math.max(lastSecond ?? 0, Math.floor(timeUs / secondUs));
  }
  const series = [...sensors].map(([sensorSerial, { fields, values }]) => seriesOf(sensorSerial, fields, values));
  return success({
    series: series.sort((a, b) => (a.sensorSerial < b.sensorSerial ? -1 : 1)),
    isCut: cut?.type === 'boolean' && cut.text === 'true',
    ...(lastSecond === undefined ? {} : { lastSecond }),
  });
}

/** Values of one sensor as records: those of one time stand in one record. Records count the seconds since 1970 UTC, as the service has no numbers. */
function seriesOf(sensorSerial: string, fieldByName: ReadonlyMap<string, FieldDefinition>, values: readonly Value[]): SensorSeries {
  const fields = [...fieldByName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const columnByName = new Map(fields.map(({ name }, column) => [name, column]));
  const cellsByTime = new Map<number, Cell[]>();
  for (const { timeUs, field, cell } of values) {
    const cells = cellsByTime.get(timeUs) ?? fields.map((): Cell => null);
    cells[columnByName.get(field) ?? 0] = cell;
    cellsByTime.set(timeUs, cells);
  }
  const records = [...cellsByTime]
    .sort(([a], [b]) => a - b)
    .map(([timeUs, cells]) => ({ recordNumber: Math.floor(timeUs / secondUs), stamp: { localUs: timeUs, offsetMinutes: 0 }, cells }));
  return { sensorSerial, fields, records };
}
