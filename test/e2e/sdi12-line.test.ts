import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Moment, MonotonicMs, WallMs } from '../../src/core/time.ts';
import { sdi12Driver } from '../../src/instruments/sdi12/driver.ts';
import { openTransport } from '../../src/runtime/instrument-links.ts';
import { instrumentTimer } from '../../src/runtime/instrument-timer.ts';
import { Sdi12Line } from '../../src/simulation/sdi12-sensor.ts';
import { cable, isWithout, PeerProcesses } from './peer-programs.ts';

/**
 * A simulated line of sensors at the other end of a real serial port. By hand: `socat pty,raw,echo=0,link=/tmp/line-a pty,raw,echo=0,link=/tmp/line-b` makes the cable. Debian: package `socat`.
 */

const peers = new PeerProcesses();
const directories: string[] = [];
const closes: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closes.splice(0)) await close();
  await peers.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function now(): Moment {
  return { monotonicMs: performance.now() as MonotonicMs, wallMs: Date.now() as WallMs };
}

/** Joins sensors to a port, in real time. */
async function serve(sensors: Sdi12Line, address: string): Promise<void> {
  const port = await openTransport(address);
  closes.push(() => port.close());
  const tell = (input: Parameters<Sdi12Line['handle']>[0]): void => {
    sensors.handle(input, now());
    for (let output = sensors.poll(); output !== undefined; output = sensors.poll()) void port.write(output.bytes).catch(() => undefined);
    const deadline = sensors.nextDeadline();
    if (deadline !== undefined) setTimeout(() => tell({ type: 'due' }), Math.max(1, deadline.at - performance.now())).unref();
  };
  void (async () => {
    for await (const bytes of port.read()) tell({ type: 'bytes', bytes });
  })();
}

test.skipIf(isWithout('socat', 'socat', '-V'))('sensors behind a transparent adapter are measured over a serial port', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-sdi12-'));
  directories.push(directory);
  const [own, theirs] = await cable(peers, join(directory, 'line'));
  const sensors = new Sdi12Line({
    random: seededRandom(2),
    echoes: true,
    sensors: [
      { address: '0', identification: '14METER   TER12 100', measureSeconds: 1, values: () => ['+0.31', '+12.4'] },
      { address: '1', identification: '13OTT     PLUV2 100', values: () => ['-1.5'] },
    ],
  });
  await serve(sensors, `serial:${theirs}?baud=1200&format=7E1`);
  const measurements = [
    { table: 'Soil', address: '0', command: 'M', crc: true, values: [{ name: 'VWC' }, { name: 'SoilT', unit: 'degC' }] },
    { table: 'Rain', address: '1', command: 'C', values: [{ name: 'Rain' }] },
  ];
  const transport = await openTransport(`serial:${own}?baud=1200&format=7E1`);
  const session = await sdi12Driver.open({ measurements }, transport, instrumentTimer, new AbortController().signal);
  closes.push(() => session.close());
  expect((await session.tables()).map(({ fields }) => fields[0]!.sensorSerial)).toEqual(['METER TER12', 'OTT PLUV2']);
  const cells = async (table: string) => (await Array.fromAsync(session.collect(table)))[0]!.records[0]!.cells;
  expect(await cells('Soil')).toEqual(['0.31', '12.4']);
  expect(await cells('Rain')).toEqual(['-1.5']);
});
