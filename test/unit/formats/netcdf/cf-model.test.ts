import { describe, expect, it } from 'vitest';
import { cfModel, type NetcdfOptions } from '../../../../src/formats/netcdf/cf-model.ts';
import { fillDouble, type NetcdfAttribute, type NetcdfGroup, type NetcdfModel } from '../../../../src/formats/netcdf/netcdf-model.ts';
import type { SeriesTable } from '../../../../src/formats/series-table.ts';
import { exportOptions, field, row, tableOf, weatherTable } from '../sample-series.ts';
import { surveyOf } from '../survey.ts';

function modelOf(tables: readonly SeriesTable[], options: Partial<NetcdfOptions> = {}): NetcdfModel {
  return cfModel(tables, tables.map(surveyOf), { ...exportOptions, ...options });
}

/** Attributes as a record: text, or numbers. */
function record(attributes: readonly NetcdfAttribute[]): Record<string, unknown> {
  expect(new Set(attributes.map(({ name }) => name)).size).toBe(attributes.length);
  return Object.fromEntries(
    attributes.map((attribute) => [attribute.name, attribute.type === 'text' ? attribute.text : [...attribute.values]]),
  );
}

function variableOf(group: NetcdfGroup, name: string) {
  const found = group.variables.find((variable) => variable.name === name);
  expect(found, name).toBeDefined();
  return { ...found!, attributes: record(found!.attributes) };
}

/** What CF-1.11 demands of every time series file, whatever is in it. */
function expectConforming(model: NetcdfModel): void {
  expect(record(model.attributes)).toMatchObject({ Conventions: 'CF-1.11, ACDD-1.3', featureType: 'timeSeries' });
  for (const group of model.groups) {
    const names = new Set(group.variables.map(({ name }) => name));
    const dimensions = new Map(group.dimensions.map((dimension) => [dimension.name, dimension]));
    expect(names.size).toBe(group.variables.length);
    expect(dimensions.size).toBe(group.dimensions.length);
    expect(group.variables.filter((variable) => record(variable.attributes).cf_role === 'timeseries_id')).toHaveLength(1);
    for (const variable of group.variables) {
      expect(variable.name).toMatch(/^[A-Za-z][A-Za-z0-9_]*$/);
      for (const dimension of variable.dimensions) expect(dimensions.has(dimension), dimension).toBe(true);
      if (variable.type === 'char') expect(dimensions.get(variable.dimensions.at(-1)!)?.length).toBe(variable.valueBytes);
      const attributes = record(variable.attributes);
      for (const name of ['coordinates', 'ancillary_variables', 'bounds', 'instrument']) {
        for (const target of ((attributes[name] as string) ?? '').split(' ').filter(Boolean)) expect(names.has(target), target).toBe(true);
      }
      if (dimensions.has(variable.name)) expect(variable.dimensions).toEqual([variable.name]);
    }
    for (const name of ['time', 'lat', 'lon']) expect(names.has(name), name).toBe(true);
  }
}

