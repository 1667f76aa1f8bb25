import { describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId, shortName } from '../../../src/core/identifiers.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import type { LogEntry } from '../../../src/datasets/log-entry.ts';
import { ReceiptBook } from '../../../src/datasets/receipts.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { Encounter, type EncounterStores, isComparison } from '../../../src/node/encounter.ts';
import type { Interests } from '../../../src/node/interests.ts';
import type { Membership } from '../../../src/node/membership.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/session/messages.ts';

interface Writer {
  readonly node: NodeId;
  readonly key: Uint8Array;
}

const writers = Array.from({ length: 20 }, (_, index): Writer => {
  const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(index + 1));
  return { node: identifier<NodeId>(pair.publicKey), key: pair.secretKey };
});
const datasets = Array.from({ length: 50 }, (_, index) => identifier<DatasetId>(crypto.sha256(Uint8Array.of(index))));

/** A node of a team; takes all of its datasets. */
class Member {
  readonly logs: LogStore;
  readonly receipts: ReceiptBook;
  readonly #stores: EncounterStores;
  readonly self: Writer;
  encounter: Encounter;

  constructor(self: Writer, peer: NodeId, team: readonly Writer[], taken: readonly DatasetId[]) {
    const catalog = openSqliteCatalog(':memory:');
    this.self = self;
    this.logs = new LogStore(catalog, crypto);
    this.receipts = new ReceiptBook(catalog, crypto);
    const [logDataset, ...others] = taken;
    const membership = {
      logDataset,
      datasets: () => others.map((id) => ({ id, priority: 'normal' })),
      members: () => team.map(({ node }) => ({ node, role: 'member' })),
      member: () => ({ role: 'member' }),
      mayWrite: () => true,
    } as unknown as Membership;
    const interests = { takes: () => true, concerns: () => true } as unknown as Interests;
    this.#stores = { identity: { node: self.node }, logs: this.logs, receipts: this.receipts, membership, interests, crypto };
    this.encounter = new Encounter(this.#stores, peer);
  }

  write(dataset: DatasetId, text: string, by: Writer = this.self): void {
    this.logs.append(dataset, by.node, by.key, new TextEncoder().encode(text));
  }

  /** Somebody signs what is here. */
  sign(dataset: DatasetId, wallMs: number, { node, key }: Writer = this.self): void {
    this.receipts.issue(node, key, dataset, VersionVector.of(this.logs.lengths(dataset)), true, { wallMs, counter: 0 });
  }

  meets(peer: Member): void {
    this.encounter = new Encounter(this.#stores, peer.self.node);
    this.encounter.begin();
  }

  hear(message: Message): void {
    if (isComparison(message)) expect(this.encounter.handleComparison(message)).toBeUndefined();
    else if (message.type === 'entries') expect(this.encounter.handleEntries(message).fault).toBeUndefined();
    else if (message.type === 'receipts') expect(this.encounter.handleReceipts(message).faults).toEqual([]);
    this.encounter.logsChanged();
  }
}

/** Two of a team, who have the same: every member has written into every dataset, and everybody has signed that it holds the first ten. */
function pair(teamSize: number, datasetCount: number): [Member, Member] {
  const team = writers.slice(0, teamSize);
  const taken = datasets.slice(0, datasetCount);
  const [first, second] = team as [Writer, Writer];
  const members: [Member, Member] = [new Member(first, second.node, team, taken), new Member(second, first.node, team, taken)];
  for (const member of members)
    for (const [number, dataset] of taken.entries()) {
      for (const writer of team) member.write(dataset, 'first', writer);
      if (number < 10) for (const [index, writer] of team.entries()) member.sign(dataset, 1000 + index, writer);
    }
  return members;
}

/** What two say until neither has anything to say, in bytes each way and by kind of message. */
function talk(one: Member, other: Member): { readonly bytes: [number, number]; readonly said: string[] } {
  one.meets(other);
  other.meets(one);
  const bytes: [number, number] = [0, 0];
  const said: string[] = [];
  for (let quiet = 0, way = 0; quiet < 2; way = 1 - way) {
    const [from, to] = way === 0 ? [one, other] : [other, one];
    // All that is ready leaves together: what is answered crosses what the other says meanwhile.
    const ready: Message[] = [];
    for (let next = from.encounter.poll(() => true); next !== undefined; next = from.encounter.poll(() => true)) ready.push(next.message);
    quiet = ready.length === 0 ? quiet + 1 : 0;
    for (const message of ready) {
      const encoded = encodeMessage(message);
      bytes[way as 0 | 1] += encoded.length;
      said.push(message.type);
      const decoded = decodeMessage(encoded);
      if (decoded.ok) to.hear(decoded.value);
    }
  }
  return { bytes, said };
}

const lengths = ({ logs }: Member) => datasets.map((dataset) => [...logs.lengths(dataset)]);

/** Both hold the same logs and the same receipts. */
function expectEqual(one: Member, other: Member): void {
  expect(lengths(one)).toEqual(lengths(other));
  expect(one.receipts.digest()).toEqual(other.receipts.digest());
}

describe('two members of a team of twenty with fifty datasets', () => {
  const [one, other] = pair(20, 50);

  it('know by their digests that they have the same', () => {
    expect(talk(one, other)).toEqual({ bytes: [24, 24], said: ['frontier', 'frontier'] });
  });

  it('say one new entry by what stands for fifty datasets and twenty nodes, and the one vector', () => {
    const changed = datasets[7] as DatasetId;
    one.write(changed, 'second');
    const { bytes, said } = talk(one, other);
    expectEqual(one, other);
    expect(said.filter((type) => type === 'entries')).toEqual(['entries']);
    // Of these 200 are what stands for the datasets and 240 the vector; all vectors would be 9,650.
    expect(Math.max(...bytes)).toBeLessThan(600);
  });

  it('say one new receipt by what stands for those of each node, and the instants of that one', () => {
    other.sign(datasets[7] as DatasetId, 5000);
    const { bytes, said } = talk(one, other);
    expectEqual(one, other);
    expect(said).toEqual([
      ...['frontier', 'frontier', 'receipt-summary', 'receipt-summary'],
      ...['receipt-marks', 'receipt-marks', 'receipts'],
    ]);
    // All receipts would be 67,000.
    expect(Math.max(...bytes)).toBeLessThan(600);
  });

  it('find all that differs, whoever has it, and what was lost of a node whose newest receipts are the same', () => {
    for (const [index, dataset] of datasets.entries()) {
      if (index % 3 === 0) one.write(dataset, 'third');
      if (index % 5 === 0) other.write(dataset, 'third');
      if (index % 7 === 0) one.sign(dataset, 9000 + index);
      if (index % 11 === 0) other.sign(dataset, 9000 + index, writers[4]);
    }
    // An earlier one of somebody else is missing here, as after a way that kept no order.
    other.sign(datasets[1] as DatasetId, 8000, writers[9]);
    for (const member of [one, other]) member.sign(datasets[2] as DatasetId, 8001, writers[9]);
    talk(one, other);
    expect(lengths(one)).toEqual(lengths(other));
    talk(one, other);
    expectEqual(one, other);
  });
});

describe('a small team', () => {
  it('says its vectors and receipts at once, which is a round trip less', () => {
    const [one, other] = pair(2, 2);
    one.write(datasets[0] as DatasetId, 'second');
    const { said } = talk(one, other);
    expectEqual(one, other);
    expect(new Set(said)).toEqual(new Set(['frontier', 'vectors', 'entries', 'heads']));
    other.sign(datasets[0] as DatasetId, 5000);
    expect(new Set(talk(one, other).said)).toEqual(new Set(['frontier', 'receipts']));
    expectEqual(one, other);
  });

  it('and one that has much more are understood by each other', () => {
    const team = writers.slice(0, 6);
    const [first, second] = team as [Writer, Writer];
    const taken = datasets.slice(0, 20);
    const rich = new Member(first, second.node, team, taken);
    const poor = new Member(second, first.node, team, taken);
    for (const dataset of taken) for (const writer of team.filter((each) => each !== second)) rich.write(dataset, 'first', writer);
    poor.write(datasets[3] as DatasetId, 'own');
    const { said } = talk(poor, rich);
    expect(said.filter((type) => type === 'summary')).toEqual(['summary']);
    expectEqual(poor, rich);
    expect(poor.logs.lengths(datasets[3] as DatasetId).size).toBe(team.length);
  });
});

describe('entries behind a gap', () => {
  const [first, second] = writers as [Writer, Writer];
  const dataset = datasets[0] as DatasetId;
  /** What a member says that has four entries of a log and is sent the seventh. */
  function saidTo(...others: readonly LogEntry[]): Message[] {
    const member = new Member(second, first.node, [first, second], [dataset]);
    for (const entry of [...log.slice(0, 4), ...others]) member.logs.accept(dataset, entry);
    const { body, signature } = log[6] as LogEntry;
    const name = shortName(dataset);
    const accepted = member.encounter.handleEntries({
      type: 'entries',
      dataset: name,
      author: shortName(first.node),
      first: 7,
      entries: [{ body, signature }],
    });
    expect(accepted.fault?.code).toBe('LOG_GAP');
    const said: Message[] = [];
    for (let next = member.encounter.poll(() => true); next !== undefined; next = member.encounter.poll(() => true))
      said.push(next.message);
    return said;
  }
  const author = new Member(first, second.node, [first, second], [dataset]);
  for (const text of ['1', '2', '3', '4', '5', '6', '7']) author.write(dataset, text);
  const log = author.logs.read(dataset, first.node, 1, 7, 1e6);

  it('are asked for from before the gap where the log has a branch: the peer may count on what was given up', () => {
    const other = new Member(first, second.node, [first, second], [dataset]);
    for (const text of ['1', '2', 'other']) other.write(dataset, text);
    const [, , branch] = other.logs.read(dataset, first.node, 1, 3, 1e6);
    expect(saidTo(branch as LogEntry)).toEqual([
      {
        type: 'vectors',
        vectors: [{ dataset: shortName(dataset), vector: VersionVector.of([[first.node, 3]]).toShortCbor() }],
      },
    ]);
  });

  it('are refused and nothing else where it has none', () => {
    expect(saidTo()).toEqual([]);
  });
});
