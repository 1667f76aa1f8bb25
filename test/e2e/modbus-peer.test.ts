import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { type ModbusConfiguration, modbusDriver } from '../../src/instruments/modbus/driver.ts';
import type { RegisterDefinition } from '../../src/instruments/modbus/register-map.ts';
import { instrumentTimer } from '../../src/runtime/instrument-timer.ts';
import { cable, connected, debianPython, freePort, isWithout, PeerProcesses } from './peer-programs.ts';

/**
 * Reading pymodbus, another implementation, over TCP and over a serial line. By hand: `python3 test/e2e/modbus-peer.py tcp 5020`; and for the line, in two terminals,
 * `socat pty,raw,echo=0,link=/tmp/line-a pty,raw,echo=0,link=/tmp/line-b` and `python3 test/e2e/modbus-peer.py rtu /tmp/line-b`. Debian: packages `python3-pymodbus`, `python3-serial-asyncio`, `socat`.
 */

const server = fileURLToPath(new URL('modbus-peer.py', import.meta.url));
const signal = new AbortController().signal;
const peers = new PeerProcesses();
const directories: string[] = [];

afterEach(async () => {
  await peers.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

const holding = (name: string, address: number, part: Partial<RegisterDefinition>): RegisterDefinition => ({
  name,
  kind: 'holding-register',
  address,
  type: 'float32',
  ...part,
});
const tables: ModbusConfiguration['tables'] = [
  {
    name: 'Everything',
    registers: [
      holding('Abcd', 0, {}),
      holding('Cdab', 2, { order: 'CDAB' }),
      holding('Minus', 4, { type: 'int16', scale: 0.5 }),
      holding('Count', 5, { type: 'uint32' }),
      holding('Pi', 7, { type: 'float64' }),
      { name: 'AirT', kind: 'input-register', address: 0, type: 'int16', scale: 0.01 },
      { name: 'Absent', kind: 'input-register', address: 1, type: 'int16', sentinels: [-9999] },
      { name: 'Pump', kind: 'coil', address: 0, type: 'boolean' },
      { name: 'Valve', kind: 'coil', address: 1, type: 'boolean' },
      { name: 'Heater', kind: 'coil', address: 9, type: 'boolean' },
      { name: 'Door', kind: 'discrete-input', address: 1, type: 'boolean' },
    ],
  },
  {
    name: 'Long',
    registers: Array.from({ length: 200 }, (_, i) => ({ name: `r${i}`, kind: 'input-register', address: 2 + i, type: 'uint16' })),
  },
  { name: 'Gone', registers: [holding('Gone', 5000, {})] },
];

async function check(address: string, framing: 'tcp' | 'rtu'): Promise<void> {
  const session = await modbusDriver.open({ framing, unit: 5, tables, triesMax: 10 }, await connected(address), instrumentTimer, signal);
  const [everything] = await Array.fromAsync(session.collect('Everything'));
  expect(everything!.records[0]!.cells).toEqual([
    '123.456',
    '123.456',
    '-1.0',
    '70000',
    '3.141592653589793',
    '-4.15',
    null,
    '1',
    '0',
    '1',
    '1',
  ]);
  const [long] = await Array.fromAsync(session.collect('Long'));
  expect(long!.records[0]!.cells).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  await expect(Array.fromAsync(session.collect('Gone'))).rejects.toMatchObject({
    code: 'INSTRUMENT_REFUSED',
    message: expect.stringContaining('exception 2'),
  });
  await session.close();
}

const hasNoPymodbus = isWithout(
  'pymodbus (package python3-pymodbus) with python3-serial-asyncio',
  debianPython,
  '-c',
  'import pymodbus, serial_asyncio',
);

describe.skipIf(hasNoPymodbus)('a device of pymodbus', () => {
  test('is read over TCP', async () => {
    const port = await freePort();
    peers.start(debianPython, server, 'tcp', String(port));
    await check(`tcp://127.0.0.1:${port}`, 'tcp');
  });

  test.skipIf(isWithout('socat', 'socat', '-V'))('is read over a serial line', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'godwit-modbus-'));
    directories.push(directory);
    const [own, theirs] = await cable(peers, join(directory, 'line'));
    await peers.startAndWait(debianPython, server, 'rtu', theirs);
    await check(`serial:${own}?baud=19200&format=8N1`, 'rtu');
  });
});
