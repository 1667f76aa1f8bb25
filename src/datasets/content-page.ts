import type { Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ContentRef } from './manifest.ts';

/** A content as a walk over everything finds it. */
export interface ContentOnPage {
  readonly content: ContentRef;
  /** False when it is in doubt. */
  readonly complete: boolean;
  /** It became complete before this process began: nobody is about to name it. False also where that is not known. */
  readonly isLeftBehind: boolean;
}

/**
 * Contents that are complete, or in doubt, in the order of their roots: up to `limit` behind `after`, of which the empty array is before all. For walks over everything, between whose steps contents come
 * and go.
 */
export function contentPage(catalog: Catalog, after: Uint8Array, limit: number): ContentOnPage[] {
  return catalog
    .all<{ root: Uint8Array; size_bytes: number; depth: number; state: string; left_behind: number | null }>(
      `SELECT root, size_bytes, depth, state, opening < (SELECT number FROM content_opening) AS left_behind FROM content WHERE root > ? AND state <> 'lost' ORDER BY root LIMIT ?`,
      after,
      limit,
    )
    .map((row) => ({
      content: { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth },
      complete: row.state === 'complete',
      isLeftBehind: row.left_behind === 1,
    }));
}
