import { describe, expect, it } from 'vitest';
import { rateControlFactory } from '../../../src/bandwidth/rate-control.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import type { NewPath, PacketFate, RateControl } from '../../../src/ports/rate-control.ts';
import { VirtualAgenda } from '../../../src/simulation/virtual-agenda.ts';
import { type LinkModel, VirtualLink } from '../../../src/simulation/virtual-link.ts';

const at = (ms: number) => ms as MonotonicMs;

/** A sender that always has something to send, over a link that acknowledges every packet; what its rate control does, as shares of the link's rate. */
function drive(
  control: RateControl,
  link: VirtualLink,
  agenda: VirtualAgenda,
  options: { rttMs: number; untilMs: number; otherTraffic?: number; heldMs?: (packet: number) => number },
) {
  let packets = 0;
  let inFlight = 0;
  let delivered = 0;
  const lost: PacketFate[] = [];
  let alarmAt = Infinity;
  const pump = () => {
    for (;;) {
      const bytes = control.packetBytes(1480);
      const sendAt = control.sendAt(bytes, inFlight);
      const now = agenda.now.monotonicMs;
      if (sendAt === undefined) return;
      if (sendAt > now) {
        if (alarmAt > now && alarmAt <= sendAt) return;
        alarmAt = sendAt;
        agenda.at(sendAt, pump);
        return;
      }
      const packet = { bytes, sentAt: now, run: 0 };
      inFlight += bytes;
      control.onSent(bytes, now);
      const [arrived] = link.send(bytes, now);
      const arrival = arrived === undefined ? undefined : arrived + (options.heldMs?.(packets++) ?? 0);
      if (arrival === undefined) {
        lost.push(packet);
        continue;
      }
      agenda.at(at(arrival + options.rttMs / 2), () => {
        inFlight -= bytes;
        delivered += bytes;
        const gone = lost.filter(({ sentAt }) => sentAt < packet.sentAt);
        for (const { bytes: lostBytes } of gone) inFlight -= lostBytes;
        lost.splice(0, gone.length);
        const current = agenda.now.monotonicMs;
        if (gone.length > 0) control.onLost(gone, current);
        control.onAcknowledged(
          { packets: [packet], newest: packet, arrivedAtMs: arrival + 1e6, rttMs: current - packet.sentAt, bytesInFlight: inFlight },
          current,
        );
        pump();
      });
    }
  };
  const interfere = () => {
    link.send(1500, agenda.now.monotonicMs);
    agenda.at(at(agenda.now.monotonicMs + 1500 / (options.otherTraffic ?? 1)), interfere);
  };
  if (options.otherTraffic !== undefined) interfere();
  pump();
  agenda.runUntil(options.untilMs / 2);
  const half = delivered;
  agenda.runUntil(options.untilMs);
  return { rate: (delivered - half) / (options.untilMs / 2), queueMs: link.queueMs(agenda.now.monotonicMs) };
}

function scene(path: NewPath, model: LinkModel, manner: 'polite' | 'fair' = 'polite') {
  const agenda = new VirtualAgenda();
  return { agenda, link: new VirtualLink(model, seededRandom(1)), control: rateControlFactory(manner)(path, at(0)) };
}

