import { describe, expect, it, vi } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { GodwitError } from '../../src/core/errors.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import type { PushRequest } from '../../src/instruments/http-push/push-request.ts';
import { HttpLogger, httpLoggerTransport } from '../../src/simulation/http-logger.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';
import { MessageBroker } from '../../src/simulation/message-broker.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { World } from '../../src/simulation/world.ts';

const minute = 60_000;
const second = 1000;

/** A node with a dataset of observations. */
async function station(seed: number): Promise<{ world: World; node: SimulatedNode; met: DatasetId }> {
  const world = new World({ seed });
  const node = await world.add('station');
  node.node.createTeam('Storbreen');
  return { world, node, met: node.node.createDataset({ name: 'met', kind: 'series' }) };
}

const cells = (node: SimulatedNode, dataset: DatasetId) =>
  node.node.tables(dataset).flatMap(({ revision }) => [...node.node.rows(dataset, revision.id)].map((row) => row.cells.join(',')));
const counts = (node: SimulatedNode, dataset: DatasetId) => Object.fromEntries(node.node.ingestCounts(dataset));
const problems = (node: SimulatedNode) => node.events.flatMap((event) => (event.type === 'problem' ? [event.code] : []));

const toa5 = (rows: number, firstRecord = 0) =>
  toa5Text({
    station: 'S',
    table: 'T',
    firstLocalUs: Date.UTC(2026, 0, 1) * 1000 + firstRecord * 60_000_000,
    intervalUs: 60_000_000,
    rows,
    firstRecord,
    seed: 1,
    withHeader: true,
  });

describe('messages of a broker', () => {
  const topics = [
    {
      kind: 'object' as const,
      topic: 'weather/{station}',
      fields: [{ name: 'AirT', pointer: '/t', unit: 'Deg C' }],
      time: { pointer: '/at', form: 'unix-seconds' as const },
    },
  ];
  const mqtt = (dataset: DatasetId) => ({
    kind: 'mqtt' as const,
    dataset,
    address: 'mqtt://broker',
    clientId: 'station',
    topics,
  });
  const reading = (number: number) => utf8(`{"t":${number}.5,"at":${1_780_000_000 + number}}`);

  it('are stored, each once, also when the node was away or died before it could acknowledge', async () => {
    const { world, node, met } = await station(1);
    const broker = new MessageBroker();
    node.brokers.set('mqtt://broker', broker);
    node.node.addDuty(mqtt(met));
    await world.runFor(second);
    for (let number = 0; number < 5; number++) broker.publish('weather/ridge', reading(number));
    broker.publish('other/ridge', reading(9));
    await world.runFor(minute);
    expect([cells(node, met), broker.waiting('station')]).toEqual([['0.5', '1.5', '2.5', '3.5', '4.5'], 0]);
    for (let number = 5; number < 12; number++) {
      broker.publish('weather/ridge', reading(number));
      // Killed at another moment of storing each time.
      await world.runFor(number);
      node.kill();
      await world.runFor(second);
      await world.finish(node.start());
    }
    await world.runFor(minute);
    expect([cells(node, met).length, broker.waiting('station')]).toEqual([12, 0]);
    expect(problems(node)).toEqual([]);
  });

  it('that mean nothing are quarantined each, and stop nothing', async () => {
    const { world, node, met } = await station(2);
    const broker = new MessageBroker();
    node.brokers.set('mqtt://broker', broker);
    node.node.addDuty(mqtt(met));
    await world.runFor(second);
    for (const text of ['{"t":"warm"}', '{"t":"cold"}', '{"t":"cold"}']) broker.publish('weather/ridge', utf8(text));
    broker.publish('weather/ridge', reading(1));
    await world.runFor(minute);
    expect(cells(node, met)).toEqual(['1.5']);
    expect(node.node.quarantined(met).map(({ code, bytes }) => [code, new TextDecoder().decode(bytes)])).toEqual([
      ['MQTT_MESSAGE_MALFORMED', '{"t":"warm"}'],
      ['MQTT_MESSAGE_MALFORMED', '{"t":"cold"}'],
    ]);
    expect(counts(node, met)).toEqual({ 'mqtt weather/ridge': { read: 3, stored: 1, duplicate: 0, quarantined: 2 } });
  });

  it('wait at the broker while the site profile lacks the zone', async () => {
    const { world, node, met } = await station(3);
    const broker = new MessageBroker();
    node.brokers.set('mqtt://broker', broker);
    const local = {
      kind: 'object' as const,
      topic: 'weather/{station}',
      fields: [{ name: 'AirT', pointer: '/t' }],
      time: { pointer: '/at', form: 'iso' as const },
    };
    const id = node.node.addDuty({ ...mqtt(met), topics: [local] });
    await world.runFor(second);
    broker.publish('weather/ridge', utf8('{"t":1,"at":"2026-01-01T00:00:00"}'));
    await world.runFor(minute);
    expect([broker.waiting('station'), new Set(problems(node)), cells(node, met)]).toEqual([1, new Set(['ZONE_UNKNOWN']), []]);
    node.node.removeDuty(id);
    node.node.addDuty({ ...mqtt(met), topics: [local], profile: { utcOffsetMinutes: 60 } });
    await world.runFor(minute);
    expect([broker.waiting('station'), cells(node, met)]).toEqual([0, ['1']]);
  });

  it('are not listened to any more when the duty is removed, and a broker that is not there is tried again', async () => {
    const { world, node, met } = await station(4);
    const broker = new MessageBroker();
    const id = node.node.addDuty({ ...mqtt(met), password: 'sesame' });
    await world.runFor(10 * second);
    const event = node.events.find((each) => each.type === 'problem');
    expect(JSON.stringify(event)).toContain('INSTRUMENT_UNREACHABLE');
    expect(JSON.stringify(event)).not.toContain('sesame');
    node.brokers.set('mqtt://broker', broker);
    await world.runFor(minute);
    broker.publish('weather/ridge', reading(1));
    await world.runFor(second);
    node.node.removeDuty(id);
    await world.runFor(minute);
    broker.publish('weather/ridge', reading(2));
    await world.runFor(minute);
    expect([cells(node, met), broker.waiting('station'), node.pendingTimers]).toEqual([['1.5'], 1, 0]);
  });
});

