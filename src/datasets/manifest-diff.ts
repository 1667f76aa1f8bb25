/**
 * Which chunks and nodes of one manifest another lacks, at a cost that grows with the difference and not with the files.
 *
 * Both trees are walked from the top, a level at a time. A node that both have at the same level holds the same content, so neither is looked into: for one edit in a 100 GB file two or
 * three nodes a level are loaded.
 */

import type { Hash } from '../core/identifiers.ts';
import { type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type ChunkRef, type ContentRef, checkContentRef, type LoadManifestNode, loadChildren } from './manifest.ts';

/** What remains of two manifests when all they share is taken away. Lists are in file order, each hash once. */
export interface ManifestDiff {
  /**
   * Chunks below nodes of the target alone, without those below nodes of the base alone. It holds every chunk that the base lacks; one that the base does have is in it only when it also lies
   * below a shared node, which is not looked into.
   */
  readonly added: readonly ChunkRef[];
  /** The same with the roles exchanged. */
  readonly removed: readonly ChunkRef[];
  /** Nodes of the target that the base does not have, parents before children. */
  readonly addedNodes: readonly { readonly hash: Hash; readonly level: number }[];
}

/**
 * Compares the manifest of `target` with that of `base`.
 *
 * @returns the difference, or the fault of the first node that could not be loaded or trusted (the codes of `loadChildren` and `checkContentRef`); the caller retries when it has the node.
 */
export async function diffManifests(
  target: ContentRef,
  base: ContentRef,
  loadNode: LoadManifestNode,
  crypto: Pick<Crypto, 'sha256'>,
): Promise<Outcome<ManifestDiff>> {
  for (const content of [target, base]) {
    const checked = checkContentRef(content, crypto);
    if (!checked.ok) return checked;
  }
  const addedNodes: { hash: Hash; level: number }[] = [];
  let targetRefs: ChunkRef[] = [];
  let baseRefs: ChunkRef[] = [];
  for (let level = Math.max(target.depth, base.depth); ; level--) {
    if (target.depth === level && target.sizeBytes > 0) targetRefs.push({ hash: target.root, lengthBytes: target.sizeBytes });
    if (base.depth === level && base.sizeBytes > 0) baseRefs.push({ hash: base.root, lengthBytes: base.sizeBytes });
    const targetByHash = byHash(targetRefs);
    const baseByHash = byHash(baseRefs);
    targetRefs = onlyIn(targetByHash, baseByHash);
    baseRefs = onlyIn(baseByHash, targetByHash);
    if (level === 0) return success({ added: targetRefs, removed: baseRefs, addedNodes });
    for (const { hash } of targetRefs) addedNodes.push({ hash, level });
    const targetChildren = await loadAll(targetRefs, level, loadNode, crypto);
    if (!targetChildren.ok) return targetChildren;
    const baseChildren = await loadAll(baseRefs, level, loadNode, crypto);
    if (!baseChildren.ok) return baseChildren;
    targetRefs = targetChildren.value;
    baseRefs = baseChildren.value;
  }
}

function byHash(refs: readonly ChunkRef[]): Map<string, ChunkRef> {
  return new Map(refs.map((ref) => [ref.hash.toHex(), ref]));
}

function onlyIn(here: ReadonlyMap<string, ChunkRef>, there: ReadonlyMap<string, ChunkRef>): ChunkRef[] {
  return [...here].filter(([hash]) => !there.has(hash)).map(([, ref]) => ref);
}

async function loadAll(
  nodes: readonly ChunkRef[],
  level: number,
  loadNode: LoadManifestNode,
  crypto: Pick<Crypto, 'sha256'>,
): Promise<Outcome<ChunkRef[]>> {
  const all: ChunkRef[] = [];
  for (const node of nodes) {
    const children = await loadChildren(node, level, loadNode, crypto);
    if (!children.ok) return children;
    all.push(...children.value);
  }
  return success(all);
}
