import { equalBytes, toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, type NodeId, shortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Fault, Outcome } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import { type Deadline, earliest, type Moment, type MonotonicMs } from '../core/time.ts';
import type { HeldReceipt } from '../datasets/receipts.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { SessionId } from '../session/endpoint.ts';
import { encodeMessage, type Message } from '../session/messages.ts';
import type { Path } from '../session/session-path.ts';
import { arrivingFrom } from './arriving-contents.ts';
import { isCircuitPath } from './circuit-path.ts';
import { giveWay, isSupplied } from './content-places.ts';
import { basesOfPush, worthPushing } from './content-pushes.ts';
import { ContentReceiver, passedOnBytesMin } from './content-receiver.ts';
import { isSamePlan, type ReceiverTask } from './content-receiving.ts';
import { ContentSender, type SenderTask } from './content-sender.ts';
import { contentBeside, groupStoredBeside, groupsBesideMin, meetAtObject } from './content-sources.ts';
import type { OpenedTransfer } from './content-tasks.ts';
import { type AcceptedEntries, Encounter, isComparison, type OutgoingMessage } from './encounter.ts';
import type { EngineTask, TaskResult } from './engine-task.ts';
import { FetchPauses } from './fetch-pauses.ts';
import type { PeerTraffic } from './peer-traffic.ts';
import type { ReplicationParts, Talk } from './talk.ts';

/**
 * The conversations with all members that a session stands with: log entries and receipts both ways, contents asked for and sent.
 *
 * A talk lasts as long as its session. Everything said is derived from the catalog, so a talk that breaks off loses nothing. A content is asked of one peer at a time, or of two, one from each end; what a silent peer began is
 * taken over by another, from where its journal ends. What is arriving from one peer is passed on to others that wait for it; of several that begin to send what they lacked before, one goes on.
 */

/** Contents that are asked of a peer at a time while more are wanted; a margin under the peer's own limit. */
const wantsAtOnce = limits.wantsPerSessionMax / 2;

/** Round trip from which on nothing is asked of a peer that comes from another neighbour: such links are paid for by the byte. */
const satelliteRttMs = 480;

/** The talks of one node. */
export class Replication {
  readonly #parts: ReplicationParts;
  readonly #talkBySession = new Map<SessionId, Talk>();
  readonly #taskByToken = new Map<number, { readonly session: SessionId; readonly task: SenderTask | ReceiverTask }>();
  #nextToken = 1;
  readonly #pauses = new FetchPauses();

  constructor(parts: ReplicationParts) {
    this.#parts = parts;
    const { journal, wants } = parts;
    journal.retain((root) => wants.wants(root));
  }

  // Talks

  /** The member that a session talks with; `undefined` before it is known. */
  peerOf(session: SessionId): NodeId | undefined {
    return this.#talkBySession.get(session)?.peer;
  }

