import { expect, test } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import type { ContentTasks } from '../../../src/node/content-tasks.ts';
import type { Engine } from '../../../src/node/engine.ts';
import type { EngineOutput } from '../../../src/node/engine-turn.ts';
import { NodeDriver } from '../../../src/node/node-driver.ts';
import type { LinkSink } from '../../../src/ports/links.ts';

const now: Moment = { monotonicMs: 0 as MonotonicMs, wallMs: 0 as WallMs };

/** A driver whose engine fails on demand, after it has already put something out. */
function failingDriver() {
  const outputs: EngineOutput[] = [];
  const sent: Uint8Array[] = [];
  const crashes: unknown[] = [];
  let failure: unknown;
  let sink: LinkSink | undefined;
  const fail = (): void => {
    outputs.push({ type: 'transmit', path: 'udp://x', bytes: new Uint8Array(1) });
    if (failure !== undefined) throw failure;
  };
  const engine = { handle: fail, wake: fail, poll: () => outputs.shift(), nextDeadline: () => undefined } as unknown as Engine;
  const links = {
    start: (each: LinkSink) => {
      sink = each;
    },
    transmit: (_path: string, bytes: Uint8Array) => sent.push(bytes),
  };
  const driver = new NodeDriver(
    engine,
    { clock: { now: () => now }, timers: { schedule: () => ({ cancel: () => {} }) }, links: links as never },
    {} as ContentTasks,
    { onEvent: () => {}, onCrash: (error) => crashes.push(error) },
  );
  driver.start();
  const receive = (): void => sink?.received('udp://x', 'datagram', new Uint8Array(1));
  const failWith = (error: unknown): void => {
    failure = error;
  };
  return { driver, sent, crashes, receive, failWith };
}

test('a step that could not be written is not spoken of, and ends the node', () => {
  const { driver, sent, crashes, receive, failWith } = failingDriver();
  receive();
  expect(sent).toHaveLength(1);
  failWith(new GodwitError('DISK_FULL', 'no space'));
  receive();
  receive();
  expect(sent).toHaveLength(1);
  expect(crashes).toMatchObject([{ code: 'DISK_FULL' }]);
  expect(() => driver.command(() => 1)).toThrow(expect.objectContaining({ code: 'NODE_STOPPED', retryable: true }));
});

test('a command that fails on storage ends the node, one that is merely refused does not', () => {
  const { driver, crashes } = failingDriver();
  const refuse = (): never => {
    throw new GodwitError('NO_TEAM', 'no team');
  };
  expect(() => driver.command(refuse)).toThrow(expect.objectContaining({ code: 'NO_TEAM' }));
  expect(driver.command(() => 2)).toBe(2);
  const breakDisk = (): never => {
    throw new GodwitError('STORAGE_FAILED', 'broken');
  };
  expect(() => driver.command(breakDisk)).toThrow(expect.objectContaining({ code: 'STORAGE_FAILED' }));
  expect(crashes).toHaveLength(1);
  expect(() => driver.command(() => 2)).toThrow(expect.objectContaining({ code: 'NODE_STOPPED' }));
});
