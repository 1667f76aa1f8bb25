import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, type NodeId, shortName } from '../core/identifiers.ts';
import type { Moment, MonotonicMs } from '../core/time.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { HeldReceipt } from '../datasets/receipts.ts';
import { type CarryingMessage, decodeCarryingMessage, encodeCarryingMessage } from '../mesh/carrying-wire.ts';
import { unlimitedTickets } from '../mesh/copy-tickets.ts';
import { plannedMeetingsMax } from '../mesh/itinerary.ts';
import type { SessionEndpoint } from '../session/endpoint.ts';
import { encodeMessage } from '../session/messages.ts';
import { CarryingBook, type CarryingBookParts } from './carrying-book.ts';
import { CarryingCustody, type CarryingCustodyParts, type Refusal } from './carrying-custody.ts';
import type { CarriedEntry, Trip } from './carrying-store.ts';
import { CarryingSupply, type Supplied } from './carrying-supply.ts';
import type { Identity } from './identity.ts';
import type { NodeEvent } from './node-event.ts';
import type { Peers } from './peers.ts';
import { ShortNames } from './short-names.ts';

/**
 * People and vehicles as the path: the machine of `mesh/carrying.ts` in a node. What is carried are contents of files; log entries reach a node that carries as they reach any other, because a log has no holes.
 *
 * **A contact.** Every session with a neighbour is a meeting, and is remembered. A node that carries, and that knows of entries for somebody out of reach whose contents are not here, tells its digest; the peer answers with its own, and
 * offers (`carrying-supply.ts`) what `Carrying.offersTo` has, best first, as many entries at a time as one message takes. Where there is nothing to carry not a byte is said. The node that carries takes (`carrying-custody.ts`) what
 * `Carrying.accepts` says; the rest it does not ask for.
 *
 * **Copies.** When a peer asks for what it was offered, it gets its tickets. That it was given some is written down, so a transfer that takes several contacts costs them once; if it never ends they are lost, and there are fewer copies
 * than there might have been, never more. Only what is limited is spoken of. A subscriber makes copies of what is not limited, and none of what is.
 *
 * **Who is asked to carry.** A member in the role of a carrier was appointed by people: it is offered whatever it may be the way for. To others that carry (`Relaying.carriedBytes`) only what is late goes (`mesh/lateness.ts`).
 *
 * **Ends.** Who has an entry, signed receipts say and nothing else. When everybody has it, or something better needed its room, its contents lose their reason to be kept, and what is given up is not taken again.
 */

/** What log entries mean at this node. */
interface EntryKeeping {
  /** Whether the contents of an entry are wanted is decided anew. */
  reconsider(dataset: DatasetId, dot: Dot): void;
  /** What this node can promise of a dataset is another than before. */
  promisesChanged(dataset: DatasetId): void;
}

/** What carrying works with. */
export interface CarryingParts extends Omit<CarryingBookParts & CarryingCustodyParts, 'self' | 'reconsider' | 'promisesChanged'> {
  readonly identity: Pick<Identity, 'node'>;
  readonly endpoint: SessionEndpoint;
  readonly peers: Pick<Peers, 'sessions'>;
  /** Made after this. */
  readonly keeping: () => EntryKeeping;
  readonly report: (event: NodeEvent) => void;
}

/** Where an entry stands here as far as carrying goes, and why. */
export interface CarryingReason {
  /**
   * `carried`: its contents are here, for others. `arriving`: it was accepted. `refused`: it was offered and not taken. `given-up`: it had to make room. `handed`: this node gave copies to others that carry. `waiting`: somebody out of
   * reach waits for it, and nobody has taken a copy of this node's yet.
   */
  readonly state: 'carried' | 'arriving' | 'refused' | 'given-up' | 'handed' | 'waiting';
  /** Why it was accepted: there was `room`, or it is `better` than what it replaces. Why it was refused: the room is `full` of better things, it was `given-up` before, or everybody is `served`. */
  readonly why?: 'room' | 'better' | Refusal;
  /** Copies there are at least, as far as is known here. */
  readonly copies?: number;
  /** Copies that may be made from this one; absent: as many as anybody. */
  readonly copiesLeft?: number;
}

