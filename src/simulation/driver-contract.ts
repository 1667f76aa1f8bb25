import { GodwitError } from '../core/errors.ts';
import type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentTimer,
  InstrumentTransport,
} from '../instruments/driver.ts';
import { recordTranscript, TranscriptReplay } from './instrument-transcript.ts';

/**
 * What every instrument driver must do, as checks that any test runner can run:
 *
 *     for (const { title, run } of driverContract(myDriver, bench)) test(title, run);
 *
 * A driver that passes may be handed to `collect`: the node relies on nothing else. The checks want an instrument that holds at least one record; a simulated one, a recorded conversation or a real one will do.
 */

/** An instrument to check a driver with. */
export interface DriverBench<Configuration> {
  readonly configuration: Configuration;
  /** A new connection to the instrument, which goes on as it was: what it stored in the last conversation it still has. */
  connect(): { readonly transport: InstrumentTransport; readonly timer: InstrumentTimer };
  /** Lets time pass until a promise settles, where the instrument's time is not the real one. */
  settle?<T>(promise: Promise<T>): Promise<T>;
  /** The instrument numbers its records and keeps them: what was collected is not collected again. */
  readonly remembers: boolean;
}

/** One thing that a driver must do. `run` rejects with an `Error` that says what it did instead. */
export interface ContractCheck {
  readonly title: string;
  run(): Promise<void>;
}

const driverId = /^[a-z0-9][a-z0-9-]{1,62}$/;
const never = new AbortController().signal;

function demand(condition: boolean, complaint: string): asserts condition {
  if (!condition) throw new Error(complaint);
}

/** The error a promise rejects with, which must be the contract's own. */
async function errorOf(what: string, promise: Promise<unknown>): Promise<GodwitError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  demand(error !== undefined, `${what} succeeded`);
  demand(error instanceof GodwitError, `${what} rejected with ${String(error)}, which is no GodwitError`);
  return error;
}

