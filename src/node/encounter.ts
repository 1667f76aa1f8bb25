import { concatBytes, equalBytes } from '../core/bytes.ts';
import type { CborValue } from '../core/cbor.ts';
import { type DatasetId, type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Fault } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { decodeEntryBody } from '../datasets/entry-body.ts';
import type { LogStore } from '../datasets/log.ts';
import type { LogEntry } from '../datasets/log-entry.ts';
import type { HeldReceipt, ReceiptBook } from '../datasets/receipts.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import type { Crypto } from '../ports/crypto.ts';
import { earlyMessages } from '../session/early-data.ts';
import { fingerprintBytes, headHashBytes, type Message } from '../session/messages.ts';
import { fingerprints, logsHash, sameness } from './encounter-summary.ts';
import type { Identity } from './identity.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';
import { ReceiptExchange, type TakenReceipts } from './receipt-exchange.ts';
import { ShortNames } from './short-names.ts';

/**
 * What two members settle when they meet, before any bulk bytes: who has which log entries, and who is known to hold what.
 *
 * Both sides say one digest of the ends of all their logs. Equal digests end it. Otherwise both send their vectors, where there are many only those that differ (`encounter-summary.ts`), and each pushes the entries the other lacks: the team's log first, because it
 * says who may write what, then datasets by class. Entries that are written or arrive later are pushed as they come. Where the digests still differ when both are level, a log forked: hashes of the last entries
 * tell which, and earlier ones are asked for until the first that differs has come.
 *
 * A node speaks of the datasets that it takes: those it subscribes to, and those it relays. What a peer never spoke of is pushed to it if it is known to subscribe, as for a dataset that is new to it.
 */

/** What an encounter reads and writes. */
export interface EncounterStores {
  readonly identity: Pick<Identity, 'node'>;
  readonly logs: LogStore;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
  readonly crypto: Crypto;
}

/** A message to send. */
export interface OutgoingMessage {
  readonly priority: PriorityClass;
  readonly message: Message;
  /** The one entry that the message brings, when it brings one. */
  readonly entry?: { readonly dataset: DatasetId; readonly entry: LogEntry };
  /** Whose entries it carries. */
  readonly dataset?: DatasetId;
}

/** What came of entries that a peer sent. */
export interface AcceptedEntries {
  /** Absent when nothing here has that name. */
  readonly dataset: DatasetId | undefined;
  readonly stored: readonly LogEntry[];
  /** Why an entry, and everything behind it, was not taken; or that its author's log forked. */
  readonly fault?: Fault;
  /** Entries belong to a branch of this log, of which the peer has so many entries as far as it said. */
  readonly branched?: BranchedEntries;
}

/** Which log has a branch that entries came of. */
export interface BranchedEntries {
  readonly author: NodeId;
  /** How many entries of this log the peer has, as far as it said; none for a branch beside its copy. */
  readonly claimed: number | undefined;
  /** The last entry that came. */
  readonly last: number;
  /** What is new here of what came: nothing, entries, or among them one that says that a branch was written anew. */
  readonly news: 'none' | 'entries' | 'statement';
}

/** Datasets whose logs are spoken of with members: the team's own, then all others by class. */
export function sharedDatasets(membership: Membership): { readonly dataset: DatasetId; readonly priority: PriorityClass }[] {
  const team = membership.logDataset;
  if (team === undefined) return [];
  const rank = (priority: PriorityClass): number => priorityClasses.indexOf(priority);
  const others = membership.datasets().map(({ id, priority }) => ({ dataset: id, priority }));
  return [{ dataset: team, priority: 'critical' }, ...others.sort((a, b) => rank(a.priority) - rank(b.priority))];
}

function statesFork({ body, author }: LogEntry): boolean {
  const decoded = decodeEntryBody(body, author);
  return decoded.ok && decoded.value.kind === 'fork';
}

