import { GodwitError } from '../../core/errors.ts';
import type { InstrumentTimer, InstrumentTransport } from '../driver.ts';
import { encodeRequest, type HttpRequest, type HttpResponse, ResponseReader } from './http-message.ts';

/**
 * Speaks HTTP over an instrument's transport, one request after the other.
 *
 * Loggers close the connection when it suits them. A transport for HTTP therefore connects anew when `read` is called again behind the end of a connection; one that cannot (a serial line) ends at once,
 * which is `INSTRUMENT_DISCONNECTED`. A request is repeated by itself only where the connection that was kept open turns out to be closed before a byte of the answer; all else is the caller's.
 */

/** How to speak with one server. */
export interface HttpClientOptions {
  /** What goes into the header `Host`. */
  readonly host: string;
  /** Milliseconds of silence after which an answer is given up. A long answer may take as long as it likes. */
  readonly silenceMs: number;
  readonly bodyBytesMax: number;
}

type Wakening = Uint8Array | 'ended' | 'silent' | 'aborted';

/** Permanent faults: the same request will get the same answer until a person changes something. */
const permanentCodes: ReadonlySet<string> = new Set(['HTTP_TOO_LARGE']);

/** One client of one server. */
export class HttpClient {
  readonly #transport: InstrumentTransport;
  readonly #timer: InstrumentTimer;
  readonly #signal: AbortSignal;
  readonly #options: HttpClientOptions;
  #connection: AsyncIterator<Uint8Array> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(transport: InstrumentTransport, timer: InstrumentTimer, signal: AbortSignal, options: HttpClientOptions) {
    this.#transport = transport;
    this.#timer = timer;
    this.#signal = signal;
    this.#options = options;
  }

  /**
   * Sends a request behind those that wait already and resolves with the answer, whatever its status.
   *
   * @throws GodwitError `INSTRUMENT_TIMEOUT`, `INSTRUMENT_DISCONNECTED`, `INSTRUMENT_UNREACHABLE`, `HTTP_MALFORMED`, `ABORTED` (all retryable), `HTTP_TOO_LARGE`
   */
  request(request: HttpRequest): Promise<HttpResponse> {
    const result = this.#turn.then(() => this.#perform(request));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#drop();
    await this.#transport.close();
  }

  async #perform(request: HttpRequest): Promise<HttpResponse> {
    for (;;) {
      if (this.#signal.aborted) throw aborted();
      if (this.#closed) throw new GodwitError('INSTRUMENT_DISCONNECTED', 'the session with the instrument is closed', { retryable: true });
      const isKept = this.#connection !== undefined;
      this.#connection ??= this.#transport.read()[Symbol.asyncIterator]();
      const reader = new ResponseReader(this.#options.bodyBytesMax);
      try {
        const response = await this.#exchange(request, this.#connection, reader);
        if (!response.staysOpen) this.#drop();
        return response;
      } catch (error) {
        this.#drop();
        if (!(isKept && !reader.hasBegun && error instanceof GodwitError && error.code === 'INSTRUMENT_DISCONNECTED')) throw error;
      }
    }
  }

  async #exchange(request: HttpRequest, connection: AsyncIterator<Uint8Array>, reader: ResponseReader): Promise<HttpResponse> {
    await this.#transport.write(encodeRequest(request, this.#options.host));
    for (;;) {
      const wakening = await this.#next(connection);
      if (wakening === 'aborted') throw aborted();
      if (wakening === 'silent') {
        throw new GodwitError('INSTRUMENT_TIMEOUT', `no answer within ${this.#options.silenceMs} ms`, { retryable: true });
      }
      const outcome = wakening === 'ended' ? reader.end() : reader.push(wakening);
      if (!outcome.ok) throw GodwitError.from(outcome.fault, { retryable: !permanentCodes.has(outcome.fault.code) });
      if (outcome.value !== undefined) return outcome.value;
    }
  }

  /** What comes first: bytes, the end of the connection, too long a silence, or the signal. */
  async #next(connection: AsyncIterator<Uint8Array>): Promise<Wakening> {
    if (this.#signal.aborted) return 'aborted';
    const settled = new AbortController();
    let onAbort = (): void => undefined;
    const abort = new Promise<Wakening>((resolve) => {
      onAbort = () => resolve('aborted');
    });
    this.#signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race<Wakening>([
        connection.next().then(({ done, value }) => (done === true ? 'ended' : value)),
        this.#timer.wait(this.#options.silenceMs, settled.signal).then(() => 'silent' as const),
        abort,
      ]);
    } finally {
      settled.abort();
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  /** Leaves the connection. Nobody waits for its end: a reading that hangs would hold up everything. */
  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    void connection?.return?.().catch(() => undefined);
  }
}

function aborted(): GodwitError {
  return new GodwitError('ABORTED', 'the conversation with the instrument was aborted', { retryable: true });
}
