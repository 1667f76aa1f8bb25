import { utf8 } from '../core/bytes.ts';

/**
 * A short name for a definition that a person wrote: the register map of a Modbus device, the list of values of an SDI-12 sensor.
 *
 * Such an instrument does not say when its table changes, so the definition itself is what names the table's revision. The digest need not withstand an adversary, as it is compared only with
 * earlier definitions of the same owner; it must be the same on every node and in every version.
 */

const offsetBasis = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;
const mask = 0xffff_ffff_ffff_ffffn;

/**
 * The definition's digest, 16 hexadecimal digits: FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo), over its JSON text with the names in every object sorted. A member that is
 * `undefined` counts as absent.
 */
export function definitionDigest(definition: unknown): string {
  let hash = offsetBasis;
  for (const byte of utf8(JSON.stringify(definition, sortedNames))) hash = ((hash ^ BigInt(byte)) * prime) & mask;
  return hash.toString(16).padStart(16, '0');
}

function sortedNames(_name: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
