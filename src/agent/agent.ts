import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { GodwitError } from '../core/errors.ts';
import type { FieldNode } from '../node/field-node.ts';
import { perform, plain } from './requests.ts';

const longestIntervalMs = 2 ** 31 - 1;

/**
 * The headless process: one node, driven by lines of JSON.
 *
 * On standard input, one request a line: `{"id": 7, "method": "scan", "params": {"dataset": "notes"}}`. On standard output, one line each: the answer `{"id": 7, "result": …}` or
 * `{"id": 7, "error": {"code", "message", "retryable"}}`, and events `{"event": {…}}` as they happen. Requests run side by side; answers come in the order in which they are ready. The agent goes
 * on with its standing duties when standard input is closed by a service manager, unless `--stdin-bound` was given: then it ends with its parent. In the end every request that was taken has its
 * answer: what was begun is finished, and what waits for something from outside, such as `join`, is answered with `NODE_CLOSED`.
 *
 * @throws GodwitError with the code of a failure of the node's own storage, which ended the node: the process ends, and whoever manages it starts it again.
 */
export async function runAgent(
  node: FieldNode,
  input: Readable,
  output: Writable,
  options: { readonly stdinBound: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const write = (line: unknown): void => {
    output.write(`${JSON.stringify(plain(line))}\n`);
  };
  let failure: GodwitError | undefined;
  const ended = Promise.withResolvers<void>();
  const stop = node.onEvent((event) => {
    write({ event });
    if (event.type !== 'stopped') return;
    failure = new GodwitError(event.code, event.message, { retryable: true });
    ended.resolve();
  });
  write({ ready: { id: node.id, name: node.name } });
  const lines = createInterface({ input });
  const answering = new Set<Promise<void>>();
  const { promise: closed, reject: giveUp } = Promise.withResolvers<never>();
  closed.catch(() => undefined);
  lines.on('line', (line) => {
    const answer = answerLine(node, line, closed).then(write);
    answering.add(answer);
    void answer.finally(() => answering.delete(answer));
  });
  // A node without open sockets waits with timers that do not hold a process, and neither does a closed input.
  const holdingProcess = setInterval(() => undefined, longestIntervalMs);
  if (options.stdinBound) lines.once('close', ended.resolve);
  if (options.signal.aborted) ended.resolve();
  options.signal.addEventListener('abort', () => ended.resolve(), { once: true });
  await ended.promise;
  lines.close();
  stop();
  await node.close();
  giveUp(new GodwitError('NODE_CLOSED', 'The agent ended before this was answered.', { retryable: true }));
  await Promise.allSettled(answering);
  clearInterval(holdingProcess);
  if (failure !== undefined) throw failure;
}

/** The answer to a line; `closed` rejects when there is nothing left to wait for. */
async function answerLine(node: FieldNode, line: string, closed: Promise<never>): Promise<unknown> {
  let id: unknown = null;
  try {
    const request = parseRequest(line);
    id = request.id;
    return { id, result: await Promise.race([perform(node, request.method, request.params), closed]) };
  } catch (error) {
    if (!(error instanceof GodwitError)) throw error;
    return { id, error: { code: error.code, message: error.message, retryable: error.retryable } };
  }
}

function parseRequest(line: string): { readonly id: unknown; readonly method: string; readonly params: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new GodwitError('REQUEST_MALFORMED', 'A request is one line of JSON: {"id", "method", "params"}.');
  }
  const { id, method, params } = (value ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
  if (typeof method !== 'string') throw new GodwitError('REQUEST_MALFORMED', 'A request names its method: {"id", "method", "params"}.');
  return { id: id ?? null, method, params };
}
