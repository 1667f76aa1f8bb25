import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { GodwitError } from '../../src/core/errors.ts';
import type { CollectedRecord, InstrumentTimer, InstrumentTransport } from '../../src/instruments/driver.ts';
import { pakbusDriver } from '../../src/instruments/pakbus/driver.ts';
import { connectTcpTransport } from '../../src/runtime/tcp-transport.ts';

const server = fileURLToPath(new URL('../../demo/pakbus-logger-server.ts', import.meta.url));
const signal = new AbortController().signal;

const timer: InstrumentTimer = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  wait: (durationMs, aborted) =>
    sleep(durationMs, undefined, { ref: false, ...(aborted === undefined ? {} : { signal: aborted as AbortSignal }) }).catch(
      () => undefined,
    ),
};

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function exited(child: ChildProcess): Promise<number | null> {
  return child.exitCode === null && child.signalCode === null
    ? new Promise((resolve) => child.once('exit', resolve))
    : Promise.resolve(child.exitCode);
}

/** A process of its own that prints its port as a line of JSON. */
async function startProcess(...nodeArguments: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, nodeArguments, { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await exited(child);
  });
  for await (const line of createInterface({ input: child.stdout! })) return { child, port: JSON.parse(line).port };
  throw new Error('the process ended before it listened');
}

function startLogger(options: object): Promise<{ child: ChildProcess; port: number }> {
  return startProcess(server, JSON.stringify(options));
}

/** A server that is stopped as soon as it listens: its kernel takes a connection or two, and then answers nobody. */
const stoppedServer = `
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, JSON.stringify({ port: server.address().port }) + '\\n');
    process.kill(process.pid, 'SIGSTOP');
  });`;

/** A TCP server in this process. */
async function startServer(onConnection: (socket: Socket) => void): Promise<{ listening: Server; port: number }> {
  const listening = createServer(onConnection);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void listening.close());
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { listening, port: address.port };
}

async function codeOf(promise: Promise<unknown>): Promise<[string, boolean]> {
  const error: GodwitError = await promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (reason) => reason,
  );
  return [error.code, error.retryable];
}

async function connectTo(port: number): Promise<InstrumentTransport> {
  const transport: InstrumentTransport = await connectTcpTransport({ host: '127.0.0.1', port });
  cleanups.push(() => transport.close());
  return transport;
}

describe('a logger behind a TCP port', () => {
  test('is identified and collected through faults, and a second visit goes on where the first ended', async () => {
    const faults = { duplicateRatio: 0.3, damageRatio: 0.05, dropRatio: 0.02 };
    const { port } = await startLogger({ records: 600, interval: 3600, seed: 4, faults, address: 12 });
    const first = await pakbusDriver.open({ address: 12, responseTimeoutMs: 150 }, await connectTo(port), timer, signal);
    expect(await first.identify()).toMatchObject({ model: 'CR1000', serial: 'E12', stationName: 'Godwit Weir' });
    const clock = await first.clock();
    const records: CollectedRecord[] = [];
    let cursor: { revision: string; nextRecord: number } | undefined;
    for await (const batch of first.collect('Weather')) {
      records.push(...batch.records);
      cursor = batch.cursor;
      if (records.length > 300) break;
    }
    await first.close();
    const second = await pakbusDriver.open({ address: 12, responseTimeoutMs: 150 }, await connectTo(port), timer, signal);
    for await (const batch of second.collect('Weather', cursor)) records.push(...batch.records);
    await second.close();
    expect(records.slice(0, 600).map(({ recordNumber }) => recordNumber)).toEqual(Array.from({ length: 600 }, (_, i) => i));
    expect(records[599]!.stamp.localUs).toBeLessThanOrEqual(clock.stamp.localUs);
    for (let i = 1; i < records.length; i++) expect(records[i]!.stamp.localUs - records[i - 1]!.stamp.localUs).toBe(3_600_000_000);
  });

  test('ends on SIGTERM, and when nobody holds its input any more', async () => {
    const terminated = await startLogger({ records: 1 });
    terminated.child.kill('SIGTERM');
    expect(await exited(terminated.child)).toBe(0);
    const abandoned = await startLogger({ records: 1 });
    abandoned.child.stdin!.end();
    expect(await exited(abandoned.child)).toBe(0);
  });

  test('that vanishes in the middle is INSTRUMENT_DISCONNECTED', async () => {
    const { child, port } = await startLogger({ records: 2000 });
    const session = await pakbusDriver.open({ address: 1 }, await connectTo(port), timer, signal);
    const collection = session.collect('Weather')[Symbol.asyncIterator]();
    await collection.next();
    child.kill('SIGKILL');
    await exited(child);
    expect(await codeOf(collection.next())).toEqual(['INSTRUMENT_DISCONNECTED', true]);
    await session.close();
  });
});