/** The checks of a driver with an instrument. */
export function driverContract<Configuration>(
  driver: DeviceDriver<Configuration>,
  bench: DriverBench<Configuration>,
): readonly ContractCheck[] {
  const settle = <T>(promise: Promise<T>): Promise<T> => (bench.settle === undefined ? promise : bench.settle(promise));
  const open = (connection = bench.connect(), signal: AbortSignal = never): Promise<DeviceSession> =>
    settle(driver.open(bench.configuration, connection.transport, connection.timer, signal));
  const using = async <T>(work: (session: DeviceSession) => Promise<T>, connection = bench.connect()): Promise<T> => {
    const session = await open(connection);
    try {
      return await work(session);
    } finally {
      await settle(session.close());
    }
  };
  const firstTable = async (session: DeviceSession): Promise<string> => {
    const [table] = await settle(session.tables());
    demand(table !== undefined, 'the instrument has no table');
    return table.name;
  };
  const collect = (session: DeviceSession, table: string, cursor?: CollectCursor): Promise<CollectedBatch[]> =>
    settle(Array.fromAsync(session.collect(table, cursor)));
  const collectAll = async (session: DeviceSession): Promise<CollectedBatch[]> => {
    const names = (await settle(session.tables())).map(({ name }) => name);
    const batches: CollectedBatch[] = [];
    for (const name of names) batches.push(...(await collect(session, name)));
    return batches;
  };

  return [
    {
      title: `${driver.id} has a name that can be kept, and can list tables and collect them`,
      async run() {
        demand(driverId.test(driver.id), `"${driver.id}" is no identifier of small letters, digits and hyphens`);
        for (const needed of ['tables', 'collect'] as const) demand(driver.capabilities.has(needed), `it cannot ${needed}`);
      },
    },
    {
      title: `${driver.id} describes its tables: each name once, each field named, a revision and an interval`,
      run: () =>
        using(async (session) => {
          const tables = await settle(session.tables());
          demand(new Set(tables.map(({ name }) => name)).size === tables.length, 'two tables have one name');
          for (const { name, revision, fields, intervalUs } of tables) {
            demand(name !== '' && revision !== '', `table "${name}" has no name or no revision`);
            demand(new Set(fields.map((field) => field.name)).size === fields.length, `fields of ${name} share a name`);
            demand(Number.isSafeInteger(intervalUs) && intervalUs >= 0, `the interval of ${name} is ${intervalUs} µs`);
          }
        }),
    },
    {
      title: `${driver.id} hands over records that fit their table, with the bytes they came from and a cursor behind them`,
      run: () =>
        using(async (session) => {
          const batches = await collectAll(session);
          demand(
            batches.some(({ records }) => records.length > 0),
            'no record was collected',
          );
          for (const { table, records, raw, cursor } of batches) {
            demand(raw.length > 0, `a batch of ${table.name} has no raw bytes`);
            demand(cursor.revision === table.revision, `the cursor of ${table.name} is of another revision`);
            let last = Number.NEGATIVE_INFINITY;
            for (const { recordNumber, stamp, cells } of records) {
              demand(
                cells.length === table.fields.length,
                `a record of ${table.name} has ${cells.length} cells for ${table.fields.length} fields`,
              );
              demand(Number.isSafeInteger(stamp.localUs), `a record of ${table.name} is stamped ${stamp.localUs}`);
              demand(recordNumber === undefined || recordNumber > last, `record ${recordNumber} of ${table.name} stands behind ${last}`);
              last = recordNumber ?? last;
            }
          }
        }),
    },
    {
      title: `${driver.id} goes on behind a cursor, also over another connection`,
      async run() {
        const table = await using(firstTable);
        const first = await using((session) => collect(session, table));
        const cursor = first.at(-1)?.cursor;
        demand(cursor !== undefined, 'the first collection came to nothing');
        const next = await using((session) => collect(session, table, JSON.parse(JSON.stringify(cursor)) as CollectCursor));
        if (!bench.remembers) return;
        const again = next.flatMap(({ records }) => records).find(({ recordNumber = -1 }) => recordNumber < cursor.nextRecord);
        demand(again === undefined, `record ${again?.recordNumber} was collected again behind ${cursor.nextRecord}`);
      },
    },
    {
      title: `${driver.id} says TABLE_CHANGED when the cursor is of another revision`,
      run: () =>
        using(async (session) => {
          const table = await firstTable(session);
          const error = await errorOf(
            'collecting with a strange cursor',
            collect(session, table, { revision: 'of another program', nextRecord: 0 }),
          );
          demand(error.code === 'TABLE_CHANGED' && error.retryable, `it said ${error.code}, retryable: ${error.retryable}`);
        }),
    },
    {
      title: `${driver.id} leaves nothing open: the transport is closed with the session, and what is asked then ends`,
      async run() {
        const connection = bench.connect();
        let closed = 0;
        const { transport } = connection;
        const watched: InstrumentTransport = {
          read: () => transport.read(),
          write: (bytes) => transport.write(bytes),
          close: () => {
            closed++;
            return transport.close();
          },
          ...(transport.sendBreak === undefined
            ? {}
            : { sendBreak: (durationMs: number) => transport.sendBreak?.(durationMs) ?? Promise.resolve() }),
        };
        const session = await open({ transport: watched, timer: connection.timer });
        const table = await firstTable(session);
        await settle(session.close());
        demand(closed > 0, 'the transport is still open');
        // What was heard before may still be given; nothing new can come.
        await collect(session, table).catch((error: unknown) => demand(error instanceof GodwitError, `it rejected with ${String(error)}`));
      },
    },
    {
      title: `${driver.id} gives up when it is told to`,
      async run() {
        const stop = new AbortController();
        stop.abort();
        const connection = bench.connect();
        const work = (async () => {
          const session = await driver.open(bench.configuration, connection.transport, connection.timer, stop.signal);
          await session.tables();
          for await (const { table } of session.collect((await session.tables())[0]?.name ?? '')) demand(table.name === '', 'it collected');
        })();
        await errorOf('a conversation that was aborted', settle(work));
      },
    },
    {
      title: `${driver.id} says that an instrument which is silent may be asked again`,
      async run() {
        const { timer } = bench.connect();
        const silent = new TranscriptReplay({ version: 1, startWallMs: timer.wallMs(), steps: [] });
        const work = (async () => {
          const session = await driver.open(bench.configuration, silent, silent, never);
          for (const { name } of await session.tables()) await Array.fromAsync(session.collect(name));
        })();
        const error = await errorOf('a conversation with nobody', work);
        demand(error.retryable, `${error.code} is not retryable`);
      },
    },
    {
      title: `${driver.id} says and finds the same when a recorded conversation is played back`,
      async run() {
        const { transport, timer } = bench.connect();
        const recording = recordTranscript(transport, timer);
        const live = await using(collectAll, { transport: recording.transport, timer });
        const replay = new TranscriptReplay(JSON.parse(JSON.stringify(recording.transcript())));
        const session = await driver.open(bench.configuration, replay, replay, never);
        const played: CollectedBatch[] = [];
        for (const { name } of await session.tables()) played.push(...(await Array.fromAsync(session.collect(name))));
        await session.close();
        demand(JSON.stringify(played) === JSON.stringify(live), 'the replay came to something else');
      },
    },
  ];
}