/** An entry that is carried here, or about to be. */
export interface CarriedEntryReport extends CarriedEntry, CarryingReason {
  readonly bytes: number;
}

/** A trip to declare, in milliseconds since 1970 UTC. */
export interface TripPlan {
  /** The member that it leads to. */
  readonly to: NodeId;
  readonly departsMs: number;
  readonly arrivesMs: number;
  /** Who has not arrived by then does not come. Default: half of the time under way later than planned. */
  readonly latestMs?: number;
}

/** What a node carries for members out of reach. */
export interface CarryingReport {
  /** Bytes that are carried or were accepted, and how many may be. */
  readonly carriedBytes: number;
  readonly carriedBytesMax: number;
  /** In the order in which they were accepted. */
  readonly entries: readonly CarriedEntryReport[];
}

interface Contact extends Supplied {
  /** It was told a digest in this session, and has told one. */
  isTold: boolean;
  isHeard: boolean;
  /** It carries. */
  carries: boolean;
  /** Since when it is not heard. */
  silentSinceMs: MonotonicMs | undefined;
}

/** How much of a link what is carried for others gets beside own data of the same class. */
const carriedShare = 1 / 16;
const none: ReadonlySet<string> = new Set();
/** Somebody who was silent for so long is met anew. */
const contactPauseMs = 10 * 60_000;

/** The carrying of one node. Part of the caller's turn throughout. */
export class CarryingKeeping {
  readonly #parts: CarryingParts;
  readonly #names: ShortNames;
  readonly #book: CarryingBook;
  readonly #supply: CarryingSupply;
  readonly #custody: CarryingCustody;
  readonly #contacts = new Map<NodeId, Contact>();
  /** Something may be to say, to offer or to accept. */
  #isDue = false;

