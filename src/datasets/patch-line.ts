/**
 * A guess at numbers that were recalibrated: in many runs of literals, the new number is the old one times a factor plus an offset, rounded.
 *
 * Which bytes of a run are a number, and of which kind, is not said anywhere, so every kind and every alignment is tried: for each, the numbers of the runs so far, old and new, are fitted by a line
 * (least squares), and the one whose line foretold the last runs foretells the next. A column of floating-point numbers in a binary record then costs a few bits a value instead of two bytes.
 *
 * Plain IEEE addition, multiplication and division in a fixed order, so that both sides guess the same. Any change to it is a change of format.
 */

interface NumberKind {
  readonly bytes: 4 | 8;
  readonly littleEndian: boolean;
}

const kinds: readonly NumberKind[] = [
  { bytes: 4, littleEndian: true },
  { bytes: 4, littleEndian: false },
  { bytes: 8, littleEndian: true },
  { bytes: 8, littleEndian: false },
];

/** A guess is as good as right when it is off in the last bits alone. */
const toleranceByBytes = { 4: 2 ** -21, 8: 2 ** -44 } as const;
/** How well a line must have done lately to be believed, and how well it can have done. */
const scoreMin = 4;
const scoreMax = 12;
const scoreLoss = 4;

/** One way to see a number in a run, and the line through those seen so. */
class Line {
  readonly kind: NumberKind;
  readonly phase: number;
  score = 0;
  #count = 0;
  // Sums over what is left when the first pair is taken from each: large numbers that hardly vary would lose their digits.
  #x0 = 0;
  #y0 = 0;
  #x = 0;
  #y = 0;
  #xx = 0;
  #xy = 0;

  constructor(kind: NumberKind, phase: number) {
    this.kind = kind;
    this.phase = phase;
  }

  /** Where the number begins that holds the byte at `place`. */
  startOf(place: number): number {
    return place - ((place + this.kind.bytes - this.phase) % this.kind.bytes);
  }

  guess(x: number): number {
    const spread = this.#count * this.#xx - this.#x * this.#x;
    const factor = spread > 0 ? (this.#count * this.#xy - this.#x * this.#y) / spread : 1;
    return this.#y0 + (this.#y - factor * this.#x) / this.#count + factor * (x - this.#x0);
  }

  learn(x: number, y: number): void {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      this.score = 0;
      return;
    }
    const isNear = this.#count >= 2 && Math.abs(this.guess(x) - y) <= Math.abs(y) * toleranceByBytes[this.kind.bytes];
    this.score = isNear ? Math.min(scoreMax, this.score + 1) : Math.max(0, this.score - scoreLoss);
    if (this.#count === 0 || (!isNear && this.score === 0 && this.#count >= 2)) {
      this.#x0 = x;
      this.#y0 = y;
      this.#count = 1;
      this.#x = 0;
      this.#y = 0;
      this.#xx = 0;
      this.#xy = 0;
      return;
    }
    const [dx, dy] = [x - this.#x0, y - this.#y0];
    this.#count++;
    this.#x += dx;
    this.#y += dy;
    this.#xx += dx * dx;
    this.#xy += dx * dy;
  }
}

/** The guesses for the runs of one patch. */
export class RecalibratedNumbers {
  readonly #view: DataView;
  readonly #lines = kinds.flatMap((kind) => Array.from({ length: kind.bytes }, (_, phase) => new Line(kind, phase)));
  readonly #guess = new DataView(new ArrayBuffer(8));
  #guessFrom = 0;
  #guessTo = 0;
  #lastPlace = -1;
  #lastDiagonal = 0;

  /** @param buffer base and target one after the other, the target as far as it is known to both sides */
  constructor(buffer: Uint8Array) {
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  /** A run begins at `place`, everything before which is known; the base has what belongs there at `expectedPlace` (-1: unknown). */
  begin(place: number, expectedPlace: number): void {
    this.#guessTo = 0;
    const last = this.#lastPlace;
    if (last >= 0) for (const line of this.#lines) this.#learn(line, last, place);
    this.#lastPlace = expectedPlace < 0 ? -1 : place;
    this.#lastDiagonal = expectedPlace - place;
    if (expectedPlace < 0) return;
    let best: Line | undefined;
    for (const line of this.#lines) if (line.score >= scoreMin && line.score > (best?.score ?? 0)) best = line;
    if (best === undefined) return;
    const from = best.startOf(place);
    const old = from + this.#lastDiagonal;
    if (old < 0) return;
    const { bytes, littleEndian } = best.kind;
    const guess = best.guess(this.#number(old, best.kind));
    if (!Number.isFinite(guess)) return;
    if (bytes === 4) this.#guess.setFloat32(0, guess, littleEndian);
    else this.#guess.setFloat64(0, guess, littleEndian);
    this.#guessFrom = from;
    this.#guessTo = from + bytes;
  }

  /** The byte that is guessed to stand at `place`, or -1. */
  byteAt(place: number): number {
    return place < this.#guessTo ? this.#guess.getUint8(place - this.#guessFrom) : -1;
  }

  #learn(line: Line, place: number, known: number): void {
    const from = line.startOf(place);
    const old = from + this.#lastDiagonal;
    if (old < 0 || from + line.kind.bytes > known) return;
    line.learn(this.#number(old, line.kind), this.#number(from, line.kind));
  }

  #number(place: number, { bytes, littleEndian }: NumberKind): number {
    return bytes === 4 ? this.#view.getFloat32(place, littleEndian) : this.#view.getFloat64(place, littleEndian);
  }
}
