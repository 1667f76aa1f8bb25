import { toHex } from '../core/bytes.ts';
import type { DatasetId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileChange, FileState } from '../datasets/entry-body.ts';
import { compareHeads, dotText, type FileIndex, type FileRevision, sameState } from '../datasets/file-index.ts';
import type { Dot } from '../datasets/log-entry.ts';
import { mergeBytesMax, mergeThreeWay } from '../datasets/merge/merge-three-way.ts';
import type { ConflictAnswer, ConflictResolver, ConflictSide } from './conflict-policies.ts';
import type { ConflictPolicy } from './membership.ts';

/**
 * Ends conflicts as a dataset's policy says. The result is a revision that supersedes every head, so the conflict is over wherever it arrives; and it is computed from the heads alone, so two
 * nodes that end the same conflict at once write the same content.
 */

/** What ends a conflict: changes to write, or the reason why a person has to decide. */
export type Resolution =
  | { readonly kind: 'changes'; readonly resolution: ConflictPolicy | 'function'; readonly changes: readonly FileChange[] }
  | { readonly kind: 'stays'; readonly detail: string }
  /** A content that is needed has not arrived yet. */
  | { readonly kind: 'later' };

/** Works out how the conflict of a path ends. */
export async function resolveConflict(
  dataset: DatasetId,
  path: string,
  policy: ConflictPolicy | ConflictResolver,
  index: FileIndex,
  contents: ContentStore,
): Promise<Resolution> {
  const heads = index.heads(dataset, path);
  const distinct = heads.filter((head, at) => heads.findIndex((other) => sameState(other, head)) === at);
  if (distinct.length < 2) return { kind: 'later' };
  // An entry names a limited number of heads; those beyond it stay in conflict with the result and are ended in the next round.
  const superseded = heads.slice(0, limits.headsPerEntryMax).map(({ author, sequence }) => ({ author, sequence }));
  if (typeof policy === 'function') return askFunction(dataset, path, policy, heads, distinct, superseded, index, contents);
  switch (policy) {
    case 'ask':
      return { kind: 'stays', detail: JSON.stringify({ reason: 'the dataset asks a person' }) };
    case 'latest':
      return {
        kind: 'changes',
        resolution: policy,
        changes: [{ path, superseded, ...stateOf(distinct.sort(newestStateFirst)[0] as FileRevision) }],
      };
    case 'keep-both':
      return { kind: 'changes', resolution: policy, changes: sideBySide(path, distinct.sort(newestStateFirst), superseded) };
    case 'merge':
      return mergeHeads(dataset, path, heads, distinct, index, contents);
  }
}

/**
 * Orders what heads hold, the latest first: by the time of the file, which whoever ends a conflict passes on, and then by what it is. The instants of heads would not do: ending a conflict makes a new head of an old state, and
 * two nodes that see different heads of the same states would each find the other's choice to be out of date, for ever.
 */
function newestStateFirst(a: FileRevision, b: FileRevision): number {
  const [atA, atB] = [timeOf(a), timeOf(b)];
  if (atA !== atB) return atA > atB ? -1 : 1;
  const [textA, textB] = [stateText(a), stateText(b)];
  return textA > textB ? -1 : textA < textB ? 1 : compareHeads(a, b);
}

function timeOf(revision: FileRevision): bigint {
  return revision.kind === 'removal' ? BigInt(revision.instant.wallMs) * 1_000_000n : revision.mtimeNs;
}

function stateText(revision: FileRevision): string {
  if (revision.kind === 'file') return `file ${toHex(revision.content.root)} ${revision.mode}`;
  return revision.kind === 'symlink' ? `symlink ${revision.target}` : 'removal';
}

