/**
 * JSON (RFC 8259) as text in pieces, so that what a merge does not touch keeps its digits, its escapes and its layout.
 *
 * A text is validated once and as a whole; after that the scanners below may rely on it and only look for where things end.
 */

/** A member of an object or an element of an array, with the blanks around it. */
export interface JsonPart {
  /** Blanks behind the opening bracket or the comma. */
  readonly before: string;
  /** The name as written, with quotes; empty in an array. */
  readonly name: string;
  /** From the name to the value: a colon and blanks; empty in an array. */
  readonly colon: string;
  /** The value as written. */
  readonly value: string;
  /** Blanks in front of the comma behind it; empty for the last part. */
  readonly after: string;
}

/** An object or an array. */
export interface JsonContainer {
  readonly parts: readonly JsonPart[];
  /** Blanks in front of the closing bracket. */
  readonly end: string;
}

const blanks = /[ \t\n\r]*/y;
const numberText = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const words = ['true', 'false', 'null'] as const;

function skipBlanks(text: string, at: number): number {
  blanks.lastIndex = at;
  blanks.test(text);
  return blanks.lastIndex;
}

const quote = 0x22;
const backslash = 0x5c;

/** Index behind the string that begins at `at`, in valid JSON. */
function skipString(text: string, at: number): number {
  let end = at + 1;
  for (;;) {
    const code = text.charCodeAt(end);
    if (code === quote) return end + 1;
    end += code === backslash ? 2 : 1;
  }
}

/** Index behind the value that begins at `at`, in valid JSON. */
function skipValue(text: string, at: number): number {
  let depth = 0;
  for (let end = at; ; ) {
    const character = text[end];
    if (character === '"') {
      end = skipString(text, end);
      if (depth === 0) return end;
    } else if (character === '{' || character === '[') {
      depth++;
      end++;
    } else if (character === '}' || character === ']') {
      if (depth === 0) return end;
      depth--;
      end++;
      if (depth === 0) return end;
    } else if (depth === 0 && (character === undefined || ', \t\n\r'.includes(character))) {
      return end;
    } else {
      end++;
    }
  }
}

/** Parts that a container may have to be taken apart: each takes some hundred bytes of memory. */
const partsMax = 500_000;

/** Takes apart an object or array that is valid JSON and has no blanks around it; `undefined` when it has too many parts. */
export function openContainer(text: string): JsonContainer | undefined {
  const named = text[0] === '{';
  const parts: JsonPart[] = [];
  let at = 1;
  for (;;) {
    const start = skipBlanks(text, at);
    const before = text.slice(at, start);
    // Only an empty container closes here: behind a comma comes a part.
    if (start === text.length - 1) return { parts, end: before };
    const nameEnd = named ? skipString(text, start) : start;
    const valueStart = named ? skipBlanks(text, skipBlanks(text, nameEnd) + 1) : start;
    const valueEnd = skipValue(text, valueStart);
    const behind = skipBlanks(text, valueEnd);
    const blank = text.slice(valueEnd, behind);
    const last = behind === text.length - 1;
    parts.push({
      before,
      name: text.slice(start, nameEnd),
      colon: text.slice(nameEnd, valueStart),
      value: text.slice(valueStart, valueEnd),
      after: last ? '' : blank,
    });
    if (last) return { parts, end: blank };
    if (parts.length === partsMax) return undefined;
    at = behind + 1;
  }
}

/** The text of an object (`{`) or array (`[`). */
export function closeContainer(opening: '{' | '[', { parts, end }: JsonContainer): string {
  const inner = parts.map((part) => part.before + part.name + part.colon + part.value + part.after).join(',');
  return `${opening}${inner}${end}${opening === '{' ? '}' : ']'}`;
}

/** A text with the same meaning for every way of writing the value, other than the digits of numbers and the order of members: no blanks, no needless escapes. */
export function plainJson(text: string): string {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end: number;
    if (text[at] === '"') {
      end = skipString(text, at);
      const string = text.slice(at, end);
      pieces.push(string.includes('\\') ? JSON.stringify(JSON.parse(string)) : string);
    } else {
      end = at;
      while (end < text.length && text[end] !== '"') end++;
      pieces.push(text.slice(at, end).replaceAll(/[ \t\n\r]+/g, ''));
    }
    at = end;
  }
  return pieces.join('');
}

/** True when the text is one JSON value, with or without blanks around it. Takes no memory to speak of, and any depth. */
export function isJson(text: string): boolean {
  const open: ('{' | '[')[] = [];
  let at = skipBlanks(text, 0);
  for (;;) {
    // Here a value begins.
    const character = text[at];
    if (character === '{' || character === '[') {
      const first = skipBlanks(text, at + 1);
      if (text[first] !== (character === '{' ? '}' : ']')) {
        open.push(character);
        const next = character === '{' ? nameEnd(text, first) : first;
        if (next === undefined) return false;
        at = next;
        continue;
      }
      at = first + 1;
    } else {
      const end = scalarEnd(text, at);
      if (end === undefined) return false;
      at = end;
    }
    // Here a value has ended: close what closes, until a comma or the end.
    for (;;) {
      at = skipBlanks(text, at);
      const container = open.at(-1);
      if (container === undefined) return at === text.length;
      if (text[at] === ',') {
        const start = skipBlanks(text, at + 1);
        const next = container === '{' ? nameEnd(text, start) : start;
        if (next === undefined) return false;
        at = next;
        break;
      }
      if (text[at] !== (container === '{' ? '}' : ']')) return false;
      open.pop();
      at++;
    }
  }
}

/** Index of the value of the member whose name begins at `at`. */
function nameEnd(text: string, at: number): number | undefined {
  const end = stringEnd(text, at);
  if (end === undefined) return undefined;
  const colon = skipBlanks(text, end);
  return text[colon] === ':' ? skipBlanks(text, colon + 1) : undefined;
}

function scalarEnd(text: string, at: number): number | undefined {
  if (text[at] === '"') return stringEnd(text, at);
  const word = words.find((candidate) => text.startsWith(candidate, at));
  if (word !== undefined) return at + word.length;
  numberText.lastIndex = at;
  return numberText.test(text) ? numberText.lastIndex : undefined;
}

const escapeText = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;

function stringEnd(text: string, at: number): number | undefined {
  if (text[at] !== '"') return undefined;
  for (let end = at + 1; end < text.length; ) {
    const code = text.charCodeAt(end);
    if (code === quote) return end + 1;
    if (code < 0x20) return undefined;
    end++;
    if (code !== backslash) continue;
    escapeText.lastIndex = end;
    if (!escapeText.test(text)) return undefined;
    end = escapeText.lastIndex;
  }
  return undefined;
}
