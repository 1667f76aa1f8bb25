/**
 * A model that guesses the next byte of a table or a binary record, bit by bit, from what stands before it, beside it and above it.
 *
 * This is context mixing (Mahoney, "Adaptive Weighing of Context Models for Lossless Data Compression", 2005, and the PAQ and lpaq programs): every context keeps, for each next bit, a small
 * history of zeros and ones; each history is turned into a probability by what such histories led to before; and a small network, trained as it goes, mixes the probabilities. Contexts are
 * the last bytes, the place in the field of a delimited row, the row above, the record before, and the byte that the base has in this place. It costs a few microseconds a byte, both ways, which
 * is nothing beside the seconds that a byte costs on a satellite link.
 *
 * All arithmetic is integer or plain IEEE addition, multiplication and division in a fixed order, without library functions, so that every machine computes the same probabilities. Any
 * change to it is a change of format.
 */

import { RecalibratedNumbers } from './patch-line.ts';
import type { BitCoder } from './patch-range-coder.ts';

/** Contexts, each with its own table of histories. */
const contextCount = 13;
/** Inputs of the mixer: one a context, one for the predicted byte of the longest match, one constant. */
const inputCount = contextCount + 2;

/*
 * Histories. Each is the number of zeros and of ones seen (each up to 7) and the last bit. When one side is seen, a large count of the other shrinks: what changed recently is likelier to
 * change again than old counts say.
 */
const historyCount = 128;
const nextHistory = new Uint8Array(historyCount * 2);
for (let history = 0; history < historyCount; history++) {
  for (let bit = 0; bit < 2; bit++) {
    let zeros = history >> 4;
    let ones = (history >> 1) & 7;
    const shrunk = (count: number) => (count > 2 ? (count + 3) >> 1 : count);
    if (bit === 1) {
      ones = Math.min(7, ones + 1);
      zeros = shrunk(zeros);
    } else {
      zeros = Math.min(7, zeros + 1);
      ones = shrunk(ones);
    }
    nextHistory[history * 2 + bit] = (zeros << 4) | (ones << 1) | bit;
  }
}

/* The logistic function on -12..12 in 4096 steps, from the exponential of one step (a series of four terms) multiplied up, and its inverse for 4096 probabilities. */
const logisticRange = 12;
const logisticSteps = 4096;
const logistic = new Float64Array(logisticSteps);
{
  const step = (2 * logisticRange) / logisticSteps;
  const stepRatio = 1 + step + (step * step) / 2 + (step * step * step) / 6;
  let power = 1;
  for (let i = 0; i < logisticSteps / 2; i++) {
    logistic[logisticSteps / 2 + i] = 1 - 1 / (1 + power);
    if (i > 0) logistic[logisticSteps / 2 - i] = 1 / (1 + power);
    power *= stepRatio;
  }
  logistic[0] = 1 / (1 + power);
}
const logit = new Float64Array(4096);
{
  let step = 0;
  for (let i = 0; i < 4096; i++) {
    while (step < logisticSteps - 1 && (logistic[step] as number) < (i + 0.5) / 4096) step++;
    logit[i] = ((step - logisticSteps / 2) * 2 * logisticRange) / logisticSteps;
  }
}

/** Reciprocals by which a probability approaches what it sees. */
const rates = Float64Array.from({ length: 256 }, (_, seen) => 1 / (seen + 1.5));
const ratesMax = 255;

/** Learning rate of the mixers at first and in the end, and how many bytes go by while the difference shrinks by a factor of e. */
const learningFirst = 0.03;
const learningLast = 0.003;
const learningBytes = 16_384;

/** Shortest agreement that makes a match. */
const matchBytes = 5;
const matchSlotsLog = 18;

const comma = 0x2c;
const newline = 0x0a;
/** How far back the beginnings of this row and of the one above are looked for when a run begins. */
const rowBytesMax = 512;

