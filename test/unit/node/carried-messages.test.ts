import { expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { type DatasetId, identifier, type NodeId, shortName } from '../../../src/core/identifiers.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import { type CarriedParts, takeCarried } from '../../../src/node/carried-messages.ts';
import type { AcceptedEntries } from '../../../src/node/encounter.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(pair.publicKey);
const carrier = identifier<NodeId>(new Uint8Array(32).fill(2));
const now: Moment = { monotonicMs: 0 as MonotonicMs, wallMs: 0 as WallMs };

it('does not take the beginning of a branch that is carried to its author for all of it', () => {
  const [logs, lost] = [0, 1].map(() => new LogStore(openSqliteCatalog(':memory:'), crypto)) as [LogStore, LogStore];
  logs.append(dataset, author, pair.secretKey, utf8('of the meantime'));
  const entry = lost.append(dataset, author, pair.secretKey, utf8('lost'));
  const taken: AcceptedEntries[] = [];
  const membership = { logDataset: dataset, datasets: () => [], members: () => [{ node: author }], mayWrite: () => true };
  const parts = {
    logs,
    membership,
    identity: { node: author },
    crypto,
    keeping: { take: (accepted: AcceptedEntries) => taken.push(accepted) },
  };
  const entries = [{ body: entry.body, signature: entry.signature }];
  const message = { type: 'entries', dataset: shortName(dataset), author: shortName(author), first: 1, entries } as const;
  takeCarried(parts as unknown as CarriedParts, carrier, message, now);
  expect(taken.map(({ branched }) => branched)).toEqual([{ author, claimed: undefined, last: 1, news: 'entries' }]);
});
