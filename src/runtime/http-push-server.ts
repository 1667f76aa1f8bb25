import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { GodwitError } from '../core/errors.ts';
import { listenError } from './link-address.ts';

/**
 * Takes what loggers push over HTTP. The structure of requests and answers is the instruments' `ListenForPushes`; the runtime names it for itself, as it knows nothing of instruments.
 *
 * There is no TLS: a logger's own network is meant, or a proxy in front.
 */

/** A request without its body. */
export interface PushHead {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** What is answered. */
export interface PushReply {
  readonly status: number;
  readonly text: string;
  readonly retryAfterSeconds?: number;
}

/** Where to listen and how much to take. */
export interface PushServerOptions {
  readonly address: string;
  readonly bodyBytesMax: number;
  readonly requestsMax: number;
}

const connectionsMax = 64;
/** A body of a slow radio takes its time; a head does not. */
const requestTimeoutMs = 600_000;
const headersTimeoutMs = 60_000;
const busy: PushReply = { status: 503, text: 'too many requests at a time', retryAfterSeconds: 5 };
const tooLarge: PushReply = { status: 413, text: 'the body is too large' };

/** The body, or `undefined` when it is longer than it may be. Rejects when the connection breaks. */
async function bodyOf(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return undefined;
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Uint8Array).length;
    if (length > bytesMax) return undefined;
    parts.push(part as Uint8Array);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function reply(response: ServerResponse, { status, text, retryAfterSeconds }: PushReply, isBodyRead: boolean): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    ...(status === 401 && { 'WWW-Authenticate': 'Basic realm="godwit"' }),
    ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
    // What is left of a body that nobody reads must not be taken for the next request.
    ...(!isBodyRead && { Connection: 'close' }),
  });
  response.end(`${text}\n`);
}

/** Listens until the signal is aborted; see the instruments' `ListenForPushes`. */
export async function listenForPushes(
  options: PushServerOptions,
  refuse: (head: PushHead) => PushReply | undefined,
  take: (request: PushHead & { readonly body: Uint8Array }) => Promise<PushReply>,
  signal: AbortSignal,
): Promise<void> {
  const { address, bodyBytesMax, requestsMax } = options;
  const [, bracketed, name, portText] = /^http:\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/i.exec(address) ?? [];
  const host = bracketed ?? name;
  const port = Number(portText);
  if (host === undefined || port > 65_535) {
    throw new GodwitError('ADDRESS_MALFORMED', `"${address}" is not an address to take pushes at; write http://0.0.0.0:port.`);
  }
  let working = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const head: PushHead = {
      method: request.method ?? '',
      target: request.url ?? '',
      headers: { authorization: request.headers.authorization, 'content-type': request.headers['content-type'] },
    };
    const refusal = refuse(head);
    if (refusal !== undefined) return reply(response, refusal, false);
    if (working >= requestsMax) return reply(response, busy, false);
    working++;
    try {
      const body = await bodyOf(request, bodyBytesMax);
      if (body === undefined) reply(response, tooLarge, false);
      else reply(response, await take({ ...head, body }), true);
    } finally {
      working--;
    }
  };
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: headersTimeoutMs, maxHeaderSize: 16 * 1024 },
    (request, response) => {
      // A connection that breaks has nobody left to answer.
      void answer(request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      server.close(() => resolve());
      server.closeAllConnections();
    };
    server.once('error', (error) => reject(listenError(error, address)));
    server.listen(port, host, () => {
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  });
}
