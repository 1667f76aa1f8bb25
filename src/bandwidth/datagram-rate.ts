import { later, type MonotonicMs } from '../core/time.ts';
import type { Acknowledgement, NewPath, PacketFate, PathEstimate, RateControl } from '../ports/rate-control.ts';
import { type ArrivalWindow, ArrivalWindows } from './arrival-windows.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import { FurtherTrain } from './further-train.ts';
import { LossWatch } from './loss-watch.ts';
import { QueueDelay } from './queue-delay.ts';

/**
 * Rate control for datagrams: send at the rate the bottleneck delivers, keep a packet or two in its queue, and nothing more.
 *
 * **Finding the rate.** A path begins with a *train*: a few packets back to back, whose spacing on arrival is the bottleneck's transmission time. On a slow link this is exact at once. Where the
 * spacing is too short to be measured well it is taken as a hint, used with a margin, and the gain below finds the rest within a few round trips. The train is no longer than what the
 * slowest link that fits the handshake's round trip carries in a few seconds: at 800 bit/s a longer one would block the link for minutes.
 *
 * **Holding it.** The rate is the median of the last eight measurements (`arrival-windows.ts`) that were made while packets queued: only a bottleneck that is never idle shows what it can do. Packets leave at this rate times a
 * gain that steers the standing queue (`queue-delay.ts`) to a target of about one packet: a little more while it is below, less in proportion above, so the link neither runs dry nor makes
 * urgent packets wait. While the queue stays empty although more and more is sent, the gain rises quickly: there is more to be had. Two measurements in a row far from the median, with
 * the queue agreeing, replace it: links of this kind change by factors.
 *
 * **Loss** is not congestion. It enters in two places only (`loss-watch.ts`). What is lost even when less is sent than the link carries is made up for, or a lossy link would never be full. And where
 * sending more brings more loss and no more arrivals, the buffer is too small to show a queue, and the gain stays at one for a while.
 *
 * **Others.** The target is on the sum of all queues, so whoever shares the bottleneck and fills it pushes this control down. `polite` gives way at once, `fair` tolerates a queue like that of a
 * loss-based TCP.
 */

/** How to behave beside other traffic. */
export type Manner = 'polite' | 'fair';

/** Queueing delay to tolerate beyond one packet, milliseconds. */
const queueTargetMs = { polite: 12, fair: 120 } as const;
/** The first train: what the slowest possible link carries in `trainMs`, within bounds. */
const trainMs = 4000;
const trainBytesMin = 1280;
const trainBytesMax = 16_000;
const trainPackets = 5;
const trainPacketBytesMin = 284;
/** So many lost packets of a first train are no chance. */
const trainPacketsLostMax = 2;
/** A train whose arrivals span less than this gives a hint only: this share of it is used, and no more than this is believed, bytes a millisecond. */
const trainSpanMsMin = 5;
/** One whose arrivals span less than this may have been pulled apart by jitter, or by an end that was busy: the link may do much more, and that is looked for at once, by a longer one (`further-train.ts`). */
const trainSpanMsSure = 50;
/** A train that left over more than this share of its arrivals' span was interrupted. */
const trainSpreadMax = 0.5;
const hintShare = 0.85;
const hintRateMax = 1500;
/** Trains after the first at most, and how many times the rate may grow by one of them. */
const furtherTrainsMax = 6;
const trainTimesMax = 16;
/** Share of a remembered rate to begin with. */
const rememberedShare = 0.8;

