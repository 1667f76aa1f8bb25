import { describe, expect, it } from 'vitest';
import type { CborValue } from '../../../src/core/cbor.ts';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import type { MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { decodeEntryBody, type EntryBody, encodeEntryBody } from '../../../src/datasets/entry-body.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import { branchName, encodeForkStatement } from '../../../src/datasets/fork-statement.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { ReceiptBook } from '../../../src/datasets/receipts.ts';
import { encodeTagOperation, TagBook } from '../../../src/datasets/tags.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { encodeOrder } from '../../../src/forwarding/orders.ts';
import { WantList } from '../../../src/forwarding/want-list.ts';
import { ForkResolution } from '../../../src/node/fork-resolution.ts';
import { type Identity, openIdentity } from '../../../src/node/identity.ts';
import type { NodeEvent } from '../../../src/node/node-event.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(pair.publicKey);
const now = { wallMs: 1_750_000_000_000 as WallMs, monotonicMs: 0 as MonotonicMs };
const header = { instant: { wallMs: now.wallMs, counter: 0 }, clockQuality: 'unknown' } as const;

/** A copy of the author's log that somebody keeps, and what mends it. */
function keeper(): {
  readonly identity: Identity;
  readonly logs: LogStore;
  readonly forks: ForkResolution;
  readonly events: readonly NodeEvent[];
} {
  const catalog = openSqliteCatalog(':memory:');
  const identity = openIdentity(catalog, crypto, { bytes: (length) => new Uint8Array(length).fill(9) });
  const logs = new LogStore(catalog, crypto);
  const parts = {
    identity,
    catalog,
    logs,
    index: new FileIndex(catalog),
    tags: new TagBook(catalog),
    wants: new WantList(catalog),
    receipts: new ReceiptBook(catalog, crypto),
  };
  const nothing = (): void => undefined;
  const events: NodeEvent[] = [];
  const forks: ForkResolution = new ForkResolution(parts, {
    apply: (_, entry, body) => {
      if (body.kind === 'fork') forks.stated(dataset, entry, body.payload);
    },
    instant: () => header.instant,
    changed: nothing,
    retract: nothing,
    report: (event) => events.push(event),
  });
  return { identity, logs, forks, events };
}

/** An entry comes, and is understood. */
function take({ logs, forks }: Pick<ReturnType<typeof keeper>, 'logs' | 'forks'>, entry: LogEntry): void {
  const accepted = logs.accept(dataset, entry);
  const body = decodeEntryBody(entry.body, author);
  if (accepted.ok && accepted.value === 'stored' && body.ok && body.value.kind === 'fork') forks.stated(dataset, entry, body.value.payload);
}

/** A revision that removes a path. */
function removal(path: string, by = author): Uint8Array {
  return encodeEntryBody({ ...header, kind: 'files', changes: [{ path, superseded: [], kind: 'removal' }] }, by);
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

/** An order for entries of a log. */
function send(by: NodeId, first: number, last: number): CborValue {
  const to = { nodes: [], roles: [], subscribers: true };
  return encodeOrder({ type: 'send', items: [{ author: by, first, last }], to, terms: { custodySuffices: false } });
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
      take({ logs, forks }, entry);
      forks.heard(dataset, author, now);
    }
    expect([logs.length(dataset, author), logs.branches(dataset, author).length]).toEqual([length, branches]);
  });

  it.each([
    ['is true', [removal('o'), removal('a'), removal('b'), statement(a, 2, 2)], 0],
    ['is not true', [removal('o'), statement(a, 2, 1)], 1],
  ])('that stands in our copy and %s: the branch is dropped only for a true one', (_, log, branches) => {
    const { logs, forks } = keeper();
    for (const entry of [...written(log), a, b]) take({ logs, forks }, entry);
    forks.heard(dataset, author, now);
    expect([logs.length(dataset, author), logs.branches(dataset, author).length]).toEqual([log.length, branches]);
  });
});