describe('what loggers push', () => {
  const address = 'http://0.0.0.0:8080';
  const request = (body: string, more: Partial<PushRequest> = {}): PushRequest => ({
    method: 'POST',
    target: '/ridge',
    headers: { authorization: 'Bearer sesame-open' },
    body: utf8(body),
    ...more,
  });

  it('is answered 200 when it is durable, and pushed again counts as duplicate', async () => {
    const { world, node, met } = await station(5);
    node.node.addDuty({ kind: 'receive', dataset: met, address, token: 'sesame-open', profile: { utcOffsetMinutes: 0 } });
    await world.runFor(second);
    const push = (pushed: PushRequest) => world.finish((async () => node.pushes.get(address)?.(pushed))());
    expect(await push(request(toa5(20)))).toEqual({ status: 200, text: 'stored 20, duplicate 0, quarantined 0' });
    expect(await push(request(toa5(25)))).toEqual({ status: 200, text: 'stored 5, duplicate 20, quarantined 0' });
    expect(await push(request('what is this'))).toEqual({ status: 200, text: 'stored 0, duplicate 0, quarantined 1' });
    expect(await push(request(toa5(2), { headers: {} }))).toMatchObject({ status: 400 });
    node.kill();
    await world.finish(node.start());
    await world.runFor(second);
    expect(cells(node, met)).toHaveLength(25);
    expect(counts(node, met)['push /ridge']).toEqual({ read: 46, stored: 25, duplicate: 20, quarantined: 1 });
  });

  it('is answered 503 while the zone is not known, so that the logger keeps it', async () => {
    const { world, node, met } = await station(6);
    node.node.addDuty({ kind: 'receive', dataset: met, address });
    await world.runFor(second);
    const answer = await world.finish((async () => node.pushes.get(address)?.(request(toa5(3))))());
    expect(answer).toMatchObject({ status: 503, retryAfterSeconds: 60 });
    expect(answer?.text).toContain('ZONE_UNKNOWN');
    expect(node.node.quarantined(met)).toEqual([]);
  });
});