describe('a TCP transport', () => {
  test('to a port where nobody listens is INSTRUMENT_UNREACHABLE', async () => {
    const { listening, port } = await startServer(() => undefined);
    await new Promise((resolve) => listening.close(resolve));
    expect(await codeOf(connectTcpTransport({ host: '127.0.0.1', port }))).toEqual(['INSTRUMENT_UNREACHABLE', true]);
  });

  test('that takes too long is INSTRUMENT_UNREACHABLE', async () => {
    const { port } = await startProcess('-e', stoppedServer);
    const attempts = Array.from({ length: 6 }, () => connectTcpTransport({ host: '127.0.0.1', port, timeoutMs: 300 }));
    const outcomes = await Promise.allSettled(attempts);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') cleanups.push(() => outcome.value.close());
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'INSTRUMENT_UNREACHABLE', retryable: true });
    expect(refused[0]!.reason.message).toContain('within 300 ms');
  });

  test('is aborted before, while and after it connects', async () => {
    const { port } = await startServer(() => undefined);
    expect(await codeOf(connectTcpTransport({ host: '127.0.0.1', port, signal: AbortSignal.abort() }))).toEqual(['ABORTED', true]);
    const during = new AbortController();
    const connecting = codeOf(connectTcpTransport({ host: '127.0.0.1', port, signal: during.signal }));
    during.abort();
    expect(await connecting).toEqual(['ABORTED', true]);
    const after = new AbortController();
    const transport = await connectTcpTransport({ host: '127.0.0.1', port, signal: after.signal });
    const reading = Array.fromAsync(transport.read());
    after.abort();
    expect(await reading).toEqual([]);
  });

  test('carries bytes both ways and ends when the other side does', async () => {
    const { port } = await startServer((socket) => socket.on('data', (bytes) => socket.end(bytes)));
    const transport = await connectTo(port);
    await transport.write(Uint8Array.of(1, 2, 3));
    expect((await Array.fromAsync(transport.read())).flatMap((bytes) => [...bytes])).toEqual([1, 2, 3]);
  });

  test('that breaks says so to readers and writers', async () => {
    const { port } = await startServer((socket) => socket.on('data', () => socket.resetAndDestroy()));
    const transport = await connectTo(port);
    await transport.write(Uint8Array.of(1));
    expect(await codeOf(Array.fromAsync(transport.read()))).toEqual(['INSTRUMENT_DISCONNECTED', true]);
    expect(await codeOf(transport.write(Uint8Array.of(1)))).toEqual(['INSTRUMENT_DISCONNECTED', true]);
    await transport.close();
  });

  test('that is closed sends first what was written, ends reading, and closes again without an error', async () => {
    const received: number[] = [];
    let onEnd: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve;
    });
    const { port } = await startServer((socket) => socket.on('data', (bytes: Buffer) => received.push(...bytes)).on('end', onEnd));
    const transport = await connectTo(port);
    const reading = Array.fromAsync(transport.read());
    void transport.write(Uint8Array.of(7, 8));
    await transport.close();
    await transport.close();
    expect(await reading).toEqual([]);
    await ended;
    expect(received).toEqual([7, 8]);
  });
});
