/**
 * Patterns for paths: `*` stands for any characters within a name, `?` for one, `**` as a whole name for any number of names, none included. Everything else stands for itself. `data/**` is
 * everything below `data`, and a `csv` file anywhere is `**` with `*.csv` below it.
 *
 * Matching takes at most the product of both lengths, whatever the pattern: patterns come from other members.
 */

/** UTF-16 units of a pattern. */
export const globLengthMax = 1024;

/** True when the whole path matches the pattern. */
export function matchesGlob(glob: string, path: string): boolean {
  return matches(glob.split('/'), path.split('/'), (name) => name === '**', matchesName);
}

function matchesName(pattern: string, name: string): boolean {
  return matches(
    [...pattern],
    [...name],
    (character) => character === '*',
    (wanted, character) => wanted === '?' || wanted === character,
  );
}

/** Matches item by item; one for which `isMany` holds stands for any number of items. Goes back to the last such item only, which finds a match where there is one. */
function matches(
  pattern: readonly string[],
  items: readonly string[],
  isMany: (item: string) => boolean,
  isOne: (wanted: string, item: string) => boolean,
): boolean {
  let at = 0;
  let index = 0;
  let many = -1;
  let taken = 0;
  while (index < items.length) {
    const wanted = pattern[at];
    if (wanted !== undefined && isMany(wanted)) {
      many = at++;
      taken = index;
    } else if (wanted !== undefined && isOne(wanted, items[index] as string)) {
      at++;
      index++;
    } else if (many >= 0) {
      at = many + 1;
      index = ++taken;
    } else return false;
  }
  return pattern.slice(at).every(isMany);
}