  /** Whether a peer takes a dataset, as far as it has said; `undefined` before it has said anything. */
  takes(peer: NodeId, dataset: DatasetId): boolean | undefined {
    return [...this.#talkBySession.values()].find((talk) => talk.peer === peer)?.encounter.takes(dataset);
  }

  /** Bytes that did not have to travel in this session. */
  savedBytes(session: SessionId): PeerTraffic['saved'] | undefined {
    return this.#talkBySession.get(session)?.sender.savedBytes;
  }

  /** Opens the conversation with a member, behind what was said within the handshake. */
  begin(session: SessionId, peer: NodeId, said: readonly Message[]): void {
    const { identity, logs, membership, receipts, interests, crypto, journal, links, carrying } = this.#parts;
    const talk: Talk = {
      session,
      peer,
      encounter: new Encounter({ identity, logs, membership, receipts, interests, crypto }, peer),
      sender: new ContentSender(
        crypto,
        {
          datasetOf: (root) => this.#parts.index.headsWithRoot(root)[0]?.dataset,
          weightOf: (dataset) => links.caps.weightOf(dataset) * carrying.shareOf(dataset, peer),
          freeAt: (dataset) => links.caps.datasetFreeAt(dataset),
        },
        arrivingFrom(this.#parts.contents, () => this.#heardBut(session)),
      ),
      receiver: new ContentReceiver(journal, crypto, (transfer) => this.#storing(transfer)),
      apart: new Set(),
      pushes: 0,
      askAgain: true,
      hasAskedAll: false,
      silent: false,
      cappedUntil: undefined,
      dryUntil: undefined,
    };
    this.#talkBySession.set(session, talk);
    talk.encounter.open(said);
  }

  /** Forgets a conversation, keeping what arrived. */
  end(session: SessionId): void {
    this.#talkBySession.get(session)?.receiver.journal();
    if (this.#talkBySession.delete(session)) this.askEverybody();
  }

  /** The peer is not heard any more, so that what was coming from there may be had from somebody else; or it is heard again. */
  handleHeard(session: SessionId, isHeard: boolean): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined || talk.silent === !isHeard) return;
    talk.silent = !isHeard;
    if (isHeard) talk.askAgain = true;
    else {
      talk.receiver.journal();
      this.askEverybody();
    }
  }

  /** Saves how far transfers have come, where that is due. */
  wake(now: MonotonicMs): void {
    for (const peer of this.#parts.links.takeAskable())
      for (const talk of this.#talkBySession.values()) if (talk.peer === peer) talk.askAgain = true;
    for (const { receiver } of this.#talkBySession.values()) {
      const due = receiver.nextDeadline();
      if (due !== undefined && due.at <= now) receiver.journal();
    }
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const { receiver, cappedUntil, dryUntil } of this.#talkBySession.values()) {
      next = earliest(next, receiver.nextDeadline());
      if (dryUntil !== undefined) next = earliest(next, { at: dryUntil, reason: 'tell a peer that no more of a content comes' });
      if (cappedUntil !== undefined) next = earliest(next, { at: cappedUntil, reason: 'a rate cap allows more' });
    }
    return this.#talkBySession.size > 0 ? earliest(next, this.#pauses.nextDeadline()) : next;
  }

  // What everybody is told

  logsGrew(): void {
    for (const { encounter } of this.#talkBySession.values()) encounter.logsChanged();
  }

  membershipChanged(): void {
    for (const { encounter } of this.#talkBySession.values()) encounter.membershipChanged();
  }

  /** What this node takes part in has changed. */
  interestsChanged(): void {
    for (const talk of this.#talkBySession.values()) {
      talk.encounter.interestsChanged();
      talk.receiver.withdrawUnless((root) => this.#parts.wants.wants(root));
      talk.askAgain = true;
    }
  }

  /** A content that was here is lost. */
  contentLost(root: Hash, now: MonotonicMs): void {
    this.#pauses.lost(root, now);
  }

  /** Wants, or who may have what is wanted, have changed. */
  askEverybody(): void {
    for (const talk of this.#talkBySession.values()) talk.askAgain = true;
  }

  /** Says receipts to everybody but the session that they came from. */
  sendReceipts(fresh: readonly HeldReceipt[], except?: SessionId): void {
    if (fresh.length === 0) return;
    for (const { session, encounter } of this.#talkBySession.values()) if (session !== except) encounter.sendReceipts(fresh);
  }

  /** A content became complete here, by whatever way: those who wait for it hear of it. */
  contentAvailable(root: Hash): void {
    this.#parts.wants.remove(root);
    for (const { sender, receiver } of this.#talkBySession.values()) {
      receiver.withdraw(root);
      sender.handleContentComplete(root);
    }
    if (!this.#parts.keeping.contentArrived(root)) return;
    for (const { receiver } of this.#talkBySession.values()) receiver.withdrawUnless((each) => this.#parts.wants.wants(each));
  }

  /** How much of a content has moved to peers in the present sessions. */
  movedTo(root: Hash): { readonly peer: NodeId; readonly bytes: number }[] {
    return [...this.#talkBySession.values()].flatMap(({ peer, sender }) => {
      const bytes = sender.movedBytes(root);
      return bytes === undefined ? [] : [{ peer, bytes }];
    });
  }

  /** Whether a wanted content is on its way here, might be as soon as a peer was asked, or was asked of everybody in reach in vain. */
  prospect(root: Hash): 'coming' | 'open' | 'nowhere' {
    const key = toHex(root);
    const heard = [...this.#talkBySession.values()].filter(({ silent }) => !silent);
    const answers = heard.map(({ peer, receiver }) => (this.#pauses.isSpoilt(peer, key) ? 'lacked' : receiver.askedFor(key)));
    if (answers.includes('coming')) return 'coming';
    return answers.includes('no') ? 'open' : 'nowhere';
  }

  // What a peer says

  handleMessage(session: SessionId, message: Message, now: Moment): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    if (isComparison(message)) {
      const fault = talk.encounter.handleComparison(message);
      if (fault !== undefined) this.#parts.report({ type: 'fault', peer: talk.peer, fault });
      return;
    }
    switch (message.type) {
      case 'entries': {
        const accepted = talk.encounter.handleEntries(message);
        if (accepted.fault !== undefined) this.#parts.report({ type: 'fault', peer: talk.peer, fault: accepted.fault });
        this.#parts.keeping.take(accepted, talk.peer, now);
        if (message.push !== undefined && !this.#takePush(talk, message.push, accepted))
          this.#say(talk, 'critical', { type: 'withdraws', numbers: [message.push] }, now);
        break;
      }
      case 'receipts':
        this.#receiptsArrived(talk, message, now);
        break;
      case 'wants':
        for (const want of message.wants) {
          talk.sender.handleWant(want);
          this.#parts.deliveries.asked(talk.peer, want.root, now);
          this.#parts.carrying.asked(talk.peer, want.root, now);
        }
        break;
      case 'lacks':
        for (const number of message.numbers) talk.receiver.handleLack(number);
        this.askEverybody();
        break;
      case 'withdraws':
        talk.sender.handleWithdraw(message.numbers);
        break;
      case 'progress':
        talk.sender.handleProgress(message.number, message.storedBytes);
        break;
      case 'base-query':
        talk.receiver.handleBaseQuery(message.number, message.group, message.query);
        break;
      case 'base-blocks':
        talk.sender.handleBaseBlocks(message.number, message.group, message.answer);
        break;
      case 'join':
      case 'welcome':
      case 'refused':
        // Said before there is a talk, or repeated: nothing follows from it any more.
        break;
    }
  }

  handleData(
    session: SessionId,
    data: { readonly transfer: number; readonly offset: number; readonly bytes: Uint8Array; readonly last: boolean },
    now: Moment,
  ): void {
    const talk = this.#talkBySession.get(session);
    const begun = talk?.receiver.begins(data.transfer);
    if (talk !== undefined && begun !== undefined && !this.#mayBegin(talk, begun)) talk.receiver.withdraw(begun);
    else if (talk !== undefined) meetAtObject(talk, this.#others(talk), data.transfer, this.#parts.journal, now.monotonicMs);
    talk?.receiver.handleData(data.transfer, data.offset, data.bytes, data.last, now.monotonicMs);
  }

  /** A peer begins to send a content: what others have been asked for is withdrawn, unless this one lacked it before and another is expected to send it. */
  #mayBegin(talk: Talk, root: Hash): boolean {
    const key = toHex(root);
    const isExpected = ({ silent, receiver }: Talk): boolean => !silent && receiver.askedFor(key) === 'coming';
    const end = talk.receiver.endOf(key);
    const others = this.#others(talk).filter(({ receiver }) => receiver.endOf(key) === end);
    if (talk.receiver.askedFor(key) === 'lacked' && others.some(isExpected)) return false;
    for (const { receiver } of others) {
      receiver.journal();
      receiver.withdraw(root);
    }
    return true;
  }

  /** What comes from the peers that are heard, but for that of this session. */
  #heardBut(session: SessionId): ContentReceiver[] {
    return [...this.#talkBySession.values()].flatMap((each) => (each.session === session || each.silent ? [] : [each.receiver]));
  }

  #receiptsArrived(talk: Talk, message: Extract<Message, { type: 'receipts' }>, now: Moment): void {
    const { fresh, faults } = talk.encounter.handleReceipts(message);
    for (const fault of faults) this.#parts.report({ type: 'fault', peer: talk.peer, fault });
    for (const { node, dataset } of fresh) this.#parts.report({ type: 'receipt', node, dataset });
    this.#parts.deliveries.receipts(fresh, now);
    this.#parts.carrying.receipts(fresh);
    // Who holds by now what comes from somebody else may send it too.
    if (this.#others(talk).some(({ receiver }) => receiver.active > 0)) talk.askAgain = true;
    this.#parts.keeping.unwant(new Set(fresh.map(({ dataset }) => dataset)));
    this.sendReceipts(fresh, talk.session);
  }

  // Moving data

  /** Lets every talk say, ask and send what it can now; send last of all, because what arrives from one peer may be passed on to any other. */
  pump(now: Moment): void {
    for (const talk of this.#talkBySession.values()) this.#pump(talk, now);
    for (const talk of this.#talkBySession.values()) this.#serve(talk, now);
  }

  /** Hands a session data, the most urgent first, as much as it takes now. */
  refill(session: SessionId, now: Moment): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    const { endpoint, links } = this.#parts;
    const { sender } = talk;
    for (let priority = sender.readyPriority(now.monotonicMs); priority !== undefined; priority = sender.readyPriority(now.monotonicMs)) {
      const room = endpoint.roomBytes(session, priority);
      const data = room > 0 ? sender.take(Math.min(endpoint.maxDataBytes(session), room), now.monotonicMs) : undefined;
      if (data === undefined) break;
      if (data.dataset !== undefined) links.caps.datasetSent(data.dataset, data.bytes.length, now.monotonicMs);
      endpoint.sendData(session, data.priority, data, now);
      this.#drainSender(talk, now);
    }
  }

  #pump(talk: Talk, now: Moment): void {
    const { endpoint, links } = this.#parts;
    talk.cappedUntil = undefined;
    const mayPush = (priority: PriorityClass, dataset: DatasetId): boolean => {
      const freeAt = priority === 'emergency' ? -Infinity : links.caps.datasetFreeAt(dataset);
      if (freeAt > now.monotonicMs) talk.cappedUntil = Math.min(talk.cappedUntil ?? Infinity, freeAt) as MonotonicMs;
      // Data of the same class, of which there may be some for hours, does not keep an entry waiting: it may say that the data is wanted no more.
      const hasRoom = endpoint.roomBytes(talk.session, priority) > 0 || endpoint.messageRoomBytes(talk.session) > 0;
      return freeAt <= now.monotonicMs && hasRoom;
    };
    for (let next = talk.encounter.poll(mayPush); next !== undefined; next = talk.encounter.poll(mayPush)) {
      this.#sayEncounter(talk, next, now);
    }
    this.#ask(talk, now);
    this.#drainReceiver(talk, now);
  }

  #serve(talk: Talk, now: Moment): void {
    this.#drainSender(talk, now);
    this.refill(talk.session, now);
    talk.dryUntil = talk.sender.lackDry(now.monotonicMs);
    if (talk.receiver.lackStale(now.monotonicMs)) this.askEverybody();
    this.#drainSender(talk, now);
    const cappedUntil = talk.sender.cappedUntil(now.monotonicMs);
    if (cappedUntil !== undefined) talk.cappedUntil = Math.min(talk.cappedUntil ?? Infinity, cappedUntil) as MonotonicMs;
  }

  #sayEncounter(talk: Talk, { priority, message, dataset, entry }: OutgoingMessage, now: Moment): void {
    const want = entry && !talk.silent ? worthPushing(this.#parts, talk.peer, entry.dataset, entry.entry) : undefined;
    if (want === undefined || message.type !== 'entries') {
      this.#say(talk, priority, message, now, dataset);
      return;
    }
    const number = 2 * talk.pushes++ + 1;
    this.#say(talk, priority, { ...message, push: number }, now, dataset);
    talk.sender.handleWant({ ...want, number, priority });
  }

  /** Follows what a peer sends unasked. False when that is not wanted, or not possible. */
  #takePush(talk: Talk, number: number, { dataset, stored }: AcceptedEntries): boolean {
    const [entry, ...more] = stored;
    if (dataset === undefined || entry === undefined || more.length > 0 || this.#pauses.all) return false;
    const [wanted, ...others] = this.#parts.wants.ofEntry(dataset, entry.author, entry.sequence);
    if (wanted === undefined || others.length > 0) return false;
    if (!this.#parts.links.mayAsk(talk.peer, this.#parts.endpoint.path(talk.session), wanted.priority)) return false;
    for (const { receiver } of this.#talkBySession.values()) if (receiver.askedFor(toHex(wanted.root)) !== 'no') return false;
    const bases = basesOfPush(this.#parts, dataset, entry, wanted.path);
    return bases !== undefined && talk.receiver.startPushed(number, wanted, bases);
  }

  /** Asks the peer for what is wanted and neither on its way nor known to be missing there. */
  #ask(talk: Talk, now: Moment): void {
    const { wants, contents, index, endpoint, links, journal, deliveries, carrying } = this.#parts;
    if (this.#pauses.endOver(now.monotonicMs)) this.askEverybody();
    const path = endpoint.path(talk.session);
    if (links.accounts.isLimited) {
      for (const { root, priority } of talk.receiver.coming) if (!links.mayAsk(talk.peer, path, priority)) talk.receiver.withdraw(root);
    }
    // What a peer lacks it keeps in mind until it has it, up to a limit; what it could not keep in mind would be asked in vain.
    if (!talk.askAgain || this.#pauses.all || talk.silent) return;
    const isRuledOut = (root: string): boolean => this.#pauses.isSpoilt(talk.peer, root);
    giveWay(talk.receiver, wants, wantsAtOnce, isRuledOut);
    const free = Math.min(wantsAtOnce - talk.receiver.active, limits.deferredWantsPerSessionMax - talk.receiver.asked);
    if (free <= 0 || isSupplied(talk.receiver, wants, free, isRuledOut)) return;
    talk.askAgain = false;
    const talks = [...this.#talkBySession.values()];
    const silent = talks.filter((each) => each.silent).map(({ receiver }) => receiver);
    const heard = talks.filter((each) => !each.silent).map(({ receiver }) => receiver);
    const except = {
      has: (root: string) =>
        isRuledOut(root) ||
        this.#pauses.has(root, now.monotonicMs) ||
        talk.receiver.askedFor(root) !== 'no' ||
        heard.some((receiver) => receiver.askedFor(root) === 'coming'),
    };
    const circumstances = {
      opportunity: deliveries.opportunity(talk.peer, endpoint.estimate(talk.session).rateBytesPerSecond, now),
      arrivedBytes: (root: Hash, sizeBytes: number) => journal.arrivedBytes(root, sizeBytes),
      coming: talk.receiver.coming.map(({ priority }) => priority),
    };
    const { comingRoots: carried } = carrying;
    const own = wants.next(free, { has: (root) => carried.has(root) || except.has(root) }, circumstances);
    const others = free > own.length && carried.size > 0;
    const carry = others ? wants.next(free - own.length, { has: (root) => !carried.has(root) || except.has(root) }, circumstances) : [];
    talk.hasAskedAll = own.length + carry.length < free;
    for (const wanted of [...own, ...carry]) {
      if (!links.mayAsk(talk.peer, path, wanted.priority)) {
        talk.hasAskedAll = false;
        continue;
      }
      if (contents.holds(wanted.root)) {
        // It came by another way: somebody put the file in its place, for one.
        this.contentAvailable(wanted.root);
        continue;
      }
      if (this.#waitsForBase(wanted)) {
        talk.hasAskedAll = false;
        continue;
      }
      const bases = index
        .history(wanted.dataset, wanted.path)
        .flatMap((revision) => (revision.kind === 'file' && contents.holds(revision.content.root) ? [revision.content.root] : []));
      // A content arrives from one peer at a time: what a silent one began is taken over, from where its journal ends.
      for (const receiver of silent) receiver.withdraw(wanted.root);
      talk.receiver.start(wanted, bases.slice(0, 4));
    }
    if (own.length + carry.length === 0 && talk.receiver.active === 0 && !links.accounts.isLimited) this.#askBeside(talk, path);
  }

  /**
   * Asks a neighbour that has nothing else to send for what comes from another one, from the other end. Over a circuit it would come through the same neighbour, or take what another way has to carry; and bytes of a satellite are
   * not paid for to save time.
   */
  #askBeside(talk: Talk, path: Path | undefined): void {
    const { endpoint, receipts, links } = this.#parts;
    if (path === undefined || isCircuitPath(path) || (endpoint.estimate(talk.session).minRttMs ?? 0) >= satelliteRttMs) return;
    const others = this.#others(talk);
    const beside = contentBeside(
      talk,
      others,
      (wanted) =>
        !this.#pauses.hasSpoilt(talk.peer, toHex(wanted.root)) &&
        links.mayAsk(talk.peer, path, wanted.priority) &&
        (wanted.author === talk.peer || receipts.saysToHold(talk.peer, wanted.dataset, wanted)),
    );
    if (beside === undefined) return;
    for (const { silent, receiver } of others) if (silent) receiver.withdraw(beside.wanted.root);
    talk.receiver.startBeside(beside.wanted, beside.end, beside.isComing);
  }

  /** True while a content that this one replaced is still to be had: it is finished first, and the rest is a difference to it. */
  #waitsForBase({ dataset, path, root }: WantedContent): boolean {
    const { journal, wants } = this.#parts;
    return journal
      .basesUnderWay(dataset, path)
      .some((base) => !equalBytes(base, root) && wants.wants(base) && this.prospect(base) !== 'nowhere');
  }

  #drainReceiver(talk: Talk, now: Moment): void {
    const wants = [];
    for (let output = talk.receiver.poll(); output !== undefined; output = talk.receiver.poll()) {
      switch (output.type) {
        case 'want':
          wants.push(output.want);
          break;
        case 'withdraw':
          this.#say(talk, 'critical', { type: 'withdraws', numbers: [output.number] }, now);
          break;
        case 'progress':
          this.#say(talk, 'critical', output, now);
          break;
        case 'begun':
          for (const { sender } of this.#others(talk)) sender.handleContentAdvanced(output.root);
          if (output.groups >= groupsBesideMin) this.askEverybody();
          break;
        case 'planned':
          for (const { receiver } of this.#others(talk)) receiver.withdraw(output.root);
          break;
        case 'apart':
          talk.apart.add(toHex(output.root));
          this.askEverybody();
          break;
        case 'base-blocks': {
          const { priority, ...message } = output;
          this.#say(talk, priority, message, now);
          break;
        }
        case 'complete':
          this.#contentComplete(talk, output.root, output.transfer);
          break;
        case 'failed':
          this.#transferFailed(talk, output.root, output.fault, now.monotonicMs);
          break;
      }
    }
    if (wants.length > 0) this.#say(talk, 'critical', { type: 'wants', wants }, now);
    for (let task = talk.receiver.pollTask(); task !== undefined; task = talk.receiver.pollTask()) this.#startTask(talk, task);
  }

  #drainSender(talk: Talk, now: Moment): void {
    const lacks = talk.sender.takeLacks();
    if (lacks.length > 0) this.#say(talk, 'critical', { type: 'lacks', numbers: lacks }, now);
    for (const query of talk.sender.takeQueries()) this.#say(talk, 'critical', { type: 'base-query', ...query }, now);
    for (let task = talk.sender.pollTask(); task !== undefined; task = talk.sender.pollTask()) this.#startTask(talk, task);
  }

  #contentComplete(talk: Talk, root: Hash, transfer: OpenedTransfer): void {
    for (const each of this.#talkBySession.values()) if (!each.hasAskedAll) each.askAgain = true;
    // Who is done may help with what comes from somebody else.
    if (talk.receiver.active === 0 && this.#others(talk).some(({ receiver }) => receiver.active > 0)) talk.askAgain = true;
    this.contentAvailable(root);
    this.#parts.report({
      type: 'content-complete',
      root: toHex(root),
      sizeBytes: transfer.content.sizeBytes,
      copiedBytes: transfer.copiedBytes,
    });
  }

  /** A fault of the peer's rules it out for this content for a while; one of our own disk makes us pause, because asking again would fail again. */
  #transferFailed(talk: Talk, root: Hash, fault: Fault, now: MonotonicMs): void {
    this.#parts.report({ type: 'fault', peer: talk.peer, fault });
    if (fault.blame === 'local') {
      this.#pauses.diskFailed(now);
    } else {
      this.#pauses.spoilt(talk.peer, root, now);
      for (const { sender } of this.#others(talk)) sender.handleContentSpoiled(root);
    }
    this.askEverybody();
  }

  #others(talk: Talk): Talk[] {
    return [...this.#talkBySession.values()].filter((each) => each !== talk);
  }

  #say(talk: Talk, priority: PriorityClass, message: Message, now: Moment, dataset?: DatasetId): void {
    const { endpoint, links } = this.#parts;
    const encoded = encodeMessage(message);
    links.caps.datasetSent(dataset, encoded.length, now.monotonicMs);
    // A full queue means a peer that takes nothing while we owe it much. Everything said is derived from the catalog, so beginning again later loses nothing.
    if (!endpoint.sendMessage(talk.session, priority, encoded, now, this.carriesRows(message)))
      endpoint.close(talk.session, 'message queue full', now);
  }

  /** True for a message that carries rows of observations, which count as data. */
  carriesRows(message: Message): boolean {
    if (message.type !== 'entries') return false;
    return this.#parts.membership.datasets().some(({ id, kind }) => kind === 'series' && shortName(id) === message.dataset);
  }

  // Tasks

  #startTask({ session, peer, sender }: Talk, task: SenderTask | ReceiverTask): void {
    const token = this.#nextToken++;
    this.#taskByToken.set(token, { session, task });
    if (task.type === 'encode') {
      const { rateBytesPerSecond } = this.#parts.endpoint.estimate(session);
      this.#parts.start({ token, type: task.type, task, purpose: { peer, rateBytesPerSecond, priority: sender.priorityOf(task.number) } });
    } else if (task.type === 'prepare') {
      const { root, sizeBytes } = task.want;
      const arriving = sizeBytes < passedOnBytesMin ? undefined : this.#parts.journal.plan(root);
      this.#parts.start({ token, type: task.type, task, arriving });
    } else this.#parts.start({ token, type: task.type, task } as EngineTask);
  }

  /** A task has ended. One whose session is gone is forgotten, unless it stored something. */
  handleTaskDone(token: number, result: TaskResult): void {
    const started = this.#taskByToken.get(token);
    this.#taskByToken.delete(token);
    if (started === undefined) return;
    const { task } = started;
    const talk = this.#talkBySession.get(started.session);
    if (task.type === 'store' && result.type === 'store') this.#stored(talk, task, result.outcome);
    if (talk === undefined) return;
    if (task.type === 'prepare' && result.type === 'prepare') talk.sender.prepared(task.want, result.transfer);
    else if (task.type === 'encode' && result.type === 'encode') talk.sender.encoded(task.number, task.group, result.encoded, task.room);
    else if (task.type === 'open' && result.type === 'open') talk.receiver.opened(task.number, result.outcome);
    else if (task.type === 'answer' && result.type === 'answer') talk.receiver.answered(task.number, task.group, result.outcome);
    else if (task.type === 'finish' && result.type === 'finish') talk.receiver.finished(task.number, result.outcome);
  }

  #stored(talk: Talk | undefined, task: Extract<ReceiverTask, { type: 'store' }>, outcome: Outcome<readonly Hash[]>): void {
    if (outcome.ok) {
      this.#pauses.diskWorks();
      const kept = Array.from(this.#talkBySession.values(), ({ sender }) => sender.handleGroupStored(task));
      if (!kept.includes(true)) talk?.receiver.giveBack(task.encoded);
    }
    const isTaken = talk?.receiver.stored(task.number, task.group, outcome) === true;
    const receivers = [...this.#talkBySession.values()].flatMap((each) => (each === talk && isTaken ? [] : [each.receiver]));
    groupStoredBeside(task, outcome, isTaken, receivers, this.#parts.journal);
    if (!isTaken) this.askEverybody();
  }

  /** Groups that are being stored by a plan. */
  #storing(transfer: OpenedTransfer): number[] {
    return [...this.#taskByToken.values()].flatMap(({ task }) =>
      task.type === 'store' && isSamePlan(task.transfer, transfer) ? [task.group] : [],
    );
  }
}
