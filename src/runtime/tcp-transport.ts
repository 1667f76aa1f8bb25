import { connect, type Socket } from 'node:net';
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

/** Waits until the socket is connected; destroys it when it will not be. */
function connected(socket: Socket, options: TcpTransportOptions): Promise<void> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(unreachable(options, `no answer within ${timeoutMs} ms`)), timeoutMs);
    const onAbort = () => finish(aborted());
    const onError = (error: Error) => finish(unreachable(options, error.message, error));
    const onConnect = () => finish(undefined);
    function finish(error: GodwitError | undefined): void {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('connect', onConnect);
      if (error === undefined) resolve();
      else {
        // A socket that is given up may still report an error, which nobody wants to know any more.
        socket.on('error', () => undefined).destroy();
        reject(error);
      }
    }
    options.signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError).on('connect', onConnect);
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
 * Connects to an instrument. Rejects with `INSTRUMENT_UNREACHABLE` (refused, no route, no such name, no answer in time) or `ABORTED`; both are retryable, and the caller decides when.
 */
export async function connectTcpTransport(options: TcpTransportOptions): Promise<TcpTransport> {
  const socket = connect({ host: options.host, port: options.port, noDelay: true, keepAlive: true });
  await connected(socket, options);
  return transportOf(socket, options.signal);
}
