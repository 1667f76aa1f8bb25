import { invariant } from '../core/assert.ts';
import { limits } from '../core/limits.ts';
import { type Fault, failure } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { Deadline, MonotonicMs } from '../core/time.ts';
import type { NewPath, PathEstimate, RateControlFactory } from '../ports/rate-control.ts';
import { Arrivals } from './arrivals.ts';
import { closeCodes, closeFault } from './closing.ts';
import { type EarlyExchange, earlyBytes } from './early-data.ts';
import { type AckFrame, dataHeaderBytes, decodeFrames, type Frame, writeAck, writeClose, writePing } from './frames.ts';
import { type Ledger, LedgerAccount, type LinkFlow, type PathKind, packetBytesWithin, packetLinkBytes, unmetered } from './ledger.ts';
import { LeftPath } from './left-path.ts';
import type { PacketProtection } from './packet-protection.ts';
import {
  type ConnectionId,
  completePacketNumber,
  connectionIdBytes,
  packetNumberBytes,
  streamPacketBytesMax,
  type TransportPacket,
  writeTransportHeader,
} from './packets.ts';
import { ReceivedPackets } from './received-packets.ts';
import { type DataItem, type Filling, SendQueue } from './send-queue.ts';
import { type SentPacket, SentPackets } from './sent-packets.ts';
import type { SessionEvent } from './session-event.ts';
import { type Path, SessionPath } from './session-path.ts';
import { Silence } from './silence.ts';
import { allocatePacket, framePacket } from './stream-framing.ts';
import { WireWriter } from './wire-bytes.ts';

/**
 * One living session: what is behind the handshake.
 *
 * It owns the packet numbers, knows what is under way, decides what goes into the next packet, and takes apart what arrives. *When* a packet may leave is the business of the path's rate control.
 *
 * **Silence.** While something is under way and nothing is heard, a session probes (`silence.ts`). After three round trips and three seconds it is *suspended*: it says so, and sends only probes until the
 * peer is heard. When nothing is owed a session has no deadline at all and may stay silent for months.
 */

const tagBytes = 16;
const headerBytesMax = 1 + connectionIdBytes + 4;
/** Room an acknowledgement may take from the frames of a packet. */
const ackBytesMax = 160;
const ackBytesTypical = 16;
/** Bytes on the link that must be allowed before a packet is begun: headers, an acknowledgement, and room for a useful frame. */
const packetLinkBytesMin = 320;
/** After so many acknowledgements without anything else, one asks for an answer: it tells this end the round trip, and which ranges need no repeating. */
const acksPerPing = 16;
/** How long packets from a path that was left on purpose do not draw the session back, besides a round trip. */
const leftPathMs = 2500;
/** What the owner should keep queued: enough for this long at the path's rate. */
const queueMs = 100;
const queueBytesMax = 4 * 1024 * 1024;
/** Packets the owner should keep queued at least. */
const farewellLinkBytesMax = 640;
const queuePacketsMin = 2;
/** One `sendData` should not take longer than this to send. */
const itemMs = 25;
/** Large packets that may wait for an acknowledgement on a stream. */
const packetsPerAck = { datagram: 64, stream: 4 } as const;

/** A session after its handshake. Driven by `SessionEndpoint`, which finds it by the connection identifier of a packet. */
export class Session {
  readonly localConnectionId: ConnectionId;
  readonly #remoteConnectionId: ConnectionId;
  readonly #protection: PacketProtection;
  readonly #rateControl: RateControlFactory;
  readonly #flowOf: (path: Path) => LinkFlow;
  readonly #queue = new SendQueue();
  readonly #sent = new SentPackets();
  readonly #received = new ReceivedPackets();
  readonly #arrivals = new Arrivals();
  readonly #events: SessionEvent[] = [];
  readonly account = new LedgerAccount();

  #path: SessionPath | undefined;
  readonly #left = new LeftPath();
  #nextPacketNumber = 0;
  #scratch = new Uint8Array(0);
  #run = 0;
  #runHasPackets = false;
  /** A last handshake packet, until the peer is heard. */
  #proof: Uint8Array | undefined;
  #proofWanted: boolean;
  #closed = false;
  #farewell: { readonly code: number; readonly reason: string } | undefined;
  #suspended = false;
  #pingWanted = false;
  /** The packet sent last had nothing behind it. */
  #isPatient = false;
  #acksWithoutPing = 0;
  /** Emergency bytes are under way, in either direction: what keeps them going may use what is held back for them. */
  #emergency = false;
  #writableWanted = false;
  readonly #silence: Silence;
  #probeWanted = false;
  /** Something says that the peer may be in reach again: the next probe carries what is of use at once. */
  #hopeful = false;
  /** The peer was heard after a long silence, and has not yet answered anything: whether the link is what it was is not known. */
  #doubtful = false;

