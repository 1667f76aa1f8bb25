import { describe, expect, it } from 'vitest';
import type { FieldDefinition } from '../../../../src/formats/record-stream.ts';
import { type CampbellHttpConfiguration, campbellHttpDriver } from '../../../../src/instruments/campbell-http/driver.ts';
import type { CollectCursor, CollectedBatch, DeviceSession } from '../../../../src/instruments/driver.ts';
import { HttpLogger, type HttpLoggerOptions, httpLoggerTransport } from '../../../../src/simulation/http-logger.ts';
import { ManualTimer } from '../http/manual-timer.ts';

const fields: FieldDefinition[] = [
  { name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' },
  { name: 'Note', unit: '', processing: 'Smp', kind: 'text' },
];
/** 2026-01-01T00:00:00 on the logger's calendar. */
const startUs = 1_767_225_600_000_000;
const minuteUs = 60_000_000;

function weather(options: HttpLoggerOptions = {}, capacity = 100): HttpLogger {
  const logger = new HttpLogger(options);
  logger.define('Hour', fields, capacity);
  return logger;
}

function store(logger: HttpLogger, count: number, table = 'Hour'): void {
  for (let index = 0; index < count; index++) {
    logger.clockUs = startUs + logger.queries.length + index * minuteUs;
    logger.append(table, {
      localUs: logger.clockUs - (logger.clockUs % minuteUs),
      cells: [`${index}.50`, index % 2 === 0 ? null : 'a "b"'],
    });
  }
}

const open = (logger: HttpLogger, configuration: CampbellHttpConfiguration = {}, pieceBytes = 7) =>
  campbellHttpDriver.open(configuration, httpLoggerTransport(logger, pieceBytes), new ManualTimer(), new AbortController().signal);

async function collect(session: DeviceSession, cursor?: CollectCursor, table = 'Hour'): Promise<CollectedBatch[]> {
  return Array.fromAsync(session.collect(table, cursor));
}

const numbers = (batches: readonly CollectedBatch[]) =>
  batches.flatMap(({ records }) => records.map(({ recordNumber }) => recordNumber ?? -1));
const dataQueries = (logger: HttpLogger) => logger.queries.filter((query) => query.includes('DataQuery'));

describe.each([
  ['json', {}],
  ['json, in chunks over connections that close', { chunks: true, keepsOpen: false }],
] as [string, HttpLoggerOptions][])('a logger that answers %s', (_, options) => {
  it('tells who it is, its clock and its tables', async () => {
    const logger = weather(options);
    store(logger, 3);
    const session = await open(logger);
    expect(await session.identify()).toEqual({
      model: 'CR6',
      serial: '1844',
      operatingSystem: 'CR6.Std.12',
      programName: 'CPU:weather.CR6',
      programSignature: '',
      stationName: 'Godwit Weir',
    });
    expect((await session.clock()).stamp.localUs).toBe(startUs + 2 * minuteUs);
    expect(await session.tables()).toMatchObject([{ name: 'Hour', fields }]);
    await session.close();
    await expect(session.clock()).rejects.toMatchObject({ code: 'INSTRUMENT_DISCONNECTED' });
  });

  it('gives everything once, and then only what is new', async () => {
    const logger = weather({ ...options, answerRecordsMax: 4 });
    store(logger, 10);
    const first = await collect(await open(logger));
    expect(numbers(first)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(first[0]?.records[1]).toEqual({ recordNumber: 1, stamp: { localUs: startUs + minuteUs }, cells: ['1.50', 'a "b"'] });
    expect(first.every(({ missing }) => missing === undefined)).toBe(true);
    const cursor = first.at(-1)?.cursor;
    expect(await collect(await open(logger), cursor)).toEqual([]);
    store(logger, 2);
    expect(numbers(await collect(await open(logger), cursor))).toEqual([10, 11]);
  });
});

describe('collecting over HTTP', () => {
  it('costs one query for a table with one new record', async () => {
    const logger = weather();
    store(logger, 5);
    const cursor = (await collect(await open(logger))).at(-1)?.cursor;
    store(logger, 1);
    logger.queries.length = 0;
    const batches = await collect(await open(logger), cursor);
    expect(numbers(batches)).toEqual([5]);
    expect(dataQueries(logger)).toHaveLength(1);
    const text = new TextDecoder().decode(batches[0]?.raw);
    expect(text).toContain('"no":5');
  });

  it('asks again when a table is collected twice in one session', async () => {
    const logger = weather();
    store(logger, 1);
    const session = await open(logger);
    const cursor = (await collect(session)).at(-1)?.cursor;
    store(logger, 1);
    expect(numbers(await collect(session, cursor))).toEqual([1]);
  });

  it('names the records that the ring memory has lost', async () => {
    const logger = weather({}, 5);
    store(logger, 3);
    const cursor = (await collect(await open(logger))).at(-1)?.cursor;
    store(logger, 12);
    const batches = await collect(await open(logger), cursor);
    expect(numbers(batches)).toEqual([10, 11, 12, 13, 14]);
    expect(batches[0]?.missing).toEqual({ from: 3, to: 10 });
  });

  it('begins anew with a table that was emptied', async () => {
    const logger = weather();
    store(logger, 9);
    const cursor = (await collect(await open(logger))).at(-1)?.cursor;
    logger.define('Hour', fields, 100);
    store(logger, 2);
    const batches = await collect(await open(logger), cursor);
    expect(numbers(batches)).toEqual([0, 1]);
    expect(batches[0]?.missing).toBeUndefined();
  });

  it('says when the program changed, and goes on with the new table', async () => {
    const logger = weather();
    store(logger, 2);
    const session = await open(logger);
    const cursor = (await collect(session)).at(-1)?.cursor;
    logger.program = 'CPU:other.CR6';
    await expect(collect(session, cursor)).rejects.toMatchObject({ code: 'TABLE_CHANGED', retryable: true });
    await expect(collect(session, cursor)).rejects.toMatchObject({ code: 'TABLE_CHANGED' });
    const [table] = await session.tables();
    expect(table?.revision).not.toBe(cursor?.revision);
    expect(numbers(await collect(session))).toEqual([0, 1]);
  });

  it('notices a program that changed between two answers', async () => {
    const logger = weather({ answerRecordsMax: 2 });
    store(logger, 6);
    const session = await open(logger);
    const seen: number[] = [];
    const run = async () => {
      for await (const batch of session.collect('Hour')) {
        seen.push(...numbers([batch]));
        logger.define('Hour', fields.slice(0, 1), 100);
        logger.append('Hour', { localUs: startUs, cells: ['1'] });
      }
    };
    await expect(run()).rejects.toMatchObject({ code: 'TABLE_CHANGED' });
    expect(seen).toEqual([0, 1]);
  });

  it('knows no table that is not there, and nothing of an empty one', async () => {
    const session = await open(weather());
    await expect(collect(session, undefined, 'Day')).rejects.toMatchObject({ code: 'TABLE_UNKNOWN' });
    expect(await collect(session)).toEqual([]);
  });

  it('may archive TOA5, as the maker writes it', async () => {
    const logger = weather({ answerRecordsMax: 3 });
    store(logger, 7);
    const batches = await collect(await open(logger, { format: 'toa5' }));
    expect(numbers(batches)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(new TextDecoder().decode(batches[0]?.raw).slice(0, 7)).toBe('"TOA5",');
    const cursor = batches.at(-1)?.cursor;
    store(logger, 1);
    expect(numbers(await collect(await open(logger, { format: 'toa5' }), cursor))).toEqual([7]);
    logger.define('Hour', fields, 100);
  });

  it.each<[CampbellHttpConfiguration['first'], number[]]>([
    [{ mode: 'most-recent', records: 2 }, [4, 5]],
    [{ mode: 'backfill', seconds: 100 }, [4, 5]],
    [{ mode: 'date-range', from: '2026-01-01T00:01:00', to: '2026-01-01T00:03:00' }, [1, 2, 3, 4, 5]],
    [{ mode: 'date-range', from: '2026-01-01T00:04:00' }, [4, 5]],
    [{ mode: 'date-range', from: '2027-01-01T00:00:00' }, []],
    [{ mode: 'oldest' }, [0, 1, 2, 3, 4, 5]],
  ])('may begin with %j', async (first, expected) => {
    const logger = weather();
    store(logger, 6);
    expect(numbers(await collect(await open(logger, first === undefined ? {} : { first })))).toEqual(expected);
  });
});

describe('an account', () => {
  it('is shown to the logger, which refuses others', async () => {
    const logger = weather({ account: { username: 'reader', password: 'grün' } });
    await expect((await open(logger)).tables()).rejects.toMatchObject({ code: 'INSTRUMENT_REFUSED', retryable: false });
    const session = await open(logger, { username: 'reader', password: 'grün' });
    expect(await session.tables()).toHaveLength(1);
  });
});

describe('a bad line', () => {
  it.each([0, 20, 90, 200])('that breaks after %i bytes of an answer fails so that it can be tried again', async (cut) => {
    const logger = weather({ keepsOpen: false });
    store(logger, 3);
    const session = await open(logger);
    logger.breakAfterBytes = cut;
    const failed = session.tables().then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    expect(['INSTRUMENT_DISCONNECTED', 'HTTP_MALFORMED']).toContain(await failed);
    expect(numbers(await collect(session))).toEqual([0, 1, 2]);
  });

  it('that was closed while it was idle is opened again unnoticed', async () => {
    const logger = weather();
    store(logger, 3);
    const session = await open(logger);
    await session.clock();
    logger.breakAfterBytes = 0;
    expect(await session.tables()).toHaveLength(1);
  });

  it('that is silent is given up', async () => {
    const timer = new ManualTimer();
    const silent = { ...httpLoggerTransport(weather()), write: async () => timer.expire() };
    const session = await campbellHttpDriver.open({}, silent, timer, new AbortController().signal);
    const failed = expect(session.clock()).rejects.toMatchObject({ code: 'INSTRUMENT_TIMEOUT', retryable: true });
    const expire = setInterval(() => timer.expire());
    await failed;
    clearInterval(expire);
  });

  it('is left when the caller gives up', async () => {
    const given = new AbortController();
    const silent = { ...httpLoggerTransport(weather()), write: async () => given.abort() };
    const session = await campbellHttpDriver.open({}, silent, new ManualTimer(), given.signal);
    await expect(session.clock()).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(session.tables()).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('answers that are no answers', () => {
  const serve = async (body: string) => {
    const bytes = new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${new TextEncoder().encode(body).length}\r\n\r\n${body}`);
    const transport = {
      read: () =>
        (async function* () {
          yield bytes;
        })(),
      write: async () => undefined,
      close: async () => undefined,
    };
    return campbellHttpDriver.open({}, transport, new ManualTimer(), new AbortController().signal);
  };

  it.each(['', '{}', '[]', '{"symbols":[{"type":6}]}', '{"symbols":1}'])('%j lists no tables', async (body) => {
    await expect((await serve(body)).tables()).rejects.toMatchObject({ code: 'HTTP_LOGGER_MALFORMED', retryable: true });
  });

  it.each(['', '{"outcome":3,"time":"2026-01-01T00:00:00"}', '{"outcome":1,"time":"noon"}'])('%j tells no time', async (body) => {
    await expect((await serve(body)).clock()).rejects.toMatchObject({ code: 'HTTP_LOGGER_MALFORMED' });
  });
});

it.each([
  { username: 'a:b' },
  { username: 'a\r\nX: y' },
  { path: 'x' },
  { path: '/?command=ClockSet' },
  { source: 'dl:&command=FileControl' },
  { host: 'a b' },
  { first: { mode: 'most-recent', records: 0 } },
  { first: { mode: 'date-range', from: 'yesterday' } },
  { format: 'xml' },
  { silenceMs: 0 },
  { speed: 1 },
])('the configuration %j is refused', async (configuration) => {
  const logger = weather();
  await expect(open(logger, configuration as CampbellHttpConfiguration)).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
});
