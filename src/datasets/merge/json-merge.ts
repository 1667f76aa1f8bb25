import { utf8, utf8Text } from '../../core/bytes.ts';
import { conflict, mergeAtom, mergeBlank } from './atom.ts';
import { closeContainer, isJson, type JsonContainer, type JsonPart, openContainer, plainJson } from './json-text.ts';
import { Conflicts, type MergeResult } from './merge-result.ts';
import { compareRanks, compareTexts, mergeSequences } from './sequence.ts';

/**
 * Merging JSON and GeoJSON: objects by the names of their members, lists of objects by identifier (a GeoJSON feature's `id`, RFC 7946 section 3.2), everything else as a unit. A
 * list without identifiers, such as the coordinates of a line, is a unit: its positions say nothing about which element is which.
 *
 * The merge works on text. What one side left alone is the other side's text, digit for digit; layout follows whoever changed it.
 */

/** Members that may name the elements of a list, the first one that does in all versions. */
export const identifierNames = ['id', '@id', 'uuid', 'fid', 'key', 'name'] as const;
/** Depth of objects in objects beyond which a value is merged as a unit. */
const depthMax = 200;

/** A JSON file: its value, and what stands around it. */
export interface JsonDocument {
  readonly before: string;
  readonly value: string;
  readonly after: string;
}

/** The parts of a JSON file, or `undefined` when the bytes are none. */
export function openDocument(bytes: Uint8Array): JsonDocument | undefined {
  const text = utf8Text(bytes);
  if (text === undefined) return undefined;
  const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
  const body = text.slice(mark.length);
  if (!isJson(body)) return undefined;
  const [before = ''] = /^[ \t\n\r]*/.exec(body) ?? [];
  let end = body.length;
  while (' \t\n\r'.includes(body[end - 1] as string)) end--;
  return { before: mark + before, value: body.slice(before.length, end), after: body.slice(end) };
}

/** Merges three JSON files, or `undefined` when one of them is not JSON. */
export function mergeJson(base: Uint8Array | undefined, left: Uint8Array, right: Uint8Array): MergeResult | undefined {
  const [b, l, r] = [base && openDocument(base), openDocument(left), openDocument(right)];
  if ((base !== undefined && b === undefined) || l === undefined || r === undefined) return undefined;
  const merge = new JsonMerge();
  const value = merge.value(b?.value, l.value, r.value, '', '', 0);
  if (merge.conflicts.count > 0) return merge.conflicts.result();
  return {
    outcome: 'merged',
    bytes: utf8(mergeBlank(b?.before, l.before, r.before) + value + mergeBlank(b?.after, l.after, r.after)),
  };
}