describe('a drop folder', () => {
  it('gives each upload once, when it is whole, and keeps them apart where it moves them', async () => {
    const { world, node, met } = await station(7);
    const folder = node.directory('ftp');
    node.node.addDuty({
      kind: 'drop',
      dataset: met,
      directory: 'ftp',
      everyMs: 5 * second,
      moveTo: 'done',
      profile: { utcOffsetMinutes: 0 },
    });
    const text = toa5(30);
    folder.put('met.dat', utf8(text.slice(0, 500)));
    folder.put('next.dat.part', utf8(text));
    await world.runFor(8 * second);
    folder.put('met.dat', utf8(text));
    await world.runFor(8 * second);
    expect(cells(node, met)).toEqual([]);
    await world.runFor(minute);
    expect(cells(node, met)).toHaveLength(30);
    folder.put('met.dat', utf8(toa5(10, 30)));
    await world.runFor(minute);
    expect(cells(node, met)).toHaveLength(40);
    const paths = await Array.fromAsync(folder.walk(), ({ path }) => path);
    expect(paths).toEqual(['done/met (2).dat', 'done/met.dat', 'next.dat.part']);
  });

  it('waits for its zone, and reads again when a disk had failed', async () => {
    const { world, node, met } = await station(8);
    const folder = node.directory('ftp');
    const duty = { kind: 'drop' as const, dataset: met, directory: 'ftp', everyMs: 5 * second, settleMs: 0, moveTo: 'done' };
    const id = node.node.addDuty(duty);
    folder.put('met', utf8(toa5(5)));
    await world.runFor(minute);
    expect([cells(node, met), (await folder.stat('met'))?.path]).toEqual([[], 'met']);
    node.node.removeDuty(id);
    node.node.addDuty({ ...duty, profile: { utcOffsetMinutes: 0 } });
    await world.runFor(minute);
    expect([cells(node, met).length, (await folder.stat('done/met'))?.path]).toEqual([5, 'done/met']);
  });
});

/** Nobody may read this file until the end is called for. */
function locked(folder: MemoryFileTree, locked: string): () => void {
  const open = vi.spyOn(folder, 'open');
  const real = open.getMockImplementation() ?? MemoryFileTree.prototype.open.bind(folder);
  open.mockImplementation((path) =>
    path === locked ? Promise.reject(new GodwitError('UNREADABLE', 'give this user access to it')) : real(path),
  );
  return () => open.mockRestore();
}

describe('a file that nobody may read', () => {
  it('keeps none waiting that was put down beside it, and is read when it may be', async () => {
    const { world, node, met } = await station(10);
    const folder = node.directory('ftp');
    const profile = { utcOffsetMinutes: 0 };
    node.node.addDuty({ kind: 'drop', dataset: met, directory: 'ftp', everyMs: 5 * second, settleMs: 0, moveTo: 'done', profile });
    const unlock = locked(folder, 'a.dat');
    folder.put('a.dat', utf8(toa5(5)));
    folder.put('b.dat', utf8(toa5(5, 5)));
    await world.runFor(minute);
    expect(cells(node, met)).toHaveLength(5);
    expect(new Set(problems(node))).toEqual(new Set(['UNREADABLE']));
    unlock();
    await world.runFor(10 * minute);
    expect(cells(node, met)).toHaveLength(10);
    expect(await Array.fromAsync(folder.walk(), ({ path }) => path)).toEqual(['done/a.dat', 'done/b.dat']);
  });

  it('keeps none waiting below a directory that is read as a whole, and is told', async () => {
    const { world, node, met } = await station(11);
    const folder = node.directory('card');
    locked(folder, 'a.dat');
    folder.put('a.dat', utf8(toa5(5)));
    folder.put('b.dat', utf8(toa5(5, 5)));
    const reading = world.finish(node.node.ingest(met, 'card', { profile: { utcOffsetMinutes: 0 } }));
    await expect(reading).rejects.toMatchObject({ code: 'UNREADABLE' });
    expect(cells(node, met)).toHaveLength(5);
  });
});

it('a logger is collected over HTTP by duty, and what its ring lost is a gap', async () => {
  const { world, node, met } = await station(9);
  const logger = new HttpLogger();
  logger.define('Hour', [{ name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' }], 10);
  const store = (count: number, from: number) => {
    for (let index = from; index < from + count; index++)
      logger.append('Hour', { localUs: (1_780_000_000 + index * 3600) * 1e6, cells: [`${index}.5`] });
  };
  store(4, 0);
  node.instruments.set('http://logger', () => httpLoggerTransport(logger));
  node.node.addDuty({
    kind: 'collect',
    dataset: met,
    driver: 'campbell-http',
    address: 'http://logger',
    profile: { utcOffsetMinutes: 0 },
    everyMs: minute,
  });
  await world.runFor(second);
  store(16, 4);
  await world.runFor(2 * minute);
  expect(cells(node, met)).toEqual([0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((index) => `${index}.5`));
  const gaps = node.catalog.all('SELECT from_record, to_record FROM gap');
  expect(gaps).toEqual([{ from_record: 4, to_record: 10 }]);
});
