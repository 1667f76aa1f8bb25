import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { type MqttMessage, mqttFeed } from '../../src/runtime/mqtt-feed.ts';

/**
 * Listening to Mosquitto. By hand: `mosquitto -c FILE` with the lines of `configure` in FILE, and `mosquitto_pub -q 1 -t site/a -m 1` beside it. Debian: packages `mosquitto`, and `mosquitto-clients` for doing it by hand.
 */

function findBroker(): boolean {
  try {
    execFileSync('mosquitto', ['-h'], { stdio: 'ignore' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      console.warn('skipped: listening to a broker needs the program mosquitto');
      return process.env.CI === 'true';
    }
  }
  return true;
}

const folders: string[] = [];
const brokers: ChildProcess[] = [];
const aborts: AbortController[] = [];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Broker {
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
  start(): Promise<void>;
}

async function mosquitto(): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-mosquitto-'));
  folders.push(folder);
  const port = await freePort();
  writeFileSync(join(folder, 'passwords'), 'logger:sesame\n', { mode: 0o600 });
  execFileSync('mosquitto_passwd', ['-U', join(folder, 'passwords')], { stdio: 'ignore' });
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  writeFileSync(join(folder, 'acl'), 'topic readwrite site/#\nuser logger\ntopic readwrite site/#\n', { mode: 0o600 });
  writeFileSync(
    join(folder, 'conf'),
    [
      ...user,
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      `password_file ${folder}/passwords`,
      'persistence true',
      `persistence_location ${folder}/`,
      '',
    ].join('\n'),
  );
  let process_: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const started = spawn('mosquitto', ['-c', join(folder, 'conf')], { stdio: 'ignore' });
    process_ = started;
    brokers.push(started);
    for (;;) {
      if (started.exitCode !== null) throw new Error(`mosquitto ended with ${started.exitCode}`);
      const isUp = await new Promise<boolean>((resolve) => {
        const socket = connectTcp(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      });
      if (isUp) return;
    }
  };
  await start();
  return {
    address: `mqtt://127.0.0.1:${port}`,
    port,
    start,
    stop: async () => {
      const ended = new Promise((resolve) => process_?.once('exit', resolve));
      process_?.kill('SIGTERM');
      await ended;
    },
  };
}

