/**
 * Tags and text of XML, understood as far as CSIXML goes: names, attributes, the five named characters and characters by number. There is no document type, so nothing expands to more than one
 * character.
 *
 * Source: W3C, Extensible Markup Language (XML) 1.0, sections 2.3, 3.1 and 4.6.
 */

/** A tag, understood. */
export interface Tag {
  /** `empty` is `<name/>`. */
  readonly kind: 'open' | 'close' | 'empty';
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
}

const beginning = /<(\/?)([A-Za-z_][\w.:-]{0,63})/y;
const attribute = /\s+([A-Za-z_][\w.:-]{0,63})\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
const ending = /\s*(\/?)>/y;

const characterByName: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** The character a reference stands for, or `undefined` when it stands for none. */
function characterOf(name: string): string | undefined {
  if (!name.startsWith('#')) return characterByName.get(name);
  const code = name.startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code > 0 && code <= 0x10_ffff ? String.fromCodePoint(code) : undefined;
}

/** Text with its references replaced, or `undefined` when an `&` begins none that is known. */
export function plainText(markup: string): string | undefined {
  if (!markup.includes('&')) return markup;
  let isGood = true;
  const text = markup.replace(/&(?:(#\d{1,7}|#x[\da-fA-F]{1,6}|[a-z]{2,4});)?/g, (_, name: string | undefined) => {
    const character = name === undefined ? undefined : characterOf(name);
    if (character === undefined) isGood = false;
    return character ?? '';
  });
  return isGood ? text : undefined;
}

/** The tag that the text of one piece of markup is, or `undefined` when it is none. Of an attribute that stands twice the last one counts. */
export function parseTag(text: string): Tag | undefined {
  beginning.lastIndex = 0;
  const [begun = '', slash = '', name = ''] = beginning.exec(text) ?? [];
  if (begun === '') return undefined;
  const attributes = new Map<string, string>();
  let at = begun.length;
  for (;;) {
    attribute.lastIndex = at;
    const found = attribute.exec(text);
    if (!found) break;
    const value = plainText(found[2] ?? found[3] ?? '');
    if (value === undefined) return undefined;
    attributes.set(found[1] as string, value);
    at = attribute.lastIndex;
  }
  ending.lastIndex = at;
  const end = ending.exec(text);
  if (!end || ending.lastIndex < text.length || (slash !== '' && (end[1] !== '' || attributes.size > 0))) return undefined;
  const openOrEmpty = end[1] === '' ? 'open' : 'empty';
  return { kind: slash === '' ? openOrEmpty : 'close', name, attributes };
}
