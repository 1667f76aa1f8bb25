import { expect, test } from 'vitest';
import { type NodeId, shortName } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { DiscoveryKeeping } from '../../../src/node/discovery-keeping.ts';
import type { Membership } from '../../../src/node/membership.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [self, hut, ridge] = ['11', '22', '33'].map((digits) => digits.repeat(32)) as [NodeId, NodeId, NodeId];
const now = 0 as MonotonicMs;

function keeping(): DiscoveryKeeping {
  const random = seededRandom(1);
  const membership = {
    secret: new Uint8Array(32),
    members: () => [{ node: hut }, { node: ridge }],
    datasets: () => [],
  } as unknown as Membership;
  const peers = { isHeard: () => false, tryAt: () => undefined };
  return new DiscoveryKeeping(
    { self, catalog: openSqliteCatalog(':memory:'), crypto: nodeCrypto, entropy: random, random, membership, peers },
    now,
  );
}

test('a member is told where others are, but not of itself, of one link only, of hearsay or of what failed', () => {
  const { candidates } = keeping();
  expect(candidates.list()).toEqual([]);
  const discovery = keeping();
  discovery.candidates.offer(hut, 'udp://10.0.0.2:7077', 'beacon', now);
  discovery.candidates.offer(hut, 'udp://[2001:db8::2]:7077', 'dns-sd', now);
  for (const local of ['udp://[fe80::2%lan]:7077', 'udp://127.0.0.1:7077', 'udp://169.254.1.1:7077', 'udp://hut:7077'])
    discovery.candidates.offer(hut, local, 'beacon', now);
  discovery.candidates.offer(ridge, 'udp://10.0.0.3:7077', 'peer', now);
  const told = [{ node: shortName(hut), addresses: ['udp://10.0.0.2:7077', 'udp://[2001:db8::2]:7077'] }];
  expect(discovery.knownTo(ridge)).toEqual(told);
  expect(discovery.knownTo(hut)).toEqual([]);
  discovery.candidates.due(now);
  discovery.candidates.failed(hut, 'udp://10.0.0.2:7077', now);
  expect(discovery.knownTo(ridge)[0]?.addresses ?? []).not.toContain('udp://10.0.0.2:7077');
});

test('what a member says of others becomes candidates, as far as it can be true for everybody', () => {
  const discovery = keeping();
  discovery.hearsay(
    [
      { node: shortName(hut), addresses: ['tcp://10.0.0.2:80', 'udp://[fe80::1%eth0]:1', 'udp://127.0.0.1:1', 'nonsense'] },
      { node: shortName('99'.repeat(32) as NodeId), addresses: ['udp://10.0.0.9:1'] },
    ],
    now,
  );
  expect(discovery.candidates.list()).toEqual([{ peer: hut, address: 'tcp://10.0.0.2:80', means: 'peer', failures: 0 }]);
});