/** What is said to find out what differs. */
export type Comparison = Extract<
  Message,
  { readonly type: 'frontier' | 'vectors' | 'heads' | 'summary' | 'receipt-summary' | 'receipt-marks' }
>;
const comparisons: ReadonlySet<Message['type']> = new Set<Comparison['type']>([
  'frontier',
  'vectors',
  'heads',
  'summary',
  'receipt-summary',
  'receipt-marks',
]);

/** True for what `Encounter.handleComparison` takes. */
export function isComparison(message: Message): message is Comparison {
  return comparisons.has(message.type);
}

/** Vectors are said in full when they take no more than that beyond what stands for them: a round trip is worth some bytes. */
const wholeVectorsSurplusBytesMax = 200;
/** The conversation with one member over one session. */
export class Encounter {
  readonly #stores: EncounterStores;
  readonly #peer: NodeId;
  readonly #names: ShortNames;
  readonly #receipts: ReceiptExchange;
  readonly #ready: OutgoingMessage[] = [];
  /** What the peer has, as far as it said and we sent. Absent until the first comparison. */
  #peerVectorByDataset: Map<DatasetId, VersionVector> | undefined;
  /** Vectors that name datasets or members that are not known here yet. */
  readonly #notUnderstood = new Map<ShortName, CborValue>();
  /** Datasets that the peer knows we take. */
  #told = new Set<DatasetId>();
  #vectorsSent = false;
  /** The peer knows by what stands for them which of our logs are as its own. It is to hear of the others once it has said anything of its own. */
  #differencesDue = false;
  /** What differs the peer will say next: whoever names a dataset then has it. */
  #differencesAwaited = false;
  /** They were, within the handshake, in answer to a question that is still to come in here. */
  #saidEarly = false;
  /** Something about members or datasets that we did not know was refused: ask again once we know more. */
  #refusedForMembership = false;
  /** How many entries before those that did not fit our copy of a log were asked for last, by dataset and author. */
  readonly #retracedByLog = new Map<string, number>();
  /** The most entries of a log that the peer said it has. */
  readonly #claimedByLog = new Map<string, number>();
  /** Logs of which the peer is given our branch, because it showed us another. */
  readonly #branchGiven = new Set<string>();
  /** The last entry of each branch that the peer was given for its author. */
  readonly #offeredByBranch = new Map<number, number>();
  /** The peer had other logs than we do, and has not been told a digest of ours since both are level. */
  #headsDiffer = false;
  /** Nothing to push until a log grows or the peer says more: spares the catalog a question a packet. */
  #caughtUp = false;