/** Lets a function decide. Answers of two functions to one conflict are not decided on again, or the two would go on for ever. */
async function askFunction(
  dataset: DatasetId,
  path: string,
  resolver: ConflictResolver,
  heads: readonly FileRevision[],
  distinct: readonly FileRevision[],
  superseded: readonly Dot[],
  index: FileIndex,
  contents: ContentStore,
): Promise<Resolution> {
  const stays = (reason: string): Resolution => ({ kind: 'stays', detail: JSON.stringify({ reason }) });
  const ended = new Set(distinct.map((head) => head.superseded.map(dotText).sort().join()));
  if (ended.size === 1 && distinct.every((head) => head.superseded.length > 1))
    return stays('two nodes ended the same conflict in different ways');
  if (distinct.some((head) => head.kind === 'file' && !contents.holds(head.content.root))) return { kind: 'later' };
  const sideOf = (revision: FileRevision): ConflictSide => ({
    revision,
    bytes: async () => (revision.kind === 'file' ? contents.bytes(revision.content, mergeBytesMax) : undefined),
  });
  const sides = [...distinct].sort((a, b) => (dotText(a) < dotText(b) ? -1 : 1));
  const base = index.commonAncestor(dataset, path, heads);
  let answer: ConflictAnswer;
  try {
    answer = await resolver({ dataset, path, ...(base === undefined ? {} : { base: sideOf(base) }), sides: sides.map(sideOf) });
  } catch (error) {
    return stays(`the function failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  if ('policy' in answer) return resolveConflict(dataset, path, answer.policy, index, contents);
  const [newest] = distinct as [FileRevision];
  if ('keep' in answer) {
    const { keep } = answer;
    const kept = heads.find((head) => dotText(head) === dotText(keep));
    if (kept === undefined) return stays('the function kept a revision that is no side of the conflict');
    return { kind: 'changes', resolution: 'function', changes: [{ path, superseded, ...stateOf(kept) }] };
  }
  const content = await contents.addBytes(answer.bytes);
  const files = distinct.filter((head) => head.kind === 'file');
  const mtimeNs = files.reduce((latest, file) => (file.mtimeNs > latest ? file.mtimeNs : latest), 0n);
  const { mode = 0o644, attributes } = newest.kind === 'file' ? newest : (files[0] ?? {});
  const state = { kind: 'file', content, mtimeNs, mode, ...(attributes === undefined ? {} : { attributes }) } as const;
  return { kind: 'changes', resolution: 'function', changes: [{ path, superseded, ...state }] };
}

async function mergeHeads(
  dataset: DatasetId,
  path: string,
  heads: readonly FileRevision[],
  distinct: readonly FileRevision[],
  index: FileIndex,
  contents: ContentStore,
): Promise<Resolution> {
  // Two at a time, in an order that every node shares; a third head meets the result in the next round.
  const [left, right] = [...distinct].sort((a, b) => (dotText(a) < dotText(b) ? -1 : 1)) as [FileRevision, FileRevision];
  if (left.kind !== 'file' || right.kind !== 'file') {
    return { kind: 'stays', detail: JSON.stringify({ reason: `one side made it a ${left.kind}, the other a ${right.kind}` }) };
  }
  const ancestor = index.commonAncestor(dataset, path, [left, right]);
  if (!contents.holds(left.content.root) || !contents.holds(right.content.root)) return { kind: 'later' };
  const leftBytes = await contents.bytes(left.content, mergeBytesMax);
  const rightBytes = await contents.bytes(right.content, mergeBytesMax);
  if (leftBytes === undefined || rightBytes === undefined)
    return { kind: 'stays', detail: JSON.stringify({ reason: `files over ${mergeBytesMax} bytes are not merged` }) };
  const base = ancestor?.kind === 'file' ? await contents.bytes(ancestor.content, mergeBytesMax) : undefined;
  const merged = mergeThreeWay({ base, left: leftBytes, right: rightBytes, path });
  if (merged.outcome !== 'merged') return { kind: 'stays', detail: JSON.stringify(merged) };
  const content = await contents.addBytes(merged.bytes);
  const [newer] = [left, right].sort(compareHeads) as [FileRevision & { kind: 'file' }];
  const superseded = heads
    .filter((head) => sameState(head, left) || sameState(head, right))
    .map(({ author, sequence }) => ({ author, sequence }));
  const mtimeNs = [left.mtimeNs, right.mtimeNs].reduce((a, b) => (a < b ? b : a));
  const { mode, attributes } = newer;
  return {
    kind: 'changes',
    resolution: 'merge',
    changes: [{ path, superseded, kind: 'file', content, mtimeNs, mode, ...(attributes === undefined ? {} : { attributes }) }],
  };
}

/** The head shown first keeps the path; every other one gets a name that says whose it is. */
function sideBySide(path: string, heads: readonly FileRevision[], superseded: readonly Dot[]): FileChange[] {
  const [shown, ...others] = heads as [FileRevision, ...FileRevision[]];
  const changes: FileChange[] = [{ path, superseded, ...stateOf(shown) }];
  for (const other of others) {
    if (other.kind !== 'removal') changes.push({ path: conflictName(path, other), superseded: [], ...stateOf(other) });
  }
  return changes;
}

/** The name beside a path for another side of its conflict: `dir/name.csv` by node 3f2a… becomes `dir/name.conflict-3f2a81c0-7.csv`. */
export function conflictName(path: string, dot: Dot): string {
  const slash = path.lastIndexOf('/') + 1;
  const point = path.lastIndexOf('.');
  const at = point > slash ? point : path.length;
  return `${path.slice(0, at)}.conflict-${dot.author.slice(0, 8)}-${dot.sequence}${path.slice(at)}`;
}

function stateOf(revision: FileRevision): FileState {
  switch (revision.kind) {
    case 'removal':
      return { kind: 'removal' };
    case 'symlink':
      return { kind: 'symlink', target: revision.target, mtimeNs: revision.mtimeNs };
    case 'file': {
      const { content, mtimeNs, mode, attributes } = revision;
      return { kind: 'file', content, mtimeNs, mode, ...(attributes === undefined ? {} : { attributes }) };
    }
  }
}
