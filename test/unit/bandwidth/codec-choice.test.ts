import { describe, expect, it } from 'vitest';
import { type CodecCircumstances, chooseCodec, EncoderSpeed } from '../../../src/bandwidth/codec-choice.ts';
import { type LinkClass, linkClassOf } from '../../../src/bandwidth/link-class.ts';

const mains = { source: 'mains' } as const;
const usual: CodecCircumstances = { hasBase: false, sampleRatio: 0.3, rateBytesPerSecond: 100_000, priority: 'bulk', power: mains };
const levelAt = (change: Partial<CodecCircumstances>, factor = 1): number => chooseCodec({ ...usual, ...change }, factor).bounds.level;

describe('the choice of a codec', () => {
  it('spends all effort on slow links and hardly any on those that outrun the encoder', () => {
    expect(levelAt({ rateBytesPerSecond: 300 })).toBe(19);
    expect(chooseCodec({ ...usual, rateBytesPerSecond: 300 }, 1).bounds.modelledBytesMax).toBe(1024 * 1024);
    expect(levelAt({ rateBytesPerSecond: 200_000_000 })).toBe(1);
    const levels = [300, 100_000, 1_000_000, 5_000_000, 20_000_000, 200_000_000].map((rateBytesPerSecond) =>
      levelAt({ rateBytesPerSecond }),
    );
    expect(levels).toEqual([...levels].sort((a, b) => b - a));
    expect(new Set(levels).size).toBeGreaterThan(3);
  });

  it('sends as it is what a sample could not shorten, but still looks for differences from a base', () => {
    expect(chooseCodec({ ...usual, sampleRatio: 1 }, 1)).toMatchObject({ codec: 'none', bounds: { level: 0 }, expectedRatio: 1 });
    expect(chooseCodec({ ...usual, sampleRatio: 1, hasBase: true }, 1).codec).toBe('delta');
    expect(chooseCodec(usual, 1).codec).toBe('zstd');
  });

  it('spends less where the processor is slow, the battery is low, or the content is urgent', () => {
    const rateBytesPerSecond = 2_000_000;
    const least = levelAt({ rateBytesPerSecond });
    expect(levelAt({ rateBytesPerSecond }, 10)).toBeLessThan(least);
    expect(levelAt({ rateBytesPerSecond, power: { source: 'battery', chargeShare: 0.2 } })).toBeLessThan(least);
    expect(levelAt({ rateBytesPerSecond, priority: 'emergency' })).toBeLessThan(least);
    expect(levelAt({ rateBytesPerSecond: 300, power: { source: 'battery', chargeShare: 0.2 } })).toBe(19);
  });

  it('says why', () => {
    const { why } = chooseCodec({ ...usual, hasBase: true, rateBytesPerSecond: 300, power: { source: 'battery', chargeShare: 0.1 } }, 1);
    expect(why).toBe(
      'zstd 19 and modelled literals from the base: 300 bytes a second, a sample at 30 %, class bulk, on battery that is low',
    );
    expect(chooseCodec({ hasBase: false, priority: 'normal', power: mains }, 1).why).toMatch(
      /a link not measured yet, no sample, class normal$/,
    );
    expect(chooseCodec({ ...usual, sampleRatio: 0.99 }, 1).why).toBe('a sample became no shorter than 99 % of itself: sent as it is');
  });

  it('learns how fast this machine is, and not from trifles or a clock that stands still', () => {
    const speed = new EncoderSpeed();
    const { bounds } = chooseCodec({ ...usual, rateBytesPerSecond: 5_000_000 }, 1);
    speed.observe(bounds, 1000, 100);
    speed.observe(bounds, 10_000_000, 0);
    speed.observe({ level: 2, dictionaryBytesMax: 0, modelledBytesMax: 0 }, 10_000_000, 1000);
    expect(speed.factor).toBe(1);
    for (let i = 0; i < 40; i++) speed.observe(bounds, 1_000_000, 10_000);
    expect(speed.factor).toBeGreaterThan(10);
    for (let i = 0; i < 40; i++) speed.observe(bounds, 1_000_000, 0.001);
    expect(speed.factor).toBeLessThan(0.1);
  });
});

describe('the class of a link', () => {
  it.each<[string, number, number, LinkClass]>([
    ['LoRa at SF12', 37, 5000, 'narrowband'],
    ['an HF modem', 55, 6100, 'narrowband'],
    ['Iridium dial-up', 300, 1800, 'iridium'],
    ['Iridium Certus 100', 2750, 900, 'iridium'],
    ['a 9.6 kbit/s radio', 1200, 200, 'radio'],
    ['EDGE', 7500, 700, 'gsm'],
    ['BGAN', 31_250, 1200, 'satellite'],
    ['VSAT', 250_000, 650, 'satellite'],
    ['rural LTE', 250_000, 60, 'cellular'],
    ['Starlink', 1_250_000, 40, 'cellular'],
    ['Wi-Fi', 7_500_000, 3, 'wireless'],
    ['an Ethernet', 117_500_000, 0.3, 'lan'],
  ])('of %s is recognised by rate and round trip', (_, rateBytesPerSecond, minRttMs, linkClass) => {
    expect(linkClassOf({ rateBytesPerSecond, minRttMs, lossRatio: 0, confidence: 1 })).toBe(linkClass);
  });

  it('is unknown before enough was measured', () => {
    expect(linkClassOf({ lossRatio: 0, confidence: 0 })).toBe('unknown');
    expect(linkClassOf({ rateBytesPerSecond: 1000, minRttMs: 10, lossRatio: 0, confidence: 0.1 })).toBe('unknown');
  });
});