  constructor(parts: CarryingParts, now: Moment) {
    this.#parts = parts;
    parts.interests.heed(this);
    this.#names = new ShortNames(parts.membership);
    const { keeping } = parts;
    const own = { ...parts, self: parts.identity.node };
    this.#book = new CarryingBook(own, now);
    this.#supply = new CarryingSupply(own, this.#book);
    this.#custody = new CarryingCustody(
      {
        ...parts,
        reconsider: ({ dataset, author, sequence }) => keeping().reconsider(dataset, { author, sequence }),
        promisesChanged: (dataset) => keeping().promisesChanged(dataset),
      },
      this.#book,
    );
  }

  // Contacts

  /** A session with a neighbour is heard, for the first time or again. */
  met(peer: NodeId, now: Moment): void {
    this.#book.now = now;
    if (!this.#book.isOpen) this.#book.tidy();
    this.#book.machine.meet(shortName(peer), this.#book.at);
    const contact = this.#contacts.get(peer);
    if (contact === undefined || (contact.silentSinceMs !== undefined && now.monotonicMs - contact.silentSinceMs >= contactPauseMs))
      this.#contacts.set(peer, {
        isTold: false,
        isHeard: false,
        carries: false,
        silentSinceMs: undefined,
        offered: new Set(),
        asked: new Set(),
      });
    else contact.silentSinceMs = undefined;
    this.#book.planTrips();
    this.#book.saveHistory();
    this.#isDue = true;
  }

  /** It is not heard for now. */
  silent(peer: NodeId, now: Moment): void {
    const contact = this.#contacts.get(peer);
    if (contact === undefined) return;
    contact.silentSinceMs ??= now.monotonicMs;
    this.#book.now = now;
    this.#book.machine.pause(shortName(peer), this.#book.at);
    this.#book.saveHistory();
  }

  /** The session ended. What began to arrive is finished with whomever has it. */
  ended(peer: NodeId, now: Moment): void {
    if (!this.#contacts.delete(peer)) return;
    this.#book.now = now;
    this.#book.machine.ended(shortName(peer), this.#book.at);
    this.#book.saveHistory();
    this.#custody.ended(peer);
    if (![...this.#contacts.values()].some(({ carries }) => carries)) this.#supply.unload();
  }

  /** A peer says something about carrying. */
  receive(peer: NodeId, bytes: Uint8Array, now: Moment): void {
    const contact = this.#contacts.get(peer);
    if (contact === undefined) return;
    this.#book.now = now;
    this.#isDue = true;
    const decoded = decodeCarryingMessage(bytes);
    if (!decoded.ok) this.#parts.report({ type: 'fault', peer, fault: decoded.fault });
    else this.#receive(peer, contact, decoded.value);
  }

  #receive(peer: NodeId, contact: Contact, message: CarryingMessage): void {
    const { interests, membership } = this.#parts;
    if (message.type === 'digest') {
      const isAppointed = membership.member(peer)?.role === 'carrier';
      this.#book.machine.learn(shortName(peer), message.digest, this.#book.at, isAppointed);
      this.#book.saveHistory();
      contact.isHeard = true;
      contact.carries = isAppointed || message.digest.freeBytes > 0;
      if (contact.carries) this.#supply.load();
      return;
    }
    for (const { dataset: datasetName, author: authorName, entries } of message.logs) {
      const [dataset, author] = [this.#names.dataset(datasetName), this.#names.node(authorName)];
      if (dataset === undefined || author === undefined || interests.subscribed(dataset) || interests.carriedBytesMax === 0) continue;
      for (const { sequence, count } of entries) {
        if (message.type === 'offers') this.#custody.hearOffer(peer, { dataset, author, sequence }, count);
        else this.#custody.hearGrant({ dataset, author, sequence }, count);
      }
    }
  }

  /** A peer asks for a content: what it was offered it gets with its tickets. */
  asked(peer: NodeId, root: Hash, now: Moment): void {
    const contact = this.#contacts.get(peer);
    if (contact?.carries !== true) return;
    this.#book.now = now;
    this.#isDue = true;
    const logs = this.#supply.asked(peer, root, contact);
    if (logs.length > 0) this.#say(peer, { type: 'grants', logs });
  }

  /** Contents that are on their way here to be carried, by their roots in hexadecimal: this node's own are asked for first. */
  get comingRoots(): ReadonlySet<string> {
    return this.#parts.interests.carriedBytesMax === 0 ? none : this.#custody.pendingRoots;
  }

  /** The share of a link that data of a dataset has beside what both ends want for themselves, 1 being a full one: nobody's own data waits for what is carried. */
  shareOf(dataset: DatasetId, peer: NodeId): number {
    const { interests } = this.#parts;
    const isCarriedHere = interests.carriedBytesMax > 0 && !interests.subscribed(dataset);
    const isCarriedThere = this.#contacts.get(peer)?.carries === true && !interests.subscribes(peer, dataset);
    return isCarriedHere || isCarriedThere ? carriedShare : 1;
  }

  // What happens to entries

  /** Whether the contents of an entry are wanted to be carried. Others are noted as missing. */
  wants(dataset: DatasetId, { author, sequence }: Dot): boolean {
    const { interests } = this.#parts;
    if (interests.carriedBytesMax === 0 || interests.subscribed(dataset)) return false;
    const entry = { dataset, author, sequence };
    if (this.#custody.pending(this.#book.items.keyOf(entry)) !== undefined) return true;
    this.#custody.gaps.look(entry);
    this.#isDue = true;
    return false;
  }

  /** The contents of an entry, or some of them, are here. */
  arrived(dataset: DatasetId, { author, sequence }: Dot, now: Moment): void {
    this.#book.now = now;
    this.#isDue = true;
    const entry = { dataset, author, sequence };
    if (this.#parts.interests.subscribed(dataset)) this.#supply.add(entry);
    else if (this.#parts.interests.carriedBytesMax > 0) this.#custody.arrived(this.#book.items.keyOf(entry), entry);
  }

  /** This node wrote an entry. */
  written(dataset: DatasetId, { author, sequence }: Dot, now: Moment): void {
    this.#book.now = now;
    this.#isDue = true;
    this.#supply.add({ dataset, author, sequence });
  }

  /** Something of an entry was replaced. */
  superseded(dataset: DatasetId, { author, sequence }: Dot): void {
    const entry = { dataset, author, sequence };
    this.#custody.gaps.look(entry);
    const key = this.#book.items.keyOf(entry);
    if (this.#book.isOpen && this.#book.machine.has(key) && this.#book.items.standing(entry).length === 0) this.#custody.forget(key, entry);
  }

  /** Nodes have signed what they hold. */
  receipts(receipts: readonly HeldReceipt[]): void {
    if (receipts.length === 0) return;
    const { items, store } = this.#book;
    items.forget();
    this.#isDue = true;
    for (const { node, dataset } of receipts) {
      this.#custody.gaps.received(dataset);
      for (const [key, entry] of this.#book.entriesOf(dataset)) {
        if (!items.hasServed(entry, node)) continue;
        const { machine } = this.#book;
        machine.confirmed(key, shortName(node));
        // Of what is carried for others the machine says so itself.
        if (!machine.has(key) && store.entry(entry)?.isOwn !== false) this.#book.drop(key, entry);
      }
    }
    if (this.#book.isOpen) this.#custody.release();
  }

  /** Members, subscriptions or orders are others than before. */
  changed(now: Moment): void {
    const { membership, interests } = this.#parts;
    this.#book.now = now;
    this.#book.items.forget();
    this.#names.forget();
    this.#custody.gaps.forget();
    this.#isDue = true;
    if (!this.#book.isOpen) return;
    for (const dataset of this.#book.datasets) {
      if (!interests.subscribed(dataset)) continue;
      for (const [key, entry] of this.#book.entriesOf(dataset))
        if (this.#book.store.entry(entry)?.isOwn === false) this.#custody.forget(key, entry);
    }
    this.#book.machine.setMembers(membership.members().length);
    this.routesChanged(now);
  }

  /** Who can be reached, or how much may be carried, is another than before. */
  routesChanged(now: Moment): void {
    this.#book.now = now;
    this.#isDue = true;
    if (!this.#book.isOpen) return;
    this.#supply.reload();
    this.#book.machine.setSpace(this.#parts.interests.carriedBytesMax, this.#book.at);
    this.#custody.roomGrew();
    this.#custody.release();
  }

  /** How many entries at the beginning of a log this node can promise to hand on, of so many. */
  promised(dataset: DatasetId, author: NodeId, length: number): number {
    const { interests, membership } = this.#parts;
    const carries = interests.carriedBytesMax > 0 && !interests.subscribed(dataset) && membership.dataset(dataset)?.kind === 'files';
    return carries ? this.#custody.gaps.promised(dataset, author, length) : length;
  }

  /** Whether an entry was given up for want of room. */
  gaveUp(dataset: DatasetId, { author, sequence }: Dot): boolean {
    return this.#book.machine.gaveUp(this.#book.items.keyOf({ dataset, author, sequence }));
  }

  /** Says, offers and accepts what is due. True when something was. */
  settle(now: Moment): boolean {
    if (!this.#isDue || this.#contacts.size === 0) return false;
    this.#isDue = false;
    this.#book.now = now;
    let isDone = false;
    for (const [peer, contact] of this.#contacts) {
      if (!contact.isTold && (contact.isHeard || this.#lacksAnything(peer))) {
        contact.isTold = true;
        isDone = true;
        this.#say(peer, { type: 'digest', digest: this.#book.machine.digestFor(shortName(peer), this.#book.at) });
      }
      const logs = contact.carries ? this.#supply.offers(peer, contact) : [];
      if (logs.length === 0) continue;
      isDone = true;
      this.#say(peer, { type: 'offers', logs });
    }
    isDone = this.#custody.accept() || isDone;
    this.#custody.release();
    return isDone;
  }

  /** Whether anything is missing here that was not given up, and that somebody waits for who is neither this peer nor in reach. */
  #lacksAnything(peer: NodeId): boolean {
    const { interests, membership } = this.#parts;
    if (interests.carriedBytesMax === 0) return false;
    const { machine, items } = this.#book;
    const isLeftOut = (entry: CarriedEntry): boolean =>
      machine.gaveUp(items.keyOf(entry)) || items.unserved(entry).every((node) => node === peer || interests.reaches(node));
    return membership
      .datasets()
      .some(
        ({ id, kind }) => kind === 'files' && !interests.subscribed(id) && interests.moves(id) && this.#custody.gaps.some(id, isLeftOut),
      );
  }

  // Trips

  /** The trips that are not over, the next first. */
  trips(now: Moment): Trip[] {
    this.#book.now = now;
    return this.#book.trips();
  }

  /** Declares a trip. Returns its number. See `MeshService.declareTrip`. */
  declareTrip({ to, departsMs, arrivesMs, latestMs = arrivesMs + (arrivesMs - departsMs) / 2 }: TripPlan, now: Moment): number {
    const { store } = this.#book;
    const { membership, identity } = this.#parts;
    this.#book.now = now;
    if (to === identity.node || membership.member(to) === undefined)
      throw new GodwitError('MEMBER_UNKNOWN', `${to} is no other member of this team (yet).`, { retryable: true });
    if (!(departsMs <= arrivesMs && arrivesMs <= latestMs && latestMs >= now.wallMs) || !Number.isFinite(latestMs))
      throw new GodwitError('TRIP_INVALID', 'A trip departs, then arrives, then is late, and is not over yet.');
    for (const { id, latestMs: over } of store.trips()) if (over < now.wallMs) store.removeTrip(id);
    if (store.trips().length >= plannedMeetingsMax)
      throw new GodwitError('TRIP_INVALID', `A node has ${plannedMeetingsMax} trips at most; withdraw one, or declare this one later.`);
    const id = store.addTrip({ to, departsMs, arrivesMs, latestMs });
    this.#book.planTrips();
    return id;
  }

  /** Takes a trip back. */
  withdrawTrip(id: number, now: Moment): void {
    this.#book.now = now;
    this.#book.store.removeTrip(id);
    this.#book.planTrips();
  }

  // What is known

  /** What is carried here. */
  report(): CarryingReport {
    const { store, items, machine } = this.#book;
    const entries = store.entries().flatMap(({ dataset, author, sequence, isOwn }): CarriedEntryReport[] => {
      const entry = { dataset, author, sequence };
      const reason = isOwn ? undefined : this.explain(entry);
      const bytes = items.standing(entry).reduce((sum, { content }) => sum + content.sizeBytes, 0);
      return reason === undefined ? [] : [{ ...entry, ...reason, bytes }];
    });
    return { carriedBytes: machine.carriedBytes, carriedBytesMax: this.#parts.interests.carriedBytesMax, entries };
  }

  /** Where an entry stands here, as far as carrying goes; `undefined` when it needs no carrying, as far as is known. */
  explain(entry: CarriedEntry): CarryingReason | undefined {
    const { store, items, machine } = this.#book;
    const { interests, identity } = this.#parts;
    const key = items.keyOf(entry);
    const saved = store.entry(entry);
    const counts = saved && {
      copies: saved.copies,
      ...(saved.tickets >= unlimitedTickets ? {} : { copiesLeft: Math.max(0, saved.tickets - 1) }),
    };
    const why = this.#custody.pending(key);
    if (why !== undefined) return { state: 'arriving', why, ...counts };
    if (saved !== undefined) return { state: saved.isOwn ? 'handed' : 'carried', ...counts };
    if (machine.gaveUp(key)) return { state: 'given-up' };
    const refusal = this.#custody.refusal(key);
    if (refusal !== undefined) return { state: 'refused', why: refusal };
    const isOwn = entry.author === identity.node || interests.subscribed(entry.dataset);
    return isOwn && items.unserved(entry).some((node) => !interests.reaches(node)) ? { state: 'waiting' } : undefined;
  }

  /** A session whose queue is full ends, and the next one says it anew. */
  #say(peer: NodeId, message: CarryingMessage): void {
    const { endpoint, peers } = this.#parts;
    const { now } = this.#book;
    const session = peers.sessions.get(peer);
    const encoded = encodeMessage({ type: 'carrying', bytes: encodeCarryingMessage(message) });
    if (session !== undefined && !endpoint.sendMessage(session, 'normal', encoded, now)) endpoint.close(session, 'message queue full', now);
  }
}
