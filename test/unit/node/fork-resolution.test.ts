import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier } from '../../../src/core/identifiers.ts';
import type { MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { type EntryBody, encodeEntryBody } from '../../../src/datasets/entry-body.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import { branchName, encodeForkStatement } from '../../../src/datasets/fork-statement.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { TagBook } from '../../../src/datasets/tags.ts';
import { WantList } from '../../../src/forwarding/want-list.ts';
import { ForkResolution } from '../../../src/node/fork-resolution.ts';
import { openIdentity } from '../../../src/node/identity.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(1));
const author = identifier<ReturnType<typeof openIdentity>['node']>(pair.publicKey);
const now = { wallMs: 1_750_000_000_000 as WallMs, monotonicMs: 0 as MonotonicMs };
const header = { instant: { wallMs: now.wallMs, counter: 0 }, clockQuality: 'unknown' } as const;

/** A copy of the author's log that somebody keeps, and what mends it. */
function keeper(): { readonly logs: LogStore; readonly forks: ForkResolution } {
  const catalog = openSqliteCatalog(':memory:');
  const identity = openIdentity(catalog, crypto, { bytes: (length) => new Uint8Array(length).fill(9) });
  const logs = new LogStore(catalog, crypto);
  const parts = { identity, catalog, logs, index: new FileIndex(catalog), tags: new TagBook(catalog), wants: new WantList(catalog) };
  const nothing = (): void => undefined;
  return { logs, forks: new ForkResolution(parts, { apply: nothing, instant: () => header.instant, changed: nothing, report: nothing }) };
}

/** A revision that removes a path. */
function removal(path: string): Uint8Array {
  return encodeEntryBody({ ...header, kind: 'files', changes: [{ path, superseded: [], kind: 'removal' }] }, author);
}

/** The statement that a branch with this first entry stands from `as` on. */
function statement(first: LogEntry, to: number, as: number): Uint8Array {
  const body: EntryBody = {
    ...header,
    kind: 'fork',
    payload: encodeForkStatement({ after: 0, branch: branchName(first), from: 1, to, as }),
  };
  return encodeEntryBody(body, author);
}

function written(bodies: readonly Uint8Array[]): LogEntry[] {
  const { logs } = keeper();
  return bodies.map((body) => logs.append(dataset, author, pair.secretKey, body));
}

const [a, b] = written([removal('a'), removal('b')]) as [LogEntry, LogEntry];

describe('a statement that a branch was written anew', () => {
  it.each([
    ['says it, behind others', [removal('o'), removal('a'), removal('b'), statement(a, 2, 2)], 4, 0],
    ['names a place where another entry is', [removal('o'), removal('a'), removal('c'), statement(a, 2, 2)], 2, 1],
    ['names a place where no entry is', [removal('o'), removal('a'), statement(a, 2, 3)], 2, 1],
    ['says it of one entry of two', [removal('o'), removal('a'), statement(a, 1, 2)], 2, 1],
    ['is all that its author wrote', [statement(a, 2, 1)], 2, 1],
  ])('that %s is followed only when it is true', (_, log, length, branches) => {
    const { logs, forks } = keeper();
    for (const entry of [a, b, ...written(log)]) {
      logs.accept(dataset, entry);
      forks.heard(dataset, author, now);
    }
    expect([logs.length(dataset, author), logs.branches(dataset, author).length]).toEqual([length, branches]);
  });

  it.each([
    ['is true', [removal('o'), removal('a'), removal('b'), statement(a, 2, 2)], 0],
    ['is not true', [removal('o'), statement(a, 2, 1)], 1],
  ])('that stands in our copy and %s: the branch is dropped only for a true one', (_, log, branches) => {
    const { logs, forks } = keeper();
    for (const entry of [...written(log), a, b]) logs.accept(dataset, entry);
    forks.heard(dataset, author, now);
    expect([logs.length(dataset, author), logs.branches(dataset, author).length]).toEqual([log.length, branches]);
  });
});