/** Codes bytes of `buffer`, in which everything before the coded place is known to both sides. */
export class ByteModel {
  readonly #buffer: Uint8Array;
  readonly #recordBytes: number;
  readonly #numbers: RecalibratedNumbers;
  /** Slots of 16 histories, the first of which is a check byte, for each context. */
  readonly #histories: Uint8Array;
  /** The same, to clear a slot at a time. */
  readonly #historyWords: Uint32Array;
  readonly #slotMask: number;
  readonly #slotBase = new Int32Array(contextCount);
  readonly #contextHash = new Int32Array(contextCount);
  readonly #p1 = new Float64Array(contextCount * historyCount);
  readonly #seen = new Uint8Array(contextCount * historyCount);
  readonly #inputs = new Float64Array(inputCount);
  readonly #mixA: Float64Array;
  readonly #mixB: Float64Array;
  readonly #matchSlots = new Int32Array(2 ** matchSlotsLog).fill(-1);
  readonly #matchP1 = new Float64Array(64 * 2).fill(0.5);
  /** Share of an error by which the mixers' weights follow it; it sinks as they settle. */
  #learning = learningFirst;
  #matchPlace = -1;
  #matchLength = 0;
  /** Where the base has what belongs in the current place, or -1, and how well it foretold the last bytes. */
  #expectedPlace = -1;
  #expectedHits = 0;
  #rowStart = 0;
  #rowAbove = 0;
  #field = 0;
  #fieldStart = 0;
  /** The place in the row above that corresponds to the current one. */
  #above = 0;

  /**
   * @param buffer base and target one after the other; the model reads it, the caller fills in what is decoded.
   * @param sizeLog logarithm of the bytes it is trained on; the tables grow with it, to 2 MiB a context.
   * @param recordBytes distance at which the content resembles itself, 1..255.
   */
  constructor(buffer: Uint8Array, sizeLog: number, recordBytes: number) {
    this.#buffer = buffer;
    this.#recordBytes = recordBytes;
    this.#numbers = new RecalibratedNumbers(buffer);
    const slots = 2 ** Math.min(17, sizeLog + 2);
    this.#slotMask = slots - 1;
    this.#histories = new Uint8Array(contextCount * slots * 16);
    this.#historyWords = new Uint32Array(this.#histories.buffer);
    for (let context = 0; context < contextCount; context++) {
      for (let history = 0; history < historyCount; history++) {
        const zeros = history >> 4;
        const ones = (history >> 1) & 7;
        this.#p1[context * historyCount + history] = (ones * 2 + 0.5) / ((zeros + ones) * 2 + 1);
      }
    }
    this.#mixA = new Float64Array(256 * inputCount).fill(0.2);
    this.#mixB = new Float64Array(1024 * inputCount).fill(0.2);
  }

  /** A run begins at `place`; the base has what belongs there at `expectedPlace` (-1: unknown). */
  begin(place: number, expectedPlace: number): void {
    this.#expectedPlace = expectedPlace;
    this.#expectedHits = 0;
    this.#matchLength = 0;
    this.#numbers.begin(place, expectedPlace);
    this.#findRow(place);
  }

