import { limits } from '../core/limits.ts';

/**
 * Cuts the bytes of a text file into lines, wherever the pushed pieces happen to end.
 *
 * Two kinds of damage are cut out here, because they decide where the next good line begins:
 *
 * - A *NUL run*, two or more zero bytes, is what a power cut leaves where a file system had made room but not yet written. Everything from the beginning of the line to the end of its
 *   last run is one piece, and what stands behind it is a line of its own: the row that was written after the power came back. A single zero byte stays in its line.
 * - A line longer than `limits.instrumentLineBytesMax` is handed out in pieces of exactly that length, so that memory is bounded.
 *
 * The cuts depend on the bytes alone, not on the sizes in which they are pushed. Memory is the longest unfinished line plus the largest push.
 */

/** What a piece of a file is: a line with its end, a torn line and the NUL run behind it, a part of a line over the limit, or the rest of the file, which has no line end. */
export type PieceKind = 'line' | 'nul-run' | 'too-long' | 'rest';

/** A piece of the file. The indices point into `LineSplitter.bytes` and hold until the next push. */
export interface Piece {
  readonly kind: PieceKind;
  /** Index of the first byte. */
  readonly from: number;
  /** Index behind the last byte of text: the line end, LF or CRLF, is not text. */
  readonly textTo: number;
  /** Index behind the last byte. */
  readonly to: number;
  /** Offset of the first byte in the file. */
  readonly offset: number;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Cuts one file into pieces that follow each other without a gap. */
export class LineSplitter {
  /** The bytes that the pieces point into. Replaced by every push. */
  bytes: Uint8Array = new Uint8Array(0);
  private storage = this.bytes;
  /** Index of the first byte that no piece has taken. */
  private start = 0;
  /** File offset of `bytes[0]`. */
  private baseOffset: number;
  /** Index of the first line feed at or behind `start`; the end of the bytes when there is none yet. */
  private newline = 0;
  /** Index of the last zero byte, -1 when there is none: text without any takes the short way. */
  private lastNul = -1;
  /** True inside a line of which the beginning has already been handed out as too long. */
  private inLongLine: boolean;

  /**
   * @param offset where in the file the first pushed byte stands
   * @param inLongLine whether that byte lies inside a line that was too long
   */
  constructor(offset: number, inLongLine: boolean) {
    this.baseOffset = offset;
    this.inLongLine = inLongLine;
  }

  /** True when the next byte continues a line that was too long: to be remembered with the offset when reading stops here. */
  get continuesLongLine(): boolean {
    return this.inLongLine;
  }

  /** File offset of the first byte that no piece has taken. */
  get offset(): number {
    return this.baseOffset + this.start;
  }

  /** Adds the next bytes of the file. They are copied. */
  push(chunk: Uint8Array): void {
    const kept = this.bytes.length - this.start;
    const searched = this.newline === this.bytes.length ? kept : this.newline - this.start;
    const lastNul = this.lastNul - this.start;
    if (kept + chunk.length > this.storage.length) {
      const larger = new Uint8Array(Math.max(2 * kept, kept + chunk.length));
      larger.set(this.bytes.subarray(this.start));
      this.storage = larger;
    } else if (this.start > 0) {
      this.storage.copyWithin(0, this.start, this.bytes.length);
    }
    this.storage.set(chunk, kept);
    this.baseOffset += this.start;
    this.start = 0;
    this.bytes = this.storage.subarray(0, kept + chunk.length);
    this.newline = this.search(searched);
    const nulInChunk = chunk.lastIndexOf(0);
    this.lastNul = nulInChunk >= 0 ? kept + nulInChunk : Math.max(lastNul, -1);
  }

  /**
   * The next piece, or `undefined` until more is pushed. With `atEnd` the file is taken to end with the last pushed byte, so that what has no line end comes out too.
   */
  next(atEnd = false): Piece | undefined {
    const from = this.start;
    const windowEnd = Math.min(this.bytes.length, from + limits.instrumentLineBytesMax);
    if (this.newline < windowEnd) return this.line(from, this.newline + 1);
    if (windowEnd - from === limits.instrumentLineBytesMax) {
      const behindRun = this.behindNulRun(from, windowEnd);
      if (behindRun > from) return this.take('nul-run', behindRun, false);
      return this.take('too-long', windowEnd, true);
    }
    if (!atEnd || from === this.bytes.length) return undefined;
    const behindRun = this.behindNulRun(from, windowEnd);
    if (behindRun > from) return this.take('nul-run', behindRun, false);
    return this.take(this.inLongLine ? 'too-long' : 'rest', windowEnd, false);
  }

  private line(from: number, to: number): Piece {
    const behindRun = this.behindNulRun(from, to);
    if (behindRun > from) return this.take('nul-run', behindRun, false);
    const piece = this.take(this.inLongLine ? 'too-long' : 'line', to, false);
    this.newline = this.search(to);
    return piece;
  }

  private take(kind: PieceKind, to: number, inLongLine: boolean): Piece {
    const from = this.start;
    let textTo = to;
    if (textTo > from && this.bytes[textTo - 1] === lineFeed) textTo--;
    if (textTo > from && (textTo < to || kind === 'rest') && this.bytes[textTo - 1] === carriageReturn) textTo--;
    this.start = to;
    this.inLongLine = inLongLine;
    return { kind, from, textTo, to, offset: this.baseOffset + from };
  }

  private search(from: number): number {
    const found = this.bytes.indexOf(lineFeed, from);
    return found < 0 ? this.bytes.length : found;
  }

  /** Index behind the last run of two or more zero bytes that ends in [from, to); `from` when there is none. */
  private behindNulRun(from: number, to: number): number {
    for (let at = Math.min(this.lastNul, to - 1); at > from; at--) {
      at = this.bytes.lastIndexOf(0, at);
      if (at <= from) break;
      if (this.bytes[at - 1] === 0) return at + 1;
    }
    return from;
  }
}
