import { expect, test } from 'vitest';
import type { DeviceDriver } from '../../../src/instruments/driver.ts';
import { nmeaDriver } from '../../../src/instruments/nmea/driver.ts';
import { driverContract } from '../../../src/simulation/driver-contract.ts';
import { recordTranscript, TranscriptReplay, type TranscriptStep } from '../../../src/simulation/instrument-transcript.ts';

const step = (atMs: number, kind: TranscriptStep['kind'], bytes = ''): TranscriptStep => ({ atMs, kind, bytes });
const replayOf = (...steps: TranscriptStep[]) => new TranscriptReplay({ version: 1, startWallMs: 1000, steps });

test('bytes come when they came, waits end when they must have, and the end is the end', async () => {
  const replay = replayOf(step(0, 'break'), step(5, 'sent', '01'), step(20, 'received', '02'), step(30, 'ended'));
  await replay.sendBreak();
  await replay.wait(4);
  await replay.write(Uint8Array.of(1));
  const pieces = await Array.fromAsync(replay.read());
  expect(pieces).toEqual([Uint8Array.of(2)]);
  expect([replay.monotonicMs(), replay.wallMs(), replay.isAtEnd]).toEqual([20, 1020, false]);
});

test('a driver that says something else is told so', async () => {
  await expect(replayOf(step(0, 'sent', '01')).write(Uint8Array.of(9))).rejects.toMatchObject({ code: 'TRANSCRIPT_DIVERGED' });
  await expect(replayOf(step(0, 'break')).write(Uint8Array.of(1))).rejects.toMatchObject({ code: 'TRANSCRIPT_DIVERGED' });
});

test('behind its end a transcript is silent: what is sent goes nowhere, every wait ends at once, and an abort ends one too', async () => {
  const replay = replayOf(step(0, 'received', '07'));
  const reading = replay.read()[Symbol.asyncIterator]();
  expect((await reading.next()).value).toEqual(Uint8Array.of(7));
  await replay.write(Uint8Array.of(1));
  const stop = new AbortController();
  const held = replayOf(step(50, 'sent', '01')).wait(1000, stop.signal);
  stop.abort();
  await held;
  await replay.wait(3_600_000);
  expect(replay.monotonicMs()).toBe(3_600_000);
  await replay.close();
  expect([replay.isClosed, (await reading.next()).done]).toEqual([true, true]);
});

test('a conversation that the instrument ends is recorded with its end', async () => {
  const replay = replayOf(step(0, 'break'), step(0, 'received', 'aa'), step(0, 'ended'));
  const { transport, transcript } = recordTranscript(replay, replay);
  await transport.sendBreak?.(12);
  for await (const bytes of transport.read()) expect(bytes).toEqual(Uint8Array.of(0xaa));
  expect(transcript().steps.map(({ kind, bytes }) => [kind, bytes])).toEqual([
    ['break', ''],
    ['received', 'aa'],
    ['ended', ''],
  ]);
});

test('the contract refuses a driver that breaks it', async () => {
  const sentence = '2453444450542c332e32302c302e352a36330d0a';
  const bench = (driver: DeviceDriver<object>) => {
    const connect = () => {
      const replay = replayOf(step(1, 'received', sentence));
      return { transport: replay, timer: replay };
    };
    return driverContract(driver, { configuration: { listenMs: 1000 }, remembers: false, connect });
  };
  for (const { run } of bench(nmeaDriver)) await run();
  const wrapped = (change: object): DeviceDriver<object> => ({
    ...nmeaDriver,
    open: async (...parameters) => {
      const session = await nmeaDriver.open(...parameters);
      return {
        identify: () => session.identify(),
        clock: () => session.clock(),
        tables: () => session.tables(),
        collect: (table, cursor) => session.collect(table, cursor),
        close: () => session.close(),
        ...change,
      };
    },
  });
  const broken: [DeviceDriver<object>, number][] = [
    [{ ...nmeaDriver, id: 'No Identifier' }, 0],
    [{ ...nmeaDriver, capabilities: new Set() }, 0],
    [wrapped({ tables: async () => [] }), 4],
    [wrapped({ async *collect() {} }), 2],
    [wrapped({ close: async () => {} }), 5],
    [wrapped({ collect: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new TypeError('a bug')) }) }) }), 4],
  ];
  for (const [driver, check] of broken) await expect(bench(driver)[check]?.run()).rejects.toThrow();
});
