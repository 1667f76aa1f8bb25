/**
 * The merge of what has no parts: a cell, a line ending, the blanks around a member.
 *
 * All merging comes down to this rule, so its laws are the laws of the whole: swapping left and right changes nothing, and merging the result with either side again gives the result.
 */

/** Returned when both sides changed an atom to different meanings. */
export const conflict: unique symbol = Symbol('conflict');

/** One of two texts that mean the same, whichever comes first in code-unit order, so that every node picks the same one. */
function either(left: string, right: string): string {
  return left < right ? left : right;
}

/**
 * The atom after both sides' changes. Whoever changed it wins; where both did, they must mean the same.
 *
 * @param meaning gives equal results for texts that differ only in how they are written.
 */
export function mergeAtom(
  base: string | undefined,
  left: string,
  right: string,
  meaning: (text: string) => string,
): string | typeof conflict {
  if (left === right) return left;
  if (base !== undefined) {
    if (left === base) return right;
    if (right === base) return left;
  }
  const [leftMeaning, rightMeaning] = [meaning(left), meaning(right)];
  if (leftMeaning === rightMeaning) return either(left, right);
  if (base !== undefined) {
    const baseMeaning = meaning(base);
    if (leftMeaning === baseMeaning) return right;
    if (rightMeaning === baseMeaning) return left;
  }
  return conflict;
}

/** The atom after both sides' changes where it means nothing, as white space does: one of the two, and both sides pick the same. */
export function mergeBlank(base: string | undefined, left: string, right: string): string {
  if (left === right) return left;
  if (left === base) return right;
  if (right === base) return left;
  return either(left, right);
}
