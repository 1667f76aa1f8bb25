import type { PriorityClass } from '../core/priority.ts';
import type { PowerReading } from '../ports/power-state.ts';

/**
 * How hard to compress a content before it is sent: the effort that delivers it soonest, for the processor, the link and the battery there are.
 *
 * Encoding and sending go on side by side, so a bulk content takes as long as the slower of the two; an urgent one waits for both, one after the other. The time on the link follows from a
 * sample of the content: zstd's lowest level on a part of it says how compressible it is, and levels above gain by typical factors. The time on the processor follows from typical costs, scaled by what encoding has
 * really cost on this machine. On battery, processor time counts more than it takes; on a slow link that changes nothing, because there the radio is what uses up the battery.
 *
 * What is chosen is an upper bound of effort. Which form is the smallest (as it is, zstd, zstd with the base as dictionary, a patch) is found out by trying, group by group, within it. Rows of
 * observations are not chosen for: they are coded as series once, when they are written, because what is signed must not change on the way.
 */

/** Bounds of the work on one group of chunks. */
export interface EncodingBounds {
  /** zstd level 1 to 19; 0: nothing is tried, the bytes go as they are. */
  readonly level: number;
  /** Longest base that is given to zstd as a dictionary, bytes. */
  readonly dictionaryBytesMax: number;
  /** Literals of a patch that are coded with a model of the content, bytes: the closest coding, and the slowest. */
  readonly modelledBytesMax: number;
}

/** What a choice depends on. */
export interface CodecCircumstances {
  /** The receiver holds something similar. */
  readonly hasBase: boolean;
  /** Length of a compressed sample by its original length; absent where nothing could be read. */
  readonly sampleRatio?: number;
  /** Rate of the link, bytes a second; absent before anything was measured. */
  readonly rateBytesPerSecond?: number;
  readonly priority: PriorityClass;
  readonly power: PowerReading;
}

/** What was chosen, and for what reason. */
export interface CodecChoice {
  readonly codec: 'none' | 'zstd' | 'delta';
  readonly bounds: EncodingBounds;
  /** Expected length by original length, where no base helps. */
  readonly expectedRatio: number;
  /** One sentence for a person. */
  readonly why: string;
}

interface Effort extends EncodingBounds {
  /** Processor time, nanoseconds a byte; typical of a small Linux box. */
  readonly nsPerByte: number;
  /** What is saved, by what the lowest level saves. */
  readonly gain: number;
}

const kib = 1024;
/** As many literals as a patch can be asked to model. */
const modelledMost = 1024 * kib;

/** Efforts that differ enough to choose between, the least first. */
const efforts: readonly Effort[] = [
  { level: 1, dictionaryBytesMax: 256 * kib, modelledBytesMax: kib, nsPerByte: 6, gain: 1 },
  { level: 3, dictionaryBytesMax: 256 * kib, modelledBytesMax: kib, nsPerByte: 10, gain: 1.05 },
  { level: 6, dictionaryBytesMax: 512 * kib, modelledBytesMax: 8 * kib, nsPerByte: 25, gain: 1.1 },
  { level: 9, dictionaryBytesMax: 1024 * kib, modelledBytesMax: 32 * kib, nsPerByte: 50, gain: 1.13 },
  { level: 15, dictionaryBytesMax: 1024 * kib, modelledBytesMax: 32 * kib, nsPerByte: 150, gain: 1.16 },
  { level: 19, dictionaryBytesMax: 1024 * kib, modelledBytesMax: 64 * kib, nsPerByte: 500, gain: 1.22 },
  { level: 19, dictionaryBytesMax: 1024 * kib, modelledBytesMax: modelledMost, nsPerByte: 1500, gain: 1.3 },
];

const none: EncodingBounds = { level: 0, dictionaryBytesMax: 0, modelledBytesMax: 0 };

/** A sample that does not become shorter than this is not worth the processor of either side. */
const incompressibleRatio = 0.97;
/** What is assumed before anything is known. */
const rateAssumed = 1_000_000;
const ratioAssumed = 0.5;
/** How much longer processor time counts on battery, and on one that is nearly empty. */
const batteryWeight = 2;
const lowBatteryWeight = 6;
const lowChargeShare = 0.3;
/** Classes that wait for encoding and sending one after the other: nothing else is under way that would fill the time. */
const urgent: ReadonlySet<PriorityClass> = new Set(['emergency', 'critical']);

/** Chooses for one content. `speedFactor` is this machine's processor time by the typical one (`EncoderSpeed`). */
export function chooseCodec(circumstances: CodecCircumstances, speedFactor: number): CodecChoice {
  const { hasBase, sampleRatio, rateBytesPerSecond, priority, power } = circumstances;
  const ratio = Math.min(1, sampleRatio ?? ratioAssumed);
  const rate = rateBytesPerSecond ?? rateAssumed;
  if (!hasBase && ratio > incompressibleRatio)
    return {
      codec: 'none',
      bounds: none,
      expectedRatio: 1,
      why: `a sample became no shorter than ${percent(ratio)} of itself: sent as it is`,
    };
  const isLow = power.source === 'battery' && (power.chargeShare ?? 1) < lowChargeShare;
  const weight = isLow ? lowBatteryWeight : power.source === 'battery' ? batteryWeight : 1;
  const ratioOf = (effort: Effort): number => Math.max(0.01, 1 - (1 - ratio) * effort.gain);
  // Nanoseconds a byte of the content.
  const costOf = (effort: Effort): number => {
    const encodeNs = effort.nsPerByte * speedFactor * weight;
    const sendNs = (ratioOf(effort) / rate) * 1e9;
    return urgent.has(priority) ? encodeNs + sendNs : Math.max(encodeNs, sendNs);
  };
  const best = efforts.reduce((a, b) => (costOf(b) < costOf(a) ? b : a));
  const { level, dictionaryBytesMax, modelledBytesMax } = best;
  const fed = power.source === 'battery' ? `, on battery${isLow ? ' that is low' : ''}` : '';
  const known = rateBytesPerSecond === undefined ? 'a link not measured yet' : `${Math.round(rate)} bytes a second`;
  const sampled = sampleRatio === undefined ? 'no sample' : `a sample at ${percent(ratio)}`;
  return {
    codec: hasBase ? 'delta' : 'zstd',
    bounds: { level, dictionaryBytesMax, modelledBytesMax },
    expectedRatio: ratioOf(best),
    why: `zstd ${level}${modelledBytesMax === modelledMost ? ' and modelled literals' : ''}${hasBase ? ' from the base' : ''}: ${known}, ${sampled}, class ${priority}${fed}`,
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Encodings shorter than this say more about the clock than about the processor. */
const observedBytesMin = 64 * kib;
const observedShare = 1 / 4;

/** How fast this machine encodes, learned from what it did. */
export class EncoderSpeed {
  #factor = 1;

  /** This machine's processor time by the typical one. */
  get factor(): number {
    return this.#factor;
  }

  /** So many bytes of content were encoded within these bounds, and it took so long. */
  observe(bounds: EncodingBounds, bytes: number, elapsedMs: number): void {
    const effort = efforts.findLast((each) => each.level === bounds.level && each.modelledBytesMax <= bounds.modelledBytesMax);
    if (effort === undefined || bytes < observedBytesMin || elapsedMs <= 0) return;
    const measured = (elapsedMs * 1e6) / bytes / effort.nsPerByte;
    this.#factor += (Math.min(20, Math.max(0.05, measured)) - this.#factor) * observedShare;
  }
}
