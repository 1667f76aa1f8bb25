import { expect, test } from 'vitest';
import { killedTransfers } from './killed-transfers.ts';

const kills = 15;
/** Every kill starts a process, which takes seconds on a machine that is busy. */
const timeoutMs = 600_000;

test('a node that is killed at random bytes of a transfer loses nothing, and sends little more than what was in flight again', {
  timeout: timeoutMs,
}, async () => {
  const result = await killedTransfers(kills, 1);
  expect(result.kills).toBe(kills);
  expect(result.lost).toBe(0);
  expect(result.repeatedBytesPerKill).toBeLessThanOrEqual(result.inFlightBytesPerKill + 4096);
});
