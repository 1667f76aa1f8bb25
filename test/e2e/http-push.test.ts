import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { listenForPushes, type PushHead, type PushReply } from '../../src/runtime/http-push-server.ts';

/** The push endpoint over real sockets. By hand: `curl --data-binary @met.dat http://127.0.0.1:PORT/ridge`. */

const aborts: AbortController[] = [];
afterEach(() => {
  for (const abort of aborts.splice(0)) abort.abort();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

type Take = (request: PushHead & { readonly body: Uint8Array }) => Promise<PushReply>;

async function endpoint(take: Take, refuse: (head: PushHead) => PushReply | undefined = () => undefined) {
  const port = await freePort();
  const abort = new AbortController();
  aborts.push(abort);
  const ended = listenForPushes({ address: `http://127.0.0.1:${port}`, bodyBytesMax: 1000, requestsMax: 2 }, refuse, take, abort.signal);
  ended.catch(() => undefined);
  return { url: `http://127.0.0.1:${port}`, port, abort, ended };
}

/** Posts until the endpoint is up. */
async function post(url: string, body: string | ReadableStream, headers: Record<string, string> = {}): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url, { method: 'POST', body, headers, duplex: 'half' } as RequestInit);
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } };
      if (cause?.code !== 'ECONNREFUSED') throw error;
    }
  }
}

const taken: Take = async ({ method, target, headers, body }) => ({
  status: 200,
  text: [method, target, headers.authorization, headers['content-type'], body.length].join(' '),
});

describe('the push endpoint', () => {
  it('hands over method, target, credentials and body, and answers what it is told', async () => {
    const { url } = await endpoint(taken);
    const answer = await post(`${url}/ridge?x=1`, 'a,b\n1,2\n', { Authorization: 'Bearer t', 'Content-Type': 'text/csv' });
    expect([answer.status, await answer.text()]).toEqual([200, 'POST /ridge?x=1 Bearer t text/csv 8\n']);
  });

  it('says when to come again', async () => {
    const { url } = await endpoint(async () => ({ status: 503, text: 'ZONE_UNKNOWN', retryAfterSeconds: 60 }));
    const answer = await post(url, 'x');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60']);
  });

  it('refuses strangers before it reads what they send', async () => {
    let reads = 0;
    const { url } = await endpoint(
      async () => {
        reads++;
        return { status: 200, text: '' };
      },
      () => ({ status: 401, text: 'no token' }),
    );
    const answer = await post(url, 'x');
    expect([answer.status, answer.headers.get('www-authenticate'), answer.headers.get('connection'), reads]).toEqual([
      401,
      'Basic realm="godwit"',
      'close',
      0,
    ]);
  });

  it('refuses bodies that are too large, whether they say so or not', async () => {
    const { url } = await endpoint(taken);
    expect((await post(url, 'x'.repeat(1000))).status).toBe(200);
    expect((await post(url, 'x'.repeat(1001))).status).toBe(413);
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(300))),
    });
    const answer = await post(url, endless).then(
      ({ status }) => status,
      () => 'cut off',
    );
    expect([413, 'cut off']).toContain(answer);
    expect((await post(url, 'still there')).status).toBe(200);
  });

  it('works on a few requests at a time and sends others away', async () => {
    const waiting: (() => void)[] = [];
    const { url } = await endpoint(async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { status: 200, text: '' };
    });
    const first = [post(url, '1'), post(url, '2')];
    while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect((await post(url, '3')).status).toBe(503);
    for (const resolve of waiting) resolve();
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
    void post(url, '4').catch(() => undefined);
    while (waiting.length < 3) await new Promise((resolve) => setImmediate(resolve));
    waiting[2]?.();
  });

  it('survives a logger that hangs up', async () => {
    let took = 0;
    const { url, port } = await endpoint(async (request) => {
      took++;
      return taken(request);
    });
    await post(url, 'x');
    const socket = connect(port, '127.0.0.1', () => socket.end('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf'));
    await new Promise((resolve) =>
      socket
        .on('close', resolve)
        .on('error', () => undefined)
        .resume(),
    );
    expect((await post(url, 'x')).status).toBe(200);
    expect(took).toBe(2);
  });

  it('ends when it is told to', async () => {
    const { url, abort, ended } = await endpoint(taken);
    await post(url, 'x');
    abort.abort();
    await ended;
    const given = AbortSignal.abort();
    await listenForPushes(
      { address: `http://127.0.0.1:${await freePort()}`, bodyBytesMax: 1, requestsMax: 1 },
      () => undefined,
      taken,
      given,
    );
  });

  it('says why it cannot listen', async () => {
    const { url, port } = await endpoint(taken);
    await post(url, 'x');
    const listen = (address: string) =>
      listenForPushes({ address, bodyBytesMax: 1, requestsMax: 1 }, () => undefined, taken, new AbortController().signal);
    await expect(listen(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'PORT_BUSY' });
    await expect(listen('http://192.0.2.1:8080')).rejects.toMatchObject({ code: 'ADDRESS_UNAVAILABLE' });
    await expect(listen('https://127.0.0.1:1')).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
    await expect(listen('http://127.0.0.1:70000')).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
  });
});
