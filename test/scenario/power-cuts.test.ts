import { expect, it } from 'vitest';
import { crashes } from '../../bench/forwarding-links.ts';

it('a transfer whose ends lose their power again and again loses nothing, and sends no more than what was in flight and 4 KiB again', async () => {
  const { done, lost, repeatedBytesPerKill } = await crashes(60);
  expect(done).toBeGreaterThanOrEqual(60);
  expect(lost).toBe(0);
  expect(repeatedBytesPerKill).toBeLessThanOrEqual(4096);
});
