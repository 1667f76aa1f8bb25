import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { PositionFix } from '../../src/core/position-fix.ts';
import { gpsdDriver, gpsdPositions } from '../../src/instruments/gpsd/driver.ts';
import { nmeaDriver } from '../../src/instruments/nmea/driver.ts';
import { openTransport } from '../../src/runtime/instrument-links.ts';
import { instrumentTimer } from '../../src/runtime/instrument-timer.ts';
import { cable, connected, freePort, isWithout, PeerProcesses } from './peer-programs.ts';

/**
 * Listening to gpsd, which reads a recorded receiver. By hand: `gpsfake -n -c 0.2 -P 2947 garmin48.log`, with the log of the samples. Debian: packages `gpsd`, `gpsd-clients`; for the serial line `socat`.
 */

const signal = new AbortController().signal;
const peers = new PeerProcesses();
const log = new URL('../../../shared/samples/nmea/garmin48.log', import.meta.url);
const hasLog = existsSync(log);
if (!hasLog) console.warn('skipped: the log of a receiver is not beside the repository');
const isSkipped = !hasLog && process.env.CI !== 'true';

const directories: string[] = [];
function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'godwit-gpsd-'));
  directories.push(made);
  return made;
}

afterEach(async () => {
  await peers.stop();
  for (const made of directories.splice(0)) rmSync(made, { recursive: true, force: true });
});

/** Where the receiver of the log stood: 4527.458 S, 16709.165 E. */
const place = { latitude: -(45 + 27.458 / 60), longitude: 167 + 9.165 / 60 };

async function gpsd(): Promise<string> {
  const port = await freePort();
  const path = join(directory(), 'receiver.log');
  writeFileSync(path, readFileSync(log));
  peers.start('gpsfake', '-q', '-n', '-c', '0.1', '-P', String(port), path);
  return `tcp://127.0.0.1:${port}`;
}

describe.skipIf(isSkipped || isWithout('gpsfake (packages gpsd, gpsd-clients)', 'gpsfake', '--help'))('gpsd', () => {
  test('tells positions with height, errors and time', async () => {
    const address = await gpsd();
    let fix: PositionFix | undefined;
    for await (const each of gpsdPositions(await connected(address), instrumentTimer, signal)) {
      fix = each;
      if (each.verticalAccuracyM !== undefined) break;
    }
    expect(fix).toMatchObject({ datum: 'WGS 84', source: 'gpsd', altitudeReference: 'ellipsoid' });
    expect(fix!.latitude).toBeCloseTo(place.latitude, 5);
    expect(fix!.longitude).toBeCloseTo(place.longitude, 5);
    expect(fix!.horizontalAccuracyM).toBeGreaterThan(1);
    // gpsd moves the week of an old log into its own time, and keeps the time of day.
    expect(new Date(fix!.instantUs! / 1000).toISOString()).toMatch(/T22:53:\d\d\.000Z$/);
  });

  test('is collected as tables of positions and satellites', async () => {
    const address = await gpsd();
    const session = await gpsdDriver.open({ listenMs: 4000 }, await connected(address), instrumentTimer, signal);
    expect((await session.identify()).operatingSystem).toMatch(/^gpsd \d+\.\d+/);
    expect((await session.tables()).map(({ name }) => name).sort()).toEqual(['Position', 'Sky']);
    const [positions] = await Array.fromAsync(session.collect('Position'));
    expect(positions!.records.length).toBeGreaterThan(2);
    for (const { cells } of positions!.records) expect(Number(cells[0])).toBeCloseTo(place.latitude, 3);
    const [sky] = await Array.fromAsync(session.collect('Sky'));
    expect(Number(sky!.records[0]!.cells[1])).toBeGreaterThan(3);
    await session.close();
  });
});

test.skipIf(isSkipped || isWithout('socat', 'socat', '-V'))('a receiver on a serial line is heard', async () => {
  const [own, theirs] = await cable(peers, join(directory(), 'line'));
  const receiver = await openTransport(`serial:${theirs}?baud=4800`);
  const transport = await openTransport(`serial:${own}?baud=4800`);
  const session = await nmeaDriver.open({ listenMs: 1500 }, transport, instrumentTimer, signal);
  await receiver.write(readFileSync(log));
  const [fixes] = await Array.fromAsync(session.collect('GPGGA'));
  expect(fixes!.records).toHaveLength(7);
  expect(Number(fixes!.records[0]!.cells[0])).toBeCloseTo(place.latitude, 6);
  await session.close();
  await receiver.close();
});
