import type { JsonValue } from '../../formats/csijson/json-value.ts';

/** JSON pointers (RFC 6901), with numbers in their own digits. */

/** True when a text is a pointer: empty, or a run of parts that begin with `/`. */
export function isJsonPointer(text: string): boolean {
  return /^(?:\/(?:[^~/]|~[01])*)*$/.test(text);
}

/** The value a pointer leads to, `undefined` when there is none. The pointer must be one. */
export function valueAt(root: JsonValue, pointer: string): JsonValue | undefined {
  let value: JsonValue | undefined = root;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (value?.type === 'object') value = value.members.get(name);
    else if (value?.type === 'array' && /^(?:0|[1-9]\d{0,8})$/.test(name)) value = value.items[Number(name)];
    else return undefined;
  }
  return value;
}

/** Text of a value that is one: a number in its digits, a string, a truth; `undefined` for anything else. */
export function scalarText(value: JsonValue | undefined): string | undefined {
  return value?.type === 'string' || value?.type === 'number' || value?.type === 'boolean' ? value.text : undefined;
}
