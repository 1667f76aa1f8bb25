import { networkInterfaces } from 'node:os';

/** Whether tests of IPv6 must be left out because this machine has it switched off. Never in CI, where they fail instead. */
export function withoutIpv6(): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const skip = !addresses.some(({ address }) => address === '::1') && process.env.CI !== 'true';
  if (skip) process.emitWarning('skipped: this machine has no IPv6, not even on loopback');
  return skip;
}