  /** Codes the byte at `place`; places of a run follow each other. Returns the byte, which the caller puts into the buffer before the next one. */
  code(coder: BitCoder, place: number, value: number): number {
    const guessed = this.#numbers.byteAt(place);
    const inBase = this.#expectedPlace >= 0 ? (this.#buffer[this.#expectedPlace] as number) : 0;
    const expected = guessed >= 0 ? guessed : inBase;
    const known = guessed >= 0 ? 4 + Math.min(1, this.#expectedHits) : this.#expectedPlace >= 0 ? 1 + Math.min(2, this.#expectedHits) : 0;
    this.#hashContexts(place, expected, known);
    const predicted = this.#matchLength > 0 ? (this.#buffer[this.#matchPlace] as number) : -1;
    let node = 1;
    for (let i = 7; i >= 0; i--) {
      if (i === 7 || i === 3) this.#selectSlots(node);
      const nibbleNode = i > 3 ? node : (node & ((1 << (3 - i)) - 1)) | (1 << (3 - i));
      const predictedBit = predicted >= 0 && (predicted | 0x100) >> (i + 1) === node ? (predicted >> i) & 1 : -1;
      const expectedBit = known > 0 ? ((expected | 0x100) >> (i + 1) === node ? 1 + ((expected >> i) & 1) : 3) : 0;
      node = node * 2 + this.#codeBit(coder, node, nibbleNode, predictedBit, known, expectedBit, (value >> i) & 1);
    }
    this.#learning += (learningLast - this.#learning) / learningBytes;
    const byte = node & 0xff;
    this.#learn(place, byte, expected);
    return byte;
  }

  #codeBit(
    coder: BitCoder,
    node: number,
    nibbleNode: number,
    predictedBit: number,
    known: number,
    expectedBit: number,
    value: number,
  ): number {
    const inputs = this.#inputs;
    const histories = this.#histories;
    const slotBase = this.#slotBase;
    const p1s = this.#p1;
    for (let context = 0; context < contextCount; context++) {
      const history = histories[(slotBase[context] as number) + nibbleNode] as number;
      inputs[context] = logit[((p1s[context * historyCount + history] as number) * 4095.999) | 0] as number;
    }
    const matchIndex = predictedBit < 0 ? -1 : Math.min(this.#matchLength, 63) * 2 + predictedBit;
    inputs[contextCount] = matchIndex < 0 ? 0 : (logit[((this.#matchP1[matchIndex] as number) * 4095.999) | 0] as number);
    inputs[contextCount + 1] = 0.3;

    const matchClass = predictedBit < 0 ? 0 : this.#matchLength < 16 ? 1 : this.#matchLength < 32 ? 2 : 3;
    const setA = (known * 16 + expectedBit * 4 + matchClass) * inputCount;
    const setB = (Math.min(this.#field, 3) * 256 + node) * inputCount;
    const mixA = this.#mixA;
    const mixB = this.#mixB;
    let dotA = 0;
    let dotB = 0;
    for (let i = 0; i < inputCount; i++) {
      const input = inputs[i] as number;
      dotA += input * (mixA[setA + i] as number);
      dotB += input * (mixB[setB + i] as number);
    }
    const pA = logisticOf(dotA);
    const pB = logisticOf(dotB);
    const p1 = logisticOf((dotA + dotB) / 2);
    const bit = coder.code(value, Math.min(65_520, Math.max(16, Math.floor(p1 * 65536))));

    const correctionA = (bit - pA) * this.#learning;
    const correctionB = (bit - pB) * this.#learning;
    for (let i = 0; i < inputCount; i++) {
      const input = inputs[i] as number;
      mixA[setA + i] = (mixA[setA + i] as number) + correctionA * input;
      mixB[setB + i] = (mixB[setB + i] as number) + correctionB * input;
    }
    const seen = this.#seen;
    for (let context = 0; context < contextCount; context++) {
      const place = (slotBase[context] as number) + nibbleNode;
      const history = histories[place] as number;
      const index = context * historyCount + history;
      const count = seen[index] as number;
      p1s[index] = (p1s[index] as number) + (bit - (p1s[index] as number)) * (rates[count] as number);
      if (count < ratesMax) seen[index] = count + 1;
      histories[place] = nextHistory[history * 2 + bit] as number;
    }
    if (matchIndex >= 0) {
      const p = this.#matchP1[matchIndex] as number;
      this.#matchP1[matchIndex] = p + (bit - p) / 64;
    }
    return bit;
  }

  #hashContexts(place: number, expected: number, known: number): void {
    const buffer = this.#buffer;
    const c1 = place > 0 ? (buffer[place - 1] as number) : 0;
    const c2 = place > 1 ? (buffer[place - 2] as number) : 0;
    const c3 = place > 2 ? (buffer[place - 3] as number) : 0;
    const c4 = place > 3 ? (buffer[place - 4] as number) : 0;
    const c5 = place > 4 ? (buffer[place - 5] as number) : 0;
    const c6 = place > 5 ? (buffer[place - 6] as number) : 0;
    const above = this.#above < this.#rowStart ? (buffer[this.#above] as number) : 0;
    const aboveNext = this.#above + 1 < this.#rowStart ? (buffer[this.#above + 1] as number) : 0;
    const aboveBefore = this.#above > 0 ? (buffer[this.#above - 1] as number) : 0;
    const record = place >= this.#recordBytes ? (buffer[place - this.#recordBytes] as number) : 0;
    const recordNext = place >= this.#recordBytes && this.#recordBytes > 1 ? (buffer[place - this.#recordBytes + 1] as number) : 0;
    const column = Math.min(place - this.#fieldStart, 31);
    const three = c1 | (c2 << 8) | (c3 << 16);
    const hash = this.#contextHash;
    hash[0] = 0;
    hash[1] = c1 + 0x100;
    hash[2] = (c1 | (c2 << 8)) + 0x20000;
    hash[3] = three + 0x3000000;
    hash[4] = mix(three | (c4 << 24), 4);
    hash[5] = mix(mix(three | (c4 << 24), 5), c5 | (c6 << 8));
    hash[6] = mix(expected | (known << 8) | (c1 << 16), 6);
    hash[7] = mix(expected | (known << 8) | (column << 16), this.#field + 0x700);
    hash[8] = mix(this.#field | (column << 8) | (above << 16) | (aboveNext << 24), 8);
    hash[9] = mix(this.#field | (above << 8) | (c1 << 16) | (aboveBefore << 24), 9);
    hash[10] = mix(record | (c1 << 8) | (recordNext << 16), 10);
    hash[11] = mix(record | ((place % this.#recordBytes) << 8), 11);
    hash[12] = mix(this.#fieldPrefix(place), this.#field + 0xc00);
  }

  /** A hash of the field so far. */
  #fieldPrefix(place: number): number {
    let hash = 0;
    for (let i = Math.max(this.#fieldStart, place - 12); i < place; i++)
      hash = (Math.imul(hash, 0x2f0b4c47) + (this.#buffer[i] as number) + 1) | 0;
    return hash;
  }

  /** Finds each context's slot for the next four bits. A slot that another context left is cleared. */
  #selectSlots(node: number): void {
    const histories = this.#histories;
    const words = this.#historyWords;
    for (let context = 0; context < contextCount; context++) {
      const hash = mix((this.#contextHash[context] as number) + Math.imul(node, 0x3d4d51cb), context);
      const base = (context * (this.#slotMask + 1) + (hash & this.#slotMask)) * 16;
      const check = (hash >>> 24) | 1;
      if (histories[base] !== check) {
        const word = base >> 2;
        words[word] = 0;
        words[word + 1] = 0;
        words[word + 2] = 0;
        words[word + 3] = 0;
        histories[base] = check;
      }
      this.#slotBase[context] = base;
    }
  }

  /** Moves on behind a byte: match, expectation, row and field. */
  #learn(place: number, byte: number, expected: number): void {
    if (this.#expectedPlace >= 0) {
      this.#expectedHits = byte === expected ? this.#expectedHits + 1 : 0;
      this.#expectedPlace++;
    }
    const buffer = this.#buffer;
    if (this.#matchLength > 0 && buffer[this.#matchPlace] === byte) {
      this.#matchLength++;
      this.#matchPlace++;
    } else {
      this.#matchLength = 0;
    }
    if (place >= matchBytes) {
      let hash = byte + 1;
      for (let i = 1; i < matchBytes; i++) hash = (Math.imul(hash, 0x2f0b4c47) + (buffer[place - i] as number) + 1) | 0;
      const slot = mix(hash, 77) >>> (32 - matchSlotsLog);
      if (this.#matchLength === 0) {
        const candidate = this.#matchSlots[slot] as number;
        if (candidate > 0) {
          let length = buffer[candidate - 1] === byte ? 1 : 0;
          while (length > 0 && length < 32 && length < candidate && buffer[candidate - 1 - length] === buffer[place - length]) length++;
          if (length >= matchBytes) {
            this.#matchLength = length;
            this.#matchPlace = candidate;
          }
        }
      }
      this.#matchSlots[slot] = place + 1;
    }
    if (byte === newline) {
      this.#rowAbove = this.#rowStart;
      this.#rowStart = place + 1;
      this.#field = 0;
      this.#fieldStart = place + 1;
      this.#above = this.#rowAbove;
    } else if (byte === comma) {
      this.#field = (this.#field + 1) & 0xff;
      this.#fieldStart = place + 1;
      this.#above = this.#fieldAbove(this.#above);
    } else if (this.#above < this.#rowStart && buffer[this.#above] !== comma && buffer[this.#above] !== newline) {
      this.#above++;
    }
  }

  /** The place behind the next comma of the row above, or where its row ends. */
  #fieldAbove(from: number): number {
    let place = from;
    const end = Math.min(this.#rowStart, from + rowBytesMax);
    while (place < end && this.#buffer[place] !== comma) place++;
    return place < end ? place + 1 : place;
  }

  /** Works out row, field and the place above for a run that begins at `place`. */
  #findRow(place: number): void {
    const buffer = this.#buffer;
    const startOf = (end: number): number => {
      let start = end;
      while (start > 0 && end - start < rowBytesMax && buffer[start - 1] !== newline) start--;
      return start;
    };
    this.#rowStart = startOf(place);
    this.#rowAbove = this.#rowStart > 0 ? startOf(this.#rowStart - 1) : 0;
    this.#field = 0;
    this.#fieldStart = this.#rowStart;
    this.#above = this.#rowAbove;
    for (let i = this.#rowStart; i < place; i++) {
      if (buffer[i] !== comma) continue;
      this.#field = (this.#field + 1) & 0xff;
      this.#fieldStart = i + 1;
      this.#above = this.#fieldAbove(this.#above);
    }
    this.#above = Math.min(this.#above + place - this.#fieldStart, this.#rowStart);
  }
}

function logisticOf(x: number): number {
  const step = Math.floor((x + logisticRange) * (logisticSteps / (2 * logisticRange)));
  return logistic[step < 0 ? 0 : step >= logisticSteps ? logisticSteps - 1 : step] as number;
}

/** A 32-bit hash of two integers. */
function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ Math.imul(b + 1, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 13);
}