describe('a file with one table', () => {
  const model = modelOf([weatherTable()]);
  const group = model.groups[0]!;

  it('is one time series in the root group', () => {
    expectConforming(model);
    expect(model.groups).toHaveLength(1);
    expect(group.name).toBe('');
    expect(group.attributes).toEqual([]);
    expect(group.dimensions[0]).toEqual({ name: 'time', length: 4, unlimited: true });
  });

  it('says what it is, where, when and from which logger', () => {
    expect(record(model.attributes)).toMatchObject({
      title: 'Station Upper lake, table TenMin',
      id: 'lake-1/TenMin',
      platform: 'Upper lake',
      source: 'data logger CR1000X serial 4711',
      date_created: '2026-03-01T12:00:00Z',
      history: '2026-03-01T12:00:00Z exported by Godwit',
      geospatial_lat_min: [46.5],
      geospatial_lon_max: [8.25],
      time_coverage_start: '2026-02-28T00:00:00Z',
      time_coverage_end: '2026-02-28T00:30:00Z',
      time_coverage_resolution: 'PT600S',
      logger_program: 'CPU:lake.CR1X',
      logger_signature: '12342',
    });
  });

  it('describes a measured quantity as CF asks and as it was found', () => {
    const variable = variableOf(group, 'AirT_C_1');
    expect(variable.dimensions).toEqual(['time']);
    expect(variable.attributes).toEqual({
      long_name: 'AirT_C(1)',
      standard_name: 'air_temperature',
      units: 'degree_Celsius',
      logger_units: 'Deg C',
      cell_methods: 'time: mean',
      logger_processing: 'Avg',
      _FillValue: [fillDouble],
      coverage_content_type: 'physicalMeasurement',
      coordinates: 'station station_name lat lon alt',
      ancillary_variables: 'AirT_C_1_qc',
      instrument: 'instrument',
      sensor_serial_number: 'T-77',
    });
  });

  it('has a flag variable with QARTOD flags for each field', () => {
    expect(variableOf(group, 'Rain_qc')).toMatchObject({
      type: 'byte',
      dimensions: ['time'],
      attributes: {
        flag_values: [1, 2, 3, 4, 9],
        flag_meanings: 'pass not_evaluated suspect fail missing',
        standard_name: 'aggregate_quality_flag',
      },
    });
  });

  it('bounds its intervals and puts the stamp at their end', () => {
    expect(variableOf(group, 'time').attributes).toEqual({
      standard_name: 'time',
      long_name: 'time (UTC) at the end of the interval',
      units: 'seconds since 1970-01-01 00:00:00',
      calendar: 'standard',
      axis: 'T',
      bounds: 'time_bnds',
    });
    expect(variableOf(group, 'time_bnds')).toMatchObject({ dimensions: ['time', 'bnds'], attributes: {} });
  });

  it('names the logger in an instrument variable', () => {
    expect(variableOf(group, 'instrument').attributes).toEqual({ long_name: 'data logger', make_model: 'CR1000X', serial_number: '4711' });
  });

  it("keeps texts and the logger's own times as text, and truth as a flag", () => {
    expect(variableOf(group, 'Status')).toMatchObject({
      type: 'char',
      valueBytes: 15,
      dimensions: ['time', 'string15'],
      attributes: { _Encoding: 'utf-8' },
    });
    expect(variableOf(group, 'AirT_TMx')).toMatchObject({ type: 'char', valueBytes: 19 });
    expect(variableOf(group, 'DoorOpen')).toMatchObject({ type: 'byte', attributes: { flag_values: [0, 1], flag_meanings: 'false true' } });
  });

  it('keeps words where a column of numbers has nothing but words', () => {
    const words = modelOf([tableOf([field('x', { unit: 'V' })], [row(0, ['Open'])])]);
    expectConforming(words);
    expect(variableOf(words.groups[0]!, 'x')).toMatchObject({ type: 'char', valueBytes: 4, attributes: { logger_units: 'V' } });
  });

  it('takes attributes of the caller, in the place of its own', () => {
    const given = record(
      modelOf([weatherTable()], { attributes: { institution: 'Alpine Station', title: 'Ours', comment: '' } }).attributes,
    );
    expect(given).toMatchObject({ institution: 'Alpine Station', title: 'Ours' });
    expect(given).not.toHaveProperty('comment');
  });
});

describe('cell methods', () => {
  it("follow the logger's processing and are left out where it has none in CF", () => {
    const methods = ['Avg', 'MAX', 'min', 'Tot', 'Smp', 'Std', 'Med', 'WVc', ''].map((processing) => {
      const table = tableOf([field('x', { processing })], [row(0, ['1'])]);
      return variableOf(modelOf([table]).groups[0]!, 'x').attributes.cell_methods;
    });
    const words = ['mean', 'maximum', 'minimum', 'sum', 'point', 'standard_deviation', 'median'];
    expect(methods).toEqual([...words.map((word) => `time: ${word}`), undefined, undefined]);
  });

  it('bring time bounds only where an interval is known and something covers it', () => {
    const hasBounds = (more: Partial<SeriesTable>, processing: string) =>
      modelOf([tableOf([field('x', { processing })], [row(0, ['1'])], more)]).groups[0]!.variables.some(({ name }) => name === 'time_bnds');
    expect(hasBounds({ intervalUs: 60e6 }, 'Avg')).toBe(true);
    expect(hasBounds({ intervalUs: 60e6 }, 'Smp')).toBe(false);
    expect(hasBounds({}, 'Avg')).toBe(false);
    expect(hasBounds({ intervalUs: 0 }, 'Avg')).toBe(false);
  });
});