const windowsKept = 8;
const windowMsMin = 20;
const windowShareOfRtt = 1 / 4;
const windowPackets = 3;
/** A measurement is far from the rate in use beyond these shares. */
const farAbove = 1.02;
const farBelow = 0.85;
const gainStepMin = 0.04;
const gainStepMax = 0.5;
const gainMin = 0.4;
/** How often the queue is emptied, so that its base is seen: after so long, and so much of the time for which the base is remembered. And how often at most the base of the loss is looked for. */
const restrainEveryMs = 10_000;
const emptiedPerMemory = 2 / 3;
const restrainForLossMs = 2000;
const restrainedGain = 0.75;
/** Packets whose fate tells the base of the loss, and the time for them. */
const restrainedPackets = 64;
const restrainedMsMax = 300;
/** How long no more than the measured rate is sent after an overflow, besides two round trips. */
const restMs = 3000;
/** Loss that is made up for at most. */
const lossMadeUpMax = 0.7;
const baseMemoryMs = 15_000;
const basePackets = 32;
/** Windows over which the queue is looked at for each target's worth of jitter, and the most of them. */
const jitterWindows = 4;
const jitterWindowsMax = 8;
/** A window spans this many times the jitter. */
const jittersPerWindow = 8;
/** How far apart two spans may be and count as equal, and the share of the rate below which a sender counts as throttled then. */
const spacingTolerance = 0.05;
const throttledBelow = 0.95;
/** A window whose arrivals took this much longer than its sending fed the queue. */
const fedTolerance = 0.25;
/** One whose arrivals took so many times longer went through a link much slower than thought. */
const spreadTimes = 2;
/** A queue that should have been emptied so many times is none. */
const emptiedTimes = 1.5;
const emptiedMsMin = 20;
/** A packet's time below the base tells of a faster link when it is this share of its transmission time, this long, and this many times the jitter; more than all of its transmission time it cannot be. */
const fasterShareMin = 0.5;
const fasterShareMax = 1.05;
const fasterMsMin = 5;
const fasterJitters = 3;
/** The rate rises to no more than this many times itself at once. */
const fasterTimesMax = 8;
/** The longest that a peer lets acknowledgements wait, and how fast a long interval between them is forgotten, a share for each. */
const acknowledgedEveryMsMax = 300;
const intervalFading = 0.9;
/** The rate falls to no less than this share of itself at once. */
const collapseShareMin = 1 / 8;
/** What may be sent at once after a timer fired late. */
const burstMs = 5;
/** A packet should not take longer than this to transmit, unless it would become so short that its headers weigh more. */
const packetMs = 250;
const packetBytesSmall = 668;
const packetMsMax = 8000;
const packetBytesMin = 296;
/** What a packet has at most on nearly every path. */
const packetBytesUsual = 1480;

/** The rate control of one datagram path. */
export class DatagramRateControl implements RateControl {
  readonly #queueTargetMs: number;
  readonly #windows = new ArrivalWindows();
  readonly #queueDelay = new QueueDelay();
  readonly #loss = new LossWatch();
  /** Bottleneck rate in bytes a millisecond; `undefined` until the first train has arrived. */
  #rate: number | undefined;
  /** Latest measurements made while packets queued, newest last, same unit. */
  #measured: number[] = [];
  #far = 0;
  #farRate = 0;
  #gain = 1;
  #gainStep = gainStepMin;
  readonly #trainBytes: number;
  #furtherTrain: FurtherTrain | undefined;
  #furtherTrains = 0;
  #trainPacketsLost = 0;
  #measurements = 0;
  /** The least round trip since the path was last found to have changed, and that of the latest measurement. */
  #minRttMs: number | undefined;
  #latelyMinRttMs = Infinity;
  /** How long the link has had nothing to carry since packets began to look queued, milliseconds. */
  #unusedMs = 0;
  readonly #delivery: DeliveryWatch;
  #acknowledged: { readonly newest: PacketFate; readonly arrivedAtMs: number } | undefined;
  #acknowledgedEveryMs = 0;
  #rttMs: number | undefined;
  /** Queueing delays of the last few windows, newest last. */
  #queued: number[] = [];
  #nextSendAt = -Infinity as MonotonicMs;
  /** When the queue was last seen empty. */
  #emptyAt: MonotonicMs;
  #restrainedAt: MonotonicMs;
  #restrainedUntil: MonotonicMs | undefined;
  /** Until then sending more than the measured rate has been found useless. */
  #restUntil: MonotonicMs;
  #stepAt: MonotonicMs;

