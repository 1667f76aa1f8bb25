import { SerialPortMock } from 'serialport';
import { afterEach, describe, expect, test } from 'vitest';
import { openTransport } from '../../../src/runtime/instrument-links.ts';
import { isSerialAddress, openSerialPort, type SerialPortPackage } from '../../../src/runtime/serial-port.ts';

/** The package's own imitation of a port: what is written comes back. */
const imitation = async () => ({ SerialPort: SerialPortMock }) as unknown as SerialPortPackage;
const path = '/dev/imitated';

function plug(): void {
  SerialPortMock.binding.createPort(path, { echo: true, record: true });
}
afterEach(() => SerialPortMock.binding.reset());

async function codeOf(promise: Promise<unknown>): Promise<[string, boolean]> {
  return promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error) => [error.code, error.retryable],
  );
}

describe('an address', () => {
  test.each([`serial:${path}`, `serial:${path}?baud=1200&format=7E1`, `SERIAL:${path}?format=8o2`])(
    '%s is one of a serial port',
    async (address) => {
      plug();
      expect(isSerialAddress(address)).toBe(true);
      const port = await openSerialPort(address, imitation);
      await port.close();
    },
  );

  test.each([
    'serial:',
    'tcp://a:1',
    `serial:${path}?baud=1.5`,
    `serial:${path}?baud=0`,
    `serial:${path}?format=9N1`,
    `serial:${path}?speed=9600`,
  ])('%s is none', async (address) => {
    expect(await codeOf(openSerialPort(address, imitation))).toEqual(['ADDRESS_MALFORMED', false]);
  });
});

describe('a serial port', () => {
  test('carries bytes both ways, and what was handed over may change afterwards', async () => {
    plug();
    const port = await openSerialPort(`serial:${path}`, imitation);
    const bytes = Uint8Array.of(1, 2, 3);
    const writing = port.write(bytes);
    bytes.fill(9);
    await writing;
    for await (const piece of port.read()) {
      // The imitation greets whoever opens it.
      if (piece.at(-1) !== 3) continue;
      expect([...piece.subarray(-3)]).toEqual([1, 2, 3]);
      break;
    }
    await port.close();
    await port.close();
  });

  test('ends reading when it is closed', async () => {
    plug();
    const port = await openSerialPort(`serial:${path}`, imitation);
    const reading = Array.fromAsync(port.read());
    await port.close();
    await reading;
    expect(await codeOf(port.write(Uint8Array.of(1)))).toEqual(['INSTRUMENT_DISCONNECTED', true]);
  });

  test('makes a break, and lets the time pass where it cannot', async () => {
    plug();
    const port = await openSerialPort(`serial:${path}`, imitation);
    await port.sendBreak(5);
    await port.close();
    await port.sendBreak(1);
  });

  test('that is not there is INSTRUMENT_UNREACHABLE', async () => {
    expect(await codeOf(openSerialPort('serial:/dev/not-there', imitation))).toEqual(['INSTRUMENT_UNREACHABLE', true]);
    expect(await codeOf(openTransport('serial:/dev/not-there'))).toEqual(['INSTRUMENT_UNREACHABLE', true]);
  });

  test('without the package is SERIALPORT_MISSING, which says what to install', async () => {
    const missing = openSerialPort(`serial:${path}`, () => Promise.reject(new Error('not found')));
    await expect(missing).rejects.toMatchObject({
      code: 'SERIALPORT_MISSING',
      retryable: false,
      message: expect.stringContaining('npm install serialport'),
    });
  });
});
