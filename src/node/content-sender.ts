import { FairShares } from '../bandwidth/fair-shares.ts';
import { ByteRooms } from '../core/byte-rooms.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { DatasetId, Hash } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { Crypto } from '../ports/crypto.ts';
import { objectsPerWantMax, type Want } from '../session/messages.ts';
import type { ArrivingContents } from './arriving-contents.ts';
import { availableBytes, hasBytes, type ReadyObject, type Sending } from './content-sending.ts';
import type { BaseAnswer, EncodedGroup, PreparedTransfer } from './content-tasks.ts';

/**
 * Sends what one peer asked for, over one session: the most urgent want first, and no more than the link takes, so that a more urgent one passes at once.
 *
 * A group is encoded shortly before it is sent, two ahead. What the peer already holds is not sent again; a group that it has in part goes on where it stopped, if the bytes before that point
 * are still the same. A content that is not here is remembered and answered as soon as it arrives.
 *
 * Where the bytes of a group's base are gone here, the peer is asked about them before the group is encoded; other groups go on meanwhile.
 *
 * A content that is still arriving here is passed on as it comes: groups that are verified, and of the next one the bytes that have come, all but the end. The end follows when the group is verified
 * here, or the whole content where its plan names no chunks. So a source that lies never makes an honest relay look like a liar: nobody completes a group that the relay could not complete. When
 * nothing more comes, the peer hears that it is lacked, and asks somebody else.
 */

/** What the sender needs done. Answered by `prepared` and `encoded`. */
export type SenderTask =
  | { readonly type: 'prepare'; readonly want: Want }
  | {
      readonly type: 'encode';
      readonly number: number;
      readonly transfer: PreparedTransfer;
      readonly group: number;
      /** Room for the group as it is, with the byte in front that says so. Belongs to the task until its result is taken. */
      readonly room: Uint8Array;
      /** What the peer said of the group's base, after it was asked. */
      readonly answer?: BaseAnswer;
    };

/** A question for the peer about the base of a group. Answered by `handleBaseBlocks`. */
export interface OutgoingQuery {
  readonly number: number;
  readonly group: number;
  readonly query: Uint8Array;
}

/** A group that arrived and was stored. */
interface StoredGroup {
  readonly transfer: { readonly content: Pick<ContentRef, 'root'> };
  readonly group: number;
  readonly encoded: Uint8Array;
}

/** One portion of data to send. */
export interface OutgoingData {
  readonly priority: PriorityClass;
  readonly transfer: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
  /** To be called when the peer has all of the object: its memory is used again. */
  readonly released?: () => void;
  /** What it counts for; absent when no file here has the content any more. */
  readonly dataset?: DatasetId;
}

/** How datasets share a session: whose a content is, its weight, and from when on it may send. */
export interface SharingRules {
  datasetOf(root: Hash): DatasetId | undefined;
  weightOf(dataset: DatasetId): number;
  freeAt(dataset: DatasetId | undefined): MonotonicMs;
}

/** How long a peer that has everything that came so far waits for more, before it hears that the rest is lacked. */
const dryAfterMs = 10_000;
/** Groups of a content that is arriving that are looked at for the next one to send: they come about in order. */
const awaitedLookedAt = 8;

/** Groups that are encoded before their turn: as many as make up these bytes of content, within bounds. */
const aheadBytes = 8 * 1024 * 1024;
const groupsAheadMin = 2;
const groupsAheadMax = 8;
/** Bytes of content that may be under way beyond what the receiver said it has stored: its disk may be slower than the link. */
const windowBytes = 64 * 1024 * 1024;
/** Memory for groups that is kept while contents are sent: what is encoded ahead, waits in the session, and is on its way. */
const roomsBytesMax = 32 * 1024 * 1024;