  constructor(path: NewPath, manner: Manner, now: MonotonicMs) {
    this.#queueTargetMs = queueTargetMs[manner];
    this.#delivery = new DeliveryWatch(now);
    this.#emptyAt = now;
    this.#restrainedAt = -Infinity as MonotonicMs;
    this.#restUntil = now;
    this.#stepAt = now;
    const slowest = path.handshake === undefined ? 0 : path.handshake.bytes / Math.max(1, path.handshake.rttMs);
    this.#trainBytes = Math.min(trainBytesMax, Math.max(trainBytesMin, slowest * trainMs));
    const { remembered } = path;
    if (remembered?.rateBytesPerSecond === undefined) return;
    this.#rate = (remembered.rateBytesPerSecond / 1000) * rememberedShare;
    this.#minRttMs = remembered.minRttMs;
  }

  onSent(bytes: number, now: MonotonicMs): void {
    if (this.#rate === undefined) return;
    this.#furtherTrain?.sent(bytes);
    const from = Math.max(this.#nextSendAt, now - burstMs);
    this.#nextSendAt = later(from as MonotonicMs, bytes / (this.#rate * this.#gain));
  }

  onAcknowledged(acknowledgement: Acknowledgement, now: MonotonicMs): void {
    this.#loss.take(acknowledgement.packets, false);
    this.#watchDelivery(acknowledgement.packets, false, now);
    const { newest } = acknowledgement;
    if (newest !== undefined) {
      this.#rttMs = acknowledgement.rttMs;
      this.#minRttMs = Math.min(this.#minRttMs ?? Infinity, acknowledgement.rttMs);
      this.#latelyMinRttMs = Math.min(this.#latelyMinRttMs, acknowledgement.rttMs);
      const oneWayMs = acknowledgement.arrivedAtMs - newest.sentAt;
      this.#noticeInterval(newest, acknowledgement.arrivedAtMs);
      const belowBaseMs = this.#queueDelay.take(oneWayMs, newest.bytes, this.#rate ?? Infinity, this.#baseMemoryMs, now);
      this.#noticeFaster(newest.bytes, belowBaseMs, now);
    }
    const rtt = this.#minRttMs ?? 0;
    // A packet's transmission is part of its round trip, which bounds the rate from below, whatever was measured.
    if (newest !== undefined && this.#rate !== undefined) this.#rate = Math.max(this.#rate, newest.bytes / acknowledgement.rttMs);
    if (this.#rate === undefined) {
      const enough = this.#trainBytes * (1 - 1.5 / trainPackets);
      const window = this.#windows.take(acknowledgement, 0, enough);
      if (window !== undefined) this.#takeTrain(window, acknowledgement.bytesInFlight, now);
      return;
    }
    const train = this.#furtherTrain?.take(acknowledgement);
    if (train !== undefined) this.#takeFurtherTrain(train, now);
    const spanMs = Math.max(windowMsMin, rtt * windowShareOfRtt, jittersPerWindow * this.#jitterMs);
    const window = this.#windows.take(acknowledgement, spanMs, windowPackets * this.packetBytes(packetBytesUsual));
    if (window !== undefined) this.#takeWindow(window, now);
  }

  onLost(packets: readonly PacketFate[], now: MonotonicMs): void {
    if (this.#furtherTrain?.overflows(packets) === true) {
      this.#furtherTrain = undefined;
      this.#furtherTrains = furtherTrainsMax;
      // What a train loses in a short buffer tells nothing of packets that leave one by one.
      this.#loss.startAnew(now);
    }
    if (this.#rate === undefined) this.#trainPacketsLost += packets.length;
    this.#loss.take(packets, true);
    this.#watchDelivery(packets, true, now);
  }

  sendAt(bytes: number, bytesInFlight: number): MonotonicMs | undefined {
    if (this.#rate === undefined)
      return bytesInFlight + bytes <= this.#trainBytes + trainPacketBytesMin ? (-Infinity as MonotonicMs) : undefined;
    if (this.#furtherTrain?.isLeaving === true) return -Infinity as MonotonicMs;
    if (bytesInFlight + bytes > this.#bytesInFlightMax) return undefined;
    return this.#nextSendAt;
  }

  packetBytes(bytesMax: number): number {
    if (this.#rate === undefined) return Math.min(bytesMax, Math.max(trainPacketBytesMin, Math.ceil(this.#trainBytes / trainPackets)));
    const least = Math.min(packetBytesSmall, Math.max(packetBytesMin, this.#rate * packetMsMax));
    return Math.floor(Math.min(bytesMax, 65_535, Math.max(least, this.#rate * packetMs)));
  }

  estimate(): PathEstimate {
    // Asked for at every wake-up: no objects that are only spread.
    const estimate: { -readonly [Each in keyof PathEstimate]: PathEstimate[Each] } = {
      lossRatio: this.#loss.share,
      confidence: Math.min(1, this.#measurements / windowsKept),
    };
    if (this.#rate !== undefined) estimate.rateBytesPerSecond = this.#rate * 1000;
    if (this.#minRttMs !== undefined) estimate.minRttMs = this.#minRttMs;
    if (this.#rttMs !== undefined) {
      estimate.smoothedRttMs = this.#rttMs;
      estimate.jitterMs = this.#queueDelay.jitterMs;
    }
    return estimate;
  }

  /** The share of packets whose loss is made up for. */
  get #madeUp(): number {
    return Math.min(lossMadeUpMax, this.#loss.baseShare);
  }

  /** Jitter, milliseconds. Where packets can not be made short enough, a queue that grows or shrinks by one looks like seconds of it, and is none. */
  get #jitterMs(): number {
    const transmissionMs = this.packetBytes(packetBytesUsual) / (this.#rate ?? Infinity);
    return Math.max(0, this.#queueDelay.jitterMs - Math.max(0, transmissionMs - packetMs));
  }

  /** Queueing delay to aim at, milliseconds: half a packet's transmission and a little. */
  get #targetMs(): number {
    return this.#queueTargetMs + (0.5 * this.packetBytes(packetBytesUsual)) / (this.#rate ?? Infinity);
  }

  /** How long the base of the queueing delay is remembered, milliseconds: long enough for a number of packets. */
  get #baseMemoryMs(): number {
    const packetMsNow = this.packetBytes(packetBytesUsual) / (this.#rate ?? Infinity);
    return Math.max(baseMemoryMs, 5 * (this.#minRttMs ?? 0), basePackets * packetMsNow);
  }

  /** More is not put under way: what the path holds at this rate, acknowledgements that wait included, and some for the queue. */
  get #bytesInFlightMax(): number {
    const rtt = this.#minRttMs ?? 1000;
    const rate = (this.#rate ?? 0) * Math.max(1, this.#gain);
    const acknowledgedEveryMs = Math.min(acknowledgedEveryMsMax, Math.max(rtt / 4, 1.5 * this.#acknowledgedEveryMs));
    return rate * (1.15 * rtt + acknowledgedEveryMs + 3 * this.#targetMs + 20) + 3 * this.packetBytes(packetBytesUsual);
  }

  /** The train has arrived. */
  #takeTrain(window: ArrivalWindow, bytesInFlight: number, now: MonotonicMs): void {
    const measured = window.bytes / Math.max(0.01, window.arrivalSpanMs);
    if (wasInterrupted(window)) {
      // Part of the train was lost and sent again later, or this end was busy: the pause in between was the sender's, and the link can do more.
      this.#rate = measured;
      this.#gainStep = gainStepMax;
      // A buffer that was too short for this train is too short for a longer one.
      if (this.#trainPacketsLost < trainPacketsLostMax) this.#sendFurtherTrain(window.bytes, now);
      return;
    }
    if (window.arrivalSpanMs >= trainSpanMsMin) {
      this.#rate = measured;
      this.#measured = [measured];
      this.#measurements = 1;
      // On a slow link much of the train still waits. What follows need not queue behind it.
      this.#nextSendAt = later(now, Math.max(0, bytesInFlight / measured - (this.#minRttMs ?? 0)));
      if (window.arrivalSpanMs >= trainSpanMsSure) return;
      this.#climb(gainStepMax / 2, now);
      this.#sendFurtherTrain(window.bytes, now);
      return;
    }
    this.#climb(gainStepMax / 2, now);
    this.#rate = Math.min(hintRateMax, measured) * hintShare;
    this.#sendFurtherTrain(window.bytes, now);
  }

  /** The next packets leave back to back, if that can tell more than what left before. */
  #sendFurtherTrain(lastBytes: number, now: MonotonicMs): void {
    this.#furtherTrain = undefined;
    if (this.#furtherTrains >= furtherTrainsMax) return;
    this.#furtherTrains++;
    this.#furtherTrain = FurtherTrain.after(lastBytes, this.#rate as number, now);
  }

  /** A longer train has arrived: what it shows counts where it is more, or took long enough to be relied on. */
  #takeFurtherTrain(window: ArrivalWindow, now: MonotonicMs): void {
    const train = this.#furtherTrain as FurtherTrain;
    const rate = this.#rate as number;
    this.#furtherTrain = undefined;
    this.#loss.startAnew(now);
    const span = Math.max(0.01, window.arrivalSpanMs);
    const seen = span < trainSpanMsMin ? Math.min(hintRateMax, window.bytes / span) * hintShare : window.bytes / span;
    const isSure = span >= trainSpanMsSure && !wasInterrupted(window);
    if (seen > rate) {
      this.#rate = Math.min(seen, rate * trainTimesMax);
      this.#measured = [this.#rate];
      this.#far = 0;
      this.#nextSendAt = later(now, 0);
    }
    if (!isSure) this.#sendFurtherTrain(wasInterrupted(window) ? window.bytes : train.bytes, now);
  }

  /** Sends more than the rate by this share, from now on and until a queue shows. */
  #climb(gainStep: number, now: MonotonicMs): void {
    this.#gainStep = gainStep;
    this.#gain = 1 + gainStep;
    this.#stepAt = now;
  }

  #takeWindow(window: ArrivalWindow, now: MonotonicMs): void {
    const rate = this.#rate as number;
    const leastMs = this.#queueDelay.takeLeast(rate);
    const queueMs = this.#standingQueue(leastMs);
    const target = this.#targetMs;
    this.#measurements++;
    // Without the loss that is always there this much would have arrived.
    const carried = window.bytes / window.arrivalSpanMs / (1 - this.#madeUp);
    // Arrivals at the very spacing of the packets' leaving, below the rate: it was the sender that was slow.
    const asSent = Math.abs(window.arrivalSpanMs - window.sendSpanMs) <= window.sendSpanMs * spacingTolerance;
    const throttled = asSent && carried < rate * throttledBelow;
    const wasFed = window.arrivalSpanMs > window.sendSpanMs * (1 + fedTolerance);
    const crowded = (leastMs ?? 0) > 2 * target || window.arrivalSpanMs > spreadTimes * window.sendSpanMs;
    this.#followRate(carried, rate, {
      queued: !throttled && queueMs > target / 2,
      crowded: !throttled && crowded,
      empty: asSent && queueMs < target / 8,
    });
    if ((this.#rate as number) < rate * farBelow) this.#startAnew(now);
    if (queueMs <= target || wasFed || this.#rate !== rate) this.#unusedMs = 0;
    else this.#unusedMs += Math.max(0, window.arrivalSpanMs - window.bytes / rate);
    if (this.#unusedMs > emptiedTimes * queueMs + emptiedMsMin) {
      this.#rebase(now);
      return;
    }
    this.#latelyMinRttMs = Infinity;
    // Nothing of this sender's stands in the queue when packets arrive as they left, with less than the link carries. What looks like it then is the rate being a little wrong.
    if (throttled || queueMs < target / 8) this.#emptyAt = now;
    // What a decision does shows a round trip later, in the window after the one that is filling then.
    this.#steer(queueMs, target, (this.#minRttMs ?? 100) + window.arrivalSpanMs, now);
  }

  /** The least queueing delay of the last window, or of the last few where jitter makes a single one unreliable. */
  #standingQueue(leastMs: number | undefined): number {
    if (leastMs !== undefined) this.#queued.push(leastMs);
    const windows = Math.min(jitterWindowsMax, Math.max(1, Math.ceil((jitterWindows * this.#jitterMs) / this.#targetMs)));
    this.#queued = this.#queued.slice(-windows);
    return this.#queued.length === 0 ? 0 : Math.min(...this.#queued);
  }

  /** A queue that the link had all the time to empty, and that still stands, is none: packets have farther to go than they had. */
  #rebase(now: MonotonicMs): void {
    this.#queueDelay.rebase(this.#baseMemoryMs, now);
    this.#queued = [];
    this.#unusedMs = 0;
    if (this.#latelyMinRttMs !== Infinity) this.#minRttMs = this.#latelyMinRttMs;
    this.#latelyMinRttMs = Infinity;
    this.#gain = 1;
    this.#gainStep = gainStepMin;
    this.#emptyAt = now;
    this.#stepAt = now;
  }

  /** How far apart the packets lie that the peer acknowledges: it waits for several, and its idea of the round trip may be an old one. What a link that became slow pulled apart does not count. */
  #noticeInterval(newest: PacketFate, arrivedAtMs: number): void {
    const before = this.#acknowledged;
    this.#acknowledged = { newest, arrivedAtMs };
    if (before === undefined || before.newest.run !== newest.run) return;
    const intervalMs = Math.min(arrivedAtMs - before.arrivedAtMs, newest.sentAt - before.newest.sentAt);
    this.#acknowledgedEveryMs = Math.max(intervalMs, intervalFading * this.#acknowledgedEveryMs);
  }

  /** A packet that arrived in less time than its transmission used to take alone: the link has become faster. By how much, the next measurements tell. */
  #noticeFaster(bytes: number, belowBaseMs: number, now: MonotonicMs): void {
    if (this.#rate === undefined) return;
    const transmissionMs = bytes / this.#rate;
    const least = Math.max(transmissionMs * fasterShareMin, fasterMsMin, fasterJitters * this.#jitterMs);
    if (belowBaseMs < least || belowBaseMs > transmissionMs * fasterShareMax) return;
    this.#rate = bytes / Math.max(transmissionMs - belowBaseMs, transmissionMs / fasterTimesMax);
    this.#measured = [];
    this.#far = 0;
    this.#nextSendAt = now;
    this.#restUntil = now;
    this.#climb(gainStepMax, now);
  }

  /** Most of what was sent is gone: the link carries a fraction of the rate, and its buffer is too short to show a queue. */
  #watchDelivery(packets: readonly PacketFate[], lost: boolean, now: MonotonicMs): void {
    const delivered = this.#delivery.take(packets, lost, this.#minRttMs ?? 0, now);
    const rate = this.#rate;
    if (delivered === undefined || rate === undefined || delivered >= rate) return;
    this.#rate = Math.max(delivered, rate * collapseShareMin);
    this.#measured = [];
    this.#far = 0;
    this.#gain = 1;
    this.#gainStep = gainStepMin;
    this.#stepAt = now;
    this.#startAnew(now);
  }

  /** Moves the rate after a measurement. */
  #followRate(
    carried: number,
    rate: number,
    { queued, crowded, empty }: { readonly queued: boolean; readonly crowded: boolean; readonly empty: boolean },
  ): void {
    const side = carried > rate * farAbove ? 1 : carried < rate * farBelow && crowded ? -1 : 0;
    const twice = side !== 0 && Math.sign(this.#far) === side;
    if (twice || (side > 0 && empty)) {
      // Twice in a row: the link has changed. The more cautious of the two counts. What passed without any wait needs no confirmation.
      const changed = !twice ? carried : side > 0 ? Math.min(carried, this.#farRate) : Math.max(carried, this.#farRate);
      this.#rate = changed;
      this.#measured = [changed];
      this.#far = 0;
      return;
    }
    this.#far = side;
    this.#farRate = carried;
    if (side !== 0 || !queued) return;
    this.#measured.push(carried);
    if (this.#measured.length > windowsKept) this.#measured.shift();
    const sorted = [...this.#measured].sort((a, b) => a - b);
    this.#rate = sorted[sorted.length >> 1] as number;
  }

  /** The link has become a slower one: what was sent before knew nothing of it. */
  #startAnew(now: MonotonicMs): void {
    this.#delivery.startAnew(now);
    this.#loss.startAnew(now);
    this.#restrainedUntil = undefined;
  }

  /** Chooses the gain until the next measurement. `effectMs` is how long it takes a decision to show. */
  #steer(queueMs: number, target: number, effectMs: number, now: MonotonicMs): void {
    const rtt = this.#minRttMs ?? 100;
    const short = queueMs < target;
    if (this.#restrainedUntil !== undefined && now < this.#restrainedUntil) return;
    this.#restrainedUntil = undefined;
    const overflows = short && this.#loss.overflows;
    const sinceRestrained = now - this.#restrainedAt;
    const emptyEveryMs = Math.max(restrainEveryMs, 10 * rtt, emptiedPerMemory * this.#baseMemoryMs);
    const mustEmpty = now - this.#emptyAt > emptyEveryMs && sinceRestrained > emptyEveryMs;
    if (mustEmpty) {
      this.#restrain(target / (1 - restrainedGain), now);
      return;
    }
    if (overflows && sinceRestrained > Math.max(restrainForLossMs, 3 * rtt)) {
      const wantedMs = (restrainedPackets * this.packetBytes(packetBytesUsual)) / (this.#rate as number);
      this.#restrain(Math.min(wantedMs, Math.max(3 * rtt, restrainedMsMax)), now);
      return;
    }
    if (this.#loss.withinBase) this.#restUntil = now;
    else if (overflows && this.#loss.knowsBase) {
      this.#restUntil = later(now, restMs + 2 * rtt);
      this.#loss.clear();
    }
    if (!short) this.#gain = Math.max(gainMin, 1 - (queueMs - target) / (2 * effectMs));
    // Jitter alone looks like a short queue now and then.
    if (!short || queueMs > target / 2 + this.#jitterMs || now < this.#restUntil) {
      this.#gainStep = gainStepMin;
      this.#stepAt = now;
    } else if (now - this.#stepAt > 1.5 * effectMs) {
      // A queue that is still empty when a step has shown its effect asks for a larger one.
      this.#gainStep = Math.min(gainStepMax, this.#gainStep * 2);
      this.#stepAt = now;
    }
    if (short) this.#gain = now < this.#restUntil ? 1 : 1 + this.#gainStep * (1 - queueMs / target);
  }

  /** Sends less than the link carries for a moment: the queue empties, and what is lost then is lost for other reasons. */
  #restrain(durationMs: number, now: MonotonicMs): void {
    this.#restrainedAt = now;
    this.#restrainedUntil = later(now, durationMs);
    this.#loss.restrain(now, this.#restrainedUntil);
    this.#loss.clear();
    // Less than what arrives, not than the rate with the loss made up for: else a base that is wrong would go on proving itself.
    this.#gain = restrainedGain * (1 - this.#madeUp);
  }
}

/** True when a train did not leave at once. */
function wasInterrupted(train: ArrivalWindow): boolean {
  return train.sendSpanMs > train.arrivalSpanMs * trainSpreadMax;
}
