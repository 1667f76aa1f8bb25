import { utf8Text } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import type { Cell } from './record-stream.ts';

/**
 * One row of delimited text, taken apart where it lies: the bytes are walked once, cell borders are noted, and text is made only of the cells somebody asks for.
 *
 * Quoting is RFC 4180's: a cell that begins with `"` ends at the next `"` that is not doubled, and may hold the delimiter. It may not hold a line end: instruments write none, and a
 * row with a lost quotation mark must not swallow the rows behind it. A quotation mark inside a cell that does not begin with one is an ordinary character. Spaces around a cell are not
 * part of it.
 */

/** Why a row cannot be used: a quoted cell does not end, or goes on behind its end; the row has more cells than a table may have. */
export type RowFlaw = 'quoting' | 'too-many-cells';

const quote = 0x22;
const space = 0x20;
const tab = 0x09;

/** Characters of Windows-1252 at 0x80..0x9f; the five bytes it leaves open stand for the control characters of Latin-1 (WHATWG Encoding, index windows-1252). */
const windows1252Upper = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

/**
 * Text of bytes that do not say their encoding: UTF-8 if they are valid UTF-8, else Windows-1252, of which Latin-1 as instruments use it is a part. Never fails. A byte-order mark is
 * kept.
 */
export function decodeText(bytes: Uint8Array): string {
  return utf8Text(bytes) ?? windows1252Text(bytes);
}

/** Bytes of a cell of digits, points, hyphens and slashes that is looked up among the cells before it: readings are short, and come again and again. */
const knownTextBytesMax = 7;
/** Places for known texts, a power of two, and the bits that name one. */
const knownTextBits = 12;
/** The first of the thirteen characters from `-` to `9`: four bits each tell them apart, so that a key of 32 bits is as good as the text. */
const keyedFrom = 0x2d;
const keyedCharacters = 13;
/** What spreads the keys over the places (Knuth's multiplicative hash). */
const keySpread = 0x9e3779b1;
/** Bytes that are made a text of their own, one by one, sooner than cut out of the text of the whole line. */
const shortTextBytesMax = 12;

/** Text of a few ASCII bytes. */
function shortText(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  let at = from;
  for (; at + 4 <= to; at += 4) {
    text += String.fromCharCode(bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number, bytes[at + 3] as number);
  }
  for (; at < to; at++) text += String.fromCharCode(bytes[at] as number);
  return text;
}

function windows1252Text(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x80 && byte < 0xa0 ? windows1252Upper[byte - 0x80] : String.fromCharCode(byte);
  return text;
}

/** A row of delimited text. One object serves any number of rows, one after another: `scan` forgets the row before. */
export class CsvRow {
  /** Cells found. A row of no bytes has one empty cell. */
  count = 0;
  /** Why the row cannot be used, if it cannot. */
  flaw: RowFlaw | undefined;
  /** Whether a control character other than tab and NUL stands in the row. */
  hasControl = false;
  /** Whether a zero byte stands in the row. */
  hasNul = false;
  private bytes: Uint8Array = new Uint8Array(0);
  private from = 0;
  private to = 0;
  private readonly begins: number[] = [];
  /** Borders of a cell's content, without quotation marks and outer spaces. */
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  /** Whether the cell holds doubled quotation marks. */
  private readonly doubled: boolean[] = [];
  private ascii = true;
  /** Short texts of numbers by their keys; the last one has the place. One text for all cells that are alike takes less memory than one each. */
  private readonly knownTexts: string[] = [];
  private readonly knownKeys = new Int32Array(1 << knownTextBits);
  private line: string | undefined;
  private utf8: boolean | undefined;