/** The sending half of one session's transfers. */
export class ContentSender {
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #rules: SharingRules | undefined;
  readonly #arriving: ArrivingContents | undefined;
  readonly #shares: FairShares<DatasetId | ''>;
  readonly #sendingByNumber = new Map<number, Sending>();
  readonly #deferredByRoot = new Map<string, Want[]>();
  #deferredCount = 0;
  /** Wants whose content may be here, in the order of asking, until one of those under way has ended. */
  #queued: Want[] = [];
  readonly #tasks: SenderTask[] = [];
  #lacks: number[] = [];
  #queries: OutgoingQuery[] = [];
  #resumedBytes = 0;
  #copiedBytes = 0;
  /** Room for groups, from when they are read until the peer has them. */
  readonly #rooms = new ByteRooms(roomsBytesMax);

  constructor(crypto: Pick<Crypto, 'sha256'>, rules?: SharingRules, arriving?: ArrivingContents) {
    this.#crypto = crypto;
    this.#rules = rules;
    this.#arriving = arriving;
    this.#shares = new FairShares((dataset) => (dataset === '' ? 1 : (rules?.weightOf(dataset) ?? 1)));
  }

  /** The peer asks. `limits.wantsPerSessionMax` are served at once; further ones wait, because many that were deferred may become complete together. */
  handleWant(want: Want): void {
    if (this.#sendingByNumber.has(want.number)) return;
    if (this.#sendingByNumber.size >= limits.wantsPerSessionMax) {
      if (this.#queued.length >= limits.deferredWantsPerSessionMax) this.#lacks.push(want.number);
      else this.#queued.push(want);
      return;
    }
    this.#sendingByNumber.set(want.number, {
      dataset: this.#rules?.datasetOf(want.root),
      want,
      groups: [],
      encoding: 0,
      planningAgain: false,
      groupsAhead: groupsAheadMin,
      begunBytes: 0,
      storedBytes: 0,
      movedBytes: 0,
      ready: [],
      searchByGroup: new Map(),
    });
    this.#tasks.push({ type: 'prepare', want });
  }

  /** The peer no longer wants these. */
  handleWithdraw(numbers: readonly number[]): void {
    const gone = new Set(numbers);
    this.#queued = this.#queued.filter((want) => !gone.has(want.number));
    for (const number of numbers) this.#end(number);
    for (const [root, wants] of this.#deferredByRoot) {
      const kept = wants.filter((want) => !gone.has(want.number));
      this.#deferredCount -= wants.length - kept.length;
      if (kept.length === 0) this.#deferredByRoot.delete(root);
      else this.#deferredByRoot.set(root, kept);
    }
  }

  /** The peer has stored this many bytes of a wanted content since it asked. */
  handleProgress(number: number, storedBytes: number): void {
    const sending = this.#sendingByNumber.get(number);
    if (sending === undefined) return;
    sending.storedBytes = Math.max(sending.storedBytes, storedBytes);
    this.#encodeAhead(sending);
  }

  /** The peer's answer to a question; one that was not asked for says nothing. */
  handleBaseBlocks(number: number, group: number, bytes: Uint8Array): void {
    const sending = this.#sendingByNumber.get(number);
    const search = sending?.searchByGroup.get(group);
    if (sending?.transfer === undefined || search === undefined) return;
    sending.searchByGroup.delete(group);
    sending.encoding++;
    const room = this.#room(sending.transfer, group);
    this.#tasks.push({ type: 'encode', number, transfer: sending.transfer, group, room, answer: { search, bytes } });
  }

  /** A content became complete here: whoever waits for it gets it now. */
  handleContentComplete(root: Uint8Array): void {
    for (const sending of this.#sendingsOf(root)) {
      if (sending.transfer?.arriving !== undefined) this.#arrived(sending);
      else if (sending.transfer === undefined || sending.encoding > 0) sending.planningAgain = true;
    }
    this.#handleDeferred(root);
  }

