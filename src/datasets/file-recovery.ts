import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type DatasetId, identifierToBytes } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { ContentStore } from './content-store.ts';
import type { ChunkRef } from './manifest.ts';
import { sameStat, type TreeRow } from './tree-row.ts';

/**
 * Takes chunks that the packs have lost, or cannot read, from the working file that was made of them, or that they were made of: people's files are a second copy of what is packed, as long as nobody has
 * written to them. Every chunk is held against its hash, so a file that rotted as well does no harm.
 *
 * This file reads the table of `working-tree.ts`.
 */

/** About how much is taken from a file before it is stored. */
const storedTogetherBytes = 8 * 1024 * 1024;

/** What chunks are taken from. */
export interface FileRecoveryParts {
  readonly catalog: Catalog;
  readonly crypto: Pick<Crypto, 'sha256'>;
  readonly contents: ContentStore;
  readonly dataset: DatasetId;
  readonly tree: FileTree;
}

/**
 * Stores again those of a content's chunks that cannot be read here, as far as the file at a path has them. A file that is not as it was when it was last in step, or that cannot be read, has none.
 *
 * @param chunks all chunks of the content, in order
 * @throws GodwitError `DISK_FULL`, `STORAGE_FAILED` when they cannot be stored
 */
export async function recoverChunks(parts: FileRecoveryParts, path: string, root: Uint8Array, chunks: readonly ChunkRef[]): Promise<void> {
  const { catalog, crypto, contents, dataset, tree } = parts;
  const row = catalog.get<TreeRow>('SELECT * FROM tree_file WHERE dataset = ? AND path = ?', identifierToBytes(dataset), path);
  if (row?.root == null || !equalBytes(row.root, root)) return;
  let found: PackRecord[] = [];
  let foundBytes = 0;
  for await (const { ref, bytes } of readMissing(tree, row, contents, chunks)) {
    if (!equalBytes(crypto.sha256(bytes), ref.hash)) continue;
    found.push({ hash: ref.hash, bytes });
    foundBytes += bytes.length;
    if (foundBytes < storedTogetherBytes) continue;
    await contents.put(found);
    found = [];
    foundBytes = 0;
  }
  await contents.put(found);
}

/** What a file has in the places of chunks that cannot be read. */
async function* readMissing(
  tree: FileTree,
  row: TreeRow,
  contents: ContentStore,
  chunks: readonly ChunkRef[],
): AsyncGenerator<{ readonly ref: ChunkRef; readonly bytes: Uint8Array }, void, void> {
  const stat = await unlessRefused(tree.stat(row.path));
  const reader = stat && sameStat(stat, row) ? await unlessRefused(tree.open(row.path)) : undefined;
  if (reader === undefined) return;
  try {
    let offset = 0;
    for (const ref of chunks) {
      const bytes = contents.isReadable(ref.hash) ? undefined : await unlessRefused(reader.read(offset, ref.lengthBytes));
      if (bytes !== undefined) yield { ref, bytes };
      offset += ref.lengthBytes;
    }
  } finally {
    await reader.close();
  }
}

/** What the directory gave, or `undefined` when it refused or could not. */
async function unlessRefused<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof GodwitError) return undefined;
    throw error;
  }
}
