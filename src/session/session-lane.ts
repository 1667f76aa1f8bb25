import { limits } from '../core/limits.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { NewPath, PathEstimate } from '../ports/rate-control.ts';
import { type AckFrame, type WelcomeFrame, welcomeFrameBytesMax, writeAck, writeClose, writePing, writeWelcome } from './frames.ts';
import type { LaneShared } from './lane-shared.ts';
import { LaneWelcome, moreUrgent } from './lane-welcome.ts';
import { type PathKind, packetBytesWithin, packetLinkBytes } from './ledger.ts';
import { LeftPath } from './left-path.ts';
import type { PacketProtection } from './packet-protection.ts';
import {
  completePacketNumber,
  connectionIdBytes,
  packetNumberBytes,
  type TransportPacket,
  tagBytes,
  writeTransportHeader,
} from './packets.ts';
import { ReceivedPackets } from './received-packets.ts';
import { allClasses, type ClassRange, classesIn, type Filling } from './send-queue.ts';
import { type SentPacket, SentPackets } from './sent-packets.ts';
import { type Path, SessionPath } from './session-path.ts';
import { Silence } from './silence.ts';
import { allocatePacket } from './stream-framing.ts';
import { WireWriter } from './wire-bytes.ts';

/**
 * One lane of a session: a sequence of packets with numbers and keys of its own, which takes one path at a time.
 *
 * A session has up to `lanesMax` lanes, and uses several when its peer is in reach by several ways at once. Everything that is about *a way* is the lane's: what is under way there, what was lost, how long a round trip takes, when the next packet may
 * leave, whether anybody answers. What is to be sent is the session's. Acknowledgements go back by the lane that they are about, so each lane is measured by itself, and none needs to know of the others.
 *
 * **Silence.** While something is under way and nothing is heard, a lane probes (`silence.ts`). Where another lane goes on, what is under way on a silent one is handed to it with the first probe.
 */

/** Room an acknowledgement may take from the frames of a packet. */
const ackBytesMax = 160;
/** Bytes on the link that must be allowed before a packet is begun: headers, an acknowledgement, and room for a useful frame. */
const packetLinkBytesMin = 320;
const farewellLinkBytesMax = 640;
/** After so many acknowledgements without anything else, one asks for an answer: it tells this end the round trip, and which ranges need no repeating. */
const acksPerPing = 16;
/** How long packets from a path that was left on purpose do not draw the lane back, besides a round trip. */
const leftPathMs = 2500;
/** Large packets that may wait for an acknowledgement. */
const packetsPerAck = { datagram: 64, stream: 4 } as const;

const emptyFilling: Filling = { pieces: [], dataBytes: 0, repeatedBytes: 0, messageBytes: 0 };

/** One lane. It has a path once it was opened, and none again after that broke. */
export class SessionLane {
  readonly number: number;
  readonly #shared: LaneShared;
  readonly #protection: PacketProtection;
  readonly #sent = new SentPackets();
  readonly #received = new ReceivedPackets();
  readonly silence: Silence;
  /** The least urgent class that this end sends here while there is another lane; `undefined`: none. */
  #least: PriorityClass | undefined = 'bulk';
  readonly #welcome = new LaneWelcome();
  #now: MonotonicMs;
  #path: SessionPath | undefined;
  readonly #left = new LeftPath();
  #nextPacketNumber = 0;
  #run = 0;
  #runHasPackets = false;
  #pingWanted = false;
  /** The packet sent last had nothing behind it. */
  #isPatient = false;
  #acksWithoutPing = 0;
  #probeWanted = false;
  /** Something says that the peer may be in reach again: the next probe carries what is of use at once. */
  #hopeful = false;
  /** The peer was heard after a long silence, and has not yet answered anything: whether the link is what it was is not known. */
  #doubtful = false;

  constructor(number: number, protection: PacketProtection, shared: LaneShared, now: MonotonicMs) {
    this.number = number;
    this.#protection = protection;
    this.#shared = shared;
    this.silence = new Silence(now);
    this.#now = now;
  }

  // Getters.

  /** The way packets take now; `undefined` before the lane is opened, and after a stream broke. */
  get path(): SessionPath | undefined {
    return this.#path;
  }

  /** True while nothing is under way and nothing to be acknowledged; what was owed on a way that is gone cannot be said any more. */
  get isCalm(): boolean {
    return this.#path === undefined || (this.#sent.count === 0 && !this.#received.waiting);
  }

