import { concatBytes, utf8 } from '../../core/bytes.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * HTTP/1.1 messages as far as a client of loggers needs them: requests are written, responses are read from pieces of any size.
 *
 * A body ends where `Content-Length` or the last chunk says, or with the connection. Every length is bounded, and a response that is ambiguous about its own length is refused.
 *
 * Source: RFC 9112, sections 3, 4, 5, 6 and 7.1.
 */

/** A request. The target is a path with its query, as it goes over the wire; headers are complete but for those of connection and length. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** A whole response. */
export interface HttpResponse {
  readonly status: number;
  /** Values by lower-case name; the last one of a name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** True when another request may follow over the same connection. */
  readonly staysOpen: boolean;
}

const headBytesMax = 64 * 1024;
const chunkLineBytesMax = 1024;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** A request as bytes. */
export function encodeRequest({ method, target, headers, body }: HttpRequest, host: string): Uint8Array {
  const length = body === undefined ? {} : { 'Content-Length': String(body.length) };
  const all = Object.entries({ Host: host, Connection: 'keep-alive', ...headers, ...length });
  const head = [`${method} ${target} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
  return concatBytes(utf8(head), body ?? new Uint8Array(0));
}

/** Value of the header of HTTP's basic authentication (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${utf8(`${username}:${password}`).toBase64()}`;
}

/** The head of a response, understood. */
interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of the body, or how its end is found. */
  readonly body: number | 'chunked' | 'until-close';
  readonly staysOpen: boolean;
}

function malformed(message: string) {
  return failure('HTTP_MALFORMED', 'instrument', message);
}

function decodeHead(text: string): Head | undefined {
  const [statusLine = '', ...lines] = text.split(/\r?\n/);
  const [, minorVersion, code] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(statusLine) ?? [];
  if (code === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    if (line === '') continue;
    const [, name, value = ''] = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    // Two different lengths would let two readers see two different bodies.
    if (key === 'content-length' && headers.has(key) && headers.get(key) !== value) return undefined;
    headers.set(key, value);
  }
  const status = Number(code);
  const connection = headers.get('connection')?.toLowerCase() ?? '';
  const staysOpen = minorVersion === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  const body = bodyKind(status, headers);
  return body === undefined ? undefined : { status, headers, body, staysOpen: staysOpen && body !== 'until-close' };
}

function bodyKind(status: number, headers: ReadonlyMap<string, string>): Head['body'] | undefined {
  if (status < 200 || status === 204 || status === 304) return 0;
  const coding = headers.get('transfer-encoding')?.toLowerCase();
  const length = headers.get('content-length');
  if (coding !== undefined) return coding === 'chunked' && length === undefined ? 'chunked' : undefined;
  if (length === undefined) return 'until-close';
  return /^\d{1,12}$/.test(length) ? Number(length) : undefined;
}

/** Collects one response. After it is whole, or has failed, a new reader is needed. */
export class ResponseReader {
  readonly #bodyBytesMax: number;
  #pending: Uint8Array = new Uint8Array(0);
  #head: Head | undefined;
  readonly #parts: Uint8Array[] = [];
  #bodyBytes = 0;
  /** Bytes of the chunk or body that are still to come; in a chunked body 0 before a line with a size. */
  #owed = 0;
  #trailerBytes = 0;
  #inTrailer = false;

  /** @param bodyBytesMax bytes of a body that are taken at most */
  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** True once a byte has come. */
  get hasBegun(): boolean {
    return this.#head !== undefined || this.#pending.length > 0;
  }

  /** Takes bytes; the response when they complete it, `undefined` when more are needed. Fails with `HTTP_MALFORMED` or `HTTP_TOO_LARGE`. */
  push(bytes: Uint8Array): Outcome<HttpResponse | undefined> {
    this.#pending = this.#pending.length === 0 ? bytes : concatBytes(this.#pending, bytes);
    while (this.#head === undefined) {
      const taken = this.#takeHead();
      if (!taken.ok) return taken;
      if (taken.value === undefined) return success(undefined);
      // A 1xx response announces the real one.
      if (taken.value.status >= 200) this.#begin(taken.value);
    }
    return this.#head.body === 'chunked' ? this.#takeChunks() : this.#takeBody(this.#head);
  }