afterEach(async () => {
  for (const abort of aborts.splice(0)) abort.abort();
  for (const broker of brokers.splice(0)) broker.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Listens as `clientId`; `received` fills, and `next` waits for the n-th message. */
function listener(
  address: string,
  clientId: string,
  keep: (text: string, count: number) => Promise<void> = async () => undefined,
  filters = ['site/#'],
) {
  const abort = new AbortController();
  aborts.push(abort);
  const received: { text: string; topic: string; isRetained: boolean }[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const deliver = async ({ topic, payload, isRetained }: MqttMessage): Promise<void> => {
    const text = new TextDecoder().decode(payload);
    received.push({ text, topic, isRetained });
    for (const { count, resolve } of waiting) if (received.length >= count) resolve();
    await keep(text, received.length);
  };
  const ended = mqttFeed()({ address, clientId, filters }, deliver, abort.signal);
  ended.catch(() => undefined);
  const next = (count: number) =>
    new Promise<void>((resolve) => (received.length >= count ? resolve() : void waiting.push({ count, resolve })));
  return { received, next, ended, abort };
}

async function publish(broker: Broker, texts: readonly string[], options: { retain?: boolean; topic?: string } = {}): Promise<void> {
  const client = await connectAsync(broker.address);
  for (const text of texts) await client.publishAsync(options.topic ?? 'site/a', text, { qos: 1, retain: options.retain ?? false });
  await client.endAsync();
}

describe.skipIf(!findBroker())('listening to Mosquitto', () => {
  it('gives messages in their order, with topics and the retain mark', async () => {
    const broker = await mosquitto();
    await publish(broker, ['kept'], { retain: true, topic: 'site/old' });
    const { received, next, ended, abort } = listener(broker.address, 'a');
    await next(1);
    await publish(broker, ['1', '2', '3']);
    await next(4);
    abort.abort();
    await ended;
    expect(received.map(({ text, topic, isRetained }) => [text, topic, isRetained])).toEqual([
      ['kept', 'site/old', true],
      ['1', 'site/a', false],
      ['2', 'site/a', false],
      ['3', 'site/a', false],
    ]);
  });

  it('gives what was published while nobody listened', async () => {
    const broker = await mosquitto();
    const first = listener(broker.address, 'a');
    await publish(broker, ['hello'], { retain: true });
    await first.next(1);
    first.abort.abort();
    await first.ended;
    await publish(broker, ['1', '2', '3']);
    const second = listener(broker.address, 'a');
    await second.next(3);
    expect(second.received.slice(0, 3).map(({ text }) => text)).toEqual(['1', '2', '3']);
  });

  it('acknowledges nothing that could not be stored: it comes again', async () => {
    const broker = await mosquitto();
    const failing = listener(broker.address, 'a', async (text) => {
      if (text === '2') throw new Error('disk full');
    });
    await publish(broker, ['0'], { retain: true });
    await failing.next(1);
    await publish(broker, ['1', '2', '3']);
    await expect(failing.ended).rejects.toThrow('disk full');
    expect(failing.received.map(({ text }) => text)).toEqual(['0', '1', '2']);
    const again = listener(broker.address, 'a');
    await again.next(2);
    expect(again.received.slice(0, 2).map(({ text }) => text)).toEqual(['2', '3']);
  });

  it('lets a message that is being stored be acknowledged before it ends', async () => {
    const broker = await mosquitto();
    let store = (): void => undefined;
    const slow = listener(broker.address, 'a', () => new Promise((resolve) => (store = resolve)));
    await publish(broker, ['1'], { retain: true });
    await slow.next(1);
    slow.abort.abort();
    store();
    await slow.ended;
    const later = listener(broker.address, 'a');
    await publish(broker, ['2']);
    await later.next(1);
    expect(later.received.find(({ isRetained }) => !isRetained)?.text).toBe('2');
  });

  it('goes on by itself when the broker was restarted', { timeout: 60_000 }, async () => {
    const broker = await mosquitto();
    const { received, next } = listener(broker.address, 'a');
    await publish(broker, ['1'], { retain: true });
    await next(1);
    await broker.stop();
    await broker.start();
    await publish(broker, ['2'], { topic: 'site/b' });
    await next(2);
    expect(received.map(({ text }) => text)).toContain('2');
  });

  it('says so when the account is refused', async () => {
    const broker = await mosquitto();
    const options = { address: broker.address, clientId: 'a', filters: ['site/#'], username: 'logger', password: 'wrong' };
    const { signal } = new AbortController();
    await expect(mqttFeed()(options, async () => undefined, signal)).rejects.toMatchObject({
      code: 'INSTRUMENT_REFUSED',
      retryable: false,
    });
  });
});

describe('a broker', () => {
  const { signal } = new AbortController();
  const options = (address: string) => ({ address, clientId: 'a', filters: ['#'] });

  it('that is not there is unreachable', async () => {
    const address = `mqtt://127.0.0.1:${await freePort()}`;
    await expect(mqttFeed()(options(address), async () => undefined, signal)).rejects.toMatchObject({
      code: 'INSTRUMENT_UNREACHABLE',
      retryable: true,
    });
  });

  it('that does not grant a topic refuses', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        // CONNECT is answered by CONNACK, SUBSCRIBE by a SUBACK with the code of failure (MQTT 3.1.1, 3.2 and 3.9).
        if (bytes[0] === 0x10) socket.write(Uint8Array.of(0x20, 2, 0, 0));
        if (bytes[0] === 0x82) socket.write(Uint8Array.of(0x90, 3, bytes[2] ?? 0, bytes[3] ?? 0, 0x80));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(mqttFeed()(options(`mqtt://127.0.0.1:${port}`), async () => undefined, signal)).rejects.toMatchObject({
      code: 'INSTRUMENT_REFUSED',
    });
    server.close();
  });

  it.each(['http://a', 'mqtt://', 'mqtt://user:pass@a', 'mqtt://a/x'])('has no address like %s', async (address) => {
    await expect(mqttFeed()(options(address), async () => undefined, signal)).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
  });

  it('cannot be listened to without the optional package', async () => {
    const missing = mqttFeed(() => Promise.reject(new Error('no such package')));
    await expect(missing(options('mqtt://127.0.0.1'), async () => undefined, signal)).rejects.toMatchObject({ code: 'MQTT_MISSING' });
  });

  it('is not listened to when that was given up before', async () => {
    const given = AbortSignal.abort();
    await mqttFeed()(options(`mqtt://127.0.0.1:${await freePort()}`), async () => undefined, given);
  });
});
