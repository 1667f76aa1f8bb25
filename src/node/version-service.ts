import { GodwitError } from '../core/errors.ts';
import { type DatasetId, isIdentifierText, type NodeId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader } from '../datasets/entry-body.ts';
import { type FileIndex, type FileRevision, sameState } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Dot, EntrySet } from '../datasets/log-entry.ts';
import {
  encodeTagOperation,
  entriesOf,
  isTagName,
  type Tag,
  type TagBook,
  type TagOperation,
  tagsPerAuthorMax,
  type VersionEntries,
} from '../datasets/tags.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import { Checkout, type CheckoutReport } from './checkout.ts';
import type { ContentSearch, SearchOptions } from './content-search.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Platform } from './platform.ts';
import { type DiffOptions, type PathDifference, VersionDiff } from './version-diff.ts';

/**
 * Versions of a dataset: what they are called, what stood in them, what changed between two, and getting one back.
 *
 * A version is how much of every author's log belongs to it, and nothing else: a few numbers that mean the same on every node, whatever order entries arrived in. A tag gives a version a name that
 * the whole team knows, and keeps its content.
 */

/** A version: for each author (64 hexadecimal digits), how many entries of its log belong to it. Authors that are not named count 0. */
export type DatasetVersion = Readonly<Record<string, number>>;

/** A version, or the name of a tag. */
export type VersionRef = DatasetVersion | string;

/** One revision, by the log entry that brought it. */
export type RevisionRef = Dot;

/** A tag as people see it. */
export interface TagInfo {
  readonly name: string;
  readonly version: DatasetVersion;
  /** Entries that do not belong to the version, although it counts so many of their author's log: those that it did not know of, from before a log that had forked was mended. Absent where there are none. */
  readonly without?: readonly { readonly author: NodeId; readonly first: number; readonly last: number }[];
  /** The entry that set it. */
  readonly author: NodeId;
  readonly sequence: number;
  /** Wall clock of its author, milliseconds since 1970 UTC. */
  readonly wallMs: number;
  readonly clockQuality: Tag['clockQuality'];
}

/** What is checked out, and how long missing bytes are waited for. */
export interface CheckoutOptions extends SearchOptions {
  /** A file, or a directory with everything below it. Default: the whole dataset. */
  readonly path?: string;
}

/** What versions are made of. */
export interface VersionServiceParts {
  readonly self: NodeId;
  readonly platform: Pick<Platform, 'openTree'>;
  readonly access: DatasetAccess;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly tags: TagBook;
  readonly search: ContentSearch;
  readonly driver: NodeDriver;
  /** What every entry of this node's begins with. */
  readonly header: () => Omit<EntryHeader, 'instant'>;
}

const listPage = 1024;

/** The versions of a node's datasets. */
export class VersionService {
  readonly #parts: VersionServiceParts;

  constructor(parts: VersionServiceParts) {
    this.#parts = parts;
  }

