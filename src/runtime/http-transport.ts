import { GodwitError } from '../core/errors.ts';
import { connectTcpTransport, type TcpTransport, type TcpTransportOptions } from './tcp-transport.ts';

/**
 * Instruments that are reached over HTTP: a transport that connects anew whenever it is read again, as servers end connections when it suits them.
 *
 * The bytes are HTTP's own; who speaks it is the driver.
 */

const addressPattern = /^(http|https):\/\/(\[[^\]]+\]|[^:/#?@[\]]+)(?::(\d{1,5}))?\/?(?:#sha256=([\da-f]{64}))?$/i;

/** Where an address points to. */
function placeOf(address: string): TcpTransportOptions {
  const [, scheme = '', host = '', portText, fingerprint] = addressPattern.exec(address) ?? [];
  const isSecure = scheme.toLowerCase() === 'https';
  const port = portText === undefined ? (isSecure ? 443 : 80) : Number(portText);
  if (host === '' || port < 1 || port > 65_535 || (fingerprint !== undefined && !isSecure)) {
    throw new GodwitError(
      'ADDRESS_MALFORMED',
      `"${address}" is not the address of a web server; write http://host:port, https://host:port or https://host:port#sha256=FINGERPRINT.`,
    );
  }
  const tls = fingerprint === undefined ? 'vouched' : { fingerprint };
  return { host: host.replace(/^\[|\]$/g, ''), port, ...(isSecure && { tls }) };
}

class HttpTransport implements TcpTransport {
  readonly #place: TcpTransportOptions;
  /** The connection that is read, or will be by the next `read`. */
  #current: Promise<TcpTransport>;
  #isRead = false;
  #closed = false;

  constructor(place: TcpTransportOptions, first: TcpTransport) {
    this.#place = place;
    this.#current = Promise.resolve(first);
  }

  /** The bytes of a connection of its own; the iterator's `return` ends that connection. */
  read(): AsyncIterable<Uint8Array> {
    if (this.#isRead && !this.#closed) {
      this.#current = connectTcpTransport(this.#place);
      // Whoever reads or writes is told; until then a refusal is nobody's error.
      this.#current.catch(() => undefined);
    }
    this.#isRead = true;
    const connection = this.#current;
    let bytes: AsyncIterator<Uint8Array> | undefined;
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          bytes ??= (await connection).read()[Symbol.asyncIterator]();
          return bytes.next();
        },
        // Closing ends a `next` that waits, too; the generator's own `return` would wait for it.
        async return() {
          const open = await connection.catch(() => undefined);
          await open?.close();
          return { done: true, value: undefined };
        },
      }),
    };
  }

  async write(bytes: Uint8Array): Promise<void> {
    await (await this.#current).write(bytes);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await this.#current.catch(() => undefined);
    await open?.close();
  }
}

/**
 * Connects to an instrument's web server at `http://host:port` (80 by default) or `https://host:port` (443). `https://host#sha256=…` accepts the one certificate that has this SHA-256 fingerprint, as
 * loggers sign their own; without it this computer's authorities decide.
 *
 * @throws GodwitError `ADDRESS_MALFORMED`, `CERTIFICATE_REFUSED`, `INSTRUMENT_UNREACHABLE` (retryable)
 */
export async function openHttpTransport(address: string): Promise<TcpTransport> {
  const place = placeOf(address);
  return new HttpTransport(place, await connectTcpTransport(place));
}
