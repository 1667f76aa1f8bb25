import { describe, expect, it } from 'vitest';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { RoundTrip } from '../../../src/session/round-trip.ts';
import { Silence } from '../../../src/session/silence.ts';

const at = (ms: number) => ms as MonotonicMs;

function measured(rttMs: number): RoundTrip {
  const trip = new RoundTrip();
  trip.sample(rttMs);
  return trip;
}

/** Instants of the probes in the first `untilMs` of a silence. */
function probes(silence: Silence, roundTrip: RoundTrip, rateBytesPerSecond: number | undefined, untilMs: number): number[] {
  const instants: number[] = [];
  for (;;) {
    const next = silence.probeAt({ roundTrip, rateBytesPerSecond, bytesInFlight: 0, isPatient: false });
    if (next > untilMs) return instants;
    instants.push(next);
    silence.probed(next);
  }
}

describe('a silence', () => {
  it('is probed first after what an answer can take, then at intervals that grow with it', () => {
    const instants = probes(new Silence(at(0)), measured(100), 1e6, 3_600_000);
    expect(instants[0]).toBe(100 + 200 + 25 + 10);
    expect(instants[1]! - instants[0]!).toBe(400);
    const gapAfter = (ms: number) => {
      const index = instants.findIndex((instant) => instant >= ms);
      return instants[index + 1]! - instants[index]!;
    };
    expect(gapAfter(50_000)).toBe(400);
    // A 75th of two minutes, a 20th of ten, and never more than two minutes.
    expect(gapAfter(120_000)).toBeGreaterThan(1600);
    expect(gapAfter(120_000)).toBeLessThan(1700);
    expect(gapAfter(600_000)).toBeGreaterThan(29_000);
    expect(gapAfter(600_000)).toBeLessThan(32_000);
    expect(gapAfter(3_300_000)).toBe(120_000);
    expect(instants.length).toBeLessThan(350);
  });

  it('takes no more than a tenth of a slow link for probes', () => {
    const instants = probes(new Silence(at(0)), measured(2000), 100, 100_000);
    expect(instants.length * 52).toBeLessThan(100 * 100 * 0.11);
  });

  it('of a path never measured, or of a peer that is heard, is probed ever more rarely', () => {
    expect(probes(new Silence(at(0)), new RoundTrip(), undefined, 70_000)).toEqual([1010, 3010, 7010, 15_010, 31_010, 61_010]);
    const silence = new Silence(at(0));
    silence.probed(at(500));
    silence.heard(at(600));
    expect(silence.probeAt({ roundTrip: measured(100), rateBytesPerSecond: 1e6, bytesInFlight: 0, isPatient: false })).toBe(500 + 2 * 300);
  });

  it('waits for what is still being transmitted', () => {
    expect(new Silence(at(0)).probeAt({ roundTrip: measured(100), rateBytesPerSecond: 1000, bytesInFlight: 5000, isPatient: false })).toBe(
      335 + 5000,
    );
  });

  it('becomes long after two unanswered probes, and ends with an answer', () => {
    const silence = new Silence(at(0));
    silence.probed(at(1));
    silence.probed(at(2));
    expect([silence.probesFully, silence.isLong]).toEqual([true, false]);
    silence.probed(at(3));
    expect([silence.probesFully, silence.isLong]).toEqual([false, true]);
    // What is sent meanwhile does not make it younger.
    silence.begin(at(4));
    expect(silence.owedSince).toBe(0);
    silence.restart(at(5));
    expect([silence.probesFully, silence.isLong, silence.owedSince]).toEqual([true, false, 5]);
  });

  it('means the peer is lost three round trips and three seconds after it was last heard', () => {
    const silence = new Silence(at(0));
    silence.heard(at(1000));
    expect(silence.lostAt(measured(600))).toBe(1000 + 1800 + 2500);
    expect(silence.lostAt(new RoundTrip())).toBe(1000 + 3000 + 2500);
  });
});
