import { invariant } from '../core/assert.ts';
import { limits } from '../core/limits.ts';
import { type Fault, failure } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { Deadline, MonotonicMs } from '../core/time.ts';
import type { PathEstimate, RateControlFactory } from '../ports/rate-control.ts';
import { Arrivals } from './arrivals.ts';
import { closeCodes, closeFault } from './closing.ts';
import { type EarlyExchange, earlyBytes } from './early-data.ts';
import { dataHeaderBytes, decodeFrames, type Frame } from './frames.ts';
import { chooseClasses } from './lane-choice.ts';
import type { LaneShared } from './lane-shared.ts';
import { type Ledger, LedgerAccount, type LinkFlow, linkKindOf, type PathKind, packetLinkBytes, unmetered } from './ledger.ts';
import type { PacketProtection } from './packet-protection.ts';
import { type ConnectionId, headerBytesMax, streamPacketBytesMax, type TransportPacket, tagBytes } from './packets.ts';
import { type ClassRange, type DataItem, SendQueue } from './send-queue.ts';
import type { SessionEvent } from './session-event.ts';
import { SessionLane } from './session-lane.ts';
import type { Path } from './session-path.ts';
import { framePacket } from './stream-framing.ts';

/**
 * One living session: what is behind the handshake.
 *
 * It has what is to be sent and what has arrived, and one to four *lanes* by which packets go and come (`session-lane.ts`). Which lane carries what is decided here; *when* a packet may leave is the business of the lane.
 *
 * **Silence.** A lane on which nobody is heard for three round trips and three seconds is given up while another goes on. When it is the last one, the session is *suspended*: it says so, and sends only probes until the
 * peer is heard. When nothing is owed a session has no deadline at all and may stay silent for months.
 */

const ackBytesTypical = 16;
/** What the owner should keep queued: enough for this long at the path's rate. */
const queueMs = 100;
const queueBytesMax = 4 * 1024 * 1024;
/** Packets the owner should keep queued at least. */
const queuePacketsMin = 2;
/** One `sendData` should not take longer than this to send. */
const itemMs = 25;

/** A session after its handshake. Driven by `SessionEndpoint`, which finds it by the connection identifier of a packet. */
export class Session {
  readonly localConnectionId: ConnectionId;
  readonly #queue = new SendQueue();
  readonly #arrivals = new Arrivals();
  readonly #events: SessionEvent[] = [];
  readonly account = new LedgerAccount();
  readonly #shared: LaneShared;
  readonly #lanes: readonly SessionLane[];
  /** The lane that sends next, of those that may: they take turns. */
  #turn = 0;
  /** A last handshake packet, until the peer is heard. */
  #proof: Uint8Array | undefined;
  #proofWanted: boolean;
  #closed = false;
  #farewell: { readonly code: number; readonly reason: string } | undefined;
  #writableWanted = false;

