import { equalBytes } from '../../core/bytes.ts';
import { mergeJson } from './json-merge.ts';
import type { MergeInput, MergeResult } from './merge-result.ts';
import { mergeTables } from './table-merge.ts';

/**
 * Merging two versions of a file that descend from one.
 *
 * The merge is deterministic and commutative, and repeating it changes nothing: two nodes that merge the same versions, each calling another one "left", get the same bytes, and
 * merging these with a version that went into them gives these bytes again. So nodes may merge on their own, and need not agree on who does.
 *
 * Only formats whose parts have names are merged: tables by row key and cell, JSON by member and identifier. Anything else has no places of which one could say that both sides
 * changed different ones, and stays in conflict.
 */

/** Bytes of one version up to which files are merged. */
export const mergeBytesMax = 64 * 1024 * 1024;
/** Lines of one version up to which tables are merged. A merge holds the rows of all three versions in memory, about 250 bytes each besides what they say. */
const linesMax = 1_000_000;

const jsonExtensions: ReadonlySet<string> = new Set(['json', 'geojson', 'topojson']);
/** Files that may hold tables which do not say so themselves. */
const tableExtensions: ReadonlySet<string> = new Set(['csv', 'tsv', 'tab', 'psv', 'dat', 'txt', 'asc', 'log']);

const beginsJson = /^[\ufeff \t\r\n]*[{[]/;
/** Bytes that are looked at to tell JSON from a table. */
const sniffedBytes = 256;

/** Merges two versions of a file. Never throws for what the bytes say. Swapping `left` and `right` gives the same result, with left and right swapped in what it says. */
export function mergeThreeWay({ base, left, right, path }: MergeInput): MergeResult {
  if (equalBytes(left, right)) return { outcome: 'merged', bytes: left };
  if (base !== undefined && equalBytes(base, left)) return { outcome: 'merged', bytes: right };
  if (base !== undefined && equalBytes(base, right)) return { outcome: 'merged', bytes: left };
  const versions = base === undefined ? [left, right] : [base, left, right];
  const format = mergeFormat(versions, path);
  if (typeof format === 'object') return { outcome: 'not-mergeable', reason: format.reason };
  if (format === 'json') return mergeJson(base, left, right) ?? { outcome: 'not-mergeable', reason: 'not all versions are valid JSON' };
  return (
    mergeTables(base, left, right, format === 'table') ?? {
      outcome: 'not-mergeable',
      reason: 'not all versions are JSON, or tables with a header that names a time, a record number or an identifier',
    }
  );
}

/** As what versions of a file are taken apart: JSON, any delimited text, or only a table whose header says itself what it is. */
export type MergeFormat = 'json' | 'table' | 'headed-table';

/** The format of versions of a file, of which the last two decide, or why they are not taken apart. */
export function mergeFormat(versions: readonly Uint8Array[], path: string): MergeFormat | { readonly reason: string } {
  if (versions.some((bytes) => bytes.length > mergeBytesMax)) return { reason: `files of more than ${mergeBytesMax} bytes are not merged` };
  if (versions.some((bytes) => bytes.includes(0))) return { reason: 'binary files are not merged' };
  const extension = /\.([^./]*)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  const looksLikeJson = (bytes: Uint8Array): boolean => beginsJson.test(new TextDecoder().decode(bytes.subarray(0, sniffedBytes)));
  if (jsonExtensions.has(extension) || versions.slice(-2).every(looksLikeJson)) return 'json';
  if (versions.some((bytes) => hasMoreLines(bytes, linesMax))) return { reason: `tables of more than ${linesMax} lines are not merged` };
  return tableExtensions.has(extension) ? 'table' : 'headed-table';
}

function hasMoreLines(bytes: Uint8Array, max: number): boolean {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0 && count <= max; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count > max;
}
