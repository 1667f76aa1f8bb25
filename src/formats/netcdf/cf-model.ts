import { utf8 } from '../../core/bytes.ts';
import type { RowSurvey } from '../row-survey.ts';
import {
  type ExportOptions,
  isoInstant,
  plainNames,
  qartodFlags,
  type SeriesField,
  type SeriesStation,
  type SeriesTable,
} from '../series-table.ts';
import { udunits } from './cf-units.ts';
import {
  fillByte,
  fillDouble,
  fillInt64,
  type NetcdfAttribute,
  type NetcdfContent,
  type NetcdfDimension,
  type NetcdfGroup,
  type NetcdfModel,
  type NetcdfType,
  type NetcdfVariable,
} from './netcdf-model.ts';

/**
 * Series tables as a CF-1.11 `timeSeries` file with ACDD-1.3 global attributes.
 *
 * Layout. A table is one time series at one station: every field is a variable over the table's own `time`, with the station as scalars beside it (CF-1.11 appendix H.2.3).
 * - One table: it is the root group, which every tool reads.
 * - Several tables: one netCDF-4 group each, named after station and table, every group laid out just like the root of a file with one table. Tables rarely share their times,
 *   and the ragged arrays that CF has for the root cannot be read by name or by time in most tools; a group can (`xarray.open_dataset(path, group=…)`, `ncdump -g`).
 *
 * Time is `double` seconds since 1970: at today's count of seconds a double still resolves a quarter of a microsecond, so rounding to microseconds returns the exact stamp, and
 * `ncdump -t`, GDAL and xarray all show it as a date, which they do not all do for 64-bit integers of microseconds. A stamp is the end of its interval; where the interval is
 * known, averages, extremes and sums say so through `time_bnds` and `cell_methods`.
 *
 * When stamps do not strictly increase (a logger's clock was set back) CF does not allow `time` as a coordinate variable. Then the row dimension is `obs`, rows keep the logger's
 * order, and `time` is an auxiliary coordinate.
 *
 * Each field has its own flag variable, `NAME_qc`, named in `ancillary_variables`. Nothing found in the source is thrown away: the field's name is `long_name`, its unit
 * `logger_units`, its processing `logger_processing`; the table's other attributes become global attributes with `logger_` before their name.
 *
 * Sources: CF-1.11 chapters 3, 4, 7 and 9; ACDD-1.3; IOOS QARTOD flags; NCEI NetCDF templates 2.0 for the instrument variable.
 */