  constructor(
    options: {
      readonly localConnectionId: ConnectionId;
      readonly remoteConnectionId: ConnectionId;
      readonly protection: PacketProtection;
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
    this.localConnectionId = options.localConnectionId;
    this.#remoteConnectionId = options.remoteConnectionId;
    this.#protection = options.protection;
    this.#rateControl = options.rateControl;
    this.#flowOf = options.flowOf ?? (() => unmetered.flow(options.path, undefined));
    this.#proof = options.proof;
    this.#proofWanted = options.proof !== undefined;
    this.#silence = new Silence(now);
    if (options.early !== undefined) this.#takeEarly(options.early);
    this.#path = new SessionPath(
      {
        name: options.path,
        firstPacketNumber: 0,
        proven: true,
        about: {
          kind: options.kind,
          ...(options.handshake === undefined ? {} : { handshake: options.handshake }),
          ...(options.remembered === undefined ? {} : { remembered: options.remembered }),
        },
        rateControl: this.#rateControl,
        flow: this.#flowOf(options.path),
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

  /** The way packets take now; `undefined` after a stream broke. */
  get path(): Path | undefined {
    return this.#path?.name;
  }

  /** The account of the present path. */
  get flow(): LinkFlow | undefined {
    return this.#path?.flow;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The class of what could be sent if the link's account allowed it. */
  get heldBack(): PriorityClass | undefined {
    const path = this.#path;
    return path === undefined || this.#closed || this.#isAllowed(path) ? undefined : this.#queue.mostUrgent;
  }

  get heardAt(): MonotonicMs {
    return this.#silence.heardAt;
  }

  get ledger(): Ledger {
    return this.account.ledger;
  }

  /** What is known of the present path. */
  get estimate(): PathEstimate {
    const path = this.#path;
    if (path === undefined) return { lossRatio: 0, confidence: 0 };
    const { minMs, smoothedMs } = path.roundTrip;
    return {
      ...path.rate.estimate(),
      ...(minMs === undefined ? {} : { minRttMs: minMs }),
      ...(smoothedMs === undefined ? {} : { smoothedRttMs: smoothedMs }),
    };
  }

  /** Bytes of data that should be handed in at a time: as much as fills whole packets, and no more than leaves in a moment. */
  get dataBytesMax(): number {
    const path = this.#path;
    if (path === undefined) return 1024;
    const perPacket = path.packetBytes - headerBytesMax - tagBytes - dataHeaderBytes(2 ** 13, 2 ** 29) - ackBytesTypical;
    const moment = ((path.rate.estimate().rateBytesPerSecond ?? 0) * itemMs) / 1000;
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
    const rate = this.#path?.rate.estimate().rateBytesPerSecond ?? 0;
    return Math.min(queueBytesMax, Math.max(queuePacketsMin * this.dataBytesMax, (rate * queueMs) / 1000));
  }

  get #canSend(): boolean {
    return this.#path !== undefined && !this.#suspended && !this.#closed;
  }

  // Commands.

  /** Takes a message for sending. False when `messageQueueBytesMax` would be exceeded: then nothing has happened, and the caller tries again after acknowledgements. */
  sendMessage(priority: PriorityClass, bytes: Uint8Array, now: MonotonicMs, isData = false): boolean {
    invariant(bytes.length <= limits.messageBytesMax, 'a message is no longer than messageBytesMax');
    if (this.#closed || this.#queue.messageBytesWaiting + bytes.length > limits.messageQueueBytesMax) return false;
    this.#queue.pushMessage(priority, bytes, isData);
    this.#emergency ||= priority === 'emergency';
    this.#owe(now);
    return true;
  }

  /** Takes a stretch of a transfer for sending. False when far more is queued than `roomBytes` ever allows. */
  sendData(priority: PriorityClass, item: DataItem, now: MonotonicMs): boolean {
    if (this.#closed || this.#queue.bytesWaiting('bulk') + item.bytes.length > limits.dataQueueBytesMax) return false;
    this.#queue.pushData(priority, item);
    this.#emergency ||= priority === 'emergency';
    this.#owe(now);
    return true;
  }

  /** Makes sure that at least one packet leaves soon, so that the peer learns something: that this end holds the keys, or where it is. */
  ping(): void {
    this.#pingWanted = true;
  }

  /** Something says that a silent peer may be in reach again: it is asked with a packet of what waits for it, which arrives as soon as the bare question would. */
  reach(): void {
    this.#pingWanted = true;
    if (this.#sent.count === 0 || this.#path?.kind === 'stream') return;
    this.#probeWanted = true;
    this.#hopeful = true;
  }

  /** Who the peer is has become known: its account may be another one from now on. */
  refreshAccount(): void {
    if (this.#path !== undefined) this.#path.flow = this.#flowOf(this.#path.name);
  }

  /** Goes on over another path. What was under way is sent again there. */
  migrate(path: Path, kind: PathKind, remembered: PathEstimate | undefined, now: MonotonicMs): void {
    if (this.#closed) return;
    this.#left.leave(this.#path?.name === path ? undefined : this.#path?.name, now);
    this.#startPath(path, kind, true, remembered === undefined ? {} : { remembered }, now);
    this.#pingWanted = true;
  }

  /** The stream that packets took is gone. */
  pathClosed(path: Path, now: MonotonicMs): void {
    if (this.#path?.name !== path) return;
    this.#requeue(this.#sent.giveUpAll());
    this.#path = undefined;
    this.#owe(now);
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
    const newestBefore = this.#protection.newestReceived;
    const packetNumber = completePacketNumber(packet.shortNumber, packet.numberBytes, newestBefore);
    const plaintext = this.#protection.open(packetNumber, packet.header, packet.sealed);
    if (plaintext === undefined) return false;
    this.#silence.heard(now);
    this.#proof = undefined;
    this.#proofWanted = false;
    if (packetNumber > newestBefore) this.#follow(path, kind, now);
    const onLink = packetLinkBytes(kind, bytes);
    const flow = path === this.#path?.name ? this.#path.flow : this.#flowOf(path);
    if (path === this.#path?.name) this.#path.received(onLink);
    const frames = decodeFrames(plaintext);
    if (!frames.ok) {
      this.account.received(onLink, 0, 0, flow);
      this.close(closeCodes.violation, frames.fault.message, frames.fault);
      return true;
    }
    this.#takeFrames(frames.value, packetNumber, packet.isPatient, onLink, flow, now);
    if (this.#suspended && !this.#closed && this.#path !== undefined) {
      this.#suspended = false;
      this.#events.push({ type: 'resumed' });
      this.#probeWanted = this.#sent.count > 0;
      this.#hopeful = this.#probeWanted;
      this.#doubtful = this.#probeWanted && this.#path.kind === 'datagram';
    }
    return true;
  }

  /** Time has passed. */
  wake(now: MonotonicMs): void {
    const path = this.#path;
    if (this.#closed) return;
    if (path !== undefined && this.#sent.lossDeadline !== undefined && this.#sent.lossDeadline <= now) this.#giveUpLost(path, false, now);
    const probeAt = this.#probeDeadline;
    if (path !== undefined && probeAt !== undefined && probeAt <= now) {
      this.#silence.probed(now);
      this.#probeWanted = true;
      this.#proofWanted = this.#proof !== undefined;
      if (this.#silence.isLong) path.shorten();
    }
    const suspendAt = this.#suspendDeadline;
    if (suspendAt !== undefined && suspendAt <= now) {
      this.#suspended = true;
      this.#events.push({ type: 'suspended' });
    }
  }

  // Output.

  /** The oldest event not taken yet. */
  nextEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** The next packet that may leave now, as it goes onto the path that it takes, or `undefined`. */
  nextPacket(now: MonotonicMs): { readonly path: Path; readonly bytes: Uint8Array } | undefined {
    const path = this.#path;
    if (path === undefined) return undefined;
    if (this.#proof !== undefined && this.#proofWanted && !this.#closed) {
      this.#proofWanted = false;
      const onLink = packetLinkBytes(path.kind, this.#proof.length);
      if (path.flow.allowanceBytes('critical') < onLink) return undefined;
      this.account.handshakeSent(onLink);
      path.flow.book('sent', 'handshake', onLink);
      return { path: path.name, bytes: path.kind === 'stream' ? framePacket(this.#proof) : this.#proof };
    }
    const bytes = this.#closed ? this.#buildFarewell(path) : this.#build(path, now);
    return bytes === undefined ? undefined : { path: path.name, bytes };
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
    if (this.#path !== undefined) {
      consider(this.#allowedFrom(this.#path, this.#received.deadline), 'acknowledge');
      consider(this.#sent.lossDeadline, 'loss');
      consider(this.#allowedFrom(this.#path, this.#probeDeadline), 'probe');
      if (this.#pingWanted || this.#probeWanted) consider(this.#allowedFrom(this.#path, -Infinity as MonotonicMs), 'budget');
      consider(this.#paceDeadline, 'pace');
    }
    consider(this.#suspendDeadline, 'silence');
    return at === undefined ? undefined : { at, reason };
  }

  // How packets are made.

  #build(path: SessionPath, now: MonotonicMs): Uint8Array | undefined {
    if (this.#probeWanted) {
      if (!this.#mayControl(path)) return undefined;
      this.#probeWanted = false;
      // A ping is shorter than what it may be an answer to, and rare: it may also go to a place that is not proven yet, which is how it comes to be proven.
      const full = (this.#silence.probesFully || this.#hopeful) && path.allowance > path.packetBytes;
      if (full) this.#repeat(path);
      this.#hopeful = false;
      return this.#seal(path, { ping: true, fill: full, sizeProbe: undefined }, now);
    }
    if (this.#wantsToSend(path) && this.#isAllowed(path)) {
      const bytes = this.#nextPacketBytes(path);
      const at = path.rate.sendAt(bytes, this.#sent.bytesInFlight);
      if (at !== undefined && at <= now)
        return this.#seal(path, { ping: this.#pingWanted, fill: true, sizeProbe: path.probePacketBytes }, now);
    } else if (this.#runHasPackets && !this.#suspended && this.#queue.mostUrgent === undefined) {
      // Nothing to send although it might be possible: what is measured across this moment does not show what the link can do. (A session that may not send goes on being measured.)
      this.#run++;
      this.#runHasPackets = false;
    }
    const ackAt = this.#received.deadline;
    if ((this.#pingWanted || (ackAt !== undefined && ackAt <= now)) && this.#mayControl(path)) {
      const ping = this.#pingWanted || this.#acksWithoutPing >= acksPerPing;
      // The question is asked, whoever wanted it.
      if (ping && this.#suspended) this.#silence.probed(now);
      return this.#seal(path, { ping, fill: false, sizeProbe: undefined }, now);
    }
    return undefined;
  }

  /** True when there is something to send, as far as this end alone is concerned. */
  #wantsToSend(path: SessionPath): boolean {
    return (
      !this.#suspended &&
      !this.#doubtful &&
      this.#sent.count < limits.packetsUnderWayMax &&
      path.allowance > path.packetBytes &&
      this.#queue.mostUrgent !== undefined
    );
  }

  #nextPacketBytes(path: SessionPath): number {
    return packetLinkBytes(path.kind, path.packetBytes);
  }

  get #paceDeadline(): MonotonicMs | undefined {
    const path = this.#path;
    const leader = this.#queue.mostUrgent;
    if (path === undefined || leader === undefined || !this.#wantsToSend(path)) return undefined;
    const at = path.rate.sendAt(this.#nextPacketBytes(path), this.#sent.bytesInFlight);
    return latest(at, path.flow.availableAt(packetLinkBytesMin, leader));
  }

  // What the link's account allows.

  /** The least urgent class that may begin a packet now. */
  #leastUrgentAllowed(path: SessionPath): PriorityClass | undefined {
    return priorityClasses.findLast((each) => path.flow.allowanceBytes(each) >= packetLinkBytesMin);
  }

  /** True when the class that would lead the next packet may send. */
  #isAllowed(path: SessionPath): boolean {
    const leader = this.#queue.mostUrgent;
    return leader !== undefined && path.flow.allowanceBytes(leader) >= packetLinkBytesMin;
  }

  /** What keeps a session going counts as critical, or as emergency while that is under way. */
  get #controlClass(): PriorityClass {
    return this.#emergency ? 'emergency' : 'critical';
  }

  #mayControl(path: SessionPath): boolean {
    return path.flow.allowanceBytes(this.#controlClass) >= packetLinkBytesMin;
  }

  /** When something is due that only keeps the session going. */
  #allowedFrom(path: SessionPath, at: MonotonicMs | undefined): MonotonicMs | undefined {
    return latest(at, path.flow.availableAt(packetLinkBytesMin, this.#controlClass));
  }

  /** One packet: what must be acknowledged, a ping if wanted, and with `fill` what waits in the queue. */
  #seal(
    path: SessionPath,
    what: { readonly ping: boolean; readonly fill: boolean; readonly sizeProbe: number | undefined },
    now: MonotonicMs,
  ): Uint8Array {
    const packetNumber = this.#nextPacketNumber++;
    const numberBytes = packetNumberBytes(packetNumber, this.#sent.newestAcknowledged);
    const least = what.fill ? this.#leastUrgentAllowed(path) : undefined;
    const allowedBytes = packetBytesWithin(path.kind, path.flow.allowanceBytes(least ?? this.#controlClass));
    const packetBytes = Math.min(what.sizeProbe ?? path.packetBytes, allowedBytes);
    const headerBytes = 1 + connectionIdBytes + numberBytes;
    const writer = new WireWriter(this.#scratchOf(packetBytes - headerBytes - tagBytes));
    const ack = this.#received.waiting ? this.#received.take(now) : undefined;
    if (ack !== undefined) writeAck(writer, ack, ackBytesMax);
    if (what.ping) writePing(writer);
    const filling: Filling = least !== undefined ? this.#queue.fill(writer, least) : emptyFilling;
    const elicits = what.ping || filling.pieces.length > 0;
    const length = headerBytes + writer.length + tagBytes;
    this.#isPatient = filling.pieces.length > 0 && !what.ping && this.#queue.mostUrgent === undefined;
    const bytes = this.#wrap(path.kind, packetNumber, numberBytes, writer.written, this.#isPatient);
    const onLink = packetLinkBytes(path.kind, length);
    const isSizeProbe = length > path.packetBytes;
    if (isSizeProbe) path.sizeProbeSent();
    path.sent(onLink);
    this.account.sent(onLink, filling.dataBytes, filling.repeatedBytes, path.flow);
    if (elicits) {
      if (this.#sent.count === 0) this.#silence.begin(now);
      this.#sent.add({
        packetNumber,
        bytes: onLink,
        sentAt: now,
        run: this.#run,
        pieces: filling.pieces,
        acknowledges: ack?.ranges[0]?.high ?? -1,
        isSizeProbe,
      });
      path.rate.onSent(onLink, now);
      this.#runHasPackets = true;
      this.#acksWithoutPing = 0;
      this.#pingWanted = false;
    } else {
      this.#acksWithoutPing++;
      if (this.#sent.count === 0) this.#emergency = false;
    }
    this.#announceRoom();
    return bytes;
  }

  /** Space to write a packet's frames in. It is used again for every packet. */
  #scratchOf(bytes: number): Uint8Array {
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
    return this.#scratch.subarray(0, bytes);
  }

  #buildFarewell(path: SessionPath): Uint8Array | undefined {
    if (this.#farewell === undefined || path.flow.allowanceBytes('critical') < farewellLinkBytesMax) return undefined;
    const packetNumber = this.#nextPacketNumber++;
    const numberBytes = packetNumberBytes(packetNumber, this.#sent.newestAcknowledged);
    const writer = new WireWriter(new Uint8Array(512));
    writeClose(writer, this.#farewell.code, this.#farewell.reason);
    this.#farewell = undefined;
    const length = 1 + connectionIdBytes + numberBytes + writer.length + tagBytes;
    this.account.sent(packetLinkBytes(path.kind, length), 0, 0, path.flow);
    return this.#wrap(path.kind, packetNumber, numberBytes, writer.written, false);
  }

  /** Header and seal around a packet's frames, and its length before it on a stream: in one array, as large packets are copied no more than they must be. */
  #wrap(kind: PathKind, packetNumber: number, numberBytes: number, frames: Uint8Array, isPatient: boolean): Uint8Array {
    const headerBytes = 1 + connectionIdBytes + numberBytes;
    const { whole, packet } = allocatePacket(kind, headerBytes + frames.length + tagBytes);
    writeTransportHeader(packet, this.#remoteConnectionId, packetNumber, numberBytes, isPatient);
    this.#protection.seal(packetNumber, packet.subarray(0, headerBytes), frames, packet.subarray(headerBytes));
    return whole;
  }

  /**
   * Gives a probe something to carry: what was under way first. One that is to be useful at once carries what has never been sent, if there is any, because of what was under way some arrived and only its acknowledgement
   * was lost; or else as much of that as fits.
   */
  #repeat(path: SessionPath): void {
    if (this.#hopeful && this.#queue.mostUrgent !== undefined) return;
    let bytes = 0;
    for (const packet of this.#sent.underWay) {
      bytes += packet.bytes;
      if (bytes > packet.bytes && (!this.#hopeful || bytes > path.packetBytes)) return;
      for (const piece of packet.pieces) this.#queue.requeue(piece);
    }
  }

  #announceRoom(): void {
    if (!this.#writableWanted || !this.#canSend) return;
    if (this.#queueBytes - this.#queue.bytesWaiting('bulk') < this.#queueBytes / 2) return;
    this.#writableWanted = false;
    this.#events.push({ type: 'writable' });
  }

  // How packets are taken apart.

  #takeFrames(frames: readonly Frame[], packetNumber: number, isPatient: boolean, onLink: number, flow: LinkFlow, now: MonotonicMs): void {
    let elicits = false;
    let asked = false;
    let refused = false;
    let newBytes = 0;
    let repeatedBytes = 0;
    for (const frame of frames) {
      if (this.#closed) return;
      if (frame.type === 'ack') {
        this.#takeAck(frame, now);
        continue;
      }
      elicits = true;
      asked ||= frame.type === 'ping';
      if (frame.type === 'ping') continue;
      if (frame.type === 'message') this.#emergency ||= frame.priority === 'emergency';
      if (frame.type === 'close') {
        this.#end(closeFault(frame.code, frame.reason));
        return;
      }
      const admission = frame.type === 'data' ? this.#arrivals.takeData(frame) : this.#arrivals.takeMessage(frame);
      if (admission.verdict === 'malformed') {
        this.close(closeCodes.violation, admission.message, failure('SESSION_VIOLATION', 'peer', admission.message).fault);
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
    this.account.received(onLink, newBytes, repeatedBytes, flow);
    if (!elicits || refused) return;
    const path = this.#path;
    this.#received.record(packetNumber, path?.roundTrip.quickMs, packetsPerAck[path?.kind ?? 'datagram'], now, isPatient);
    if (asked && this.#queue.mostUrgent === undefined) this.#received.hurry(now);
  }

  #takeAck(frame: AckFrame, now: MonotonicMs): void {
    const newest = frame.ranges[0]?.high ?? 0;
    if (newest >= this.#nextPacketNumber) {
      const message = 'an acknowledgement for what was never sent';
      this.close(closeCodes.violation, message, failure('SESSION_VIOLATION', 'peer', message).fault);
      return;
    }
    const { arrived, late } = this.#sent.acknowledge(frame.ranges);
    for (const packet of late) for (const piece of packet.pieces) this.#queue.acknowledge(piece);
    if (arrived.length === 0) return;
    for (const packet of arrived) {
      for (const piece of packet.pieces) this.#queue.acknowledge(piece);
      if (packet.acknowledges >= 0) this.#received.forgetBelow(packet.acknowledges);
    }
    if (this.#sent.count === 0 && !this.#received.waiting && this.#queue.mostUrgent !== 'emergency') this.#emergency = false;
    const silent = this.#silence.isLong;
    this.#silence.restart(now);
    this.#probeWanted = false;
    this.#doubtful = false;
    const path = this.#path;
    if (path === undefined) return;
    const onPath = arrived.filter((packet) => packet.packetNumber >= path.firstPacketNumber);
    if (onPath.length === 0) return;
    path.prove();
    if (onPath.some((packet) => packet.isSizeProbe)) path.sizeProbeArrived();
    const last = onPath[onPath.length - 1] as SentPacket;
    const elapsedMs = now - last.sentAt;
    const rttMs = Math.max(elapsedMs - frame.delayMs, Math.min(elapsedMs, 0.05));
    const isNewest = last.packetNumber === newest;
    if (silent && isNewest && path.isAnother(rttMs)) {
      // What was measured before the silence is of a link that is gone. Twice a packet went there and back, as in a handshake.
      this.#startPath(path.name, path.kind, true, { handshake: { rttMs, bytes: 2 * last.bytes } }, now);
      return;
    }
    if (isNewest) path.roundTrip.sample(rttMs);
    this.#giveUpLost(path, silent, now);
    path.rate.onAcknowledged(
      {
        packets: onPath,
        ...(isNewest ? { newest: last } : {}),
        arrivedAtMs: isNewest ? path.unwrapArrival(frame.arrivalMs, now) : 0,
        rttMs,
        bytesInFlight: this.#sent.bytesInFlight,
      },
      now,
    );
    this.#announceRoom();
  }

  /** What an outage (`silent`) took says nothing about the rate. */
  #giveUpLost(path: SessionPath, silent: boolean, now: MonotonicMs): void {
    // A stream loses nothing while it stands.
    if (path.kind === 'stream') return;
    const lost = this.#sent.giveUpLost(path.roundTrip.recentMs ?? path.roundTrip.timeoutMs, now);
    if (lost.length === 0) return;
    this.#requeue(lost);
    const ordinary = lost.filter((packet) => !packet.isSizeProbe && packet.packetNumber >= path.firstPacketNumber);
    if (!silent && ordinary.length > 0) path.rate.onLost(ordinary, now);
  }

  #requeue(lost: readonly SentPacket[]): void {
    for (const packet of lost) for (const piece of packet.pieces) this.#queue.requeue(piece);
  }

  // Paths.

  /**
   * The peer's newest packet came over this path: answers go there.
   *
   * Of two ends that follow each other one, the same as seen from both, does not go back to where it was at once, and the other does so once.
   */
  #follow(path: Path, kind: PathKind, now: MonotonicMs): void {
    const before = this.#path;
    if (before?.name === path) return;
    if (before !== undefined) {
      const graceMs = leftPathMs + before.roundTrip.timeoutMs;
      if (this.#left.refuses(path, graceMs, now)) return;
      this.#left.follow(before.name, path, this.localConnectionId >= this.#remoteConnectionId, graceMs, now);
    }
    this.#startPath(path, kind, kind === 'stream', {}, now);
    this.#pingWanted = kind === 'datagram';
  }

  #startPath(name: Path, kind: PathKind, proven: boolean, known: Omit<NewPath, 'kind'>, now: MonotonicMs): void {
    this.#requeue(this.#sent.giveUpAll());
    this.#path = new SessionPath(
      {
        name,
        firstPacketNumber: this.#nextPacketNumber,
        proven,
        about: { kind, ...known },
        rateControl: this.#rateControl,
        flow: this.#flowOf(name),
      },
      now,
    );
    this.#received.startPath();
    this.#silence.restart(now);
    this.#doubtful = false;
    this.#run++;
    this.#runHasPackets = false;
  }

  // Silence.

  /** Something is owed to the peer from now on, if nothing was before. */
  #owe(now: MonotonicMs): void {
    if (this.#sent.count === 0 && !this.#suspended) this.#silence.restart(now);
  }

  /** When the next probe leaves: something is under way and has not been answered. A stream probes by itself. */
  get #probeDeadline(): MonotonicMs | undefined {
    const path = this.#path;
    if (path === undefined || path.kind === 'stream' || this.#sent.count === 0 || this.#probeWanted) return undefined;
    const { rateBytesPerSecond } = path.rate.estimate();
    return this.#silence.probeAt({
      roundTrip: path.roundTrip,
      rateBytesPerSecond,
      bytesInFlight: this.#sent.bytesInFlight,
      isPatient: this.#isPatient,
    });
  }

  get #suspendDeadline(): MonotonicMs | undefined {
    if (this.#suspended) return undefined;
    const path = this.#path;
    // Also when nothing is owed: it may be the peer that owes, and only this end that can dial.
    if (path === undefined) return this.#silence.owedSince;
    return this.#sent.count > 0 ? this.#silence.lostAt(path.roundTrip) : undefined;
  }

  #end(fault: Fault): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.push({ type: 'closed', fault });
  }
}

/** The later of two instants; `undefined` when there is none or it never comes. */
function latest(at: MonotonicMs | undefined, allowedAt: MonotonicMs): MonotonicMs | undefined {
  if (at === undefined || allowedAt === Infinity) return undefined;
  return allowedAt > at ? allowedAt : at;
}

const emptyFilling: Filling = { pieces: [], dataBytes: 0, repeatedBytes: 0, messageBytes: 0 };
