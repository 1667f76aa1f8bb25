import { describe, expect, test } from 'vitest';
import { joulesPerByte, linkPresets } from '../../../src/simulation/presets.ts';
import { common, merged, presenceOf, repeated } from '../../../src/simulation/rehearsal-link.ts';

const hour = 3_600_000;
const whole = { fromMs: 1000, untilMs: 1000 + 48 * hour };
const length = (windows: readonly { fromMs: number; untilMs: number }[]): number =>
  windows.reduce((sum, { fromMs, untilMs }) => sum + untilMs - fromMs, 0);

describe('stretches of time', () => {
  test('are repeated, merged, and what two lists have in common is found', () => {
    expect(repeated(0, 2, 10, { fromMs: 1, untilMs: 21 })).toEqual([
      { fromMs: 1, untilMs: 2 },
      { fromMs: 10, untilMs: 12 },
      { fromMs: 20, untilMs: 21 },
    ]);
    expect(
      merged([
        { fromMs: 5, untilMs: 7 },
        { fromMs: 0, untilMs: 3 },
        { fromMs: 2, untilMs: 5 },
        { fromMs: 9, untilMs: 10 },
      ]),
    ).toEqual([
      { fromMs: 0, untilMs: 7 },
      { fromMs: 9, untilMs: 10 },
    ]);
    expect(common([{ fromMs: 0, untilMs: 5 }], [{ fromMs: 5, untilMs: 9 }])).toEqual([]);
  });

  test('in which a link is there follow the hours of the day and the rhythm of its kind', () => {
    expect(presenceOf(linkPresets.ethernet, undefined, whole, 0.3)).toEqual([whole]);
    expect(presenceOf(linkPresets.bgan, [[6, 8]], whole, 0.3)).toEqual([
      { fromMs: 1000 + 6 * hour, untilMs: 1000 + 8 * hour },
      { fromMs: 1000 + 30 * hour, untilMs: 1000 + 32 * hour },
    ]);
    // One per cent of duty, wherever it begins.
    for (const phase of [0, 0.4, 0.9]) expect(length(presenceOf(linkPresets['lora-sf12'], undefined, whole, phase))).toBe(0.01 * 48 * hour);
    expect(length(presenceOf(linkPresets['hf-good'], [[0, 12]], whole, 0))).toBe(8 * hour);
  });
});

describe('presets', () => {
  test('say where their figures come from, and every figure is one that a link can have', () => {
    for (const { title, source, up, down, rhythm, usdPerMegabyte, standbyWatts, transmitWatts } of Object.values(linkPresets)) {
      expect(source, title).toMatch(/^[SCE](:|;|$)/);
      for (const { rateBytesPerSecond = 0, delayMs, lossRatio = 0, queueBytes = 0 } of [up, down]) {
        expect(rateBytesPerSecond, title).toBeGreaterThan(0);
        expect(delayMs).toBeGreaterThan(0);
        expect(lossRatio).toBeLessThan(0.2);
        expect(queueBytes).toBeGreaterThanOrEqual(4 * 1500);
      }
      expect(rhythm === undefined || (rhythm.upMs > 0 && rhythm.downMs > 0)).toBe(true);
      expect(Math.min(usdPerMegabyte, standbyWatts, transmitWatts)).toBeGreaterThanOrEqual(0);
    }
  });

  test('give the energy of a byte: the slower the radio, the more', () => {
    const { 'lora-sf12': lora, 'wifi-near': wifi } = linkPresets;
    expect(joulesPerByte(lora, lora.up)).toBeCloseTo(0.4 / (293 / 8), 6);
    expect(joulesPerByte(wifi, wifi.up)).toBeLessThan(1e-6);
    expect(joulesPerByte(wifi, { delayMs: 1 })).toBe(0);
  });
});
