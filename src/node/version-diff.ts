import type { DatasetId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileState } from '../datasets/entry-body.ts';
import { type FileIndex, type FileRevision, sameState } from '../datasets/file-index.ts';
import type { EntrySet } from '../datasets/log-entry.ts';
import { type ContentDifference, diffContents } from '../datasets/merge/content-diff.ts';
import { mergeBytesMax } from '../datasets/merge/merge-three-way.ts';
import type { VersionEntries } from '../datasets/tags.ts';

/**
 * The difference of two versions of a dataset. Only the log entries that one version has and the other lacks are looked at, so it costs what changed, however large the dataset is.
 */

/** What is compared. */
export interface DiffOptions {
  /** Only this file, or what is below this directory. */
  readonly path?: string;
  /** Compare the contents of changed files too. Default false. Each is read whole, up to 64 MiB. */
  readonly content?: boolean;
}

/** A path that is not the same in both versions. */
export interface PathDifference {
  readonly path: string;
  /** `metadata`: only times, mode or free metadata changed. */
  readonly kind: 'added' | 'removed' | 'changed' | 'metadata';
  /** What stood there, the head shown first where the path was in conflict; absent for `added`. */
  readonly before?: FileRevision;
  /** Absent for `removed`. */
  readonly after?: FileRevision;
  /** What changed inside the file, where that was asked for and the path is a file in both versions. */
  readonly content?: ContentDifference;
}

/** Compares versions of one dataset. */
export class VersionDiff {
  readonly #dataset: DatasetId;
  readonly #index: FileIndex;
  readonly #contents: ContentStore;

  constructor(dataset: DatasetId, index: FileIndex, contents: ContentStore) {
    this.#dataset = dataset;
    this.#index = index;
    this.#contents = contents;
  }

  /** What changed, by path. */
  async *run(
    from: VersionEntries,
    to: VersionEntries,
    { path: within, content = false }: DiffOptions,
  ): AsyncGenerator<PathDifference, void, void> {
    const between = [...to.version.missingFrom(from.version), ...from.version.missingFrom(to.version)];
    const paths = this.#index.pathsIn(this.#dataset, [...between, ...from.without, ...to.without]);
    for (const path of paths) {
      if (within !== undefined && path !== within && !path.startsWith(`${within}/`)) continue;
      const [before, after] = [this.#shownAt(path, from), this.#shownAt(path, to)];
      const difference = compare(path, before, after);
      if (difference === undefined) continue;
      if (content && difference.kind === 'changed' && before?.kind === 'file' && after?.kind === 'file')
        yield { ...difference, content: await this.#compareContents(path, before, after) };
      else yield difference;
    }
  }

  #shownAt(path: string, version: EntrySet): FileRevision | undefined {
    const [shown] = this.#index.headsAt(this.#dataset, path, version);
    return shown?.kind === 'removal' ? undefined : shown;
  }

  async #compareContents(
    path: string,
    before: Extract<FileState, { kind: 'file' }>,
    after: Extract<FileState, { kind: 'file' }>,
  ): Promise<ContentDifference> {
    if (Math.max(before.content.sizeBytes, after.content.sizeBytes) > mergeBytesMax)
      return { format: 'opaque', reason: `files of more than ${mergeBytesMax} bytes are not compared` };
    const [old, fresh] = [
      await this.#contents.bytes(before.content, mergeBytesMax),
      await this.#contents.bytes(after.content, mergeBytesMax),
    ];
    if (old === undefined || fresh === undefined)
      return {
        format: 'opaque',
        reason: `the bytes of the ${old === undefined ? 'earlier' : 'later'} version are not here; check it out to fetch them`,
      };
    return diffContents(old, fresh, path);
  }
}

function compare(path: string, before: FileRevision | undefined, after: FileRevision | undefined): PathDifference | undefined {
  if (before === undefined) return after && { path, kind: 'added', after };
  if (after === undefined) return { path, kind: 'removed', before };
  if (!sameState(before, after)) return { path, kind: 'changed', before, after };
  return sameMetadata(before, after) ? undefined : { path, kind: 'metadata', before, after };
}

function sameMetadata(a: FileRevision, b: FileRevision): boolean {
  if (a.kind === 'removal' || b.kind === 'removal') return true;
  const attributesOf = (state: FileState) =>
    state.kind === 'file' ? JSON.stringify([state.mode, Object.entries(state.attributes ?? {}).sort(([x], [y]) => (x < y ? -1 : 1))]) : '';
  return a.mtimeNs === b.mtimeNs && attributesOf(a) === attributesOf(b);
}
