import { limits } from '../../core/limits.ts';

/**
 * Cuts XML into text and markup, without understanding either. Bytes may come in pieces; each is looked at once.
 *
 * Only what CSIXML needs is known: tags, comments, processing instructions, and that a declaration (`<!…`) is none of these. A `<` inside a tag means that the tag was torn, as XML allows none
 * even in an attribute; what follows it is cut anew.
 */

/** What a piece is; `torn` is a tag that does not end, or any piece over the length limit. */
export type MarkupKind = 'text' | 'tag' | 'comment' | 'instruction' | 'declaration' | 'torn';

const less = 0x3c;
const greater = 0x3e;
const exclamation = 0x21;
const question = 0x3f;
const hyphen = 0x2d;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const pieceBytesMax = limits.instrumentLineBytesMax;

/** Looks for the end of one piece. */
export class MarkupCutter {
  /** Bytes of the piece that have been looked at. */
  length = 0;
  private kind: MarkupKind = 'text';
  /** The quotation mark an attribute value began with, 0 outside one. */
  private quote = 0;

  /**
   * Looks further.
   *
   * @param bytes the piece from its first byte on; the same bytes as at the last call, and more behind them
   * @returns the kind of the piece, of which `length` is the length then; `undefined` until more bytes are there
   */
  read(bytes: Uint8Array): MarkupKind | undefined {
    for (; this.length < bytes.length; this.length++) {
      if (this.length === pieceBytesMax) return 'torn';
      const byte = bytes[this.length] as number;
      if (this.length === 0) this.kind = byte === less ? 'tag' : 'text';
      else if (this.kind === 'text' || this.kind === 'tag') {
        if (byte === less) return this.kind === 'text' ? 'text' : 'torn';
        if (this.kind === 'tag' && this.continuesTag(byte)) return this.whole();
      } else if (this.endsMarkup(bytes, byte)) return this.whole();
    }
    return undefined;
  }

  /** Takes a byte of a tag; true when it is the last one. */
  private continuesTag(byte: number): boolean {
    if (this.length === 1 && byte === exclamation) this.kind = 'declaration';
    else if (this.length === 1 && byte === question) this.kind = 'instruction';
    else if (this.quote !== 0) this.quote = byte === this.quote ? 0 : this.quote;
    else if (byte === doubleQuote || byte === singleQuote) this.quote = byte;
    else return byte === greater;
    return false;
  }

  /** Whether a byte is the last one of a comment, an instruction or a declaration. */
  private endsMarkup(bytes: Uint8Array, byte: number): boolean {
    const { length } = this;
    if (this.kind === 'declaration' && length === 3 && byte === hyphen && bytes[2] === hyphen) this.kind = 'comment';
    if (byte !== greater) return false;
    if (this.kind === 'instruction') return length > 2 && bytes[length - 1] === question;
    return this.kind === 'declaration' || (length > 5 && bytes[length - 1] === hyphen && bytes[length - 2] === hyphen);
  }

  private whole(): MarkupKind {
    this.length++;
    return this.kind;
  }
}
