import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../../src/core/bytes.ts';
import type { CollectCursor, CollectedBatch } from '../../../../src/instruments/driver.ts';
import { type HobolinkConfiguration, hobolinkDriver } from '../../../../src/instruments/hobolink/driver.ts';
import { decodeObservations, decodeToken } from '../../../../src/instruments/hobolink/observations.ts';
import { ManualTimer } from '../http/manual-timer.ts';
import { configuration, day, june, observation, Service } from './service.ts';

async function open(service: Service, more: Partial<HobolinkConfiguration> = {}, nowSecond = june + 30 * day) {
  const timer = new ManualTimer();
  timer.nowMs = nowSecond * 1000;
  return hobolinkDriver.open({ ...configuration, ...more }, service, timer, new AbortController().signal);
}

async function collect(service: Service, cursor?: CollectCursor, more: Partial<HobolinkConfiguration> = {}): Promise<CollectedBatch[]> {
  const session = await open(service, more);
  return Array.fromAsync(session.collect('20622331', cursor));
}

const rows = (batches: readonly CollectedBatch[]) =>
  batches.flatMap(({ table, records }) => records.map(({ stamp, cells }) => [table.name, stamp.localUs / 1e6 - june, ...cells]));

describe('collecting from HOBOlink', () => {
  it('gives the records of each sensor from the first wanted time on', async () => {
    const service = new Service();
    service.observations.push(
      { second: june - 1, value: 9 },
      { second: june, value: 1 },
      { second: june, sensor: '1-2', value: 2, kind: 4 },
      { second: june, sensor: '1-2', value: 1, kind: 2 },
      { second: june + 600, value: null },
      { second: june + 600, logger: 'other' },
      { second: june + 20 * day, value: 3 },
    );
    const batches = await collect(service);
    expect(rows(batches)).toEqual([
      ['1-1', 0, '1'],
      ['1-1', 600, null],
      ['1-2', 0, '2', '1'],
      ['1-1', 20 * day, '3'],
    ]);
    expect(batches[1]?.table.fields).toEqual([
      { name: 'Temperature Avg', unit: '°C', processing: 'Avg', sensorSerial: '1-2', kind: 'number' },
      { name: 'Temperature Min', unit: '°C', processing: 'Min', sensorSerial: '1-2', kind: 'number' },
    ]);
    expect(batches.map(({ cursor }) => cursor.nextRecord - june)).toEqual([0, 601, 20 * day + 1]);
  });

  it('asks with a token, for spans of time, and not for what the server remembers', async () => {
    const service = new Service();
    await collect(service, undefined, { from: '2026-06-28T00:00:00+02:00' });
    expect(service.requests[0]).toContain('grant_type=client_credentials&client_id=field%20team&client_secret=s%26cret');
    expect(service.requests[1]).toContain(
      'GET /ws/data/file/JSON/user/7451?loggers=20622331&start_date_time=2026-06-27%2022%3A00%3A00&end_date_time=2026-07-01%2023%3A59%3A59 HTTP',
    );
    expect(service.requests[1]).toContain('Authorization: Bearer t1');
    expect(service.requests.join()).not.toContain('only_new_data');
    expect(service.requests).toHaveLength(2);
  });

  it('goes on behind the latest observation, however long ago it was uploaded', async () => {
    const service = new Service();
    service.observations.push({ second: june + day });
    const cursor = (await collect(service)).at(-1)?.cursor;
    expect(await collect(service, cursor)).toEqual([]);
    // Uploaded late, and stamped before the time of the last question.
    service.observations.push({ second: june + day + 3600, value: 7 });
    expect(rows(await collect(service, cursor))).toEqual([['1-1', day + 3600, '7']]);
  });

  it('asks for shorter spans when the service has more than it gives', async () => {
    const service = new Service();
    service.answersMax = 5;
    for (let index = 0; index < 60; index++) service.observations.push({ second: june + index * 600, value: index });
    expect(rows(await collect(service)).map(([, , value]) => value)).toEqual(Array.from({ length: 60 }, (_, index) => String(index)));
    service.observations.push(...Array.from({ length: 6 }, () => ({ second: june + 29 * day })));
    await expect(collect(service)).rejects.toMatchObject({ code: 'HOBOLINK_MALFORMED' });
  });

  it('may use other units', async () => {
    const service = new Service();
    service.observations.push({ second: june, value: 10 });
    const [us] = await collect(service, undefined, { units: 'us' });
    expect([us?.table.fields[0]?.unit, us?.records[0]?.cells]).toEqual(['°F', ['50']]);
    const [scaled] = await collect(service, undefined, { units: 'scaled' });
    expect([scaled?.table.fields[0]?.unit, scaled?.records[0]?.cells]).toEqual(['', ['0']]);
  });

  it('fetches a new token when the old one has expired, once', async () => {
    const service = new Service();
    service.observations.push({ second: june });
    service.statuses.push(401);
    expect(await collect(service)).toHaveLength(1);
    expect(service.tokens).toBe(2);
    service.statuses.push(401, 401);
    await expect(collect(service)).rejects.toMatchObject({ code: 'INSTRUMENT_REFUSED', retryable: false });
  });

  it.each([
    [429, 'HTTP_STATUS', true],
    [503, 'HTTP_STATUS', true],
    [403, 'INSTRUMENT_REFUSED', false],
  ])('says of status %i that it is %s', async (status, code, retryable) => {
    const service = new Service();
    service.statuses.push(status);
    await expect(collect(service)).rejects.toMatchObject({ code, retryable });
  });

  it('knows one logger, no clock, and no other table', async () => {
    const session = await open(new Service());
    expect(await session.tables()).toEqual([{ name: '20622331', revision: 'hobolink-3', fields: [], intervalUs: 0 }]);
    expect(await session.identify()).toMatchObject({ serial: '20622331', stationName: '20622331' });
    await expect(session.clock()).rejects.toMatchObject({ code: 'INSTRUMENT_REFUSED' });
    await expect(Array.fromAsync(session.collect('1'))).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' });
    await session.close();
  });

  it.each([{ userId: 'me' }, { logger: 'a b' }, { from: 'yesterday' }, { clientId: '' }, { units: 'metric' as 'si' }])(
    'refuses the configuration %j',
    async (more) => {
      await expect(open(new Service(), more)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
    },
  );
});

describe('answers of HOBOlink', () => {
  const good = { max_results: false, observation_list: [observation({ second: june })] };
  const decode = (value: unknown) => decodeObservations(utf8(typeof value === 'string' ? value : JSON.stringify(value)), '20622331', 'si');

  it.each([
    '',
    '[]',
    '{}',
    { observation_list: {} },
    { observation_list: [{ ...observation({ second: june }), sensor_sn: '' }] },
    { observation_list: [{ ...observation({ second: june }), timestamp: '2026-06-01 00:00:00' }] },
    { observation_list: [{ ...observation({ second: june }), data_type_id: '9' }] },
  ])('%j are refused', (value) => {
    expect(decode(value)).toMatchObject({ ok: false, fault: { code: 'HOBOLINK_MALFORMED' } });
  });

  it('cut at any byte are refused', () => {
    const text = JSON.stringify(good);
    expect(decode(text).ok).toBe(true);
    for (let length = 0; length < text.length; length++) expect(decode(text.slice(0, length)).ok).toBe(false);
  });

  it('without a kind of measurement are values', () => {
    const { sensor_measurement_type: _, ...rest } = observation({ second: june });
    expect(decode({ observation_list: [rest] })).toMatchObject({ value: { series: [{ fields: [{ name: 'Value' }] }] } });
  });

  it.each(['', '{}', '{"access_token":"a b"}', '{"access_token":"a\\r\\nX: y"}'])('%j hold no token', (body) => {
    expect(decodeToken(utf8(body))).toMatchObject({ ok: false, fault: { code: 'HOBOLINK_MALFORMED' } });
  });
});