/** One segment of a JSON pointer (RFC 6901). */
export function pointerSegment(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Parts of an object or list by what names them. */
export type PartsByKey = ReadonlyMap<string, JsonPart>;

/** An object's members by name, or a list's elements by identifier; `undefined` when that does not name each of them. */
export function partsByKey(container: JsonContainer, keyOf: (part: JsonPart) => string | undefined): PartsByKey | undefined {
  const byKey = new Map<string, JsonPart>();
  for (const part of container.parts) {
    const key = keyOf(part);
    if (key === undefined || byKey.has(key)) return undefined;
    byKey.set(key, part);
  }
  return byKey;
}

/** The name of a member, without its escapes. */
export function memberName(part: JsonPart): string {
  return JSON.parse(part.name) as string;
}

/** The scalar that identifies an element, as JSON text. GeoJSON allows the identifier of a feature among its properties. */
export function elementIdentifier(element: string, name: string): string | undefined {
  if (element[0] !== '{') return undefined;
  const parts = openContainer(element)?.parts ?? [];
  const find = (among: readonly JsonPart[], wanted: string) => among.find((part) => part.name === `"${wanted}"`)?.value;
  const properties = find(parts, 'properties');
  const value = find(parts, name) ?? (properties?.[0] === '{' ? find(openContainer(properties)?.parts ?? [], name) : undefined);
  return value === undefined || '{[tfn'.includes(value[0] as string) ? undefined : plainJson(value);
}

class JsonMerge {
  readonly conflicts = new Conflicts();

  /** The merged value. When there are conflicts the text is of no use. */
  value(base: string | undefined, left: string, right: string, pointer: string, name: string, depth: number): string {
    if (left === right || right === base) return left;
    if (left === base) return right;
    const opening = left[0];
    if ((opening === '{' || opening === '[') && right[0] === opening && depth < depthMax) {
      const merged = this.#container(
        opening,
        base?.[0] === opening ? base : undefined,
        left,
        right,
        pointer + (name && pointerSegment(name)),
        depth,
      );
      if (merged !== undefined) return merged;
    }
    const merged = mergeAtom(base, left, right, plainJson);
    if (merged !== conflict) return merged;
    this.conflicts.add(pointer, name, base, left, right);
    return left;
  }

  /** The merged object or list, or `undefined` when its parts have no names. */
  #container(
    opening: '{' | '[',
    base: string | undefined,
    left: string,
    right: string,
    pointer: string,
    depth: number,
  ): string | undefined {
    const [b, l, r] = [base === undefined ? undefined : openContainer(base), openContainer(left), openContainer(right)];
    if (l === undefined || r === undefined || (base !== undefined && b === undefined)) return undefined;
    const keyings = opening === '{' ? [memberName] : identifierNames.map((name) => (part: JsonPart) => elementIdentifier(part.value, name));
    for (const keyOf of keyings) {
      const [inBase, inLeft, inRight] = [
        b ? partsByKey(b, keyOf) : new Map<string, JsonPart>(),
        partsByKey(l, keyOf),
        partsByKey(r, keyOf),
      ];
      if (inBase === undefined || inLeft === undefined || inRight === undefined) continue;
      const parts = this.#parts(inBase, inLeft, inRight, pointer, depth, opening);
      return closeContainer(opening, { parts, end: mergeBlank(b?.end, l.end, r.end) });
    }
    return undefined;
  }

  #parts(base: PartsByKey, left: PartsByKey, right: PartsByKey, pointer: string, depth: number, opening: '{' | '['): JsonPart[] {
    const place = (key: string) => (opening === '{' ? key : `id=${key}`);
    /** Whether a side's part stays although the other side lacks it: because it is new. A part that was removed there and changed here is a conflict. */
    const stays = (key: string, mine: JsonPart, other: PartsByKey): boolean => {
      const old = base.get(key);
      if (other.has(key) || old === undefined) return true;
      if (plainJson(old.value) !== plainJson(mine.value)) {
        this.conflicts.add(pointer, place(key), old.value, left.get(key)?.value, right.get(key)?.value);
      }
      return false;
    };
    const keysOf = (mine: PartsByKey, other: PartsByKey) => [...mine].filter(([key, part]) => stays(key, part, other)).map(([key]) => key);
    const order = mergeSequences([...base.keys()], keysOf(left, right), keysOf(right, left), orderKeys);
    return order.map((key) => {
      const [b, l, r] = [base.get(key), left.get(key), right.get(key)];
      if (l === undefined || r === undefined) return (l ?? r) as JsonPart;
      return {
        before: mergeBlank(b?.before, l.before, r.before),
        name: mergeBlank(b?.name, l.name, r.name),
        colon: mergeBlank(b?.colon, l.colon, r.colon),
        value: this.value(b?.value, l.value, r.value, pointer, place(key), depth + 1),
        after: mergeBlank(b?.after, l.after, r.after),
      };
    });
  }
}

/** Numeric identifiers by size, then names. */
function orderKeys(a: string, b: string): number {
  const rank = (key: string) => [key === '' || Number.isNaN(Number(key)) ? key : Number(key)];
  return compareRanks(rank(a), rank(b)) || compareTexts(a, b);
}
