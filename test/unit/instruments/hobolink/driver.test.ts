import { describe, expect, it } from 'vitest';
import { utf8, utf8Text } from '../../../../src/core/bytes.ts';
import type { CollectCursor, CollectedBatch, InstrumentTransport } from '../../../../src/instruments/driver.ts';
import { type HobolinkConfiguration, hobolinkDriver } from '../../../../src/instruments/hobolink/driver.ts';
import { decodeObservations, decodeToken } from '../../../../src/instruments/hobolink/observations.ts';
import { ManualTimer } from '../http/manual-timer.ts';

interface Observation {
  readonly second: number;
  readonly sensor?: string;
  readonly value?: number | null;
  readonly kind?: number;
  readonly logger?: string;
}

/** 2026-06-01T00:00:00Z. */
const june = 1_780_272_000;
const day = 24 * 3600;

function observation({ second, sensor = '1-1', value = 1.5, kind = 1, logger = '20622331' }: Observation): Record<string, unknown> {
  return {
    logger_sn: logger,
    sensor_sn: sensor,
    timestamp: `${new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`,
    data_type_id: String(kind),
    si_value: value,
    si_unit: '°C',
    us_value: value === null ? null : value * 1.8 + 32,
    us_unit: '°F',
    scaled_value: 0,
    scaled_unit: null,
    sensor_measurement_type: 'Temperature',
  };
}

/** A service with these observations that speaks HTTP over a transport, a connection a request. */
class Service implements InstrumentTransport {
  readonly observations: Observation[] = [];
  readonly requests: string[] = [];
  answersMax = 100;
  tokens = 0;
  /** Statuses of the next answers to questions for data. */
  readonly statuses: number[] = [];
  body: string | undefined;
  #arrived = Promise.withResolvers<Uint8Array>();

  read(): AsyncIterable<Uint8Array> {
    this.#arrived = Promise.withResolvers();
    const { promise } = this.#arrived;
    return (async function* () {
      yield await promise;
    })();
  }

  async write(bytes: Uint8Array): Promise<void> {
    const text = utf8Text(bytes) ?? '';
    this.requests.push(text);
    const [status, body] = this.#answer(text);
    const content = utf8(body);
    this.#arrived.resolve(
      new Uint8Array([...utf8(`HTTP/1.1 ${status} X\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n`), ...content]),
    );
  }

  async close(): Promise<void> {
    this.#arrived.resolve(new Uint8Array(0));
  }

  #answer(text: string): [number, string] {
    if (text.startsWith('POST /ws/auth/token '))
      return [200, JSON.stringify({ access_token: `t${++this.tokens}`, token_type: 'bearer', expires_in: 600 })];
    const status = this.statuses.shift() ?? 200;
    const query = new URL(text.split(' ')[1] ?? '', 'https://x').searchParams;
    const second = (name: string) => Date.parse(`${query.get(name)?.replace(' ', 'T')}Z`) / 1000;
    const found = this.observations.filter((each) => each.second >= second('start_date_time') && each.second <= second('end_date_time'));
    const list = found.slice(0, this.answersMax).map(observation);
    return [status, this.body ?? JSON.stringify({ max_results: found.length > this.answersMax, message: '', observation_list: list })];
  }
}

const configuration: HobolinkConfiguration = {
  clientId: 'field team',
  clientSecret: 's&cret',
  userId: '7451',
  logger: '20622331',
  from: '2026-06-01',
};

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