describe('what is not known', () => {
  it('about a unit is left to logger_units', () => {
    const attributes = variableOf(modelOf([tableOf([field('Turb', { unit: 'NTU' })], [row(0, ['1'])])]).groups[0]!, 'Turb').attributes;
    expect(attributes).toMatchObject({ logger_units: 'NTU' });
    expect(attributes).not.toHaveProperty('units');
  });

  it('about a position is missing, not absent, and claims no method', () => {
    const model = modelOf([
      tableOf([field('x')], [row(0, ['1'])], { station: { identifier: 's', name: 'S', latitude: 46, positionMethod: 'map' } }),
    ]);
    expectConforming(model);
    for (const name of ['lat', 'lon']) {
      expect(variableOf(model.groups[0]!, name)).toMatchObject({ content: { from: 'constant', value: fillDouble } });
      expect(variableOf(model.groups[0]!, name).attributes).not.toHaveProperty('comment');
    }
    expect(record(model.attributes)).not.toHaveProperty('geospatial_lat_min');
  });

  it('about a position but a part of it says that part', () => {
    const station = { identifier: 's', name: 'S', latitude: 46, longitude: 8 };
    const commentOf = (more: Partial<typeof station> & Record<string, unknown>) =>
      variableOf(modelOf([tableOf([field('x')], [row(0, ['1'])], { station: { ...station, ...more } })]).groups[0]!, 'lat').attributes
        .comment;
    expect(commentOf({ positionAccuracyM: 3.5 })).toBe('accuracy 3.5 m');
    expect(
      commentOf({ positionMethod: 'gnss', positionDatum: 'ED50', positionAccuracyM: 4, positionInstantUs: 1_700_000_000_000_000 }),
    ).toBe('position by gnss, datum ED50, accuracy 4 m, found at 2023-11-14T22:13:20Z');
  });

  it('about the logger brings no instrument variable', () => {
    const model = modelOf([tableOf([field('x')], [row(0, ['1'])], { loggerModel: '', loggerSerial: '' })]);
    expectConforming(model);
    expect(model.groups[0]!.variables.map(({ name }) => name)).not.toContain('instrument');
  });

  it('about times brings no coverage for a table without rows', () => {
    const model = modelOf([tableOf([field('x'), field('t', { kind: 'text' })], [])]);
    expectConforming(model);
    expect(record(model.attributes)).not.toHaveProperty('time_coverage_start');
  });
});

it('counts rows with obs where time does not strictly increase, for CF allows no such coordinate variable', () => {
  const model = modelOf([weatherTable({ rows: () => [...weatherTable().rows()].toReversed() })]);
  expectConforming(model);
  const group = model.groups[0]!;
  expect(group.dimensions[0]).toEqual({ name: 'obs', length: 4, unlimited: true });
  expect(variableOf(group, 'time').dimensions).toEqual(['obs']);
  expect(variableOf(group, 'time').attributes).not.toHaveProperty('axis');
  expect(variableOf(group, 'Rain').attributes.coordinates).toBe('time station station_name lat lon alt');
});

describe('names', () => {
  it("of fields never take those of the file's own variables and dimensions", () => {
    const names = ['time', 'LAT', 'obs', 'bnds', 'string6', 'x', 'x_qc', 'record_number', 'x'];
    const model = modelOf([
      tableOf(
        names.map((name) => field(name, { kind: 'text' })),
        [
          row(
            0,
            names.map(() => 'abcdef'),
          ),
        ],
      ),
    ]);
    expectConforming(model);
    const fields = model.groups[0]!.variables.filter(({ content }) => content.from === 'text').map(({ name }) => name);
    expect(fields).toEqual(['time_2', 'LAT_2', 'obs_2', 'bnds_2', 'string6', 'x', 'x_qc_2', 'record_number_2', 'x_2']);
  });

  it('of attributes are made plain and different', () => {
    const attributes = { 'OS version': 'a', OS_version: 'b', table: 'c', zone: 'GMT\0+1', empty: ' ' };
    expect(record(modelOf([weatherTable({ attributes })]).attributes)).toMatchObject({
      logger_OS_version: 'a',
      logger_OS_version_2: 'b',
      logger_table: 'TenMin',
      logger_table_2: 'c',
      logger_zone: 'GMT+1',
    });
  });
});

describe('a file with several tables', () => {
  const other = weatherTable({ station: { identifier: 'ridge', name: 'Ridge', latitude: 46.25, longitude: 8.75 }, table: 'Daily' });
  const model = modelOf([weatherTable(), other, weatherTable()]);

  it('has a group for each, named after station and table and different', () => {
    expectConforming(model);
    expect(model.groups.map(({ name }) => name)).toEqual(['Upper_lake_TenMin', 'Ridge_Daily', 'Upper_lake_TenMin_2']);
  });

  it('lays each group out like a file with one table, Conventions aside, which belong to the root alone', () => {
    const alone = modelOf([weatherTable()]);
    expect(model.groups[0]!.variables).toEqual(alone.groups[0]!.variables);
    expect(record(alone.attributes)).toMatchObject(record(model.groups[0]!.attributes));
    expect(record(model.groups[0]!.attributes)).toMatchObject({ featureType: 'timeSeries', platform: 'Upper lake' });
    expect(record(model.groups[0]!.attributes)).not.toHaveProperty('Conventions');
  });

  it('covers all of them at the root', () => {
    expect(record(model.attributes)).toMatchObject({
      title: 'Observations of 2 station(s), 3 tables',
      geospatial_lat_min: [46.25],
      geospatial_lat_max: [46.5],
      geospatial_lon_min: [8.25],
      geospatial_lon_max: [8.75],
      time_coverage_start: '2026-02-28T00:00:00Z',
    });
  });

  it('shows fractions of a second in its coverage only where there are any', () => {
    const late = tableOf([field('x')], [row(0, ['1'], { timeUs: 1_772_236_800_000_250 })]);
    expect(record(modelOf([late]).attributes)).toMatchObject({ time_coverage_start: '2026-02-28T00:00:00.000250Z' });
  });
});
