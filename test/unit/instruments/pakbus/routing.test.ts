import { expect, test } from 'vitest';
import { type PakbusConfiguration, pakbusDriver, pakbusRoutes } from '../../../../src/instruments/pakbus/driver.ts';
import { Deframer } from '../../../../src/instruments/pakbus/framing.ts';
import { decodePacket } from '../../../../src/instruments/pakbus/packet.ts';
import type { PakbusLogger } from '../../../../src/simulation/pakbus-logger.ts';
import { PakbusRouter } from '../../../../src/simulation/pakbus-router.ts';
import { weatherLogger } from '../../../../src/simulation/pakbus-weather-station.ts';
import { drain, momentAt, VirtualLine } from './virtual-line.ts';

const faults = { dropRatio: 0.1, duplicateRatio: 0.1, waitRatio: 0.1, damageRatio: 0.1 };

function site(): { readonly line: VirtualLine; readonly sent: Uint8Array[] } {
  const logger = (address: number, records: number): [number, PakbusLogger] => [
    address,
    weatherLogger({ address, seed: address, records, intervalSeconds: 60, faults }, momentAt(0)),
  ];
  const line = new VirtualLine(new PakbusRouter(1, new Map([logger(7, 80), logger(8, 30)])));
  const sent: Uint8Array[] = [];
  const write = line.write.bind(line);
  line.write = (bytes) => {
    sent.push(bytes);
    return write(bytes);
  };
  return { line, sent };
}

const open = (line: VirtualLine, configuration: PakbusConfiguration) =>
  line.until(pakbusDriver.open(configuration, line, line, new AbortController().signal));

test.each([
  [7, 80],
  [8, 30],
])('a logger behind a router is collected from, here that of address %i, over a way that loses and repeats', async (address, records) => {
  const { line, sent } = site();
  const session = await open(line, { address, routerAddress: 1 });
  expect((await line.until(session.identify())).serial).toBe(`E${address}`);
  const batches = await drain(line, session.collect('Weather'));
  expect(batches.flatMap((batch) => batch.records.map(({ recordNumber }) => recordNumber)).slice(0, records)).toEqual(
    Array.from({ length: records }, (_, record) => record),
  );
  await line.until(session.close());
  const packets = new Deframer().push(Uint8Array.from(sent.flatMap((bytes) => [...bytes]))).map((bytes) => decodePacket(bytes));
  const ways = packets.map((packet) => (packet.ok ? [packet.value.physicalDestination, packet.value.payload?.destination] : []));
  expect(ways[0]).toEqual([1, 1]);
  expect(ways.at(-1)).toEqual([1, 1]);
  expect(new Set(ways.map(([link, end]) => `${link} ${end}`))).toEqual(new Set(['1 1', `1 ${address}`]));
});

test('a router says which loggers are behind it', async () => {
  const { line } = site();
  const signal = new AbortController().signal;
  const routes = await line.until(pakbusRoutes({ address: 1 }, line, line, signal));
  expect(routes.map(({ address, viaAddress }) => [address, viaAddress])).toEqual([
    [7, 7],
    [8, 8],
  ]);
});

test('a logger that has no routes to tell of says so', async () => {
  const line = new VirtualLine(weatherLogger({ address: 7, seed: 1, records: 1, intervalSeconds: 60 }, momentAt(0)));
  const refused = line.until(pakbusRoutes({ address: 7 }, line, line, new AbortController().signal));
  await expect(refused).rejects.toMatchObject({ code: 'INSTRUMENT_REFUSED', retryable: false });
});

test('a router that knows no way to the logger says so', async () => {
  await expect(open(site().line, { address: 9, routerAddress: 1 })).rejects.toMatchObject({
    code: 'INSTRUMENT_UNREACHABLE',
    retryable: true,
  });
});

test('a router that is not there is silence, and a logger behind one must be named', async () => {
  await expect(open(site().line, { address: 7, routerAddress: 2 })).rejects.toMatchObject({ code: 'INSTRUMENT_TIMEOUT' });
  await expect(open(site().line, { routerAddress: 1 })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
  await expect(open(site().line, { address: 7, routerAddress: 5000 })).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' });
});