  constructor(
    options: {
      readonly localConnectionId: ConnectionId;
      readonly remoteConnectionId: ConnectionId;
      /** Of each lane. */
      readonly protections: readonly PacketProtection[];
      readonly rateControl: RateControlFactory;
      readonly path: Path;
      readonly kind: PathKind;
      readonly handshake?: { readonly rttMs: number; readonly bytes: number };
      /** A last handshake packet, to be sent until the peer is heard. */
      readonly proof?: Uint8Array;
      readonly remembered?: PathEstimate;
      readonly early?: EarlyExchange;
      /** Gives the account of a path. Default: none is kept, and nothing limited. */
      readonly flowOf?: (path: Path) => LinkFlow;
    },
    now: MonotonicMs,
  ) {
    const { path, kind, localConnectionId, remoteConnectionId } = options;
    this.localConnectionId = localConnectionId;
    this.#shared = {
      queue: this.#queue,
      account: this.account,
      rateControl: options.rateControl,
      remoteConnectionId,
      isSteady: localConnectionId < remoteConnectionId,
      flowOf: options.flowOf ?? (() => unmetered.flow(path, undefined)),
      emergency: false,
      suspended: false,
      scratch: new Uint8Array(0),
    };
    this.#lanes = options.protections.map((protection, number) => new SessionLane(number, protection, this.#shared, now));
    this.#proof = options.proof;
    this.#proofWanted = options.proof !== undefined;
    if (options.early !== undefined) this.#takeEarly(options.early);
    this.#main.startPath(
      path,
      true,
      {
        kind,
        ...(options.handshake === undefined ? {} : { handshake: options.handshake }),
        ...(options.remembered === undefined ? {} : { remembered: options.remembered }),
      },
      now,
    );
  }

  /** The streams of critical messages go on behind what was said within the handshake. */
  #takeEarly({ heard, said }: EarlyExchange): void {
    if (said.length > 0) this.#queue.begin('critical', earlyBytes(said));
    if (heard.length === 0) return;
    const admission = this.#arrivals.takeMessage({ type: 'message', priority: 'critical', offset: 0, bytes: heard });
    if (admission.verdict === 'taken') this.#events.push(...admission.arrivals);
  }

  // Getters.

  /** The lanes that have a path. */
  get #open(): readonly SessionLane[] {
    return this.#lanes.filter((lane) => lane.path !== undefined);
  }

  /** The lane that speaks for the session where one has to: the first that has a path. */
  get #main(): SessionLane {
    return this.#lanes.find((lane) => lane.path !== undefined) ?? (this.#lanes[0] as SessionLane);
  }

  /** The way packets take now, the first of several; `undefined` after a stream broke. */
  get path(): Path | undefined {
    return this.#main.path?.name;
  }

  /** All ways that packets take now. */
  get paths(): readonly Path[] {
    return this.#lanes.flatMap((lane) => lane.path?.name ?? []);
  }

  /** The account of the present path. */
  get flow(): LinkFlow | undefined {
    return this.#main.path?.flow;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The class of what could be sent if the link's account allowed it. */
  get heldBack(): PriorityClass | undefined {
    if (this.#closed) return undefined;
    // A way on which nobody has answered yet takes nothing off the others.
    const answered = this.#open.filter((lane) => lane.isHeard && lane.estimate.smoothedRttMs !== undefined);
    const held = (answered.length > 0 ? answered : this.#open).map((lane) => lane.heldBack);
    return held.includes(undefined) ? undefined : held[0];
  }

  get heardAt(): MonotonicMs {
    return Math.max(...this.#lanes.map((lane) => lane.silence.heardAt)) as MonotonicMs;
  }

  get ledger(): Ledger {
    return this.account.ledger;
  }

  /** What is known of the present path, or of this one of several. */
  estimate(path?: Path): PathEstimate {
    return (this.#lanes.find((lane) => lane.path !== undefined && lane.path.name === path) ?? this.#main).estimate;
  }

  /** Until when the peer wants nothing by the way that is used, so that it is silent on purpose; in the past if that is not so. */
  get quietUntil(): MonotonicMs {
    return this.#main.quietUntil;
  }

  /** Bytes a second by all ways together, as far as known. */
  get #rateBytesPerSecond(): number {
    return this.#open.reduce((sum, lane) => sum + (lane.path?.rate.estimate().rateBytesPerSecond ?? 0), 0);
  }

  /** Bytes of data that should be handed in at a time: as much as fills whole packets, and no more than leaves in a moment. */
  get dataBytesMax(): number {
    const { path } = this.#main;
    if (path === undefined) return 1024;
    const perPacket = path.packetBytes - headerBytesMax - tagBytes - dataHeaderBytes(2 ** 13, 2 ** 29) - ackBytesTypical;
    const moment = (this.#rateBytesPerSecond * itemMs) / 1000;
    return perPacket * Math.max(1, Math.min(Math.floor(moment / perPacket), Math.floor(streamPacketBytesMax / perPacket)));
  }

  /** Bytes of data of this class that may be handed in now. After too small an answer a `writable` event follows when there is room. */
  roomBytes(priority: PriorityClass): number {
    const room = this.#canSend ? Math.max(0, this.#queueBytes - this.#queue.bytesWaiting(priority)) : 0;
    if (room < this.dataBytesMax) this.#writableWanted = true;
    return room;
  }

  /** Bytes of messages that may be handed in now without keeping others waiting. After too small an answer a `writable` event follows when there is room. */
  get messageRoomBytes(): number {
    const room = this.#canSend ? Math.max(0, this.#queueBytes - this.#queue.messageBytesWaiting) : 0;
    if (room < this.dataBytesMax) this.#writableWanted = true;
    return room;
  }

  /** What the session would like to have waiting. */
  get #queueBytes(): number {
    return Math.min(queueBytesMax, Math.max(queuePacketsMin * this.dataBytesMax, (this.#rateBytesPerSecond * queueMs) / 1000));
  }

  get #canSend(): boolean {
    return this.#main.path !== undefined && !this.#shared.suspended && !this.#closed;
  }

  // Commands.

  /** Takes a message for sending. False when `messageQueueBytesMax` would be exceeded: then nothing has happened, and the caller tries again after acknowledgements. */
  sendMessage(priority: PriorityClass, bytes: Uint8Array, now: MonotonicMs, isData = false): boolean {
    invariant(bytes.length <= limits.messageBytesMax, 'a message is no longer than messageBytesMax');
    if (this.#closed || this.#queue.messageBytesWaiting + bytes.length > limits.messageQueueBytesMax) return false;
    this.#queue.pushMessage(priority, bytes, isData);
    this.#owe(priority, now);
    return true;
  }

  /** Takes a stretch of a transfer for sending. False when far more is queued than `roomBytes` ever allows. */
  sendData(priority: PriorityClass, item: DataItem, now: MonotonicMs): boolean {
    if (this.#closed || this.#queue.bytesWaiting('bulk') + item.bytes.length > limits.dataQueueBytesMax) return false;
    this.#queue.pushData(priority, item);
    this.#owe(priority, now);
    return true;
  }

  #owe(priority: PriorityClass, now: MonotonicMs): void {
    this.#shared.emergency ||= priority === 'emergency';
    this.#main.owe(now);
  }

  /** Makes sure that at least one packet leaves soon on every way, so that the peer learns something: that this end holds the keys, or where it is. */
  ping(): void {
    for (const lane of this.#lanes) if (lane === this.#main || lane.path !== undefined) lane.ping();
  }

  /** Something says that a silent peer may be in reach again: it is asked with a packet of what waits for it, which arrives as soon as the bare question would. */
  reach(): void {
    this.#main.reach();
  }

  /** Who the peer is has become known: its account may be another one from now on. */
  refreshAccount(now: MonotonicMs): void {
    for (const lane of this.#lanes) lane.refreshAccount(now);
  }

  /** Goes on over another path, in place of the first that is used now. What was under way there is sent again. */
  migrate(path: Path, kind: PathKind, remembered: PathEstimate | undefined, now: MonotonicMs): void {
    if (!this.#closed) this.#main.migrate(path, { kind, ...(remembered === undefined ? {} : { remembered }) }, now);
  }

  /** Uses a further path beside those that are used now. False when it is in use already, or no lane is free. */
  addPath(path: Path, kind: PathKind, now: MonotonicMs): boolean {
    const lane = this.#lanes.find((each) => each.path === undefined);
    if (this.#closed || this.paths.includes(path) || lane === undefined) return false;
    lane.migrate(path, { kind }, now);
    return true;
  }

  /** Uses one of several paths for nothing less urgent than this from now on, or for nothing; the peer is asked to do so too. */
  usePath(path: Path, least: PriorityClass | undefined, now: MonotonicMs): void {
    for (const lane of this.#lanes) if (lane.path?.name === path) lane.use(least, now);
  }

  /** Goes on without a path. What was under way there is sent again by the others. False when it is the only one. */
  dropPath(path: Path, now: MonotonicMs): boolean {
    const lane = this.#lanes.find((each) => each.path?.name === path);
    if (lane === undefined || this.#open.length < 2) return false;
    lane.leavePath(now);
    return true;
  }

  /** The stream that packets took is gone. */
  pathClosed(path: Path, now: MonotonicMs): void {
    for (const lane of this.#lanes) if (lane.path?.name === path) lane.leavePath(now);
  }

  /** Says farewell, if the peer can hear it, and ends. */
  close(code: number, reason: string, fault: Fault): void {
    if (this.#closed) return;
    this.#farewell = { code, reason };
    this.#end(fault);
  }

  // Input.

  /**
   * A packet with this session's connection id arrived. False when it is not authentic or was seen before: then nothing has happened. `bytes` is its length, without the headers below it.
   */
  receive(packet: TransportPacket, path: Path, kind: PathKind, bytes: number, now: MonotonicMs): boolean {
    const lane = this.#lanes[packet.lane];
    const opened = lane?.open(packet, path, kind, now);
    if (lane === undefined || opened === undefined) return false;
    this.#proof = undefined;
    this.#proofWanted = false;
    const onLink = packetLinkBytes(linkKindOf(kind, path), bytes);
    const isHere = path === lane.path?.name;
    const flow = isHere && lane.path !== undefined ? lane.path.flow : this.#shared.flowOf(path);
    if (isHere) lane.received(onLink, now);
    const frames = decodeFrames(opened.plaintext);
    if (!frames.ok) {
      this.account.received(onLink, 0, 0, flow);
      this.close(closeCodes.violation, frames.fault.message, frames.fault);
      return true;
    }
    this.#takeFrames(lane, frames.value, { ...opened, isPatient: packet.isPatient, onLink, flow }, now);
    if (this.#shared.suspended && !this.#closed && lane.path !== undefined) {
      this.#shared.suspended = false;
      this.#events.push({ type: 'resumed' });
      lane.resume();
    }
    return true;
  }

  /** Time has passed. */
  wake(now: MonotonicMs): void {
    if (this.#closed) return;
    for (const lane of this.#lanes) {
      if (!lane.wake(now)) continue;
      this.#proofWanted = this.#proof !== undefined;
      if (this.#goesOnWithout(lane)) lane.handOver();
    }
    for (const lane of this.#open) {
      const { lostAt } = lane;
      if (lostAt === undefined || lostAt > now) continue;
      if (this.#open.some((other) => other !== lane && other.isHeard)) lane.leavePath(now);
    }
    const suspendAt = this.#suspendDeadline;
    if (suspendAt !== undefined && suspendAt <= now) {
      this.#shared.suspended = true;
      // What went on longest is asked from now on; the others come back when the peer is heard there.
      for (const lane of this.#open) if (lane !== this.#main) lane.leavePath(now);
      this.#events.push({ type: 'suspended' });
    }
  }

  /** True when somebody is heard on another lane. */
  #goesOnWithout(lane: SessionLane): boolean {
    return this.#lanes.some((other) => other !== lane && other.isHeard);
  }

  // Output.

  /** The oldest event not taken yet. */
  nextEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** The next packet that may leave now, as it goes onto the path that it takes, or `undefined`. */
  nextPacket(now: MonotonicMs): { readonly path: Path; readonly bytes: Uint8Array } | undefined {
    const { path } = this.#main;
    if (path === undefined) return undefined;
    if (this.#proof !== undefined && this.#proofWanted && !this.#closed) {
      this.#proofWanted = false;
      const onLink = packetLinkBytes(path.linkKind, this.#proof.length);
      if (path.flow.allowanceBytes('critical') < onLink) return undefined;
      this.account.handshakeSent(onLink);
      path.flow.book('sent', 'handshake', onLink);
      return { path: path.name, bytes: path.kind === 'stream' ? framePacket(this.#proof) : this.#proof };
    }
    if (this.#closed) {
      const farewell = this.#farewell && this.#main.farewell(this.#farewell.code, this.#farewell.reason);
      if (farewell === undefined) return undefined;
      this.#farewell = undefined;
      return { path: path.name, bytes: farewell };
    }
    for (let i = 0; i < this.#lanes.length; i++) {
      const lane = this.#lanes[(this.#turn + i) % this.#lanes.length] as SessionLane;
      const bytes = lane.nextPacket(this.#classesOf(lane), now);
      if (bytes === undefined) continue;
      this.#turn = lane.number + 1;
      this.#calm();
      this.#announceRoom();
      return { path: lane.path?.name as Path, bytes };
    }
    return undefined;
  }

  /** What a lane may carry now. */
  #classesOf(lane: SessionLane): ClassRange | undefined {
    return chooseClasses(lane, this.#open);
  }

  /** When to wake the session, and why. `undefined` when it is idle. */
  get deadline(): Deadline | undefined {
    if (this.#closed) return undefined;
    let at: MonotonicMs | undefined;
    let reason = '';
    const consider = (candidate: MonotonicMs | undefined, why: string) => {
      if (candidate === undefined || (at !== undefined && candidate >= at)) return;
      at = candidate;
      reason = why;
    };
    for (const lane of this.#open) {
      lane.deadlines(this.#classesOf(lane), consider);
      if (this.#goesOnWithout(lane)) consider(lane.lostAt, 'silence');
    }
    consider(this.#suspendDeadline, 'silence');
    return at === undefined ? undefined : { at, reason };
  }

  #announceRoom(): void {
    if (!this.#writableWanted || !this.#canSend) return;
    if (this.#queueBytes - this.#queue.bytesWaiting('bulk') < this.#queueBytes / 2) return;
    this.#writableWanted = false;
    this.#events.push({ type: 'writable' });
  }

  /** Nothing of an emergency is under way any more. */
  #calm(): void {
    if (!this.#shared.emergency || this.#queue.mostUrgent === 'emergency') return;
    if (this.#lanes.every((lane) => lane.isCalm)) this.#shared.emergency = false;
  }

  // How packets are taken apart.

  #takeFrames(
    lane: SessionLane,
    frames: readonly Frame[],
    packet: { readonly packetNumber: number; readonly isPatient: boolean; readonly onLink: number; readonly flow: LinkFlow },
    now: MonotonicMs,
  ): void {
    let elicits = false;
    let asked = false;
    let refused = false;
    let newBytes = 0;
    let repeatedBytes = 0;
    for (const frame of frames) {
      if (this.#closed) return;
      if (frame.type === 'ack') {
        if (!lane.takeAck(frame, now)) {
          this.#violated('an acknowledgement for what was never sent');
          return;
        }
        this.#calm();
        this.#announceRoom();
        continue;
      }
      elicits = true;
      asked ||= frame.type === 'ping';
      if (frame.type === 'ping') continue;
      if (frame.type === 'welcome') {
        lane.heed(frame, packet.packetNumber, now);
        continue;
      }
      if (frame.type === 'message') this.#shared.emergency ||= frame.priority === 'emergency';
      if (frame.type === 'close') {
        this.#end(closeFault(frame.code, frame.reason));
        return;
      }
      const admission = frame.type === 'data' ? this.#arrivals.takeData(frame) : this.#arrivals.takeMessage(frame);
      if (admission.verdict === 'malformed') {
        this.#violated(admission.message);
        return;
      }
      if (admission.verdict === 'refused') {
        refused = true;
        continue;
      }
      for (const arrival of admission.arrivals) this.#events.push(arrival);
      if (frame.type === 'data') {
        repeatedBytes += admission.repeatedBytes;
        newBytes += frame.bytes.length - admission.repeatedBytes;
      }
    }
    this.account.received(packet.onLink, newBytes, repeatedBytes, packet.flow);
    if (!elicits || refused) return;
    lane.record(packet.packetNumber, packet.isPatient, asked && this.#queue.mostUrgent === undefined, now);
  }

  #violated(message: string): void {
    this.close(closeCodes.violation, message, failure('SESSION_VIOLATION', 'peer', message).fault);
  }

  // Silence.

  get #suspendDeadline(): MonotonicMs | undefined {
    if (this.#shared.suspended) return undefined;
    // Also when nothing is owed: it may be the peer that owes, and only this end that can dial.
    if (this.#main.path === undefined) return this.#main.silence.owedSince;
    const open = this.#open;
    if (open.some((lane) => lane.lostAt === undefined)) return undefined;
    return Math.max(...open.map((lane) => lane.lostAt as MonotonicMs)) as MonotonicMs;
  }

  #end(fault: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.push({ type: 'closed', fault });
  }
}
