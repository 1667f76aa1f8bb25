import type { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { SerialPort } from 'serialport';
import { GodwitError } from '../core/errors.ts';
import type { TcpTransport } from './tcp-transport.ts';

/**
 * Instruments and links on serial ports, over the optional package `serialport`, which is loaded when the first port is opened: who has nothing on a cable need not install it.
 *
 * An address is `serial:PORT?baud=9600&format=8N1`: the port as the system names it (`/dev/ttyUSB0`, `COM3`), bits a second, and data bits, parity and stop bits.
 */

/** A serial line: ordered bytes both ways, and the break that SDI-12 sensors wake at. */
export interface SerialTransport extends TcpTransport {
  /** Holds the line spacing. Where the port cannot (pseudo-terminals, some adapters), the time passes and nothing happens: waking is left to the adapter. */
  sendBreak(durationMs: number): Promise<void>;
}

/** A port and how it is set. */
interface SerialSettings {
  readonly path: string;
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stopBits: 1 | 2;
}

const parityByLetter = { N: 'none', E: 'even', O: 'odd' } as const;
const defaultBaudRate = 9600;
const baudRateMin = 50;
const baudRateMax = 4_000_000;

/** True for an address that is meant to be a serial port. */
export function isSerialAddress(address: string): boolean {
  return /^serial:/i.test(address);
}

function settingsOf(address: string): SerialSettings {
  const [, path, query = ''] = /^serial:([^?]+)(?:\?(.*))?$/i.exec(address) ?? [];
  const parameters = new URLSearchParams(query);
  const baudRate = Number(parameters.get('baud') ?? defaultBaudRate);
  const [, dataBits, parity, stopBits] = /^([78])([NEO])([12])$/i.exec(parameters.get('format') ?? '8N1') ?? [];
  const isKnown = [...parameters.keys()].every((name) => name === 'baud' || name === 'format');
  const isRate = Number.isInteger(baudRate) && baudRate >= baudRateMin && baudRate <= baudRateMax;
  if (path === undefined || parity === undefined || !isKnown || !isRate) {
    throw new GodwitError(
      'ADDRESS_MALFORMED',
      `"${address}" is not the address of a serial port; write serial:/dev/ttyUSB0?baud=9600&format=8N1.`,
    );
  }
  return {
    path,
    baudRate,
    dataBits: Number(dataBits) as 7 | 8,
    parity: parityByLetter[parity.toUpperCase() as keyof typeof parityByLetter],
    stopBits: Number(stopBits) as 1 | 2,
  };
}

/** The port that an address names, as the system calls it. Throws `ADDRESS_MALFORMED`. */
export function serialPathOf(address: string): string {
  return settingsOf(address).path;
}

/** The optional package. */
export type SerialPortPackage = Pick<typeof import('serialport'), 'SerialPort'>;

async function loadPackage(): Promise<SerialPortPackage> {
  return import('serialport');
}

/** Calls a method that ends in a callback. */
function called(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())));
}

/**
 * Opens a serial port for this process alone. Rejects with `ADDRESS_MALFORMED`, `SERIALPORT_MISSING` when the package is not installed, or `INSTRUMENT_UNREACHABLE` (retryable): no such port, no right to
 * use it, or another process has it.
 *
 * @param load Loads the package; for tests.
 */
export async function openSerialPort(address: string, load: () => Promise<SerialPortPackage> = loadPackage): Promise<SerialTransport> {
  const settings = settingsOf(address);
  let serial: SerialPortPackage;
  try {
    serial = await load();
  } catch (cause) {
    throw new GodwitError('SERIALPORT_MISSING', 'serial ports need the package serialport: npm install serialport', { cause });
  }
  const port = new serial.SerialPort({ ...settings, autoOpen: false });
  try {
    await called((done) => port.open(done));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GodwitError('INSTRUMENT_UNREACHABLE', `cannot open ${settings.path}: ${reason}`, { retryable: true, cause });
  }
  return transportOf(port);
}

/** How often promises are seen to where the package's own wakening cannot be followed. */
const heartbeatMs = 10;

/**
 * Sees to it that what the port's native code reports is acted upon at once. Since Node 26.4 its callbacks run without the promises behind them, which then wait until something else happens in the process:
 * an answer lies there until the next timer (serialport/node-serialport#3148, serialport/bindings-cpp#239). An empty turn right behind the callback is enough. On Windows there is no event to follow, so a
 * timer beats while the port is open. Returns what ends it.
 */
function attend(port: SerialPort): () => void {
  const { poller } = (port.port ?? {}) as { poller?: EventEmitter };
  const turn = () => void setImmediate(() => undefined);
  if (poller !== undefined) {
    for (const event of ['readable', 'writable', 'disconnect']) poller.on(event, turn);
    return () => undefined;
  }
  const heartbeat = setInterval(() => undefined, heartbeatMs).unref();
  return () => clearInterval(heartbeat);
}

function transportOf(port: SerialPort): SerialTransport {
  const leave = attend(port);
  let isClosing = false;
  let failure: Error | undefined;
  // A cable that is pulled is reported when the port closes, and perhaps as an error before.
  port.on('error', (error) => {
    failure ??= error;
  });
  port.on('close', (error: Error | null) => {
    failure ??= error ?? undefined;
    leave();
    if (!port.destroyed) port.destroy();
  });
  const disconnected = (cause: unknown) =>
    new GodwitError('INSTRUMENT_DISCONNECTED', 'the connection to the instrument broke', { retryable: true, cause });
  return {
    async *read() {
      try {
        for await (const bytes of port) yield bytes as Uint8Array;
      } catch (error) {
        if (!isClosing) throw disconnected(failure ?? error);
      }
    },
    async write(bytes) {
      try {
        // Copied, because the port sends when it can and the caller may go on with its array.
        await called((done) => port.write(bytes.slice(), undefined, (error) => done(error)));
        await called((done) => port.drain(done));
      } catch (error) {
        throw disconnected(error);
      }
    },
    async sendBreak(durationMs) {
      const isHeld = await called((done) => port.set({ brk: true }, done)).then(
        () => true,
        () => false,
      );
      await delay(durationMs);
      if (isHeld) await called((done) => port.set({ brk: false }, done)).catch((error) => Promise.reject(disconnected(error)));
    },
    async close() {
      if (isClosing) return;
      isClosing = true;
      if (port.isOpen) await called((done) => port.close(done)).catch(() => undefined);
      port.destroy();
    },
  };
}
