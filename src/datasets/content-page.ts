import type { Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ContentRef } from './manifest.ts';

/**
 * Contents that are complete, or in doubt (`complete` is false then), in the order of their roots: up to `limit` behind `after`, of which the empty array is before all. For walks over everything,
 * between whose steps contents come and go.
 */
export function contentPage(
  catalog: Catalog,
  after: Uint8Array,
  limit: number,
): { readonly content: ContentRef; readonly complete: boolean }[] {
  return catalog
    .all<{ root: Uint8Array; size_bytes: number; depth: number; state: string }>(
      `SELECT root, size_bytes, depth, state FROM content WHERE root > ? AND state <> 'lost' ORDER BY root LIMIT ?`,
      after,
      limit,
    )
    .map((row) => ({
      content: { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth },
      complete: row.state === 'complete',
    }));
}