describe('datagram rate control', () => {
  it('finds the rate within a few round trips although the ends of a first train were too busy to time it', () => {
    const { agenda, link, control } = scene({ kind: 'datagram' }, { rateBytesPerSecond: 1_250_000, delayMs: 300, queueBytes: 250_000 });
    const { rate } = drive(control, link, agenda, { rttMs: 600, untilMs: 6000, heldMs: (packet) => (packet < 12 ? packet * 2.5 : 0) });
    expect(rate).toBeGreaterThan(0.97 * 1250);
  });

  it('sends no train behind one that took long enough to be relied on', () => {
    const { agenda, link, control } = scene({ kind: 'datagram' }, { rateBytesPerSecond: 8000, delayMs: 300 });
    let longestMs = 0;
    const send = link.send.bind(link);
    link.send = (bytes, now) => {
      const arrivals = send(bytes, now);
      if (now > 2000) longestMs = Math.max(longestMs, link.queueMs(now));
      return arrivals;
    };
    drive(control, link, agenda, { rttMs: 600, untilMs: 6000 });
    expect(longestMs).toBeLessThan(800);
  });

  it.each([
    { rate: 0.1, rttMs: 500 },
    { rate: 8, rttMs: 800 },
    { rate: 125, rttMs: 100 },
    { rate: 1250, rttMs: 600 },
    { rate: 12_500, rttMs: 10 },
  ])('finds and holds $rate bytes/ms at $rttMs ms with a short queue', ({ rate, rttMs }) => {
    const { agenda, link, control } = scene(
      { kind: 'datagram', handshake: { rttMs: rttMs + 211 / rate, bytes: 211 } },
      { rateBytesPerSecond: rate * 1000, delayMs: rttMs / 2, queueBytes: 64_000 },
    );
    const result = drive(control, link, agenda, { rttMs, untilMs: Math.max(10_000, 60_000 / rate) });
    expect(result.rate / rate).toBeGreaterThan(0.9);
    expect(result.queueMs).toBeLessThan(120 + 1500 / rate);
    const estimate = control.estimate();
    expect(estimate.rateBytesPerSecond! / (rate * 1000)).toBeGreaterThan(0.8);
    expect(estimate.rateBytesPerSecond! / (rate * 1000)).toBeLessThan(1.08);
    expect(estimate.confidence).toBeGreaterThan(0.5);
    expect(estimate.minRttMs).toBeGreaterThanOrEqual(rttMs);
  });

  it('begins with no more than the slowest possible link carries in seconds', () => {
    const slow = rateControlFactory('polite')({ kind: 'datagram', handshake: { rttMs: 3000, bytes: 211 } }, at(0));
    const fast = rateControlFactory('polite')({ kind: 'datagram', handshake: { rttMs: 5, bytes: 211 } }, at(0));
    const train = (control: RateControl) => {
      let bytes = 0;
      while (control.sendAt(control.packetBytes(1480), bytes) !== undefined) bytes += control.packetBytes(1480);
      return bytes;
    };
    expect(train(slow)).toBeLessThanOrEqual(1500);
    expect(train(fast)).toBeGreaterThan(10_000);
    expect(slow.estimate()).toEqual({ lossRatio: 0, confidence: 0 });
  });

  it('uses at once what an earlier session learned', () => {
    const remembered = { rateBytesPerSecond: 1_000_000, minRttMs: 100, lossRatio: 0, confidence: 1 };
    const control = rateControlFactory('polite')({ kind: 'datagram', remembered }, at(0));
    expect(control.estimate()).toMatchObject({ rateBytesPerSecond: 800_000, minRttMs: 100 });
    control.onSent(8000, at(1000));
    // Eight kilobytes at the remembered rate, less what may be caught up.
    expect(control.sendAt(1480, 8000)).toBeCloseTo(1000 - 5 + 10, 5);
    expect(control.sendAt(1480, 1_000_000)).toBeUndefined();
  });

  it('makes packets short on slow links, but not so short that headers weigh', () => {
    const packet = (rateBytesPerSecond: number) =>
      rateControlFactory('polite')(
        { kind: 'datagram', remembered: { rateBytesPerSecond: rateBytesPerSecond / 0.8, lossRatio: 0, confidence: 1 } },
        at(0),
      ).packetBytes(1480);
    expect([packet(30), packet(100), packet(1200), packet(4000), packet(1e6)]).toEqual([296, 668, 668, 1000, 1480]);
  });

  it('gives way to traffic that takes half of the link', () => {
    const { agenda, link, control } = scene({ kind: 'datagram' }, { rateBytesPerSecond: 125_000, delayMs: 50, queueBytes: 64_000 });
    const result = drive(control, link, agenda, { rttMs: 100, untilMs: 20_000, otherTraffic: 62.5 });
    expect(result.rate).toBeGreaterThan(40);
    expect(result.rate).toBeLessThan(64);
    expect(result.queueMs).toBeLessThan(120);
  });

  it('tolerates a longer queue when it is to be fair', () => {
    const model = { rateBytesPerSecond: 125_000, delayMs: 50, queueBytes: 640_000 };
    const fair = scene({ kind: 'datagram' }, model, 'fair');
    const polite = scene({ kind: 'datagram' }, model, 'polite');
    const fairQueue = drive(fair.control, fair.link, fair.agenda, { rttMs: 100, untilMs: 20_000 }).queueMs;
    expect(fairQueue).toBeGreaterThan(drive(polite.control, polite.link, polite.agenda, { rttMs: 100, untilMs: 20_000 }).queueMs + 30);
  });
});

describe('stream rate control', () => {
  it.each([
    { rate: 8, rttMs: 800 },
    { rate: 1250, rttMs: 100 },
    { rate: 100_000, rttMs: 1 },
  ])('fills $rate bytes/ms at $rttMs ms and keeps the wait below 200 ms', ({ rate, rttMs }) => {
    const { agenda, link, control } = scene({ kind: 'stream' }, { rateBytesPerSecond: rate * 1000, delayMs: rttMs / 2 });
    const result = drive(control, link, agenda, { rttMs, untilMs: Math.min(60_000, 20_000_000 / rate) });
    expect(result.rate / rate).toBeGreaterThan(0.85);
    expect(result.queueMs).toBeLessThan(200 + 1500 / rate);
    expect(control.estimate().confidence).toBe(1);
    control.onLost([], at(0));
    expect(control.estimate().lossRatio).toBe(0);
  });

  it('always lets one packet go, and begins with what is remembered', () => {
    const remembered = { rateBytesPerSecond: 1_000_000, minRttMs: 60, lossRatio: 0, confidence: 1 };
    const control = rateControlFactory('polite')({ kind: 'stream', remembered }, at(0));
    expect(control.sendAt(65_000, 0)).toBeDefined();
    expect(control.sendAt(20_000, 60_000)).toBeDefined();
    expect(control.sendAt(20_001, 60_000)).toBeUndefined();
    const unknown = rateControlFactory('polite')({ kind: 'stream' }, at(0));
    expect(unknown.sendAt(1000, 4000)).toBeUndefined();
    expect(unknown.estimate()).toEqual({ lossRatio: 0, confidence: 0 });
  });
});