  /** A content is arriving here from another peer: its plan is understood, or more of it is here. */
  handleContentAdvanced(root: Uint8Array): void {
    for (const sending of this.#sendingsOf(root)) this.#encodeAhead(sending);
    this.#handleDeferred(root);
  }

  /** A group that arrived in these bytes is verified as far as its plan allows, and stored. True when they are passed on from here. */
  handleGroupStored({ transfer, group, encoded }: StoredGroup): boolean {
    const { root } = transfer.content;
    let isPassedOn = false;
    for (const sending of this.#sendingsOf(root)) {
      const ready = sending.ready.find(({ object, coming }) => object === group + 1 && coming !== undefined);
      // Only bytes that are the very same were verified.
      if (ready?.coming === undefined || ready.coming.assembly.beginning() !== encoded) continue;
      isPassedOn = true;
      ready.coming.stored = true;
      if (sending.transfer?.arriving?.hashed === true) this.#verified(ready);
    }
    this.handleContentAdvanced(root);
    return isPassedOn;
  }

  /** What came of a content that is arriving turned out wrong: of what was passed on nothing more is said, and the peer hears that it is lacked. */
  handleContentSpoiled(root: Uint8Array): void {
    for (const sending of this.#sendingsOf(root)) if (sending.transfer?.arriving !== undefined) this.#lack(sending);
  }

  #handleDeferred(root: Uint8Array): void {
    const key = toHex(root);
    const waiting = this.#deferredByRoot.get(key);
    if (waiting === undefined) return;
    this.#deferredByRoot.delete(key);
    this.#deferredCount -= waiting.length;
    for (const want of waiting) this.handleWant(want);
  }

  /** Result of a `prepare` task. */
  prepared(want: Want, transfer: PreparedTransfer | undefined): void {
    const sending = this.#sendingByNumber.get(want.number);
    if (sending === undefined) return;
    if (sending.planningAgain && (transfer === undefined || transfer.arriving !== undefined)) {
      sending.planningAgain = false;
      this.#tasks.push({ type: 'prepare', want });
      return;
    }
    const begun = sending.transfer;
    if (begun !== undefined) sending.encoding--;
    if (transfer === undefined || transfer.groups.length >= objectsPerWantMax) {
      this.#lack(sending);
      return;
    }
    if (begun !== undefined && toHex(begun.planId) !== toHex(transfer.planId)) {
      this.#beginAnew(sending);
      return;
    }
    sending.transfer = transfer;
    if (begun !== undefined) {
      this.#encodeAhead(sending);
      return;
    }
    const known = want.resume !== undefined && toHex(want.resume.planId) === toHex(transfer.planId) ? want.resume : undefined;
    if (known === undefined && want.fromEnd === true) {
      this.#lack(sending);
      return;
    }
    sending.groupsAhead = groupsAhead(transfer);
    this.#copiedBytes += transfer.copiedBytes;
    if (known === undefined) sending.ready.push({ object: 0, bytes: transfer.planObject, offset: 0 });
    // By marks, not by lists: a peer may claim a thousand runs, each longer than the content.
    const held = new Uint8Array(transfer.groups.length);
    for (const { first, count } of known?.held ?? []) held.fill(1, first, first + count);
    for (const [group, { targetBytes }] of transfer.groups.entries()) if (held[group] === 1) sending.movedBytes += targetBytes;
    this.#resumedBytes += sending.movedBytes;
    sending.groups = [...transfer.groups.keys()].filter((group) => held[group] === 0);
    if (want.fromEnd === true) sending.groups.reverse();
    this.#encodeAhead(sending);
  }

  /** Result of an `encode` task, which may stand in its room; `undefined` when the bytes are gone. */
  encoded(number: number, group: number, encoded: EncodedGroup | undefined, room?: Uint8Array): void {
    const sending = this.#sendingByNumber.get(number);
    if (sending === undefined) return;
    const isInRoom = encoded?.kind === 'encoded' && encoded.bytes.buffer === room?.buffer;
    if (room !== undefined && !isInRoom) this.#giveBack(room);
    sending.encoding--;
    if (encoded === undefined) {
      if (sending.planningAgain) this.#beginAnew(sending);
      else this.#lack(sending);
      return;
    }
    if (encoded.kind === 'query') {
      sending.searchByGroup.set(group, encoded.search);
      this.#queries.push({ number, group, query: encoded.query });
      this.#encodeAhead(sending);
      return;
    }
    const { bytes } = encoded;
    sending.ready.push({ object: group + 1, bytes, offset: this.#resumedOffset(sending, group, bytes), isInRoom });
    sending.ready.sort((a, b) => (sending.want.fromEnd === true ? b.object - a.object : a.object - b.object));
    this.#encodeAhead(sending);
  }

  /** Where to go on in a group whose beginning the peer may have. */
  #resumedOffset({ want }: Sending, group: number, bytes: Uint8Array): number {
    const partial = want.resume?.partials?.find((each) => each.group === group);
    if (partial === undefined || partial.offset >= bytes.length) return 0;
    const prefix = this.#crypto.sha256(bytes.subarray(0, partial.offset)).subarray(0, 8);
    if (toHex(prefix) !== toHex(partial.prefixHash)) return 0;
    this.#resumedBytes += partial.offset;
    return partial.offset;
  }

  /** The next task, until `undefined`. */
  pollTask(): SenderTask | undefined {
    return this.#tasks.shift();
  }

  /** Numbers to tell the peer that we lack, at once. */
  takeLacks(): readonly number[] {
    const lacks = this.#lacks;
    this.#lacks = [];
    return lacks;
  }

  /** Questions for the peer, at once. */
  takeQueries(): readonly OutgoingQuery[] {
    const queries = this.#queries;
    this.#queries = [];
    return queries;
  }

  /** How much of a content was handed to the session, about; `undefined` when the peer does not ask for it. */
  movedBytes(root: Hash): number | undefined {
    for (const { want, movedBytes } of this.#sendingByNumber.values()) if (equalBytes(want.root, root)) return Math.round(movedBytes);
    return undefined;
  }

  /** The class that a want was asked in. */
  priorityOf(number: number): PriorityClass {
    return this.#sendingByNumber.get(number)?.want.priority ?? 'bulk';
  }

  /** The most urgent class that has data ready and may send, or `undefined`. */
  readyPriority(now: MonotonicMs): PriorityClass | undefined {
    let best: number = priorityClasses.length;
    for (const [number, sending] of [...this.#sendingByNumber]) {
      this.#passOn(sending);
      if (this.#sendingByNumber.has(number) && this.#maySend(sending, now))
        best = Math.min(best, priorityClasses.indexOf(sending.want.priority));
    }
    return priorityClasses[best];
  }

  /** When a rate cap allows more of what is ready and has to wait for one. */
  cappedUntil(now: MonotonicMs): MonotonicMs | undefined {
    let until: MonotonicMs | undefined;
    for (const sending of this.#sendingByNumber.values()) {
      if (!hasBytes(sending) || this.#maySend(sending, now)) continue;
      const freeAt = this.#rules?.freeAt(sending.dataset) ?? now;
      if (until === undefined || freeAt < until) until = freeAt;
    }
    return until;
  }

  /** Takes up to `bytesMax` of the most urgent data: of one dataset after the other by their weights, and of each in the order of asking. */
  take(bytesMax: number, now: MonotonicMs): OutgoingData | undefined {
    const priority = this.readyPriority(now);
    if (priority === undefined) return undefined;
    const ready = [...this.#sendingByNumber].filter(([, each]) => each.want.priority === priority && this.#maySend(each, now));
    const dataset = this.#shares.next(ready.map(([, each]) => each.dataset ?? ''));
    for (const [number, sending] of ready) {
      const object = sending.ready.find((each) => availableBytes(each) > 0);
      if (object === undefined || (sending.dataset ?? '') !== dataset) continue;
      const { offset, coming } = object;
      const length = Math.min(bytesMax, availableBytes(object));
      const bytes = coming === undefined ? object.bytes.subarray(offset, offset + length) : coming.assembly.read(offset, length);
      object.offset += bytes.length;
      const groupBytes = sending.transfer?.groups[object.object - 1]?.targetBytes ?? 0;
      sending.movedBytes += (groupBytes * bytes.length) / object.bytes.length;
      this.#shares.sent(dataset, bytes.length);
      const last = coming === undefined && object.offset === object.bytes.length;
      if (last) {
        sending.ready.splice(sending.ready.indexOf(object), 1);
        this.#encodeAhead(sending);
      }
      const { dataset: owner } = sending;
      return {
        priority,
        transfer: number * objectsPerWantMax + object.object,
        offset,
        bytes,
        last,
        ...(last && object.isInRoom ? { released: () => this.#giveBack(bytes) } : {}),
        ...(owner === undefined ? {} : { dataset: owner }),
      };
    }
    return undefined;
  }

  #maySend(sending: Sending, now: MonotonicMs): boolean {
    if (!hasBytes(sending)) return false;
    return sending.want.priority === 'emergency' || (this.#rules?.freeAt(sending.dataset) ?? now) <= now;
  }

  /** Bytes that did not travel: because the peer had them from an interrupted transfer, and because its base has them. */
  get savedBytes(): { readonly resume: number; readonly delta: number } {
    return { resume: this.#resumedBytes, delta: this.#copiedBytes };
  }

  #encodeAhead(sending: Sending): void {
    const { transfer } = sending;
    if (transfer === undefined) return;
    while (
      sending.groups.length > 0 &&
      sending.encoding + sending.ready.length < sending.groupsAhead &&
      // Each group that is being encoded may turn into a question, and a peer takes no more of them.
      sending.encoding + sending.searchByGroup.size < limits.baseSearchesMax &&
      sending.begunBytes - sending.storedBytes < windowBytes
    ) {
      const at = transfer.arriving === undefined ? 0 : this.#nextHere(sending.groups, transfer);
      const [group] = at === -1 ? [] : sending.groups.splice(at, 1);
      if (group === undefined) break;
      sending.encoding++;
      sending.begunBytes += transfer.groups[group]?.targetBytes ?? 0;
      this.#tasks.push({ type: 'encode', number: sending.want.number, transfer, group, room: this.#room(transfer, group) });
    }
    if (sending.groups.length === 0 && sending.encoding === 0 && sending.ready.length === 0 && sending.searchByGroup.size === 0)
      this.#end(sending.want.number);
  }

  // Contents that are arriving

  /**
   * Ends the wait of peers for contents of which nothing more comes here: they hear that the rest is lacked. Returns when to look again.
   */
  lackDry(now: MonotonicMs): MonotonicMs | undefined {
    let next: MonotonicMs | undefined;
    for (const sending of [...this.#sendingByNumber.values()]) {
      const { transfer, want } = sending;
      if (transfer?.arriving === undefined || sending.encoding + sending.searchByGroup.size > 0 || hasBytes(sending)) {
        delete sending.drySince;
        continue;
      }
      sending.drySince ??= now;
      const heardAt = this.#arriving?.heardAt(want.root);
      const until = later(heardAt === undefined || heardAt < sending.drySince ? sending.drySince : heardAt, dryAfterMs);
      if (heardAt === undefined || until <= now) this.#lack(sending);
      else if (next === undefined || until < next) next = until;
    }
    return next;
  }

  #giveBack(room: Uint8Array): void {
    if (this.#sendingByNumber.size > 0) this.#rooms.giveBack(room);
  }

  #room({ groups }: PreparedTransfer, group: number): Uint8Array {
    return this.#rooms.take((groups[group]?.targetBytes ?? 0) + 1);
  }

  #sendingsOf(root: Uint8Array): Sending[] {
    const key = toHex(root);
    return [...this.#sendingByNumber.values()].filter(({ want }) => toHex(want.root) === key);
  }

  /** Place of a group whose chunks have all come, or -1: the first there is, else the last, where they come from both ends. */
  #nextHere(groups: readonly number[], { fresh, groups: planned, arriving }: PreparedTransfer): number {
    if (arriving?.hashed !== true) return -1;
    const isHere = (group: number): boolean => {
      const { firstFresh = 0, freshCount = 0 } = planned[group] ?? {};
      return fresh.slice(firstFresh, firstFresh + freshCount).every(({ hash }) => this.#arriving?.has(hash));
    };
    const first = groups.slice(0, awaitedLookedAt).findIndex(isHere);
    if (first >= 0 || groups.length <= awaitedLookedAt) return first;
    const last = groups.slice(-awaitedLookedAt).findLastIndex(isHere);
    return last < 0 ? -1 : Math.max(0, groups.length - awaitedLookedAt) + last;
  }

  /** Begins to pass on the group that is coming in now, and sees that those begun are still what is coming in. */
  #passOn(sending: Sending): void {
    const { transfer, ready, want } = sending;
    if (transfer?.arriving?.planId === undefined) return;
    const objects = this.#arriving?.objects(want.root, transfer.arriving.planId);
    for (const { object, coming, offset } of ready) {
      if (coming === undefined) continue;
      const assembly = objects?.get(object) ?? coming.assembly;
      if (assembly !== coming.assembly) {
        // Another peer goes on with it, from what was journalled.
        const known = coming.assembly.beginning().subarray(0, offset);
        if (assembly.progress.lengthBytes < offset) continue;
        if (!equalBytes(assembly.beginning().subarray(0, offset), known)) {
          this.#lack(sending);
          return;
        }
        coming.assembly = assembly;
        coming.startedOver = assembly.startedOver;
      } else if (assembly.startedOver !== coming.startedOver) {
        this.#lack(sending);
        return;
      }
    }
    for (const group of sending.groups.slice(0, awaitedLookedAt)) {
      if (sending.encoding + ready.length >= sending.groupsAhead || sending.begunBytes - sending.storedBytes >= windowBytes) return;
      const assembly = objects?.get(group + 1);
      const knownBytes = want.resume?.partials?.find((each) => each.group === group)?.offset ?? 0;
      if (assembly === undefined || assembly.progress.lengthBytes <= knownBytes) continue;
      sending.groups.splice(sending.groups.indexOf(group), 1);
      sending.begunBytes += transfer.groups[group]?.targetBytes ?? 0;
      const offset = knownBytes === 0 ? 0 : this.#resumedOffset(sending, group, assembly.beginning());
      const coming = { assembly, startedOver: assembly.startedOver, stored: false };
      ready.push({ object: group + 1, offset, bytes: new Uint8Array(0), coming });
    }
  }

  /** The content is complete: what was verified only with the whole may go to its end, and the rest is encoded like that of any other. */
  #arrived(sending: Sending): void {
    const { transfer } = sending;
    if (transfer === undefined) return;
    for (const ready of sending.ready) {
      if (ready.coming?.stored === true) this.#verified(ready);
      else if (ready.coming !== undefined) {
        this.#beginAnew(sending);
        return;
      }
    }
    if (transfer.arriving?.hashed === true) {
      const { arriving: _, ...complete } = transfer;
      sending.transfer = complete;
      this.#encodeAhead(sending);
    } else if (sending.groups.length > 0) {
      sending.encoding++;
      this.#tasks.push({ type: 'prepare', want: sending.want });
    }
  }

  #verified(ready: ReadyObject): void {
    if (ready.coming === undefined) return;
    ready.bytes = ready.coming.assembly.beginning();
    delete ready.coming;
  }

  /** The content is here now, and what the peer has of it does not fit: it hears so, gives up what it began, and is sent the content like any other. */
  #beginAnew(sending: Sending): void {
    this.#lack(sending);
    this.#handleDeferred(sending.want.root);
  }

  #lack({ want }: Sending): void {
    this.#end(want.number);
    this.#defer(want);
  }

  #end(number: number): void {
    if (!this.#sendingByNumber.delete(number)) return;
    if (this.#sendingByNumber.size === 0) this.#rooms.clear();
    const next = this.#queued.shift();
    if (next !== undefined) this.handleWant(next);
  }

  #defer(want: Want): void {
    this.#lacks.push(want.number);
    if (this.#deferredCount >= limits.deferredWantsPerSessionMax) return;
    const key = toHex(want.root);
    this.#deferredByRoot.set(key, [...(this.#deferredByRoot.get(key) ?? []), want]);
    this.#deferredCount++;
  }
}

/** How many groups of a transfer are encoded ahead. */
function groupsAhead({ groups }: PreparedTransfer): number {
  const bytes = groups.reduce((sum, { targetBytes }) => sum + targetBytes, 0);
  return Math.min(groupsAheadMax, Math.max(groupsAheadMin, Math.floor((aheadBytes * groups.length) / Math.max(1, bytes))));
}
