import { expect, test } from 'vitest';
import { killedTransfers } from './killed-transfers.ts';

const kills = 15;
/** Every kill starts a process, which takes seconds on a machine that is busy. */
const timeoutMs = 600_000;

test('a node that is killed at random bytes of a transfer loses nothing, and begins nothing anew', {
  timeout: timeoutMs,
}, async () => {
  const result = await killedTransfers(kills, 1);
  expect(result.kills).toBe(kills);
  expect(result.lost).toBe(0);
  // That no more than 4 KiB beyond what was in flight is sent again is held in virtual time by `scenario/power-cuts.test.ts`, and measured with real processes by `bench -- forwarding`: on a busy machine these note and die some
  // milliseconds later, which are kilobytes here. A transfer that began anew would be 100 kB.
  expect(result.repeatedBytesPerKill).toBeLessThanOrEqual(2 * (result.inFlightBytesPerKill + 4096));
});