  /** The version that stands here now. @throws GodwitError `DATASET_UNKNOWN` */
  current(dataset: DatasetId): DatasetVersion {
    this.#parts.access.dataset(dataset);
    return plainVersion(this.#present(dataset));
  }

  /**
   * Gives a version of a dataset a name, for the whole team. Every node keeps the content that it holds of a tagged version until the tag is removed.
   *
   * @param version what to name; the present one by default
   * @throws GodwitError `TAG_NAME_INVALID`, `TAG_EXISTS`, `TAGS_FULL`, `NOT_A_WRITER`, `DATASET_UNKNOWN`, `VERSION_MALFORMED`, `VERSION_UNKNOWN`, `TAG_UNKNOWN`
   */
  tag(dataset: DatasetId, name: string, version?: VersionRef): TagInfo {
    const { access, tags, self } = this.#parts;
    access.requireWriter();
    access.dataset(dataset);
    if (!isTagName(name)) throw new GodwitError('TAG_NAME_INVALID', 'A tag needs a name of 1 to 256 characters.');
    if (tags.tag(dataset, name) !== undefined)
      throw new GodwitError('TAG_EXISTS', `There is a tag "${name}" already; remove it first, or choose another name.`);
    if (tags.tags(dataset).filter((each) => each.author === self).length >= tagsPerAuthorMax)
      throw new GodwitError('TAGS_FULL', `This node has set ${tagsPerAuthorMax} tags in this dataset; remove some first.`);
    const named = version === undefined ? { version: this.#present(dataset) } : this.#named(dataset, version);
    const dot = this.#append(dataset, { type: 'set', name, ...named });
    return this.tags(dataset).find((each) => each.author === dot.author && each.sequence === dot.sequence) as TagInfo;
  }

  /** The tags of a dataset, the earliest first. One name comes twice when two nodes gave it apart. @throws GodwitError `DATASET_UNKNOWN` */
  tags(dataset: DatasetId): TagInfo[] {
    this.#parts.access.dataset(dataset);
    return this.#parts.tags.tags(dataset).map(({ name, version, without, author, sequence, instant, clockQuality }) => ({
      name,
      version: plainVersion(version),
      ...(without === undefined ? {} : { without: without.map(({ node, from, to }) => ({ author: node, first: from, last: to })) }),
      author,
      sequence,
      wallMs: instant.wallMs,
      clockQuality,
    }));
  }

  /** Removes every tag of this name. What it kept becomes a replaced version like any other. @throws GodwitError `TAG_UNKNOWN`, `NOT_A_WRITER`, `DATASET_UNKNOWN` */
  untag(dataset: DatasetId, name: string): void {
    const { access, tags } = this.#parts;
    access.requireWriter();
    access.dataset(dataset);
    const named = tags.tags(dataset).filter((each) => each.name === name);
    if (named.length === 0) throw tagUnknown(name);
    for (const tag of named) this.#append(dataset, { type: 'remove', tag });
  }

  /** Revisions that stood in a version, by path; where a path was in conflict then, each of its heads. Removed paths are left out. @throws GodwitError as `resolve` */
  *files(dataset: DatasetId, version: VersionRef, path?: string): IterableIterator<FileRevision> {
    yield* this.#files(dataset, this.resolve(dataset, version), path);
  }

  /**
   * Writes a version, or one revision of a path, into a directory, which must exist. Times, modes and links are restored as far as the platform keeps them; free metadata is in the history. Bytes that
   * are not here are fetched from other nodes. Nothing that stands in the directory is overwritten: a file that looks like the wanted one is left and counted as `unchanged`, so an interrupted checkout is
   * taken up by repeating it, and any other is a problem of its path. Where a path was in conflict, its other sides are written beside it under the names that the policy `keep-both` gives.
   *
   * @param version a version, the name of a tag, or a revision of the file at `options.path`
   * @throws GodwitError `CONTENT_NOT_HELD` (retryable) when `options.path` names one file and nobody in reach has its bytes, `FILE_MISSING` when nothing stood there; `TAG_UNKNOWN`,
   * `VERSION_MALFORMED`, `VERSION_UNKNOWN`, `REVISION_UNKNOWN`; `DIRECTORY_MISSING`, `DIRECTORY_UNWRITABLE`, `DISK_FULL`; `ABORTED`, `NODE_CLOSED`
   */
  async checkout(
    dataset: DatasetId,
    version: VersionRef | RevisionRef,
    target: string,
    options: CheckoutOptions = {},
  ): Promise<CheckoutReport> {
    const { access, index, platform, contents, search } = this.#parts;
    access.requireKind(dataset, 'files');
    const tree = platform.openTree(target);
    let revisions: Iterable<FileRevision>;
    if (isDot(version)) {
      const { path } = options;
      const revision = path === undefined ? undefined : index.revision(dataset, path, version);
      if (revision === undefined)
        throw new GodwitError('REVISION_UNKNOWN', `There is no revision ${version.author}/${version.sequence} of "${path ?? ''}" here.`);
      revisions = revision.kind === 'removal' ? [] : [revision];
    } else revisions = this.#files(dataset, this.resolve(dataset, version), options.path);
    return new Checkout({ dataset, tree, contents, search }, options).run(revisions);
  }

  /**
   * What changed from one version to another, path by path; with `content`, row by row and cell by cell for tables, and member by member for JSON, where the bytes of both are here.
   *
   * @throws GodwitError as `resolve`
   */
  diff(dataset: DatasetId, from: VersionRef, to: VersionRef, options: DiffOptions = {}): AsyncGenerator<PathDifference, void, void> {
    this.#parts.access.requireKind(dataset, 'files');
    const { index, contents } = this.#parts;
    return new VersionDiff(dataset, index, contents).run(this.resolve(dataset, from), this.resolve(dataset, to), options);
  }

  /** The entries of a version. @throws GodwitError `DATASET_UNKNOWN`, `TAG_UNKNOWN`, `VERSION_MALFORMED`, `VERSION_UNKNOWN` (retryable) when entries of it are not here yet */
  resolve(dataset: DatasetId, version: VersionRef): VersionEntries {
    return entriesOf(this.#named(dataset, version));
  }

  #named(dataset: DatasetId, ref: VersionRef): Pick<Tag, 'version' | 'without'> {
    const { access, tags } = this.#parts;
    access.dataset(dataset);
    const tag = typeof ref === 'string' ? tags.tag(dataset, ref) : undefined;
    if (typeof ref === 'string' && tag === undefined) throw tagUnknown(ref);
    const version = tag?.version ?? parseVersion(ref as DatasetVersion);
    const order = version.compare(this.#present(dataset));
    if (order === 'after' || order === 'concurrent')
      throw new GodwitError('VERSION_UNKNOWN', 'Some entries of this version have not arrived here yet.', { retryable: true });
    return { version, ...(tag?.without === undefined ? {} : { without: tag.without }) };
  }

  #present(dataset: DatasetId): VersionVector {
    return VersionVector.of(this.#parts.logs.lengths(dataset));
  }

  *#files(dataset: DatasetId, version: EntrySet, within: string | undefined): Generator<FileRevision, void, void> {
    const { index } = this.#parts;
    const heads = (path: string) => {
      const standing = index.headsAt(dataset, path, version).filter(({ kind }) => kind !== 'removal');
      return standing.filter((head, at) => standing.findIndex((other) => sameState(other, head)) === at);
    };
    if (within !== undefined) yield* heads(within);
    // Behind every path below a directory comes its name with `0`, the character after `/`.
    const end = within === undefined ? undefined : `${within}0`;
    let after = within === undefined ? '' : `${within}/`;
    for (;;) {
      const page = index.paths(dataset, after, listPage);
      for (const path of page) {
        if (end !== undefined && path >= end) return;
        yield* heads(path);
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  #append(dataset: DatasetId, operation: TagOperation): Dot {
    const { driver, header } = this.#parts;
    return driver.command((engine, now) => engine.appendPayload(dataset, 'tag', encodeTagOperation(operation), header(), now));
  }
}

function plainVersion(vector: VersionVector): DatasetVersion {
  return Object.fromEntries(vector.entries());
}

function parseVersion(version: DatasetVersion): VersionVector {
  const entries = Object.entries(version);
  if (entries.some(([author, length]) => !isIdentifierText(author) || !Number.isSafeInteger(length) || length < 0))
    throw new GodwitError('VERSION_MALFORMED', 'A version names a number of log entries for each author, by 64 hexadecimal digits.');
  return VersionVector.of(entries.map(([author, length]) => [author as NodeId, length]));
}

function isDot(version: VersionRef | RevisionRef): version is Dot {
  return typeof version === 'object' && 'author' in version && 'sequence' in version;
}

function tagUnknown(name: string): GodwitError {
  return new GodwitError('TAG_UNKNOWN', `There is no tag "${name}" in this dataset (yet).`, { retryable: true });
}
