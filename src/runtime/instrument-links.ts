import { GodwitError } from '../core/errors.ts';
import { openHttpTransport } from './http-transport.ts';
import { isSerialAddress, openSerialPort } from './serial-port.ts';
import { connectTcpTransport, type TcpTransport } from './tcp-transport.ts';

/**
 * Connects to an instrument at `tcp://host:port`, `http://host`, `https://host` or `serial:PORT?baud=9600&format=8N1`. Throws `CERTIFICATE_REFUSED`, `ADDRESS_MALFORMED`, `SERIALPORT_MISSING`, or
 * `INSTRUMENT_UNREACHABLE` (retryable).
 */
export async function openTransport(address: string): Promise<TcpTransport> {
  if (/^https?:/i.test(address)) return openHttpTransport(address);
  if (isSerialAddress(address)) return openSerialPort(address);
  const parts = /^tcp:\/\/(\[[^\]]+\]|[^:/]+):(\d{1,5})$/.exec(address);
  const port = Number(parts?.[2]);
  if (parts === null || port < 1 || port > 65_535) {
    throw new GodwitError('ADDRESS_MALFORMED', `"${address}" is not the address of an instrument; write tcp://host:port.`);
  }
  const host = (parts[1] as string).replace(/^\[|\]$/g, '');
  return connectTcpTransport({ host, port });
}
