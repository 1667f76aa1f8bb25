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
  // What is sent again is measured by `bench -- forwarding`, to the bytes in flight and 4 KiB. On a busy machine processes note and die some milliseconds later, which are kilobytes here; a transfer that began anew would be 100 kB.
  expect(result.repeatedBytesPerKill).toBeLessThanOrEqual(2 * (result.inFlightBytesPerKill + 4096));
});
