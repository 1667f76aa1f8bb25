/**
 * JSON as values that keep the digits of their numbers: `13.10` stays `13.10`, which `JSON.parse` would make 13.1.
 *
 * Source: RFC 8259.
 */
export type JsonValue =
  | { readonly type: 'null' }
  | { readonly type: 'boolean'; readonly text: 'true' | 'false' }
  | { readonly type: 'number'; readonly text: string }
  | { readonly type: 'string'; readonly text: string }
  | { readonly type: 'array'; readonly items: readonly JsonValue[] }
  | { readonly type: 'object'; readonly members: ReadonlyMap<string, JsonValue> };

/** Objects and arrays within each other at most. */
const depthMax = 16;

const blanks = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const word = /null|true|false/y;
const string = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;

/** Thrown inside `parseJson` alone. */
const malformed = Symbol('malformed JSON');

class JsonParser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The one value the text consists of. */
  whole(): JsonValue {
    const value = this.value(0);
    this.take(blanks);
    if (this.at < this.text.length) throw malformed;
    return value;
  }

  private value(depth: number): JsonValue {
    if (depth > depthMax) throw malformed;
    this.take(blanks);
    const first = this.text[this.at];
    if (first === '{') return this.object(depth);
    if (first === '[') return this.array(depth);
    if (first === '"') return { type: 'string', text: this.string() };
    const name = this.take(word);
    if (name === 'null') return { type: 'null' };
    if (name === 'true' || name === 'false') return { type: 'boolean', text: name };
    const digits = this.take(number);
    if (digits === undefined) throw malformed;
    return { type: 'number', text: digits };
  }

  private object(depth: number): JsonValue {
    const members = new Map<string, JsonValue>();
    this.list('}', () => {
      this.take(blanks);
      const name = this.string();
      this.expect(':');
      members.set(name, this.value(depth + 1));
    });
    return { type: 'object', members };
  }

  private array(depth: number): JsonValue {
    const items: JsonValue[] = [];
    this.list(']', () => items.push(this.value(depth + 1)));
    return { type: 'array', items };
  }

  /** Reads parts with commas between them, from the opening bracket to the closing one. */
  private list(close: string, part: () => void): void {
    this.at++;
    this.take(blanks);
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      part();
      this.take(blanks);
      if (this.text[this.at] === close) {
        this.at++;
        return;
      }
      this.expect(',');
    }
  }

  private string(): string {
    const quoted = this.take(string);
    if (quoted === undefined) throw malformed;
    return JSON.parse(quoted);
  }

  private expect(character: string): void {
    this.take(blanks);
    if (this.text[this.at] !== character) throw malformed;
    this.at++;
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }
}

/** The value that a text writes, or `undefined` when it is not one JSON value or nests deeper than loggers do. Of a name that stands twice in an object the last one counts. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    return new JsonParser(text).whole();
  } catch (error) {
    if (error === malformed) return undefined;
    throw error;
  }
}