/** What a NetCDF export may be told beside the tables. */
export interface NetcdfOptions extends ExportOptions {
  /** Global attributes to add or to put in place of ours, for example `institution`, `creator_name`, `license`. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** CF cell methods by Campbell's processing names, in lower case. What is not here (`TMx`, `WVc`…) has no cell method. */
const cellMethodByProcessing: ReadonlyMap<string, string> = new Map([
  ['avg', 'mean'],
  ['max', 'maximum'],
  ['min', 'minimum'],
  ['tot', 'sum'],
  ['smp', 'point'],
  ['std', 'standard_deviation'],
  ['med', 'median'],
]);

const reservedNames = ['station', 'station_name', 'lat', 'lon', 'alt', 'time', 'time_bnds', 'obs', 'bnds', 'instrument', 'record_number'];
const flagEnding = '_qc';

function text(name: string, value: string | undefined): NetcdfAttribute[] {
  // HDF5 pads text with NUL, so one inside would end it.
  const kept = (value ?? '').replaceAll('\0', '').trim();
  return kept === '' ? [] : [{ name, type: 'text', text: kept }];
}

function number(name: string, type: 'double' | 'byte', ...values: number[]): NetcdfAttribute {
  return { name, type, values };
}

const fillAttribute = number('_FillValue', 'double', fillDouble);
const bytesOf: Readonly<Record<Exclude<NetcdfType, 'char'>, number>> = { double: 8, int64: 8, byte: 1 };

function variable(
  name: string,
  type: Exclude<NetcdfType, 'char'>,
  dimensions: readonly string[],
  content: NetcdfContent,
  attributes: readonly NetcdfAttribute[],
): NetcdfVariable {
  return { name, type, valueBytes: bytesOf[type], dimensions, content, attributes };
}

/** A text variable. Its last dimension, the length of the text, is given when all names are known. */
function textVariable(
  name: string,
  textBytes: number,
  dimensions: readonly string[],
  content: NetcdfContent,
  attributes: readonly NetcdfAttribute[],
): NetcdfVariable {
  // `_Encoding` is the NetCDF users' guide's name for the character set; xarray and netCDF4-python decode by it.
  return {
    name,
    type: 'char',
    valueBytes: Math.max(1, textBytes),
    dimensions,
    content,
    attributes: [...attributes, ...text('_Encoding', 'utf-8')],
  };
}

function label(name: string, value: string, attributes: readonly NetcdfAttribute[]): NetcdfVariable {
  const kept = value.replaceAll('\0', '');
  return textVariable(name, utf8(kept).length, [], { from: 'constant', value: kept }, attributes);
}

/** Gives every text variable the dimension that is its length; texts of one length share it. */
function withTextDimensions(variables: readonly NetcdfVariable[]): { variables: NetcdfVariable[]; dimensions: NetcdfDimension[] } {
  const lengths = [...new Set(variables.filter((one) => one.type === 'char').map((one) => one.valueBytes))];
  const taken = [...reservedNames, ...variables.map((one) => one.name)];
  const names = plainNames(
    lengths.map((length) => `string${length}`),
    taken,
  );
  return {
    dimensions: lengths.map((length, index) => ({ name: names[index] as string, length, unlimited: false })),
    variables: variables.map((one) =>
      one.type === 'char' ? { ...one, dimensions: [...one.dimensions, names[lengths.indexOf(one.valueBytes)] as string] } : one,
    ),
  };
}

/**
 * The file that holds these tables.
 *
 * @param surveys one a table, in the same order.
 */
export function cfModel(tables: readonly SeriesTable[], surveys: readonly RowSurvey[], options: NetcdfOptions): NetcdfModel {
  const alone = tables.length === 1;
  const names = alone
    ? ['']
    : plainNames(
        tables.map((table) => `${table.station.name} ${table.table}`),
        [],
      );
  const groups = tables.map((table, index) => seriesGroup(names[index] as string, table, surveys[index] as RowSurvey));
  const created = isoInstant(options.createdMs * 1000, 0);
  const root: NetcdfAttribute[] = [
    ...text('Conventions', 'CF-1.11, ACDD-1.3'),
    ...text('featureType', 'timeSeries'),
    ...text('cdm_data_type', 'Station'),
    ...text('standard_name_vocabulary', 'CF Standard Name Table'),
    ...text('date_created', created),
    ...text('history', `${created} exported by Godwit`),
  ];
  if (!alone) {
    root.push(
      ...text(
        'title',
        `Observations of ${new Set(tables.map((table) => table.station.identifier)).size} station(s), ${tables.length} tables`,
      ),
      ...text('summary', 'Each group holds one table of one station with its own time.'),
      ...coverage(tables, surveys),
    );
  }
  // The attributes of a table that stands alone are the file's.
  const inherited = alone ? (groups[0]?.attributes ?? []) : [];
  const given = Object.entries(options.attributes ?? {}).flatMap(([name, value]) => text(name, value));
  const attributes = lastOfEachName([...root, ...inherited, ...given]);
  return { attributes, groups: alone ? groups.map((group) => ({ ...group, attributes: [] })) : groups };
}

function lastOfEachName(attributes: readonly NetcdfAttribute[]): NetcdfAttribute[] {
  return [...new Map(attributes.map((attribute) => [attribute.name, attribute])).values()];
}

function seriesGroup(name: string, table: SeriesTable, survey: RowSurvey): NetcdfGroup {
  const rowDimension = survey.strictlyIncreasing ? 'time' : 'obs';
  const intervalUs =
    table.intervalUs !== undefined && table.intervalUs > 0 && survey.fields.some(coversInterval) ? table.intervalUs : undefined;
  const dimensions: NetcdfDimension[] = [{ name: rowDimension, length: survey.rowCount, unlimited: true }];
  if (intervalUs !== undefined) dimensions.push({ name: 'bnds', length: 2, unlimited: false });
  const station = stationVariables(table);
  const coordinates = [...(rowDimension === 'obs' ? ['time'] : []), ...station.map((scalar) => scalar.name)].join(' ');
  const instrument = instrumentVariable(table);
  const variables = [...timeVariables(rowDimension, intervalUs), ...station, ...instrument];
  if (survey.hasRecordNumbers) {
    variables.push(
      variable('record_number', 'int64', [rowDimension], { from: 'record-number' }, [
        ...text('long_name', 'record number of the data logger'),
        { name: '_FillValue', type: 'int64', values: [fillInt64] },
        ...text('coordinates', coordinates),
      ]),
    );
  }
  const fieldNames = plainNames(
    survey.fields.map((field) => field.name),
    reservedNames,
    [flagEnding],
  );
  for (const [index, field] of survey.fields.entries()) {
    const fieldName = fieldNames[index] as string;
    const shared = [
      ...text('coordinates', coordinates),
      ...text('ancillary_variables', fieldName + flagEnding),
      ...(instrument.length > 0 ? text('instrument', 'instrument') : []),
      ...text('sensor_serial_number', field.sensorSerial),
    ];
    variables.push(
      fieldVariable(fieldName, index, field, rowDimension, survey.textBytesMax[index] as number, shared),
      flagVariable(fieldName, index, field, rowDimension, coordinates),
    );
  }
  const texts = withTextDimensions(variables);
  return {
    name,
    table,
    attributes: tableAttributes(table, survey),
    dimensions: [...dimensions, ...texts.dimensions],
    variables: texts.variables,
  };
}

function coversInterval(field: SeriesField): boolean {
  const method = cellMethodByProcessing.get(field.processing.toLowerCase());
  return field.kind === 'number' && method !== undefined && method !== 'point';
}

function timeVariables(rowDimension: string, intervalUs: number | undefined): NetcdfVariable[] {
  const time = variable('time', 'double', [rowDimension], { from: 'time' }, [
    ...text('standard_name', 'time'),
    ...text('long_name', intervalUs === undefined ? 'time (UTC)' : 'time (UTC) at the end of the interval'),
    ...text('units', 'seconds since 1970-01-01 00:00:00'),
    ...text('calendar', 'standard'),
    ...(rowDimension === 'time' ? text('axis', 'T') : []),
    ...(intervalUs === undefined ? [] : text('bounds', 'time_bnds')),
  ]);
  if (intervalUs === undefined) return [time];
  return [time, variable('time_bnds', 'double', [rowDimension, 'bnds'], { from: 'time-bounds', intervalUs }, [])];
}

/** How a position was found, in which datum, how exactly and when, as far as anybody said. */
function positionComment({ positionMethod, positionDatum, positionAccuracyM, positionInstantUs }: SeriesStation): string | undefined {
  const parts = [
    ...(positionMethod === undefined ? [] : [`position by ${positionMethod}`]),
    ...(positionDatum === undefined ? [] : [`datum ${positionDatum}`]),
    ...(positionAccuracyM === undefined ? [] : [`accuracy ${positionAccuracyM} m`]),
    ...(positionInstantUs === undefined ? [] : [`found at ${isoInstant(positionInstantUs, 0)}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}

function stationVariables(table: SeriesTable): NetcdfVariable[] {
  const { station } = table;
  const known = station.latitude !== undefined && station.longitude !== undefined;
  const comment = text('comment', positionComment(station));
  // CF wants a time series to have latitude and longitude. A station whose position nobody knows has them too, as missing values, so that every file has the same shape.
  const degrees = (name: string, standardName: string, units: string, axis: string, value: number | undefined) =>
    variable(name, 'double', [], { from: 'constant', value: known && value !== undefined ? value : fillDouble }, [
      ...text('standard_name', standardName),
      ...text('long_name', `${standardName} of the station`),
      ...text('units', units),
      ...text('axis', axis),
      fillAttribute,
      ...(known ? comment : []),
    ]);
  const variables = [
    label('station', station.identifier, [
      ...text('cf_role', 'timeseries_id'),
      ...text('standard_name', 'platform_id'),
      ...text('long_name', 'station identifier'),
    ]),
    label('station_name', station.name, [...text('standard_name', 'platform_name'), ...text('long_name', 'station name')]),
    degrees('lat', 'latitude', 'degrees_north', 'Y', station.latitude),
    degrees('lon', 'longitude', 'degrees_east', 'X', station.longitude),
  ];
  if (station.altitudeM !== undefined) {
    variables.push(
      variable('alt', 'double', [], { from: 'constant', value: station.altitudeM }, [
        ...text('standard_name', 'altitude'),
        ...text('long_name', 'altitude of the station above mean sea level'),
        ...text('units', 'm'),
        ...text('positive', 'up'),
        ...text('axis', 'Z'),
        ...comment,
      ]),
    );
  }
  return variables;
}

function instrumentVariable(table: SeriesTable): NetcdfVariable[] {
  if (table.loggerModel === '' && table.loggerSerial === '') return [];
  return [
    variable('instrument', 'byte', [], { from: 'constant', value: 0 }, [
      ...text('long_name', 'data logger'),
      ...text('make_model', table.loggerModel),
      ...text('serial_number', table.loggerSerial),
    ]),
  ];
}

function fieldVariable(
  name: string,
  index: number,
  field: SeriesField,
  rowDimension: string,
  textBytes: number,
  shared: readonly NetcdfAttribute[],
): NetcdfVariable {
  const described = [...text('long_name', field.name), ...text('standard_name', field.standardName)];
  const processing = text('logger_processing', field.processing);
  switch (field.kind) {
    case 'number': {
      const method = cellMethodByProcessing.get(field.processing.toLowerCase());
      return variable(name, 'double', [rowDimension], { from: 'number', field: index }, [
        ...described,
        ...text('units', udunits(field.unit)),
        ...text('logger_units', field.unit),
        ...(method === undefined ? [] : text('cell_methods', `time: ${method}`)),
        ...processing,
        fillAttribute,
        ...text('coverage_content_type', 'physicalMeasurement'),
        ...shared,
      ]);
    }
    case 'boolean':
      return variable(name, 'byte', [rowDimension], { from: 'boolean', field: index }, [
        ...described,
        ...text('logger_units', field.unit),
        ...processing,
        number('_FillValue', 'byte', fillByte),
        number('flag_values', 'byte', 0, 1),
        ...text('flag_meanings', 'false true'),
        ...shared,
      ]);
    default:
      return textVariable(name, textBytes, [rowDimension], { from: 'text', field: index }, [
        ...described,
        ...text('logger_units', field.unit),
        ...processing,
        ...(field.kind === 'time' ? text('comment', "a time by the data logger's own clock, as it wrote it") : []),
        ...shared,
      ]);
  }
}

function flagVariable(name: string, index: number, field: SeriesField, rowDimension: string, coordinates: string): NetcdfVariable {
  return variable(name + flagEnding, 'byte', [rowDimension], { from: 'flag', field: index }, [
    ...text('long_name', `quality flag of ${field.name}`),
    ...text('standard_name', 'aggregate_quality_flag'),
    number('flag_values', 'byte', ...qartodFlags.map((flag) => flag.value)),
    ...text('flag_meanings', qartodFlags.map((flag) => flag.meaning).join(' ')),
    ...text('references', 'https://ioos.noaa.gov/project/qartod/'),
    ...text('coverage_content_type', 'qualityInformation'),
    ...text('coordinates', coordinates),
  ]);
}

function tableAttributes(table: SeriesTable, survey: RowSurvey): NetcdfAttribute[] {
  const { station } = table;
  const logger = [table.loggerModel, table.loggerSerial === '' ? '' : `serial ${table.loggerSerial}`]
    .filter((part) => part !== '')
    .join(' ');
  const intervalUs = table.intervalUs ?? 0;
  const attributeNames = plainNames(Object.keys(table.attributes), ['table', 'format']);
  return [
    ...text('featureType', 'timeSeries'),
    ...text('title', `Station ${station.name}, table ${table.table}`),
    ...text(
      'summary',
      `Observations of station ${station.name} as recorded in table ${table.table} of its data logger, with quality flags.`,
    ),
    ...text('id', `${station.identifier}/${table.table}`),
    ...text('source', `data logger ${logger}`),
    ...text('platform', station.name),
    ...text('instrument', logger),
    ...coverage([table], [survey]),
    ...(intervalUs > 0 ? text('time_coverage_resolution', `PT${intervalUs / 1e6}S`) : []),
    ...text('logger_table', table.table),
    ...text('logger_format', table.format),
    ...Object.values(table.attributes).flatMap((value, index) => text(`logger_${attributeNames[index]}`, value)),
  ];
}

/** ACDD's bounds in space and time of all tables together; what is not known of any is left out. */
function coverage(tables: readonly SeriesTable[], surveys: readonly RowSurvey[]): NetcdfAttribute[] {
  const attributes: NetcdfAttribute[] = [];
  const latitudes: number[] = [];
  const longitudes: number[] = [];
  for (const { station } of tables) {
    if (station.latitude === undefined || station.longitude === undefined) continue;
    latitudes.push(station.latitude);
    longitudes.push(station.longitude);
  }
  if (latitudes.length > 0) {
    attributes.push(
      number('geospatial_lat_min', 'double', Math.min(...latitudes)),
      number('geospatial_lat_max', 'double', Math.max(...latitudes)),
      ...text('geospatial_lat_units', 'degrees_north'),
      number('geospatial_lon_min', 'double', Math.min(...longitudes)),
      number('geospatial_lon_max', 'double', Math.max(...longitudes)),
      ...text('geospatial_lon_units', 'degrees_east'),
    );
  }
  const ranges = surveys.flatMap((survey) => (survey.timeRangeUs === undefined ? [] : [survey.timeRangeUs]));
  if (ranges.length > 0) {
    attributes.push(
      ...text('time_coverage_start', instant(Math.min(...ranges.map((range) => range.earliest)))),
      ...text('time_coverage_end', instant(Math.max(...ranges.map((range) => range.latest)))),
    );
  }
  return attributes;
}

function instant(timeUs: number): string {
  return isoInstant(timeUs, timeUs % 1e6 === 0 ? 0 : 6);
}
