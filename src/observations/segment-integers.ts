import { BitModels, type RangeDecoder, type RangeEncoder } from './segment-range-coder.ts';

/**
 * Integers under the range coder: what a column's differences, the classes of its cells and the numbers of a header are made of.
 *
 * An integer is coded as its sign, the bit length L of its magnitude, the two bits behind the leading one, and the rest of its bits as they are. Sign, length and the two bits
 * have models that learn; below them a measured quantity is noise, and modelling noise costs time and gains nothing. This is an adaptive exponential Golomb code (Teuhola, 1978).
 */

/** Magnitudes are below 2^53, so that every integer is exact. */
const lengthMax = 53;
/** Lengths from here up are coded as this one, and the excess in six plain bits. */
const lengthEscape = 16;
const modelledBits = 2;

const zeroAt = 0;
const signAt = 1;
/** A tree of four decisions for length - 1 has 15 inner nodes, numbered from 1. */
const lengthAt = 1;
/** Three nodes for each length. */
const mantissaAt = lengthAt + 16;
const modelCount = mantissaAt + 3 * (lengthMax + 1);

/** Bits of a non-negative integer without its leading zeros. */
function bitLength(magnitude: number): number {
  return magnitude < 0x100000000 ? 32 - Math.clz32(magnitude) : 64 - Math.clz32(magnitude / 0x100000000);
}

/** The `count` bits of a magnitude (1 to 16) above its lowest `below`. Nearly all are small enough for the processor's own shifts. */
function bitsAt(magnitude: number, below: number, count: number): number {
  if (magnitude < 0x80000000) return (magnitude >>> below) & ((1 << count) - 1);
  return Math.floor(magnitude / 2 ** below) % 2 ** count;
}

/** The models of one kind of integer. */
export class IntegerModels {
  readonly #models = new BitModels(modelCount);

  /** Codes an integer of magnitude below 2^53. */
  encode(encoder: RangeEncoder, value: number): void {
    const models = this.#models;
    const magnitude = Math.abs(value);
    encoder.encodeBit(models, zeroAt, magnitude === 0 ? 0 : 1);
    if (magnitude === 0) return;
    encoder.encodeBit(models, signAt, value < 0 ? 1 : 0);
    const length = bitLength(magnitude);
    const symbol = Math.min(length, lengthEscape) - 1;
    let node = 1;
    for (let bit = 3; bit >= 0; bit--) {
      const decision = (symbol >>> bit) & 1;
      encoder.encodeBit(models, lengthAt + node, decision);
      node = node * 2 + decision;
    }
    if (length >= lengthEscape) encoder.encodeRaw(length - lengthEscape, 6);
    let below = length - 1;
    node = 1;
    for (let i = 0; i < modelledBits && below > 0; i++) {
      below--;
      const decision = bitsAt(magnitude, below, 1);
      encoder.encodeBit(models, mantissaAt + 3 * length + node - 1, decision);
      node = node * 2 + decision;
    }
    while (below > 0) {
      const count = Math.min(below, 16);
      below -= count;
      encoder.encodeRaw(bitsAt(magnitude, below, count), count);
    }
  }

  /** The next integer; of magnitude below 2^53 whatever the bytes say. */
  decode(decoder: RangeDecoder): number {
    const models = this.#models;
    if (decoder.decodeBit(models, zeroAt) === 0) return 0;
    const negative = decoder.decodeBit(models, signAt) === 1;
    let node = 1;
    for (let i = 0; i < 4; i++) node = node * 2 + decoder.decodeBit(models, lengthAt + node);
    let length = node - 16 + 1;
    if (length === lengthEscape) length = Math.min(lengthMax, length + decoder.decodeRaw(6));
    let below = length - 1;
    let magnitude = 1;
    node = 1;
    for (let i = 0; i < modelledBits && below > 0; i++) {
      below--;
      const decision = decoder.decodeBit(models, mantissaAt + 3 * length + node - 1);
      magnitude = magnitude * 2 + decision;
      node = node * 2 + decision;
    }
    while (below > 0) {
      const count = Math.min(below, 16);
      below -= count;
      magnitude = magnitude * 2 ** count + decoder.decodeRaw(count);
    }
    return negative ? -magnitude : magnitude;
  }
}
