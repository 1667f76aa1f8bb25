import type { BurstLoss, LinkModel } from './virtual-link.ts';

/**
 * Links as they are met in the field, as data: rate, delay, jitter, loss, MTU, when there is a connection at all, what a byte costs, and what the radio draws.
 *
 * Every preset says where its figures come from: `S`: found in a public source, which is named; `C`: computed from a formula; `E`: an engineering estimate, to be replaced by what is measured at the
 * site. Rates are what is left for IP packets. A packet is larger than a frame of the slow radios: `frameBytes` says how the adapter below cuts it, and the loss is what is left of the loss after it
 * has repeated frames. Half-duplex radios are given the rate that each way has while the other is silent.
 *
 * Power is always `E`, in watts of direct current: `standbyWatts` while the radio is on, `transmitWatts` on top of that while it sends.
 */

/** A connection that comes and goes: there for `upMs`, then away for `downMs`, and so on. */
export interface LinkRhythm {
  readonly upMs: number;
  readonly downMs: number;
}

/** A kind of link. */
export interface LinkPreset {
  readonly title: string;
  /** The way out of the field: from the computer with the modem. */
  readonly up: LinkModel;
  /** The way back into the field. */
  readonly down: LinkModel;
  /** Largest frame of the radio, where packets must be cut up below. */
  readonly frameBytes?: number;
  /** Absent: there whenever it is in reach. */
  readonly rhythm?: LinkRhythm;
  /** US dollars for a million bytes, either way; an order of magnitude. */
  readonly usdPerMegabyte: number;
  readonly standbyWatts: number;
  readonly transmitWatts: number;
  /** True when only the first end feeds a modem, as with satellites and cellular networks; otherwise both ends have the same radio. */
  readonly hasOneModem: boolean;
  readonly source: string;
}

