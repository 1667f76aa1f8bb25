import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * What loggers send by themselves (`HTTPPost`, `HTTPPut`): the port between the node and whoever listens, and the rules for taking a request.
 *
 * The answer 200 means that the body is durable. Every other answer means that it is not here, and the logger keeps it and tries again.
 */

/** A request whose body has been read. */
export interface PushRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Values by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** The answer to it. */
export interface PushAnswer {
  readonly status: number;
  /** One line for whoever looks at the logger's log. */
  readonly text: string;
  /** Seconds after which to try again, where that may help. */
  readonly retryAfterSeconds?: number;
}

/** How to listen. */
export interface PushListenOptions {
  /** `http://host:port`; `0.0.0.0` for every interface. */
  readonly address: string;
  /** Bytes of one body at most; a longer one is answered 413 as soon as that is known. */
  readonly bodyBytesMax: number;
  /** Requests that are worked on at a time at most; a further one is answered 503. */
  readonly requestsMax: number;
}

/**
 * Listens until the signal is aborted, and resolves then.
 *
 * Rejects with `ADDRESS_MALFORMED`, `PORT_BUSY` or `ADDRESS_UNAVAILABLE` when it cannot listen.
 *
 * @param refuse looks at a request before its body is read, so that strangers cost nothing
 * @param take answers a whole request; never rejects
 */
export type ListenForPushes = (
  options: PushListenOptions,
  refuse: (head: Omit<PushRequest, 'body'>) => PushAnswer | undefined,
  take: (request: PushRequest) => Promise<PushAnswer>,
  signal: AbortSignal,
) => Promise<void>;

const pathMax = 512;

/** The credentials of a request: what stands behind `Bearer`, or the password of basic authentication, which is all that some loggers can send. */
function credentialsOf(authorization: string | undefined): string | undefined {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+)$/.exec(authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z\d+/]{0,1024}={0,2}$/.test(value) || value.length % 4 !== 0) return undefined;
  const text = new TextDecoder().decode(Uint8Array.fromBase64(value));
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : text.slice(colon + 1);
}

/**
 * Whether a request may be taken, and what its source is called: the path under which it came.
 *
 * @param isToken compares with the token in constant time; absent when none is asked for
 */
export function admitPush(
  { method, target, headers }: Omit<PushRequest, 'body'>,
  isToken: ((text: string) => boolean) | undefined,
): Outcome<string> {
  if (method !== 'POST' && method !== 'PUT') return failure('PUSH_REFUSED', 'peer', 'only POST and PUT are taken here');
  if (isToken !== undefined) {
    const given = credentialsOf(headers.authorization);
    if (given === undefined || !isToken(given)) return failure('PUSH_UNAUTHORISED', 'peer', 'the token is missing or wrong');
  }
  const [path = ''] = target.split('?', 1);
  if (!/^\/[\w.~%!$&'()*+,;=:@/-]*$/.test(path) || path.length > pathMax) return failure('PUSH_REFUSED', 'peer', 'the path cannot be used');
  return success(`push ${path}`);
}
