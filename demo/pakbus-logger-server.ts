/**
 * A Campbell logger to practise on: the simulated weather station behind a real TCP port on 127.0.0.1.
 *
 *     node demo/pakbus-logger-server.ts '{"records": 1000, "interval": 60, "seed": 1, "faults": {"dropRatio": 0.1}}'
 *
 * All options may be left out: `records` (stored before the start), `interval` (seconds between records; new ones are stored as time goes on), `seed`, `faults` (ratios of dropped,
 * duplicated, delayed and damaged packets), `address` (PakBus address, 1), `port` (0 takes a free one). Prints one line of JSON, `{"port":N}`. Every connection speaks to the same logger, one
 * at a time. Ends on SIGTERM, and when its standard input is closed.
 */
import { createServer, type Socket } from 'node:net';
import type { Moment, MonotonicMs, WallMs } from '../src/core/time.ts';
import { type LineFaults, noFaults, type PakbusLoggerInput } from '../src/simulation/pakbus-logger.ts';
import { weatherLogger } from '../src/simulation/pakbus-weather-station.ts';

interface ServerOptions {
  readonly records: number;
  readonly interval: number;
  readonly seed: number;
  readonly faults: Partial<LineFaults>;
  readonly address: number;
  readonly port: number;
}

const defaults: ServerOptions = { records: 1000, interval: 60, seed: 1, faults: {}, address: 1, port: 0 };
const given: Partial<ServerOptions> = JSON.parse(process.argv[2] ?? '{}');
const options = { ...defaults, ...given };

function now(): Moment {
  return { monotonicMs: performance.now() as MonotonicMs, wallMs: Date.now() as WallMs };
}

const logger = weatherLogger(
  {
    address: options.address,
    records: options.records,
    intervalSeconds: options.interval,
    seed: options.seed,
    faults: { ...noFaults, ...options.faults },
  },
  now(),
);

/** What a timer of Node can count. */
const timerMsMax = 2 ** 31 - 1;

let client: Socket | undefined;
let alarm: NodeJS.Timeout | undefined;

function handle(input: PakbusLoggerInput): void {
  logger.handle(input, now());
  for (let output = logger.poll(); output !== undefined; output = logger.poll()) client?.write(output.bytes);
  const deadline = logger.nextDeadline(now());
  clearTimeout(alarm);
  if (deadline !== undefined)
    alarm = setTimeout(() => handle({ type: 'due' }), Math.min(timerMsMax, Math.max(0, deadline.at - performance.now())));
}

const server = createServer((socket) => {
  client?.destroy();
  client = socket;
  socket.on('data', (bytes: Buffer) => handle({ type: 'bytes', bytes }));
  // A client that vanishes is a client that hung up.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (client === socket) client = undefined;
  });
});

function stop(): void {
  clearTimeout(alarm);
  client?.destroy();
  server.close();
  process.stdin.destroy();
}

server.listen(options.port, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(JSON.stringify({ port: address.port }));
  handle({ type: 'due' });
});
process.on('SIGTERM', stop);
process.stdin.on('end', stop).resume();