interface Figures {
  /** Bits a second, up and down. */
  readonly bits: readonly [number, number];
  /** Round trip when the link is idle, and the largest addition to it. */
  readonly rttMs: readonly [number, number];
  readonly loss?: number;
  readonly burstLoss?: BurstLoss;
  readonly mtuBytes?: number;
  readonly frameBytes?: number;
  readonly rhythm?: LinkRhythm;
  readonly usd?: number;
  /** Standby and transmission. */
  readonly watts: readonly [number, number];
  readonly modems?: 1;
  readonly source: string;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** What waits in a modem: a second's worth, but never less than a few packets. */
const queueBytesMin = 6000;
const queueBytesMax = 262_144;

function preset(title: string, figures: Figures): LinkPreset {
  const { bits, rttMs, loss, burstLoss, mtuBytes, frameBytes, rhythm, usd = 0, watts, modems, source } = figures;
  const way = (bitsPerSecond: number): LinkModel => ({
    rateBytesPerSecond: bitsPerSecond / 8,
    delayMs: rttMs[0] / 2,
    jitterMs: rttMs[1] / 2,
    queueBytes: Math.min(Math.max(bitsPerSecond / 8, queueBytesMin), queueBytesMax),
    ...(loss === undefined ? {} : { lossRatio: loss }),
    ...(burstLoss === undefined ? {} : { burstLoss }),
    ...(mtuBytes === undefined ? {} : { mtuBytes }),
  });
  return {
    title,
    up: way(bits[0]),
    down: way(bits[1]),
    ...(frameBytes === undefined ? {} : { frameBytes }),
    ...(rhythm === undefined ? {} : { rhythm }),
    usdPerMegabyte: usd,
    standbyWatts: watts[0],
    transmitWatts: watts[1],
    hasOneModem: modems === 1,
    source,
  };
}

const presetByName = {
  ethernet: preset('Ethernet', {
    bits: [940e6, 940e6],
    rttMs: [0.3, 0.2],
    mtuBytes: 1500,
    watts: [0.5, 0.1],
    source: 'C: 1 Gbit/s less frame overhead (IEEE 802.3); E: rest',
  }),
  'wifi-near': preset('Wi-Fi in one building or camp', {
    bits: [60e6, 60e6],
    rttMs: [3, 15],
    loss: 0.005,
    mtuBytes: 1500,
    watts: [0.5, 1],
    source: 'E',
  }),
  'wifi-ad-hoc': preset('Wi-Fi in passing, outdoors', {
    bits: [5e6, 5e6],
    rttMs: [8, 40],
    loss: 0.01,
    burstLoss: { toBad: 0.008, toGood: 0.1, lossInBad: 0.5 },
    mtuBytes: 1500,
    watts: [0.5, 1],
    source: 'E; S: contacts of cabs at 200 m have a median of 60 s and a mean of 264 s (cab mobility traces)',
  }),
  'wifi-long-range': preset('Wi-Fi with directional antennas over kilometres', {
    bits: [20e6, 20e6],
    rttMs: [5, 20],
    loss: 0.02,
    mtuBytes: 1500,
    watts: [5, 2],
    source: 'E',
  }),
  'lora-sf12': preset('LoRa, spreading factor 12, 125 kHz, 1 % duty', {
    bits: [293, 293],
    rttMs: [5000, 3000],
    loss: 0.1,
    frameBytes: 51,
    rhythm: { upMs: 36 * second, downMs: hour - 36 * second },
    watts: [0.04, 0.4],
    source: 'C: 12 × 125 kHz / 2^12 × 4/5; S: 1 % duty in sub-band g (ETSI EN 300 220); E: rest',
  }),
  'lora-long-fast': preset('LoRa mesh, spreading factor 11, 250 kHz, 10 % duty', {
    bits: [1074, 1074],
    rttMs: [1500, 4000],
    loss: 0.1,
    frameBytes: 231,
    rhythm: { upMs: 6 * minute, downMs: 54 * minute },
    watts: [0.04, 0.4],
    source: 'C: 11 × 250 kHz / 2^11 × 4/5; S: frame of 231 bytes (Meshtastic documentation); E: rest',
  }),
  'radio-modem-vhf': preset('VHF or UHF radio modem, 12.5 kHz', {
    bits: [9600, 9600],
    rttMs: [200, 100],
    loss: 0.02,
    watts: [1.5, 12],
    source: 'E: 9,600 bit/s is the common rate of narrow-band telemetry radios; 5 W out',
  }),
  'hf-poor': preset('HF, poor propagation', {
    bits: [441, 441],
    rttMs: [6100, 12_000],
    loss: 0.05,
    rhythm: { upMs: 4 * hour, downMs: 20 * hour },
    watts: [10, 120],
    source: 'S: rates and timing of VARA HF; E: windows of 2 to 6 h a day',
  }),
  'hf-good': preset('HF, good propagation', {
    bits: [3511, 3511],
    rttMs: [6100, 6000],
    loss: 0.05,
    rhythm: { upMs: 4 * hour, downMs: 20 * hour },
    watts: [10, 120],
    source: 'S: rates and timing of VARA HF; E: windows of 2 to 6 h a day',
  }),
  'iridium-sbd': preset('Iridium Short Burst Data', {
    bits: [136, 400],
    rttMs: [10_000, 20_000],
    loss: 0.05,
    frameBytes: 340,
    usd: 1500,
    watts: [0.2, 0.8],
    modems: 1,
    source: 'S: messages take 5 to 20 s; E: sizes and cost (class of the 9602 modem)',
  }),
  'iridium-dial-up': preset('Iridium dial-up', {
    bits: [2400, 2400],
    rttMs: [1800, 900],
    loss: 0.02,
    rhythm: { upMs: 4 * minute, downMs: 25 * second },
    usd: 60,
    watts: [1, 3],
    modems: 1,
    source: 'S: channel of 2.4 kbit/s; E: calls that drop after some minutes, 20 to 30 s to set up, cost',
  }),
  'iridium-certus-100': preset('Iridium Certus 100', {
    bits: [22_000, 88_000],
    rttMs: [900, 600],
    loss: 0.01,
    usd: 5,
    watts: [3, 6],
    modems: 1,
    source: 'S: 88 kbit/s; E: rest',
  }),
  bgan: preset('Inmarsat BGAN', {
    bits: [250_000, 350_000],
    rttMs: [1200, 500],
    loss: 0.005,
    usd: 6,
    watts: [8, 12],
    modems: 1,
    source: 'S: about 400 kbit/s at most, half a second until bandwidth is granted; E: round trip and cost',
  }),
  'geo-broadband': preset('Geostationary broadband (VSAT)', {
    bits: [2e6, 10e6],
    rttMs: [650, 100],
    loss: 0.005,
    usd: 0.02,
    watts: [25, 20],
    modems: 1,
    source: 'C: 2 × 2 × 35,786 km at the speed of light are 480 ms; E: rest',
  }),
  starlink: preset('Starlink', {
    bits: [10e6, 100e6],
    rttMs: [40, 30],
    burstLoss: { toBad: 0.001, toGood: 0.05, lossInBad: 0.5 },
    rhythm: { upMs: 10 * minute, downMs: 3 * second },
    mtuBytes: 1500,
    usd: 0.002,
    watts: [50, 10],
    modems: 1,
    source: 'S: bursts of loss up to 50 % at handovers every 15 s, obstructions of 0.5 to 10 s; E: medians and cost',
  }),
  edge: preset('Cellular EDGE', {
    bits: [60_000, 200_000],
    rttMs: [700, 500],
    loss: 0.01,
    usd: 0.02,
    watts: [0.5, 2],
    modems: 1,
    source: 'S: 240/200 kbit/s and 840 ms, the EDGE profile of browser network emulation; E: rest',
  }),
  '3g': preset('Cellular 3G', {
    bits: [330_000, 780_000],
    rttMs: [200, 150],
    loss: 0.005,
    usd: 0.02,
    watts: [0.5, 2],
    modems: 1,
    source: 'S: 780/330 kbit/s and 200 ms, the 3G profile of browser network emulation; E: rest',
  }),
  'lte-rural': preset('Cellular LTE, rural', {
    bits: [2e6, 8e6],
    rttMs: [60, 80],
    loss: 0.005,
    mtuBytes: 1500,
    usd: 0.01,
    watts: [0.5, 2],
    modems: 1,
    source: 'E',
  }),
} satisfies Readonly<Record<string, LinkPreset>>;

/** Name of a link preset. */
export type LinkPresetName = keyof typeof presetByName;

/** All link presets by name. */
export const linkPresets: Readonly<Record<LinkPresetName, LinkPreset>> = presetByName;

/** Joules that a byte sent over a link costs, without standby: the transmitter's power for as long as the byte takes. */
export function joulesPerByte({ transmitWatts }: LinkPreset, { rateBytesPerSecond }: LinkModel): number {
  return rateBytesPerSecond === undefined ? 0 : transmitWatts / rateBytesPerSecond;
}
