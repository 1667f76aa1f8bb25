import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { GodwitError } from '../core/errors.ts';

/**
 * Instruments that are reached over TCP: a stream of bytes to one host and port.
 *
 * The structure of what `connectTcpTransport` returns is the instruments' `InstrumentTransport`; the runtime names it for itself, as it knows nothing of instruments.
 */

/** A connection: ordered bytes both ways. */
export interface TcpTransport {
  /**
   * Bytes as they arrive; nothing more is read from the network than is taken here. Ends when either side closes, throws `INSTRUMENT_DISCONNECTED` (retryable) when the connection
   * breaks. Once only.
   */
  read(): AsyncIterable<Uint8Array>;
  /** Resolves when the kernel has the bytes. Rejects with `INSTRUMENT_DISCONNECTED` (retryable). */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes at once what is open. No error when it is closed already. */
  close(): Promise<void>;
}

/** Where to connect. */
export interface TcpTransportOptions {
  /** Name or address. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Milliseconds that connecting may take; default 20,000, enough for a modem that has to dial first. */
  readonly timeoutMs?: number;
  /** Ends the attempt and, later, the connection. */
  readonly signal?: AbortSignal;
  /** Speak TLS, and to whom: a server that this computer's authorities vouch for under the host's name, or the one whose certificate has this SHA-256 fingerprint (64 hexadecimal digits). */
  readonly tls?: 'vouched' | { readonly fingerprint: string };
}

const defaultTimeoutMs = 20_000;

function unreachable(options: TcpTransportOptions, reason: string, cause?: unknown): GodwitError {
  const where = `${options.host}:${options.port}`;
  return new GodwitError('INSTRUMENT_UNREACHABLE', `cannot connect to ${where}: ${reason}`, { retryable: true, cause });
}

function disconnected(cause: unknown): GodwitError {
  return new GodwitError('INSTRUMENT_DISCONNECTED', 'the connection to the instrument broke', { retryable: true, cause });
}

function aborted(): GodwitError {
  return new GodwitError('ABORTED', 'connecting to the instrument was aborted', { retryable: true });
}

/** Why the far end of a TLS connection is not who was meant, `undefined` when it is. Nothing has been sent to it yet. */
function refusal(socket: TLSSocket, tls: NonNullable<TcpTransportOptions['tls']>): GodwitError | undefined {
  const found = socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
  if (tls === 'vouched' ? socket.authorized : found === tls.fingerprint.toLowerCase()) return undefined;
  const reason = tls === 'vouched' ? String(socket.authorizationError) : 'its fingerprint is another one';
  return new GodwitError('CERTIFICATE_REFUSED', `the certificate with SHA-256 fingerprint ${found} is not accepted: ${reason}`);
}

/** Waits until the socket is connected; destroys it when it will not be. */
function connected(socket: Socket | TLSSocket, options: TcpTransportOptions): Promise<void> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(unreachable(options, `no answer within ${timeoutMs} ms`)), timeoutMs);
    const onAbort = () => finish(aborted());
    const onError = (error: Error) => finish(unreachable(options, error.message, error));
    const { tls } = options;
    const onConnect = () => finish(tls === undefined ? undefined : refusal(socket as TLSSocket, tls));
    const ready = tls === undefined ? 'connect' : 'secureConnect';
    function finish(error: GodwitError | undefined): void {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError).off(ready, onConnect);
      if (error === undefined) resolve();
      else {
        // A socket that is given up may still report an error, which nobody wants to know any more.
        socket.on('error', () => undefined).destroy();
        reject(error);
      }
    }
    options.signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError).on(ready, onConnect);
    if (options.signal?.aborted) onAbort();
  });
}

function transportOf(socket: Socket, signal: AbortSignal | undefined): TcpTransport {
  let failure: Error | undefined;
  socket.on('error', (error) => {
    failure = error;
  });
  const onAbort = () => socket.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
  });
  return {
    async *read() {
      try {
        for await (const bytes of socket) yield bytes as Uint8Array;
      } catch (error) {
        // Closing this end while a read is waiting surfaces as an error of the stream, and is an ordinary end.
        if (failure !== undefined) throw disconnected(error);
      }
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error ? reject(disconnected(error)) : resolve()));
      }),
    async close() {
      socket.destroySoon();
      await closed;
    },
  };
}

/**
 * Connects to an instrument. Rejects with `INSTRUMENT_UNREACHABLE` (refused, no route, no such name, no answer in time) or `ABORTED`; both are retryable, and the caller decides when. With `tls` also
 * with `CERTIFICATE_REFUSED`, before anything is said to the wrong server.
 */
export async function connectTcpTransport(options: TcpTransportOptions): Promise<TcpTransport> {
  const { host, port, tls } = options;
  const place = { host, port, noDelay: true, keepAlive: true };
  // Who answers is looked at in `refusal`, so that a logger's own certificate can be accepted by its fingerprint.
  const socket =
    tls === undefined ? connect(place) : connectTls({ ...place, rejectUnauthorized: false, ...(isIP(host) === 0 && { servername: host }) });
  await connected(socket, options);
  return transportOf(socket, options.signal);
}