  /** The connection has ended. Completes a body that ends with it; fails with `INSTRUMENT_DISCONNECTED` otherwise. */
  end(): Outcome<HttpResponse> {
    if (this.#head?.body === 'until-close') return success(this.#whole(this.#head));
    return failure('INSTRUMENT_DISCONNECTED', 'instrument', 'the connection ended before the answer did');
  }

  #begin(head: Head): void {
    this.#head = head;
    if (typeof head.body === 'number') this.#owed = head.body;
  }

  #takeHead(): Outcome<Head | undefined> {
    const bytes = this.#pending;
    for (let at = bytes.indexOf(lineFeed); at >= 0 && at < headBytesMax; at = bytes.indexOf(lineFeed, at + 1)) {
      const next = bytes[at + 1] === carriageReturn ? at + 2 : at + 1;
      if (bytes[next] !== lineFeed) continue;
      const head = decodeHead(latin1(bytes.subarray(0, at + 1)));
      if (head === undefined) return malformed('the head of the answer is no HTTP');
      this.#pending = bytes.subarray(next + 1);
      return success(head);
    }
    return bytes.length > headBytesMax ? malformed('the head of the answer does not end') : success(undefined);
  }

  #takeBody(head: Head): Outcome<HttpResponse | undefined> {
    if (this.#owed > this.#bodyBytesMax) return this.#tooLarge();
    const isCounted = head.body !== 'until-close';
    const bytes = isCounted ? this.#pending.subarray(0, this.#owed) : this.#pending;
    if (isCounted && this.#pending.length > this.#owed) return malformed('the answer is longer than it says');
    this.#pending = new Uint8Array(0);
    if (!this.#keep(bytes)) return this.#tooLarge();
    this.#owed -= isCounted ? bytes.length : 0;
    return success(isCounted && this.#owed === 0 ? this.#whole(head) : undefined);
  }

  #takeChunks(): Outcome<HttpResponse | undefined> {
    for (;;) {
      if (this.#owed > 0) {
        // The line end behind a chunk's data is owed with it.
        const data = this.#pending.subarray(0, Math.max(0, Math.min(this.#pending.length, this.#owed - 2)));
        if (!this.#keep(data)) return this.#tooLarge();
        const taken = Math.min(this.#pending.length, this.#owed);
        this.#pending = this.#pending.subarray(taken);
        this.#owed -= taken;
        if (this.#owed > 0) return success(undefined);
      }
      const line = this.#takeLine();
      if (!line.ok) return line;
      if (line.value === undefined) return success(undefined);
      if (this.#inTrailer) {
        if (line.value === '') {
          return this.#pending.length > 0 ? malformed('the answer is longer than it says') : success(this.#whole(this.#head as Head));
        }
        continue;
      }
      const [, size] = /^([\da-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line.value) ?? [];
      if (size === undefined) return malformed('a chunk of the answer has no length');
      const length = Number.parseInt(size, 16);
      if (length === 0) this.#inTrailer = true;
      else this.#owed = length + 2;
      if (this.#bodyBytes + length > this.#bodyBytesMax) return this.#tooLarge();
    }
  }

  #takeLine(): Outcome<string | undefined> {
    const end = this.#pending.indexOf(lineFeed);
    if (end > chunkLineBytesMax || (end < 0 && this.#pending.length > chunkLineBytesMax))
      return malformed('a line of the answer does not end');
    if (end < 0) return success(undefined);
    const line = latin1(this.#pending.subarray(0, end)).replace(/\r$/, '');
    this.#pending = this.#pending.subarray(end + 1);
    this.#trailerBytes += this.#inTrailer ? end + 1 : 0;
    return this.#trailerBytes > headBytesMax ? malformed('the answer does not end') : success(line);
  }

  #keep(bytes: Uint8Array): boolean {
    if (bytes.length > 0) this.#parts.push(bytes);
    this.#bodyBytes += bytes.length;
    return this.#bodyBytes <= this.#bodyBytesMax;
  }

  #tooLarge() {
    return failure('HTTP_TOO_LARGE', 'instrument', `the answer has more than ${this.#bodyBytesMax} bytes`);
  }

  #whole({ status, headers, staysOpen }: Head): HttpResponse {
    return { status, headers, body: concatBytes(...this.#parts), staysOpen };
  }
}

/** One character a byte: what HTTP's heads are made of. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
