/**
 * Finds where a JSON value ends, without understanding it: brackets are counted and strings are skipped. Bytes may come in pieces; each is looked at once.
 */

const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;

const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** Looks for the end of one value. */
export class ValueCutter {
  /** Bytes of the value that have been looked at. */
  length = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  /**
   * Looks further.
   *
   * @param bytes the value from its first byte on, which is no blank; the same bytes as at the last call, and more behind them
   * @returns whether `length` is the whole value's; `broken` when a string holds a control character, which no JSON may, or nothing stands where a value should
   */
  read(bytes: Uint8Array): 'whole' | 'open' | 'broken' {
    for (; this.length < bytes.length; this.length++) {
      const byte = bytes[this.length] as number;
      if (this.inString) {
        if (byte < space) return this.broken();
        if (this.escaped) this.escaped = false;
        else if (byte === backslash) this.escaped = true;
        else if (byte === quote) {
          this.inString = false;
          if (this.depth === 0) return this.whole();
        }
      } else if (byte === openBrace || byte === openBracket) {
        if (this.depth === 0 && this.length > 0) return 'whole';
        this.depth++;
      } else if (byte === closeBrace || byte === closeBracket) {
        if (this.depth === 0) return this.length > 0 ? 'whole' : this.broken();
        this.depth--;
        if (this.depth === 0) return this.whole();
      } else if (byte === quote) {
        if (this.depth === 0 && this.length > 0) return 'whole';
        this.inString = true;
      } else if (this.depth === 0 && (byte === comma || byte <= space)) {
        return this.length > 0 ? 'whole' : this.broken();
      }
    }
    return 'open';
  }

  private whole(): 'whole' {
    this.length++;
    return 'whole';
  }

  /** The byte that breaks the value belongs to what is broken. */
  private broken(): 'broken' {
    this.length++;
    return 'broken';
  }
}