describe('an author whose own branch comes back', () => {
  it('writes anew what orders and tags of it name by the numbers that they have in the log', () => {
    const own = keeper();
    const { node, signingKey } = own.identity;
    const payloads = [
      { kind: 'order', payload: encodeOrder({ type: 'cancel', author: node, sequence: 1 }) },
      { kind: 'order', payload: encodeOrder({ type: 'change', author: node, sequence: 1, priority: 'bulk' }) },
      { kind: 'order', payload: send(node, 1, 2) },
      {
        kind: 'tag',
        payload: encodeTagOperation({
          type: 'set',
          name: 'v',
          version: VersionVector.of([
            [node, 3],
            [author, 2],
          ]),
        }),
      },
    ] as const;
    const body = (kind: 'order' | 'tag', payload: CborValue): Uint8Array => encodeEntryBody({ ...header, kind, payload }, node);
    own.logs.append(dataset, node, signingKey, body('order', send(node, 9, 9)));
    for (const { kind, payload } of payloads) own.logs.append(dataset, node, signingKey, body(kind, payload));
    const lost = keeper().logs.append(dataset, node, signingKey, removal('lost', node));
    own.logs.accept(dataset, lost);
    own.forks.consider(dataset, { author: node, claimed: 1, last: 1, news: 'entries' }, now);
    const said = own.logs.read(dataset, node, 3, 6, Infinity).map((entry) => {
      const decoded = decodeEntryBody(entry.body, node);
      return decoded.ok && decoded.value.kind !== 'files' ? decoded.value.payload : undefined;
    });
    expect(said).toEqual([
      encodeOrder({ type: 'cancel', author: node, sequence: 2 }),
      encodeOrder({ type: 'change', author: node, sequence: 2, priority: 'bulk' }),
      send(node, 2, 3),
      encodeTagOperation({
        type: 'set',
        name: 'v',
        version: VersionVector.of([
          [node, 4],
          [author, 2],
        ]),
        without: [{ node, from: 1, to: 1 }],
      }),
    ]);
  });

  it('writes anew for exactly the entries that it meant what spans the place where the branch departs', () => {
    const own = keeper();
    const { node, signingKey } = own.identity;
    const body = (kind: 'order' | 'tag', payload: CborValue): Uint8Array => encodeEntryBody({ ...header, kind, payload }, node);
    const common = own.logs.append(dataset, node, signingKey, removal('common', node));
    own.logs.append(dataset, node, signingKey, removal('own', node));
    own.logs.append(dataset, node, signingKey, body('order', send(node, 1, 2)));
    own.logs.append(dataset, node, signingKey, body('order', send(node, 1, 1)));
    own.logs.append(
      dataset,
      node,
      signingKey,
      body('tag', encodeTagOperation({ type: 'set', name: 'v', version: VersionVector.of([[node, 4]]) })),
    );
    const before = keeper();
    before.logs.accept(dataset, common);
    for (const path of ['lost', 'lost too']) own.logs.accept(dataset, before.logs.append(dataset, node, signingKey, removal(path, node)));
    own.forks.consider(dataset, { author: node, claimed: 3, last: 3, news: 'entries' }, now);
    const said = own.logs.read(dataset, node, 5, 7, Infinity).map((entry) => {
      const decoded = decodeEntryBody(entry.body, node);
      return decoded.ok && decoded.value.kind !== 'files' ? decoded.value.payload : undefined;
    });
    const [first] = [send(node, 1, 1)] as unknown as [[string, CborValue[], ...CborValue[]]];
    const [second] = [send(node, 4, 4)] as unknown as [[string, CborValue[], ...CborValue[]]];
    const [type, items, ...terms] = first;
    expect(said).toEqual([
      [type, [...items, ...second[1]], ...terms],
      send(node, 1, 1),
      encodeTagOperation({
        type: 'set',
        name: 'v',
        version: VersionVector.of([[node, 6]]),
        without: [{ node, from: 2, to: 3 }],
      }),
    ]);
  });
});

describe('an author that forks its log again and again', () => {
  it('is not followed any more after so many comparisons, and that is reported once', () => {
    const { logs, forks, events } = keeper();
    for (const entry of [a, b]) logs.accept(dataset, entry);
    // Each says of the one branch that its two entries stand somewhere, where others are.
    const bodies = Array.from({ length: limits.forkComparisonsMax + 5 }, (_, index) => statement(a, 2, index + 7));
    const lies = written([removal('o'), ...bodies]);
    for (const [index, entry] of lies.entries()) {
      logs.accept(dataset, entry);
      forks.consider(dataset, { author, claimed: 0, last: entry.sequence, news: index === 0 ? 'entries' : 'statement' }, now);
    }
    expect(events).toEqual([expect.objectContaining({ type: 'fault', fault: expect.objectContaining({ code: 'FORKS_TOO_MANY' }) })]);
    expect(logs.length(dataset, author)).toBe(2);
  });

  it('has nothing compared by entries that say nothing of a branch, or that are known', () => {
    const { logs, forks } = keeper();
    for (const entry of [a, b, ...written([removal('o'), removal('p')])]) logs.accept(dataset, entry);
    let bytes = 0;
    const read = logs.readBranch.bind(logs);
    logs.readBranch = (...args) => {
      const entries = read(...args);
      bytes += entries.length;
      return entries;
    };
    forks.consider(dataset, { author, claimed: 0, last: 2, news: 'none' }, now);
    expect(bytes).toBe(0);
    forks.consider(dataset, { author, claimed: 0, last: 2, news: 'entries' }, now);
    expect(bytes).toBe(1);
  });
});