  /** True when new packets may be given to it: it has a path, and nobody is being waited for there. */
  get isHeard(): boolean {
    return this.#path !== undefined && !this.silence.isProbing && !this.#doubtful;
  }

  /** The least urgent class that both ends want here while there is another lane; `undefined`: none. */
  get least(): PriorityClass | undefined {
    return moreUrgent(this.#ownLeast, this.#welcome.least);
  }

  /** Since the peer wants nothing here until then, nobody need be heard. */
  get quietUntil(): MonotonicMs {
    return this.#path === undefined ? (-Infinity as MonotonicMs) : this.#welcome.allowsFrom(-Infinity as MonotonicMs, packetLinkBytesMin);
  }

  /** How long an urgent packet takes there and its acknowledgement back, milliseconds; `Infinity` when that is not known, or none may leave. */
  get urgentDelayMs(): number {
    const path = this.#path;
    if (path === undefined || path.allowance < path.packetBytes || this.#allowance(path, 'critical') < packetLinkBytesMin) return Infinity;
    const { rateBytesPerSecond } = path.rate.estimate();
    const transmissionMs = rateBytesPerSecond === undefined ? 0 : (this.#nextPacketBytes(path) / rateBytesPerSecond) * 1000;
    return (path.roundTrip.smoothedMs ?? Infinity) + transmissionMs;
  }

  /** What is known of the present path. */
  get estimate(): PathEstimate {
    return this.#path?.estimate ?? { lossRatio: 0, confidence: 0 };
  }

  /** When the peer must be considered out of reach here; `undefined` while nothing is under way. One that is silent on purpose is waited for. */
  get lostAt(): MonotonicMs | undefined {
    return this.#path !== undefined && this.#sent.count > 0 ? this.silence.lostAt(this.#path.roundTrip, this.quietUntil) : undefined;
  }

  // Commands.

  /** Makes sure that at least one packet leaves soon. */
  ping(): void {
    this.#pingWanted = true;
  }

  /** The silent peer may be in reach again: it is asked with a packet of what waits for it. */
  reach(): void {
    this.#pingWanted = true;
    if (this.#sent.count === 0 || this.#path?.kind === 'stream') return;
    this.#probeWanted = true;
    this.#hopeful = true;
  }

  /** Uses the lane for these classes while there is another, and asks the peer to do so too. */
  use(least: PriorityClass | undefined, now: MonotonicMs): void {
    this.#least = least;
    if (this.#path !== undefined) this.#reviewWelcome(this.#path, now);
  }

  /** The peer says what it wants here. */
  heed(frame: WelcomeFrame, packetNumber: number, now: MonotonicMs): void {
    this.#welcome.take(frame, packetNumber, now);
  }

  /** Something is owed to the peer from now on, if nothing was before. */
  owe(now: MonotonicMs): void {
    if (this.#sent.count === 0 && !this.#shared.suspended) this.silence.restart(now);
  }

  /** Goes on over another path, or begins there. What was under way is sent again. */
  migrate(path: Path, about: NewPath, now: MonotonicMs): void {
    this.#left.leave(this.#path?.name === path ? undefined : this.#path?.name, now);
    this.#welcome.move(this.#path?.name, path);
    this.startPath(path, true, about, now);
    this.#pingWanted = true;
  }

  /** Who the peer is has become known: its account may be another one from now on. */
  refreshAccount(now: MonotonicMs): void {
    if (this.#path === undefined) return;
    this.#path.flow = this.#shared.flowOf(this.#path.name);
    this.#reviewWelcome(this.#path, now);
  }

  /** So many bytes came by the present path. */
  received(onLink: number, now: MonotonicMs): void {
    if (this.#path === undefined) return;
    this.#path.received(onLink);
    this.#welcome.received(onLink, now);
    this.#reviewWelcome(this.#path, now);
  }

  /** By what the lane is used for, and by the account of its link. */
  get #ownLeast(): PriorityClass | undefined {
    return moreUrgent(this.#least, this.#path?.flow.least ?? 'bulk');
  }

  #reviewWelcome(path: SessionPath, now: MonotonicMs): void {
    this.#welcome.review({ least: this.#ownLeast, incoming: path.flow.incoming?.(), roundTripMs: path.roundTrip.smoothedMs ?? 0 }, now);
  }

  /** The path is gone: what was under way is sent again elsewhere. */
  leavePath(now: MonotonicMs): void {
    this.#requeue(this.#sent.giveUpAll());
    this.#welcome.move(this.#path?.name, undefined);
    this.#least = 'bulk';
    this.#path = undefined;
    this.#probeWanted = false;
    this.#pingWanted = false;
    this.owe(now);
  }

  /** Hands everything under way to the other lanes, and goes on waiting for its acknowledgements. */
  handOver(): void {
    for (const packet of this.#sent.underWay) {
      this.#requeue([packet]);
      packet.isHandedOver = true;
    }
  }

  /** A path begins: nothing is known of it but what is said here. */
  startPath(name: Path, proven: boolean, about: NewPath, now: MonotonicMs): void {
    this.#requeue(this.#sent.giveUpAll());
    const isAnother = this.#path?.name !== name;
    this.#path = new SessionPath(
      {
        name,
        firstPacketNumber: this.#nextPacketNumber,
        proven,
        about,
        rateControl: this.#shared.rateControl,
        flow: this.#shared.flowOf(name),
      },
      now,
    );
    if (isAnother) {
      this.#welcome.startPath();
      this.#reviewWelcome(this.#path, now);
    }
    this.#received.startPath();
    this.silence.restart(now);
    this.#doubtful = false;
    this.#run++;
    this.#runHasPackets = false;
  }

  // Input.

  /** Opens a packet that came over this path. `undefined` when it is not authentic or was seen before: then nothing has happened. */
  open(
    packet: TransportPacket,
    path: Path,
    kind: PathKind,
    now: MonotonicMs,
  ): { readonly packetNumber: number; readonly plaintext: Uint8Array } | undefined {
    const newestBefore = this.#protection.newestReceived;
    const packetNumber = completePacketNumber(packet.shortNumber, packet.numberBytes, newestBefore);
    const plaintext = this.#protection.open(packetNumber, packet.header, packet.sealed);
    if (plaintext === undefined) return undefined;
    this.silence.heard(now);
    if (packetNumber > newestBefore) this.#follow(path, kind, now);
    return { packetNumber, plaintext };
  }

  /** A packet was taken that asks for an acknowledgement; `isUrged` when it is wanted at once. */
  record(packetNumber: number, isPatient: boolean, isUrged: boolean, now: MonotonicMs): void {
    const path = this.#path;
    this.#received.record(packetNumber, path?.roundTrip.quickMs, packetsPerAck[path?.kind ?? 'datagram'], now, isPatient);
    if (isUrged) this.#received.hurry(now);
  }

  /** The peer was heard after the session had been suspended. */
  resume(): void {
    if (this.#path === undefined) return;
    this.#probeWanted = this.#sent.count > 0;
    this.#hopeful = this.#probeWanted;
    this.#doubtful = this.#probeWanted && this.#path.kind === 'datagram';
  }

  /** Takes an acknowledgement. False when it is for what was never sent. */
  takeAck(frame: AckFrame, now: MonotonicMs): boolean {
    const { queue } = this.#shared;
    const newest = frame.ranges[0]?.high ?? 0;
    if (newest >= this.#nextPacketNumber) return false;
    const { arrived, late } = this.#sent.acknowledge(frame.ranges);
    for (const packet of late) for (const piece of packet.pieces) queue.acknowledge(piece);
    if (arrived.length === 0) return true;
    for (const packet of arrived) {
      this.#welcome.arrived(packet.packetNumber);
      for (const piece of packet.pieces) queue.acknowledge(piece);
      if (packet.acknowledges >= 0) this.#received.forgetBelow(packet.acknowledges);
    }
    const silent = this.silence.isLong;
    this.silence.restart(now);
    this.#probeWanted = false;
    this.#doubtful = false;
    const path = this.#path;
    if (path === undefined) return true;
    const onPath = arrived.filter((packet) => packet.packetNumber >= path.firstPacketNumber);
    if (onPath.length === 0) return true;
    path.prove();
    path.arrived(onPath);
    const last = onPath[onPath.length - 1] as SentPacket;
    const elapsedMs = now - last.sentAt;
    const rttMs = Math.max(elapsedMs - frame.delayMs, Math.min(elapsedMs, 0.05));
    const isNewest = last.packetNumber === newest;
    if (silent && isNewest && path.isAnother(rttMs)) {
      // What was measured before the silence is of a link that is gone. Twice a packet went there and back, as in a handshake.
      this.startPath(path.name, true, { kind: path.kind, handshake: { rttMs, bytes: 2 * last.bytes } }, now);
      return true;
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
    return true;
  }

  /** Time has passed. True when a probe became due. */
  wake(now: MonotonicMs): boolean {
    const path = this.#path;
    if (path === undefined) return false;
    this.#now = now;
    if (this.#sent.lossDeadline !== undefined && this.#sent.lossDeadline <= now) this.#giveUpLost(path, false, now);
    const probeAt = this.#probeDeadline;
    if (probeAt === undefined || probeAt > now) return false;
    this.silence.probed(now);
    this.#probeWanted = true;
    if (this.silence.isLong) path.shorten();
    return true;
  }

  // Output.

  /** When this lane needs attention, and why, each to `consider`. `classes` are those that it may carry; none: no new packet. */
  deadlines(classes: ClassRange | undefined, consider: (at: MonotonicMs | undefined, why: string) => void): void {
    const path = this.#path;
    if (path === undefined) return;
    consider(latest(this.#received.deadline, path.flow.availableAt(packetLinkBytesMin, this.#controlClass)), 'acknowledge');
    consider(this.#sent.lossDeadline, 'loss');
    consider(this.#allowedFrom(path, this.#probeDeadline), 'probe');
    if (this.#pingWanted || this.#probeWanted || this.#welcome.unsaid !== undefined)
      consider(this.#allowedFrom(path, -Infinity as MonotonicMs), 'budget');
    consider(this.#paceDeadline(path, classes), 'pace');
  }

  /** The next packet that may leave here now, with what of these classes waits. */
  nextPacket(classes: ClassRange | undefined, now: MonotonicMs): Uint8Array | undefined {
    const path = this.#path;
    if (path === undefined) return undefined;
    this.#now = now;
    if (this.#probeWanted) {
      if (!this.#mayControl(path)) return undefined;
      this.#probeWanted = false;
      // A ping is shorter than what it may be an answer to, and rare: it may also go to a place that is not proven yet, which is how it comes to be proven.
      const full = classes !== undefined && (this.silence.probesFully || this.#hopeful) && path.allowance > path.packetBytes;
      if (full) this.#repeat(path);
      this.#hopeful = false;
      return this.#seal(path, { ping: true, fill: full ? classes : undefined, sizeProbe: undefined }, now);
    }
    if (this.#wantsToSend(path, classes) && this.#isAllowed(path, classes)) {
      const at = path.rate.sendAt(this.#nextPacketBytes(path), this.#sent.bytesInFlight);
      if (at !== undefined && at <= now)
        return this.#seal(path, { ping: this.#pingWanted, fill: classes, sizeProbe: path.probePacketBytes(now) }, now);
    } else if (this.#runHasPackets && !this.#shared.suspended && this.#leader(classes) === undefined) {
      // Nothing to send although it might be possible: what is measured across this moment does not show what the link can do. (A lane that may not send goes on being measured.)
      this.#run++;
      this.#runHasPackets = false;
    }
    const ackAt = this.#received.deadline;
    // What answers the peer is welcome whatever it wants otherwise.
    const mayAck = path.flow.allowanceBytes(this.#controlClass) >= packetLinkBytesMin;
    const isUnsaid = this.#welcome.unsaid !== undefined;
    if ((ackAt !== undefined && ackAt <= now && mayAck) || ((this.#pingWanted || isUnsaid) && this.#mayControl(path))) {
      const ping = (this.#pingWanted && this.#mayControl(path)) || this.#acksWithoutPing >= acksPerPing;
      // The question is asked, whoever wanted it.
      if (ping && this.#shared.suspended) this.silence.probed(now);
      return this.#seal(path, { ping, fill: undefined, sizeProbe: undefined }, now);
    }
    return undefined;
  }

  /** The class of what could be sent here if the link's account allowed it. */
  get heldBack(): PriorityClass | undefined {
    return this.#path === undefined || this.#isAllowed(this.#path, allClasses) ? undefined : this.#shared.queue.mostUrgent;
  }

  /** A last packet, if the link's account allows it. */
  farewell(code: number, reason: string): Uint8Array | undefined {
    const path = this.#path;
    if (path === undefined || this.#allowance(path, 'critical') < farewellLinkBytesMax) return undefined;
    const packetNumber = this.#nextPacketNumber++;
    const numberBytes = packetNumberBytes(packetNumber, this.#sent.newestAcknowledged);
    const writer = new WireWriter(new Uint8Array(512));
    writeClose(writer, code, reason);
    const length = 1 + connectionIdBytes + numberBytes + writer.length + tagBytes;
    this.#shared.account.sent(packetLinkBytes(path.linkKind, length), 0, 0, path.flow);
    return this.#wrap(path.kind, packetNumber, numberBytes, writer.written, false);
  }

  /** The most urgent class of these that could send now. */
  #leader(classes: ClassRange | undefined): PriorityClass | undefined {
    return classes === undefined ? undefined : this.#shared.queue.mostUrgentOf(classes);
  }

  /** True when there is something to send, as far as this end alone is concerned. */
  #wantsToSend(path: SessionPath, classes: ClassRange | undefined): boolean {
    return (
      !this.#shared.suspended &&
      !this.#doubtful &&
      this.#sent.count < limits.packetsUnderWayMax &&
      path.allowance > path.packetBytes &&
      this.#leader(classes) !== undefined
    );
  }

  #nextPacketBytes(path: SessionPath): number {
    return packetLinkBytes(path.linkKind, path.packetBytes);
  }

  #paceDeadline(path: SessionPath, classes: ClassRange | undefined): MonotonicMs | undefined {
    const leader = this.#leader(classes);
    if (leader === undefined || !this.#wantsToSend(path, classes)) return undefined;
    const at = path.rate.sendAt(this.#nextPacketBytes(path), this.#sent.bytesInFlight);
    return latest(at, this.#welcome.allowsFrom(path.flow.availableAt(packetLinkBytesMin, leader), packetLinkBytesMin));
  }

  // What the link's account allows.

  /** Bytes that a class may send here now: by the account of the link, and by what the peer wants. */
  #allowance(path: SessionPath, priority: PriorityClass): number {
    return Math.min(path.flow.allowanceBytes(priority), this.#welcome.bytesLeft(this.#now));
  }

  /** True when the class that would lead the next packet may send. */
  #isAllowed(path: SessionPath, classes: ClassRange | undefined): boolean {
    const leader = this.#leader(classes);
    return leader !== undefined && this.#allowance(path, leader) >= packetLinkBytesMin;
  }

  /** What keeps a session going counts as critical, or as emergency while that is under way. */
  get #controlClass(): PriorityClass {
    return this.#shared.emergency ? 'emergency' : 'critical';
  }

  #mayControl(path: SessionPath): boolean {
    return this.#allowance(path, this.#controlClass) >= packetLinkBytesMin;
  }

  /** When something is due that only keeps the session going. */
  #allowedFrom(path: SessionPath, at: MonotonicMs | undefined): MonotonicMs | undefined {
    return latest(at, this.#welcome.allowsFrom(path.flow.availableAt(packetLinkBytesMin, this.#controlClass), packetLinkBytesMin));
  }

  // How packets are made.

  /** One packet: what must be acknowledged, a ping if wanted, and what waits of the classes to `fill` it with. */
  #seal(
    path: SessionPath,
    what: { readonly ping: boolean; readonly fill: ClassRange | undefined; readonly sizeProbe: number | undefined },
    now: MonotonicMs,
  ): Uint8Array {
    const { queue, account } = this.#shared;
    const packetNumber = this.#nextPacketNumber++;
    const numberBytes = packetNumberBytes(packetNumber, this.#sent.newestAcknowledged);
    const least = what.fill && classesIn(what.fill).findLast((each) => this.#allowance(path, each) >= packetLinkBytesMin);
    const allowedBytes = packetBytesWithin(
      path.linkKind,
      least === undefined ? path.flow.allowanceBytes(this.#controlClass) : this.#allowance(path, least),
    );
    const packetBytes = Math.min(what.sizeProbe ?? path.packetBytes, allowedBytes);
    const headerBytes = 1 + connectionIdBytes + numberBytes;
    const writer = new WireWriter(this.#scratchOf(packetBytes - headerBytes - tagBytes));
    const ack = this.#received.waiting ? this.#received.take(now) : undefined;
    if (ack !== undefined) writeAck(writer, ack, ackBytesMax);
    const welcome = this.#welcome.unsaid;
    if (welcome !== undefined && writer.room >= welcomeFrameBytesMax) {
      writeWelcome(writer, welcome);
      this.#welcome.saidIn(packetNumber);
    }
    if (what.ping) writePing(writer);
    const filling = least === undefined ? emptyFilling : queue.fill(writer, least, what.fill?.most);
    const elicits = what.ping || welcome !== undefined || filling.pieces.length > 0;
    const length = headerBytes + writer.length + tagBytes;
    this.#isPatient = filling.pieces.length > 0 && !what.ping && queue.mostUrgent === undefined;
    const bytes = this.#wrap(path.kind, packetNumber, numberBytes, writer.written, this.#isPatient);
    const onLink = packetLinkBytes(path.linkKind, length);
    const isSizeProbe = length > path.packetBytes;
    if (isSizeProbe) path.sizeProbeSent(now);
    path.sent(onLink);
    this.#welcome.sent(onLink);
    account.sent(onLink, filling.dataBytes, filling.repeatedBytes, path.flow);
    if (elicits) {
      if (this.#sent.count === 0) this.silence.begin(now);
      this.#sent.add({
        packetNumber,
        bytes: onLink,
        sentAt: now,
        run: this.#run,
        pieces: filling.pieces,
        acknowledges: ack?.ranges[0]?.high ?? -1,
        isSizeProbe,
        isHandedOver: false,
      });
      path.rate.onSent(onLink, now);
      this.#runHasPackets = true;
      this.#acksWithoutPing = 0;
      this.#pingWanted = false;
    } else this.#acksWithoutPing++;
    return bytes;
  }

  #scratchOf(bytes: number): Uint8Array {
    if (this.#shared.scratch.length < bytes) this.#shared.scratch = new Uint8Array(bytes);
    return this.#shared.scratch.subarray(0, bytes);
  }

  /** Header and seal around a packet's frames, and its length before it on a stream: in one array, as large packets are copied no more than they must be. */
  #wrap(kind: PathKind, packetNumber: number, numberBytes: number, frames: Uint8Array, isPatient: boolean): Uint8Array {
    const headerBytes = 1 + connectionIdBytes + numberBytes;
    const { whole, packet } = allocatePacket(kind, headerBytes + frames.length + tagBytes);
    writeTransportHeader(packet, {
      connectionId: this.#shared.remoteConnectionId,
      lane: this.number,
      packetNumber,
      numberBytes,
      isPatient,
    });
    this.#protection.seal(packetNumber, packet.subarray(0, headerBytes), frames, packet.subarray(headerBytes));
    return whole;
  }

  /**
   * Gives a probe something to carry: what was under way first. One that is to be useful at once carries what has never been sent, if there is any, because of what was under way some arrived and only its acknowledgement
   * was lost; or else as much of that as fits.
   */
  #repeat(path: SessionPath): void {
    if (this.#hopeful && this.#shared.queue.mostUrgent !== undefined) return;
    let bytes = 0;
    for (const packet of this.#sent.underWay) {
      bytes += packet.bytes;
      if (bytes > packet.bytes && (!this.#hopeful || bytes > path.packetBytes)) return;
      this.#requeue([packet]);
    }
  }

  // What is lost.

  /** `silent`: an outage took it. */
  #giveUpLost(path: SessionPath, silent: boolean, now: MonotonicMs): void {
    // A stream loses nothing while it stands.
    if (path.kind === 'stream') return;
    const lost = this.#sent.giveUpLost(path.roundTrip.recentMs ?? path.roundTrip.timeoutMs, now);
    if (lost.length === 0) return;
    this.#requeue(lost);
    const ordinary = lost.filter((packet) => !packet.isSizeProbe && packet.packetNumber >= path.firstPacketNumber);
    path.lost(ordinary, silent, now);
  }

  #requeue(lost: readonly SentPacket[]): void {
    for (const packet of lost) this.#welcome.lost(packet.packetNumber);
    for (const packet of lost) if (!packet.isHandedOver) for (const piece of packet.pieces) this.#shared.queue.requeue(piece);
  }

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
      this.#left.follow(before.name, path, !this.#shared.isSteady, graceMs, now);
    }
    this.startPath(path, kind === 'stream', { kind }, now);
    this.#pingWanted = kind === 'datagram';
  }

  /** When the next probe leaves: something is under way and has not been answered. A stream probes by itself. */
  get #probeDeadline(): MonotonicMs | undefined {
    const path = this.#path;
    if (path === undefined || path.kind === 'stream' || this.#sent.count === 0 || this.#probeWanted) return undefined;
    const { rateBytesPerSecond } = path.rate.estimate();
    return this.silence.probeAt({
      roundTrip: path.roundTrip,
      rateBytesPerSecond,
      bytesInFlight: this.#sent.bytesInFlight,
      isPatient: this.#isPatient,
    });
  }
}

/** The later of two instants; `undefined` when there is none or it never comes. */
function latest(at: MonotonicMs | undefined, allowedAt: MonotonicMs): MonotonicMs | undefined {
  if (at === undefined || allowedAt === Infinity) return undefined;
  return allowedAt > at ? allowedAt : at;
}