  /**
   * Takes the bytes in [from, to) apart; they must stay as they are while the cells are asked for.
   *
   * @param delimiter the byte between cells: comma, semicolon or tab
   */
  scan(bytes: Uint8Array, from: number, to: number, delimiter: number): void {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
    this.line = undefined;
    this.utf8 = undefined;
    this.flaw = undefined;
    let seen = 0;
    let controls = 0;
    let nuls = 0;
    let count = 0;
    let at = from;
    for (;;) {
      if (count > limits.fieldsPerTableMax) {
        this.flaw = 'too-many-cells';
        break;
      }
      this.begins[count] = at;
      while (at < to && bytes[at] === space) at++;
      let doubled = false;
      if (at < to && bytes[at] === quote) {
        this.starts[count] = ++at;
        for (; at < to; at++) {
          const byte = bytes[at] as number;
          if (byte === quote) {
            if (at + 1 < to && bytes[at + 1] === quote) {
              doubled = true;
              at++;
            } else break;
          } else if (byte < space && byte !== tab) {
            if (byte === 0) nuls++;
            else controls++;
          }
          seen |= byte;
        }
        this.ends[count] = at;
        if (at >= to) this.flaw = 'quoting';
        at++;
        while (at < to && bytes[at] === space) at++;
        if (at < to && bytes[at] !== delimiter) {
          this.flaw = 'quoting';
          while (at < to && bytes[at] !== delimiter) seen |= bytes[at++] as number;
        }
      } else {
        this.starts[count] = at;
        for (; at < to; at++) {
          const byte = bytes[at] as number;
          if (byte === delimiter) break;
          if (byte < space && byte !== tab) {
            if (byte === 0) nuls++;
            else controls++;
          }
          seen |= byte;
        }
        let end = at;
        while (end > (this.starts[count] as number) && bytes[end - 1] === space) end--;
        this.ends[count] = end;
      }
      this.doubled[count] = doubled;
      count++;
      if (at >= to) break;
      at++;
    }
    this.count = count;
    this.ascii = seen < 0x80;
    this.hasControl = controls > 0;
    this.hasNul = nuls > 0;
  }

  /** Index of the first byte of a cell, quotation mark and leading spaces included. */
  begin(index: number): number {
    return this.begins[index] as number;
  }

  /** Index of the first byte of a cell's content. */
  contentFrom(index: number): number {
    return this.starts[index] as number;
  }

  /** Index behind the last byte of a cell's content. */
  contentTo(index: number): number {
    return this.ends[index] as number;
  }

  /** True when a cell has no content, quoted or not. */
  isEmpty(index: number): boolean {
    return (this.starts[index] as number) >= (this.ends[index] as number);
  }

  /** A cell's content. The whole row is read in one encoding: UTF-8, or else Windows-1252. */
  text(index: number): string {
    const start = this.starts[index] as number;
    const end = this.ends[index] as number;
    if (start >= end) return '';
    const known = end - start <= knownTextBytesMax ? this.knownText(start, end) : undefined;
    if (known !== undefined) return known;
    let text: string;
    if (this.ascii && end - start <= shortTextBytesMax) {
      text = shortText(this.bytes, start, end);
    } else if (this.ascii) {
      this.line ??= decodeText(this.bytes.subarray(this.from, this.to));
      text = this.line.slice(start - this.from, end - this.from);
    } else {
      this.utf8 ??= utf8Text(this.bytes.subarray(this.from, this.to)) !== undefined;
      const bytes = this.bytes.subarray(start, end);
      text = this.utf8 ? decodeText(bytes) : windows1252Text(bytes);
    }
    return this.doubled[index] ? text.replaceAll('""', '"') : text;
  }

  /** The text of at most `knownTextBytesMax` bytes, where all of them are characters that have a key. */
  private knownText(start: number, end: number): string | undefined {
    const { bytes } = this;
    let key = 1;
    for (let at = start; at < end; at++) {
      const code = (bytes[at] as number) - keyedFrom;
      if (code < 0 || code >= keyedCharacters) return undefined;
      key = (key << 4) | code;
    }
    const place = Math.imul(key, keySpread) >>> (32 - knownTextBits);
    if (this.knownKeys[place] === key) return this.knownTexts[place];
    if (this.knownTexts.length === 0) for (let each = 0; each < this.knownKeys.length; each++) this.knownTexts.push('');
    this.knownKeys[place] = key;
    const text = shortText(bytes, start, end);
    this.knownTexts[place] = text;
    return text;
  }

  /** A cell's content, `null` when it is empty. */
  cell(index: number): Cell {
    return this.isEmpty(index) ? null : this.text(index);
  }
}