  constructor(stores: EncounterStores, peer: NodeId) {
    this.#stores = stores;
    this.#peer = peer;
    this.#names = new ShortNames(stores.membership);
    this.#receipts = new ReceiptExchange({
      receipts: stores.receipts,
      self: stores.identity.node,
      peer,
      names: this.#names,
      say: (message) => this.#say('normal', message),
    });
  }

  /** What is said to the peer before there is a session: the question that opens the conversation. Asked of an encounter that goes no further. */
  earlyQuestion(): Message[] {
    this.begin();
    // The digests will differ: what follows then is said at once, and the answer has room for as much.
    if (this.#hasNews()) this.#sayWhatIsHere();
    return this.#ready.map(({ message }) => message);
  }

  /** The answer to that question, as far as it may be given early. */
  earlyAnswer(question: readonly Message[]): Message[] {
    this.begin();
    for (const message of question) if (message.type === 'frontier') this.#handleFrontier(message);
    return this.#ready.flatMap(({ message }) => (earlyMessages.has(message.type) ? [message] : []));
  }

  /** Opens the conversation. */
  begin(): void {
    this.#told = new Set(this.#taken());
    this.#say('critical', { type: 'frontier', logs: this.#logsDigest(), receipts: this.#stores.receipts.digest() });
  }

  /** Opens the conversation behind what was said within the handshake. What has changed here since then follows. */
  open(said: readonly Message[]): void {
    if (said.length === 0) this.begin();
    else this.#told = new Set(this.#taken());
    for (const message of said) {
      if (message.type !== 'vectors' && message.type !== 'summary') continue;
      this.#vectorsSent = true;
      this.#saidEarly = true;
      this.#differencesDue = message.type === 'summary';
      if (message.type === 'summary') continue;
      this.#told = new Set(message.vectors.flatMap(({ dataset }) => this.#names.dataset(dataset) ?? []));
      this.interestsChanged();
    }
  }

  /** The peer says what it has. Returns a fault when that is malformed. */
  handleComparison(message: Comparison): Fault | undefined {
    if (message.type === 'vectors') return this.#handleVectors(message);
    if (message.type === 'frontier') this.#handleFrontier(message);
    else if (message.type === 'heads') this.#handleHeads(message);
    else if (message.type === 'summary') this.#handleSummary(message.fingerprints);
    else this.#receipts.handle(message);
    return undefined;
  }

  #handleFrontier(message: Extract<Message, { type: 'frontier' }>): void {
    const ours = this.#logsDigest();
    if (message.logs.every((byte, index) => byte === ours[index])) {
      this.#peerVectorByDataset ??= this.#ourVectors();
      this.#caughtUp = false;
    } else {
      this.#headsDiffer = true;
      if (!this.#saidEarly) this.#sayWhatIsHere();
    }
    this.#saidEarly = false;
    this.#receipts.compare(message.receipts);
  }

  /** Which of our logs the peer has the same of. It hears of the others. */
  #handleSummary(said: Uint8Array): void {
    if (!this.#vectorsSent) this.#sayWhatIsHere();
    const isSame = sameness(said);
    const differing = new Map<DatasetId, VersionVector>();
    for (const [dataset, vector] of this.#ourVectors()) {
      if (!isSame(this.#logsHash(dataset))) differing.set(dataset, vector);
      else {
        this.#peerVectorByDataset ??= new Map();
        this.#peerVectorByDataset.set(dataset, vector);
      }
    }
    this.#caughtUp = false;
    this.#differencesDue = false;
    this.#headsDiffer = true;
    this.#differencesAwaited = true;
    this.#sayVectors(differing);
  }

  /** A peer that says its vectors gets ours, once, and whatever it lacks. Returns a fault when they are malformed. */
  #handleVectors(message: Extract<Message, { type: 'vectors' }>): Fault | undefined {
    for (const { dataset, vector } of message.vectors) {
      const fault = this.#peerSays(dataset, vector);
      if (fault !== undefined) return fault;
    }
    this.#caughtUp = false;
    this.#differencesAwaited = false;
    if (!this.#vectorsSent) this.#sayWhatIsHere();
    if (!this.#differencesDue) return undefined;
    // It says all it has, and knows by what stands for ours which are the same.
    this.#differencesDue = false;
    const known = this.#peerVectorByDataset;
    const differing = [...this.#ourVectors()].filter(([dataset, vector]) => known?.get(dataset)?.compare(vector) !== 'equal');
    this.#sayVectors(new Map(differing));
    return undefined;
  }

  /** True when something is here that the peer did not have when it last gave a receipt. */
  #hasNews(): boolean {
    return this.#taken().some((dataset) => {
      const held = this.#stores.receipts.of(this.#peer, dataset)?.vector ?? VersionVector.empty;
      return this.#vector(dataset)
        .missingFrom(held)
        .some(({ node }) => node !== this.#peer);
    });
  }

  /** Datasets that both take, as far as the peer said. */
  #common(): DatasetId[] {
    return this.#taken().filter((dataset) => this.#peerVectorByDataset?.has(dataset));
  }

  /** True when both have logs of the same lengths. */
  #isLevel(): boolean {
    return this.#common().every((dataset) => this.#peerVectorByDataset?.get(dataset)?.compare(this.#vector(dataset)) === 'equal');
  }

  /** The beginning of each log's last hash, in the order in which they are said. */
  #headHashes(dataset: DatasetId): Map<NodeId, Uint8Array> {
    const heads = [...this.#stores.logs.heads(dataset)].map(([author, head]) => [author, head.subarray(0, headHashBytes)] as const);
    return new Map(heads.sort(([a], [b]) => (shortName(a) < shortName(b) ? -1 : 1)));
  }

  /** The peer says how its logs end. Where that is otherwise here although the lengths are the same, it hears of each of ours, or its entries are asked for. */
  #handleHeads(message: Extract<Message, { type: 'heads' }>): void {
    if (message.heads.length === 0 && this.#isLevel()) {
      const common = this.#common();
      if (equalBytes(message.digest, this.#digest(common).subarray(0, headHashBytes))) return;
      const heads = common.map((dataset) => ({ dataset: shortName(dataset), hashes: concatBytes(...this.#headHashes(dataset).values()) }));
      this.#say('critical', { ...message, heads });
    }
    for (const { dataset: name, hashes } of message.heads) {
      const dataset = this.#names.dataset(name);
      const ours = dataset === undefined ? [] : [...this.#headHashes(dataset)];
      // Of others than these lengths nothing was said.
      if (dataset === undefined || hashes.length !== ours.length * headHashBytes) continue;
      for (const [index, [author, hash]] of ours.entries()) {
        const theirs = hashes.subarray(index * headHashBytes, (index + 1) * headHashBytes);
        if (!equalBytes(theirs, hash)) this.#retrace(dataset, author, this.#stores.logs.length(dataset, author) + 1);
      }
    }
  }

  /** Takes entries of one log, or of a branch of it that the peer has beside it. */
  handleEntries(message: Extract<Message, { type: 'entries' }>): AcceptedEntries {
    const { membership, logs } = this.#stores;
    const dataset = this.#names.dataset(message.dataset);
    if (dataset === undefined) return this.#refused('DATASET_UNKNOWN', `no dataset ${message.dataset} in this team`);
    const author = this.#node(message.author);
    if (author === undefined || !membership.mayWrite(author))
      return this.#refused('AUTHOR_UNKNOWN', `${author ?? message.author} may not write here`);
    const { first } = message;
    const stored: LogEntry[] = [];
    let fault: Fault | undefined;
    let branched: number | undefined;
    let news: BranchedEntries['news'] = 'none';
    for (const [index, { body, signature }] of message.entries.entries()) {
      const entry = { author, sequence: first + index, body, signature };
      const accepted = logs.accept(dataset, entry);
      if (!accepted.ok) {
        const { code } = accepted.fault;
        if (code === 'LOG_SIGNATURE' && !message.isBranch) this.#retrace(dataset, author, first);
        // The peer may count on what was given up since it heard of it.
        if (code === 'LOG_GAP' && logs.branches(dataset, author).length > 0)
          this.#retrace(dataset, author, Math.min(first, logs.length(dataset, author) + 1));
        fault = accepted.fault;
        break;
      }
      if (accepted.value === 'stored') stored.push(entry);
      if (accepted.value === 'stored' || accepted.value === 'known') {
        if (!message.isBranch) this.#peerHas(dataset, author, entry.sequence);
      } else {
        branched = entry.sequence;
        if (accepted.value !== 'branch-known' && news !== 'statement') news = statesFork(entry) ? 'statement' : 'entries';
        if (accepted.value === 'forked')
          fault = { code: 'LOG_FORKED', blame: 'peer', message: `${author} signed two different entries ${entry.sequence}` };
        if (!message.isBranch) this.#giveBranch(dataset, author, entry.sequence, accepted.value !== 'branch-known');
      }
    }
    const claimed = message.isBranch ? undefined : (this.#claimedByLog.get(`${dataset} ${author}`) ?? 0);
    return {
      dataset,
      stored,
      ...(fault === undefined ? {} : { fault }),
      ...(branched === undefined ? {} : { branched: { author, claimed, last: branched, news } }),
    };
  }

  /** The peer showed us a branch of a log: it gets ours, once. Of a branch that was known already only the author gets it, who alone can make one of both. */
  #giveBranch(dataset: DatasetId, author: NodeId, sequence: number, isNew: boolean): void {
    const log = `${dataset} ${author}`;
    const concernsAuthor = author === this.#peer || author === this.#stores.identity.node;
    if (this.#branchGiven.has(log) || !(isNew || concernsAuthor)) return;
    this.#branchGiven.add(log);
    const known = [...(this.#peerVectorByDataset?.get(dataset)?.entries() ?? [])].filter(([node]) => node !== author);
    this.#peerVectorByDataset?.set(dataset, VersionVector.of([...known, [author, sequence - 1]]));
    this.#caughtUp = false;
  }

  /** The team's log grew: what was refused before may be welcome now. */
  membershipChanged(): void {
    this.#names.forget();
    for (const [dataset, vector] of [...this.#notUnderstood]) this.#peerSays(dataset, vector);
    if (!this.#refusedForMembership) return;
    this.#refusedForMembership = false;
    this.#sayVectors();
    // Receipts, too, may have been refused.
    this.begin();
  }

  /** Whether the peer takes a dataset, as far as it has said; `undefined` before it has said anything. */
  takes(dataset: DatasetId): boolean | undefined {
    return this.#peerVectorByDataset?.has(dataset);
  }

  /** What this node takes may have changed: the peer hears of the difference. */
  interestsChanged(): void {
    const taken = new Set(this.#taken());
    const changed = [...taken.symmetricDifference(this.#told)];
    this.#told = taken;
    if (changed.length === 0) return;
    const vectors = changed.map((dataset) => ({
      dataset: shortName(dataset),
      vector: taken.has(dataset) ? this.#vector(dataset).toShortCbor() : null,
    }));
    this.#say('critical', { type: 'vectors', vectors });
  }

  /** Some log of ours grew. */
  logsChanged(): void {
    this.#caughtUp = false;
  }

  /** Takes receipts that the peer relays. Gives those that are new here, and what is wrong with the others. */
  handleReceipts(message: Extract<Message, { type: 'receipts' }>): Pick<TakenReceipts, 'fresh' | 'faults'> {
    const { refused, ...taken } = this.#receipts.take(message);
    this.#refusedForMembership ||= refused;
    return taken;
  }

  /** Tells the peer receipts. */
  sendReceipts(receipts: readonly HeldReceipt[]): void {
    this.#receipts.send(receipts);
  }

  /** The next message: what is waiting, then entries that the peer lacks, of the classes that may be pushed now. */
  poll(mayPush: (priority: PriorityClass, dataset: DatasetId) => boolean): OutgoingMessage | undefined {
    const ready = this.#ready.shift();
    if (ready !== undefined || this.#caughtUp || this.#peerVectorByDataset === undefined) return ready;
    let held = false;
    for (const { dataset, priority } of sharedDatasets(this.#stores.membership)) {
      if (!mayPush(priority, dataset) || (this.#differencesAwaited && !this.#peerVectorByDataset.has(dataset))) {
        held = true;
        continue;
      }
      const peer = this.#peerVector(dataset);
      if (peer === undefined) continue;
      const [range] = this.#vector(dataset)
        .missingFrom(peer)
        .sort((a, b) => this.#rank(a.node) - this.#rank(b.node));
      if (range === undefined) continue;
      const entries = this.#stores.logs.read(dataset, range.node, range.from, range.to, limits.entriesMessageBytesMax);
      const last = entries.at(-1);
      if (last === undefined) continue;
      this.#peerHas(dataset, range.node, last.sequence);
      const message: Message = {
        type: 'entries',
        dataset: shortName(dataset),
        author: this.#name(range.node),
        first: range.from,
        entries: entries.map(({ body, signature }) => ({ body, signature })),
      };
      return { priority, message, dataset, ...(entries.length === 1 ? { entry: { dataset, entry: last } } : {}) };
    }
    const offer = this.#offerBranch();
    if (offer !== undefined) return offer;
    this.#caughtUp = !held;
    if (held || !this.#headsDiffer || !this.#isLevel()) return undefined;
    // What differed has been said, unless a log forked.
    this.#headsDiffer = false;
    return { priority: 'critical', message: { type: 'heads', digest: this.#digest(this.#common()).slice(0, headHashBytes), heads: [] } };
  }

  /** Entries of a branch that are to come to the author of their log, who is this peer, or is reached through it. */
  #offerBranch(): OutgoingMessage | undefined {
    const { logs, interests, identity } = this.#stores;
    if (!logs.hasOpenBranches) return undefined;
    for (const dataset of this.#common()) {
      for (const { author, branch } of logs.openBranches(dataset)) {
        const offered = this.#offeredByBranch.get(branch.id) ?? branch.after;
        if (offered >= branch.length || author === identity.node || !interests.leadsTo(author, this.#peer)) continue;
        let bytes = 0;
        const all = logs.readBranch(author, branch, offered + 1);
        const entries = all.filter(({ body }, index) => {
          bytes += body.length;
          return bytes <= limits.entriesMessageBytesMax || index === 0;
        });
        this.#offeredByBranch.set(branch.id, offered + entries.length);
        const message: Message = {
          type: 'entries',
          dataset: shortName(dataset),
          author: this.#name(author),
          first: offered + 1,
          entries: entries.map(({ body, signature }) => ({ body, signature })),
          isBranch: true,
        };
        return { priority: 'normal', message, dataset };
      }
    }
    return undefined;
  }

  /**
   * An entry does not follow from ours: its signature is wrong, or its author's log forked somewhere before. The peer is asked for earlier entries, twice as many each time, by claiming to hold less than
   * is here: the first one that differs from ours is the fork, and its author's signature proves it.
   */
  #retrace(dataset: DatasetId, author: NodeId, first: number): void {
    if (first <= 1) return;
    const log = `${dataset} ${author}`;
    const entries = Math.max(1, 2 * (this.#retracedByLog.get(log) ?? 0));
    this.#retracedByLog.set(log, entries);
    const lengths = [...this.#stores.logs.lengths(dataset)].filter(([node]) => node !== author);
    const vector = VersionVector.of([...lengths, [author, Math.max(0, first - 1 - entries)]]);
    this.#say('critical', { type: 'vectors', vectors: [{ dataset: shortName(dataset), vector: vector.toShortCbor() }] });
  }

  /** Coordinators' entries go first: they say who the other authors are. */
  #rank(author: NodeId): number {
    return this.#stores.membership.member(author)?.role === 'coordinator' ? 0 : 1;
  }

  /** The node that the peer means by a name; an empty one is its own. */
  #node(name: ShortName): NodeId | undefined {
    return name === '' ? this.#peer : this.#names.node(name);
  }

  #name(node: NodeId): ShortName {
    return node === this.#stores.identity.node ? ('' as ShortName) : shortName(node);
  }

  #refused(code: string, message: string): AcceptedEntries {
    this.#refusedForMembership = true;
    return { dataset: undefined, stored: [], fault: { code, blame: 'peer', message } };
  }

  #say(priority: PriorityClass, message: Message): void {
    this.#ready.push({ priority, message });
  }

  /** Says what is here: all vectors, or, where that would be long, what stands for the logs of each dataset. */
  #sayWhatIsHere(): void {
    const ours = this.#ourVectors();
    const wholeBytes = [...ours.values()].reduce((sum, { size }) => sum + 12 + 10 * size, 0);
    if (wholeBytes <= ours.size * fingerprintBytes + wholeVectorsSurplusBytesMax) {
      this.#sayVectors(ours);
      return;
    }
    this.#vectorsSent = true;
    this.#differencesDue = true;
    this.#told = new Set(ours.keys());
    this.#say('critical', { type: 'summary', fingerprints: fingerprints([...ours.keys()].map((dataset) => this.#logsHash(dataset))) });
  }

  #sayVectors(said: ReadonlyMap<DatasetId, VersionVector> = this.#ourVectors()): void {
    this.#vectorsSent = true;
    this.#told = new Set(this.#taken());
    const vectors = [...said].map(([dataset, vector]) => ({ dataset: shortName(dataset), vector: vector.toShortCbor() }));
    this.#say('critical', { type: 'vectors', vectors });
  }

  #peerHas(dataset: DatasetId, author: NodeId, sequence: number): void {
    const vectors = this.#peerVectorByDataset;
    if (vectors === undefined) return;
    const known = vectors.get(dataset) ?? VersionVector.empty;
    if (known.lengthOf(author) < sequence) vectors.set(dataset, known.advance(author, sequence));
  }

  /** What the peer has of a dataset that it takes. */
  #peerVector(dataset: DatasetId): VersionVector | undefined {
    const said = this.#peerVectorByDataset?.get(dataset);
    if (said !== undefined) return said;
    const { interests, membership } = this.#stores;
    return dataset === membership.logDataset || interests.concerns(this.#peer, dataset) ? VersionVector.empty : undefined;
  }

  #peerSays(name: ShortName, vector: CborValue): Fault | undefined {
    this.#notUnderstood.delete(name);
    const dataset = this.#names.dataset(name);
    if (vector === null) {
      if (dataset !== undefined) this.#peerVectorByDataset?.delete(dataset);
      return undefined;
    }
    const decoded = VersionVector.fromShortCbor(vector, (each) => this.#names.node(each));
    if (!decoded.ok) return decoded.fault;
    this.#peerVectorByDataset ??= new Map();
    if (dataset !== undefined) {
      this.#peerVectorByDataset.set(dataset, decoded.value.vector);
      for (const [author, length] of decoded.value.vector.entries()) {
        const log = `${dataset} ${author}`;
        this.#claimedByLog.set(log, Math.max(length, this.#claimedByLog.get(log) ?? 0));
      }
    }
    // Either may become known with the next entries of the team's log.
    if ((dataset === undefined || decoded.value.unknown > 0) && this.#notUnderstood.size < limits.datasetsPerTeamMax)
      this.#notUnderstood.set(name, vector);
    return undefined;
  }

  /** Datasets that this node takes from this peer, in the order in which they are spoken of. */
  #taken(): DatasetId[] {
    const { interests, membership } = this.#stores;
    return sharedDatasets(membership).flatMap(({ dataset }) => (interests.takes(dataset, this.#peer) ? [dataset] : []));
  }

  #vector(dataset: DatasetId): VersionVector {
    return VersionVector.of(this.#stores.logs.lengths(dataset));
  }

  #ourVectors(): Map<DatasetId, VersionVector> {
    return new Map(this.#taken().map((dataset) => [dataset, this.#vector(dataset)]));
  }

  #logsDigest(): Uint8Array {
    return this.#digest(this.#taken());
  }

  #digest(datasets: readonly DatasetId[]): Uint8Array {
    const parts = [...datasets].sort().map((dataset) => this.#logsHash(dataset));
    return this.#stores.crypto.sha256(concatBytes(...parts)).slice(0, 16);
  }

  #logsHash(dataset: DatasetId): Uint8Array {
    return logsHash(this.#stores.crypto, dataset, this.#stores.logs.heads(dataset).values());
  }
}
