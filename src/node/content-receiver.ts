import { ByteRooms } from '../core/byte-rooms.ts';
import { toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { type Fault, failure, type Outcome } from '../core/outcome.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { Crypto } from '../ports/crypto.ts';
import { objectsPerWantMax, type WantResume } from '../session/messages.ts';
import {
  type Arrival,
  arrivalOf,
  type Beside,
  type ContentEnd,
  isSamePlan,
  partialsOf,
  type ReceiverOutput,
  type ReceiverTask,
  type Receiving,
  receivingOf,
  remainingMsOf,
  runsOf,
  staleAt,
} from './content-receiving.ts';
import type { OpenedTransfer } from './content-tasks.ts';
import { ObjectAssembly } from './object-assembly.ts';

/**
 * Receives contents from one peer, over one session: asks, puts objects together, has them decoded, verified and stored, and asks to go on where an earlier session stopped.
 *
 * What arrives is in memory for at most a second before it is journalled, and a group that is complete is stored at once. So a power cut costs a second of the link, or what was in flight.
 */

/** How long arrived bytes may be in memory only. */
const journalAfterMs = 1000;
/** So many are written at once, if they took so long to come: bytes of a slow link are dear, and on a fast one writing costs more than sending again. */
const journalBytes = { least: 4096, most: 65_536 } as const;
const journalMsMin = 50;
/** How much is stored between two progress messages; contents smaller than this need none. */
const progressBytes = 8 * 1024 * 1024;

/** Bytes of groups that are here already from which on a content is asked for anew without them. */
const heldBytesMin = 256 * 1024;

/** Groups that may arrive before the plan is understood; the sender has at most its window under way. */
const objectsBeforePlanMax = 64;

/** Bytes of content that have to travel, from which on it is passed on while it arrives. */
export const passedOnBytesMin = 16 * 1024;

/** Contents of which something may come before they are announced; more mean a peer that sends what is not followed. */
const earlyMax = 64;

/** The receiving half of one session's transfers. */
export class ContentReceiver {
  readonly #journal: TransferJournal;
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #storing: (transfer: OpenedTransfer) => readonly number[];
  readonly #receivingByNumber = new Map<number, Receiving>();
  readonly #numberByRoot = new Map<string, number>();
  /** Bases (hexadecimal roots) whose bytes turned out to be gone here: not offered again in this session. */
  readonly #lostBases = new Set<string>();
  /** Contents of which groups were found here already. */
  readonly #skippedRoots = new Set<string>();
  readonly #tasks: ReceiverTask[] = [];
  readonly #outputs: ReceiverOutput[] = [];
  /** Numbers that we choose are even, those of contents that the peer sends unasked are odd. */
  #nextNumber = 2;
  /** The last content that was announced as coming unasked, and later ones of which something came before the announcement. */
  #lastPush = 0;
  readonly #early = new Set<number>();
  #heldBytes = 0;
  /** Room for objects that come in and wait to be stored. */
  readonly #rooms = new ByteRooms(limits.assemblyBytesMax);
  /** Incomplete objects with bytes that are in memory only, and since when; oldest first. On a fast link objects are complete before anything of them is due, and nothing is written twice. */
  readonly #unsavedSince = new Map<ObjectAssembly, MonotonicMs>();

  /** `storing`: groups that are being stored by this plan, whoever sent them. They are not asked for. */
  constructor(
    journal: TransferJournal,
    crypto: Pick<Crypto, 'sha256'>,
    storing: (transfer: OpenedTransfer) => readonly number[] = () => [],
  ) {
    this.#storing = storing;
    this.#journal = journal;
    this.#crypto = crypto;
  }

  /** How many contents the peer is expected to send now. */
  get active(): number {
    let active = 0;
    for (const receiving of this.#receivingByNumber.values()) if (!receiving.lacked) active++;
    return active;
  }

  /** The contents that the peer is expected to send now. */
  get coming(): WantedContent[] {
    return [...this.#receivingByNumber.values()].flatMap(({ wanted, lacked }) => (lacked ? [] : [wanted]));
  }

  /** How many contents the peer was asked for and has not delivered, whether it has them or not. */
  get asked(): number {
    return this.#receivingByNumber.size;
  }

  /** Whether this content (hexadecimal root) was asked of the peer: not at all, and on its way, or asked in vain so far. */
  askedFor(root: string): 'no' | 'coming' | 'lacked' {
    const number = this.#numberByRoot.get(root);
    const receiving = number === undefined ? undefined : this.#receivingByNumber.get(number);
    if (receiving === undefined) return 'no';
    return receiving.lacked ? 'lacked' : 'coming';
  }

  /** When something of this content came last from the peer that is expected to send it; `undefined` when it is not. */
  heardAt(root: string): { readonly at: MonotonicMs | undefined } | undefined {
    const receiving = this.#receivingByNumber.get(this.#numberByRoot.get(root) ?? -1);
    return receiving === undefined || receiving.lacked ? undefined : { at: receiving.heardAt };
  }

  /** The objects of a content that are coming in by this plan (hexadecimal). */
  objects(root: string, planId: string): ReadonlyMap<number, ObjectAssembly> | undefined {
    const receiving = this.#receivingByNumber.get(this.#numberByRoot.get(root) ?? -1);
    return receiving?.transfer !== undefined && toHex(receiving.transfer.planId) === planId ? receiving.assemblyByObject : undefined;
  }

  /** The content whose data these would be the first of, since the peer was asked or lacked it. */
  begins(transferNumber: number): Hash | undefined {
    const receiving = this.#receivingByNumber.get(Math.floor(transferNumber / objectsPerWantMax));
    return receiving?.heardAt === undefined ? receiving?.wanted.root : undefined;
  }

  /** Begins to receive a content. `bases` are complete contents that probably share bytes with it, best first. */
  start(wanted: WantedContent, bases: readonly Hash[]): void {
    this.#start(wanted, bases, new Set());
  }

  /** Begins to receive a content that comes from another peer too, from the other end, by the plan that is journalled. `isComing` says which objects come from there. */
  startBeside(wanted: WantedContent, end: ContentEnd, isComing: (object: number) => boolean): void {
    const journalled = this.#journal.plan(wanted.root);
    if (journalled === undefined) return;
    const number = this.#nextNumber;
    this.#nextNumber += 2;
    const receiving = this.#add(number, wanted, journalled.bases, new Set(), { end, isComing });
    receiving.resuming = true;
    this.#open(number, receiving, journalled.planObject);
  }

  /** From which end the peer was asked for a content (hexadecimal root). */
  endOf(root: string): ContentEnd | undefined {
    return this.#receivingByNumber.get(this.#numberByRoot.get(root) ?? -1)?.end;
  }

  /** How a content comes in that is expected from this peer, once its plan is understood. */
  arrival(root: string): Arrival | undefined {
    const receiving = this.#receivingByNumber.get(this.#numberByRoot.get(root) ?? -1);
    if (receiving?.transfer === undefined || receiving.lacked || receiving.finishing) return undefined;
    return arrivalOf(receiving, receiving.transfer);
  }

  /** The object of which these data would be the first here; `undefined` when it is coming already, or nothing is known of it. */
  beginsObject(transferNumber: number): { readonly root: Hash; readonly object: number } | undefined {
    const receiving = this.#receivingByNumber.get(Math.floor(transferNumber / objectsPerWantMax));
    const object = transferNumber % objectsPerWantMax;
    if (object === 0 || receiving?.transfer === undefined || receiving.assemblyByObject.has(object)) return undefined;
    return { root: receiving.wanted.root, object };
  }

  /** How long an object will take to come from here, about: nothing when it is here, and for ever when that is not known yet. */
  remainingMs(root: string, object: number, now: MonotonicMs): number {
    const receiving = this.#receivingByNumber.get(this.#numberByRoot.get(root) ?? -1);
    return receiving === undefined ? Infinity : remainingMsOf(receiving, object, now);
  }

  /**
   * A group of a content is stored that came from another peer, or before this one was asked anew. With the last one nothing more is wanted, and somebody has to finish it: true when that is done here, unless `isFinishing`.
   */
  handleStoredBeside(transfer: OpenedTransfer, group: number, isFinishing: boolean): boolean {
    const number = this.#numberByRoot.get(toHex(transfer.content.root)) ?? -1;
    const receiving = this.#receivingByNumber.get(number);
    if (receiving?.transfer === undefined || !isSamePlan(receiving.transfer, transfer)) return false;
    receiving.groupsDone.add(group);
    const assembly = receiving.assemblyByObject.get(group + 1);
    if (assembly !== undefined) this.#drop(receiving, group + 1, assembly);
    if (receiving.groupsDone.size < receiving.transfer.groups.length) return false;
    if (isFinishing) this.withdraw(transfer.content.root);
    else this.#finishIfComplete(number, receiving);
    return true;
  }

  /**
   * The peer sends a content without having been asked. False when that cannot be followed: part of it came before it was announced, or it is received already. The caller withdraws it then.
   */
  startPushed(number: number, wanted: WantedContent, bases: readonly Hash[]): boolean {
    const isNew = number % 2 === 1 && number > this.#lastPush && !this.#early.has(number);
    this.#lastPush = Math.max(this.#lastPush, number);
    for (const early of this.#early) if (early <= this.#lastPush) this.#early.delete(early);
    if (!isNew || this.askedFor(toHex(wanted.root)) !== 'no' || this.#journal.plan(wanted.root) !== undefined) return false;
    this.#add(number, wanted, bases, new Set());
    return true;
  }

  #start(wanted: WantedContent, bases: readonly Hash[], withoutBase: ReadonlySet<number>): void {
    const number = this.#nextNumber;
    this.#nextNumber += 2;
    const journalled = this.#journal.plan(wanted.root);
    const offered = journalled?.bases ?? bases.filter((base) => !this.#lostBases.has(toHex(base)));
    const receiving = this.#add(number, wanted, offered, withoutBase);
    if (journalled === undefined) {
      this.#ask(number, receiving, undefined);
    } else {
      receiving.resuming = true;
      this.#open(number, receiving, journalled.planObject);
    }
  }

  #add(number: number, wanted: WantedContent, bases: readonly Hash[], withoutBase: ReadonlySet<number>, beside?: Beside): Receiving {
    this.#numberByRoot.set(toHex(wanted.root), number);
    const receiving = receivingOf(wanted, bases, withoutBase, beside);
    this.#receivingByNumber.set(number, receiving);
    return receiving;
  }

  /** What is said of a number: its content, unless there is none, or not yet. */
  #receiving(number: number): Receiving | undefined {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving === undefined && number % 2 === 1 && number > this.#lastPush && this.#early.size < earlyMax) this.#early.add(number);
    return receiving;
  }

  /** Data arrived. */
  handleData(transferNumber: number, offset: number, bytes: Uint8Array, last: boolean, now: MonotonicMs): void {
    const number = Math.floor(transferNumber / objectsPerWantMax);
    const object = transferNumber % objectsPerWantMax;
    const receiving = this.#receiving(number);
    if (receiving === undefined || receiving.groupsDone.has(object - 1)) return;
    // What was sent before the peer said so may have been overtaken by that news: `lackStale` notices when nothing follows.
    receiving.lacked = false;
    receiving.heardAt = now;
    if (object > 0) receiving.flowing = true;
    const { pace } = receiving;
    if (pace.marks.length === 0 || !receiving.assemblyByObject.has(object))
      pace.marks = [...pace.marks.slice(-1), { at: now, bytes: pace.bytes }];
    pace.bytes += bytes.length;
    const before = receiving.assemblyByObject.get(object)?.memoryBytes ?? 0;
    const assembly = this.#assembly(receiving, object);
    if (assembly.add(offset, bytes, last)) this.#journal.dropParts(receiving.wanted.root, object);
    this.#heldBytes += assembly.memoryBytes - before;
    if (this.#heldBytes > limits.assemblyBytesMax) {
      this.#fail(number, failure('TRANSFER_TOO_LARGE', 'peer', 'more bytes of incomplete objects arrived than were asked for').fault);
      return;
    }
    const whole = assembly.whole();
    if (whole === undefined) {
      const since = this.#unsavedSince.get(assembly) ?? now;
      this.#unsavedSince.set(assembly, since);
      const unsaved = assembly.unjournalledBytes;
      if (now - since >= journalMsMin && unsaved >= journalBytes.least && unsaved <= journalBytes.most) this.journal();
      return;
    }
    this.#drop(receiving, object, assembly);
    this.#objectComplete(number, receiving, object, whole);
  }

  #drop({ assemblyByObject }: Receiving, object: number, assembly: ObjectAssembly): void {
    assemblyByObject.delete(object);
    this.#unsavedSince.delete(assembly);
    this.#heldBytes -= assembly.memoryBytes;
  }

  /** The peer has lost what the base of a group held, and asks about it. */
  handleBaseQuery(number: number, group: number, query: Uint8Array): void {
    const receiving = this.#receiving(number);
    if (receiving === undefined) return;
    const { transfer } = receiving;
    if (transfer === undefined) {
      receiving.queryByGroup.set(group, query);
      if (receiving.queryByGroup.size > limits.baseSearchesMax)
        this.#fail(
          number,
          failure('TRANSFER_WITHOUT_PLAN', 'peer', 'questions about bases arrived without the plan that explains them').fault,
        );
      return;
    }
    if (group >= transfer.groups.length) {
      this.#fail(number, failure('TRANSFER_OBJECT_UNKNOWN', 'peer', 'a question is about a group that the plan does not have').fault);
      return;
    }
    if (receiving.withoutBase.has(group)) this.#answer(number, receiving, group, new Uint8Array(0));
    else this.#tasks.push({ type: 'answer', number, transfer, group, query });
  }

  /**
   * The peer does not have it (yet), or no more of it. The number stays valid: it answers when it has. Of what was under way it would then send again what came from others meanwhile: that is given up, and
   * asked for anew with what is here by then.
   */
  handleLack(number: number): void {
    const receiving = this.#receiving(number);
    if (receiving === undefined || this.#endBeside(receiving)) return;
    if (receiving.flowing) {
      this.journal();
      this.withdraw(receiving.wanted.root);
    }
    receiving.lacked = true;
    receiving.wasLacked = true;
    delete receiving.heardAt;
  }

  /** Ends the part of this peer in a content that comes from another one too. False for any other content. */
  #endBeside({ beside, wanted }: Receiving): boolean {
    if (beside === undefined) return false;
    this.journal();
    this.withdraw(wanted.root);
    this.#outputs.push({ type: 'apart', root: wanted.root });
    return true;
  }

  /** Takes it that a peer still lacks what it lacked before, when nothing more of it has come for a while. True when others may be asked for something because of that. */
  lackStale(now: MonotonicMs): boolean {
    let found = false;
    for (const receiving of this.#receivingByNumber.values()) {
      const at = staleAt(receiving);
      if (at === undefined || at > now) continue;
      receiving.lacked = true;
      found = true;
    }
    return found;
  }

  /** Gives up what is not wanted any more. */
  withdrawUnless(wanted: (root: Hash) => boolean): void {
    for (const { wanted: content } of [...this.#receivingByNumber.values()]) if (!wanted(content.root)) this.withdraw(content.root);
  }

  /** Gives a content up in this session, for example because another peer has begun to send it. */
  withdraw(root: Hash): void {
    const number = this.#numberByRoot.get(toHex(root));
    if (number === undefined) return;
    this.#forget(number);
    this.#outputs.push({ type: 'withdraw', number });
  }

  /** Result of an `open` task. */
  opened(number: number, outcome: Outcome<OpenedTransfer>): void {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving === undefined) return;
    receiving.opening = false;
    const { root } = receiving.wanted;
    if (!outcome.ok) {
      if (this.#endBeside(receiving)) return;
      // What was journalled can no longer be used: begin afresh.
      if (receiving.resuming) this.#journal.forget(root);
      if (this.#askWithoutLostBase(number, receiving, outcome.fault)) return;
      if (receiving.resuming) {
        receiving.resuming = false;
        this.#ask(number, receiving, undefined);
      } else {
        this.#fail(number, outcome.fault);
      }
      return;
    }
    const transfer = outcome.value;
    receiving.transfer = transfer;
    if (receiving.resuming) {
      receiving.resuming = false;
      for (const group of this.#journal.groups(root)) receiving.groupsDone.add(group);
      for (const { object, bytes } of this.#journal.parts(root)) {
        if (receiving.beside?.isComing(object) === true) continue;
        const assembly = new ObjectAssembly(bytes, this.#rooms);
        receiving.assemblyByObject.set(object, assembly);
        this.#heldBytes += assembly.memoryBytes;
      }
      this.#ask(number, receiving, this.#resume(receiving, transfer));
    } else {
      this.#journal.begin(root, transfer.planObject, receiving.bases);
      this.#outputs.push({ type: 'planned', root });
      if (this.#skipHeld(number, receiving, transfer)) return;
    }
    if (transfer.groups.reduce((sum, { targetBytes }) => sum + targetBytes, 0) >= passedOnBytesMin)
      this.#outputs.push({ type: 'begun', root, groups: transfer.groups.length });
    for (const [object, bytes] of receiving.waiting) this.#objectComplete(number, receiving, object, bytes);
    receiving.waiting.clear();
    for (const [group, query] of receiving.queryByGroup) this.handleBaseQuery(number, group, query);
    receiving.queryByGroup.clear();
    this.#finishIfComplete(number, receiving);
  }

  /** Result of a `store` task. False when the content has been given up meanwhile. */
  stored(number: number, group: number, outcome: Outcome<readonly Hash[]>): boolean {
    const receiving = this.#receivingByNumber.get(number);
    receiving?.storing.delete(group);
    if (receiving?.transfer === undefined) return false;
    if (!outcome.ok) {
      if (outcome.fault.code === 'GROUP_MISMATCH') this.#askWithoutBase(number, receiving, group);
      else if (!this.#askWithoutLostBase(number, receiving, outcome.fault)) this.#fail(number, outcome.fault);
      return true;
    }
    this.#journal.addGroup(receiving.wanted.root, group, outcome.value);
    receiving.groupsDone.add(group);
    receiving.storedBytes += receiving.transfer.groups[group]?.targetBytes ?? 0;
    if (receiving.storedBytes - receiving.reportedBytes >= progressBytes) {
      receiving.reportedBytes = receiving.storedBytes;
      this.#outputs.push({ type: 'progress', number, storedBytes: receiving.storedBytes });
    }
    this.#finishIfComplete(number, receiving);
    return true;
  }

  /** Nobody looks at these bytes of a `store` task any more. */
  giveBack(encoded: Uint8Array): void {
    if (this.#receivingByNumber.size > 0) this.#rooms.giveBack(encoded);
  }

  /** Result of an `answer` task. */
  answered(number: number, group: number, outcome: Outcome<Uint8Array>): void {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving === undefined) return;
    if (outcome.ok) this.#answer(number, receiving, group, outcome.value);
    else if (!this.#askWithoutLostBase(number, receiving, outcome.fault)) this.#fail(number, outcome.fault);
  }

  /** Result of a `finish` task. */
  finished(number: number, outcome: Outcome<undefined>): void {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving?.transfer === undefined) return;
    const { root } = receiving.wanted;
    if (!outcome.ok) {
      if (outcome.fault.blame === 'peer' || outcome.fault.code === 'CHUNK_LOST') this.#journal.forget(root);
      this.#fail(number, outcome.fault);
      return;
    }
    this.#journal.forget(root);
    this.#forget(number);
    this.#outputs.push({ type: 'complete', root, transfer: receiving.transfer });
  }

  /** Writes what arrived and is not journalled yet. Called when the deadline is due and when the session ends or is suspended. */
  journal(): void {
    this.#unsavedSince.clear();
    for (const { wanted, assemblyByObject, transfer } of this.#receivingByNumber.values()) {
      if (transfer === undefined) continue;
      for (const [object, assembly] of assemblyByObject) {
        const piece = assembly.takeUnjournalled();
        if (piece !== undefined) this.#journal.addPart(wanted.root, object, piece.offset, piece.bytes);
      }
    }
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const since of this.#unsavedSince.values())
      next = earliest(next, { at: later(since, journalAfterMs), reason: 'journal what arrived of unfinished transfers' });
    for (const receiving of this.#receivingByNumber.values()) {
      const at = staleAt(receiving);
      if (at !== undefined) next = earliest(next, { at, reason: 'ask others for what a peer lacked before' });
    }
    return next;
  }

  /** The next task, until `undefined`. */
  pollTask(): ReceiverTask | undefined {
    return this.#tasks.shift();
  }

  /** The next output, until `undefined`. */
  poll(): ReceiverOutput | undefined {
    return this.#outputs.shift();
  }

  #ask(number: number, receiving: Receiving, resume: WantResume | undefined): void {
    const { root, sizeBytes, depth, priority } = receiving.wanted;
    const want = { number, root, sizeBytes, depth, priority, bases: receiving.bases };
    const fromEnd = receiving.end === 'back' ? ({ fromEnd: true } as const) : {};
    this.#outputs.push({ type: 'want', want: resume === undefined ? want : { ...want, resume, ...fromEnd } });
  }

  #answer(number: number, receiving: Receiving, group: number, answer: Uint8Array): void {
    this.#outputs.push({ type: 'base-blocks', number, group, answer, priority: receiving.wanted.priority });
  }

  /** Asks anew for what is not here yet; what the peer then wants to know of this group's base it is not told. */
  #askWithoutBase(number: number, { wanted, bases, withoutBase }: Receiving, group: number): void {
    this.journal();
    this.#journal.dropParts(wanted.root, group + 1);
    this.#forget(number);
    this.#outputs.push({ type: 'withdraw', number });
    this.#start(wanted, bases, new Set([...withoutBase, group]));
  }

  /**
   * A plan builds on a base whose bytes are gone here: it can never be followed, and a base that is offered again would be built on again. So the peer is asked anew, without it; what was stored stays in its
   * packs and need not come a second time. So it is when the plan cannot be understood with its base: what a
   * pushed content replaces has another name where a log forked. False for any other fault.
   */
  #askWithoutLostBase(number: number, { wanted, bases, planBase, resuming }: Receiving, { code }: Fault): boolean {
    if ((code !== 'BASE_GONE' && code !== 'PLAN_MALFORMED') || planBase === undefined) return false;
    if (code === 'BASE_GONE') this.#lostBases.add(toHex(planBase));
    this.#journal.forget(wanted.root);
    this.#skippedRoots.delete(toHex(wanted.root));
    this.#forget(number);
    if (!resuming) this.#outputs.push({ type: 'withdraw', number });
    this.#start(wanted, code === 'BASE_GONE' ? bases : [], new Set());
    return true;
  }

  /** Has a plan understood. */
  #open(number: number, receiving: Receiving, planObject: Uint8Array): void {
    const { wanted, bases } = receiving;
    receiving.opening = true;
    receiving.planBase = bases[(planObject[0] ?? 0) - 1];
    this.#tasks.push({ type: 'open', number, wanted, bases, planObject });
  }

  /** Asks again, as if resuming, for what is not here, when that saves more than the asking costs. Once for a content in a session: a peer that plans anew each time would be asked for ever. */
  #skipHeld(number: number, receiving: Receiving, { held = [], groups }: OpenedTransfer): boolean {
    const { wanted, bases, withoutBase } = receiving;
    const key = toHex(wanted.root);
    const heldBytes = held.reduce((sum, { group }) => sum + (groups[group]?.targetBytes ?? 0), 0);
    if (heldBytes < heldBytesMin || this.#skippedRoots.has(key)) return false;
    this.#skippedRoots.add(key);
    for (const { group, hashes } of held) this.#journal.addGroup(wanted.root, group, hashes);
    this.#forget(number);
    this.#outputs.push({ type: 'withdraw', number });
    this.#start(wanted, bases, withoutBase);
    return true;
  }

  #resume(receiving: Receiving, transfer: OpenedTransfer): WantResume {
    const held = runsOf(new Set([...receiving.groupsDone, ...this.#storing(transfer)]));
    const resume = { planId: transfer.planId, held: held.slice(0, limits.heldRunsMax) };
    const partials = partialsOf(receiving, this.#crypto);
    return partials.length === 0 ? resume : { ...resume, partials };
  }

  #assembly(receiving: Receiving, object: number): ObjectAssembly {
    let assembly = receiving.assemblyByObject.get(object);
    if (assembly === undefined) {
      const group = receiving.transfer?.groups[object - 1];
      // As it is, with the byte in front that says so.
      assembly = new ObjectAssembly(undefined, this.#rooms, group && group.targetBytes + 1);
      // Of somebody else, whose bytes may be others.
      if (group !== undefined) this.#journal.dropParts(receiving.wanted.root, object);
      receiving.assemblyByObject.set(object, assembly);
    }
    return assembly;
  }

  #objectComplete(number: number, receiving: Receiving, object: number, bytes: Uint8Array): void {
    if (object === 0) {
      if (this.#endBeside(receiving)) return;
      // A plan object although we resumed: the sender plans differently, so what is journalled does not fit.
      receiving.groupsDone.clear();
      delete receiving.transfer;
      this.#open(number, receiving, bytes);
      return;
    }
    const { transfer } = receiving;
    if (transfer === undefined) {
      receiving.waiting.set(object, bytes);
      if (receiving.waiting.size > objectsBeforePlanMax) {
        this.#fail(number, failure('TRANSFER_WITHOUT_PLAN', 'peer', 'groups arrived without the plan that explains them').fault);
      }
      return;
    }
    if (object > transfer.groups.length) {
      this.#fail(number, failure('TRANSFER_OBJECT_UNKNOWN', 'peer', 'data of a group arrived that the plan does not have').fault);
      return;
    }
    receiving.storing.add(object - 1);
    this.#tasks.push({ type: 'store', number, transfer, group: object - 1, encoded: bytes });
  }

  #finishIfComplete(number: number, receiving: Receiving): void {
    const { transfer } = receiving;
    if (transfer === undefined || receiving.opening || receiving.finishing || receiving.groupsDone.size < transfer.groups.length) return;
    receiving.finishing = true;
    this.#tasks.push({ type: 'finish', number, transfer, hashes: this.#journal.hashes(receiving.wanted.root) });
  }

  #fail(number: number, fault: Fault): void {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving === undefined) return;
    this.journal();
    this.#forget(number);
    this.#outputs.push({ type: 'withdraw', number }, { type: 'failed', root: receiving.wanted.root, fault });
  }

  #forget(number: number): void {
    const receiving = this.#receivingByNumber.get(number);
    if (receiving === undefined) return;
    for (const assembly of receiving.assemblyByObject.values()) {
      this.#heldBytes -= assembly.memoryBytes;
      this.#unsavedSince.delete(assembly);
    }
    this.#receivingByNumber.delete(number);
    this.#numberByRoot.delete(toHex(receiving.wanted.root));
    if (this.#receivingByNumber.size === 0) this.#rooms.clear();
  }
}
