import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileRevision } from '../datasets/file-index.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import { looksLike } from '../datasets/tree-row.ts';
import type { TreeProblem } from '../datasets/working-tree.ts';
import type { FileStat, FileTree } from '../ports/file-tree.ts';
import { conflictName } from './conflict-resolution.ts';
import type { ContentSearch, SearchOptions, SoughtContent } from './content-search.ts';

/**
 * Writes revisions into a directory that belongs to somebody else. What stands there is never replaced, so that no mistake in a path costs a file; and what an earlier attempt wrote is recognised by
 * its size, time and mode, so that repeating a checkout continues it.
 *
 * Files go in groups: what is missing of a group is asked for together, which fills a slow link, and is kept from a garbage collection until the group is written.
 */

/** What came of a checkout. */
export interface CheckoutReport {
  /** Files and links that were written, and the bytes of the files. */
  readonly written: number;
  readonly bytes: number;
  /** Files that stood there already. */
  readonly unchanged: number;
  /** Paths that could not be written, at most 10,000 of them, with the reason; `CONTENT_NOT_HELD` where nobody in reach has the bytes. */
  readonly problems: readonly TreeProblem[];
}

/** What a checkout works on. */
export interface CheckoutParts {
  readonly dataset: DatasetId;
  readonly tree: FileTree;
  readonly contents: ContentStore;
  readonly search: ContentSearch;
}

/** Revisions that are fetched and written together. */
const groupMax = 64;
const problemsListedMax = 10_000;
/** Failures that every further path would share. */
const generalCodes: readonly string[] = [
  'DISK_FULL',
  'STORAGE_FAILED',
  'DIRECTORY_MISSING',
  'DIRECTORY_UNWRITABLE',
  'ABORTED',
  'NODE_CLOSED',
];

interface Writing {
  readonly path: string;
  readonly revision: FileRevision;
}

/** One checkout. */
export class Checkout {
  readonly #parts: CheckoutParts;
  readonly #options: SearchOptions & { readonly path?: string };
  readonly #problems: TreeProblem[] = [];
  #found = 0;
  #written = 0;
  #bytes = 0;
  #unchanged = 0;

  constructor(parts: CheckoutParts, options: SearchOptions & { readonly path?: string }) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Writes revisions, in the order of their paths; of several at one path the first gets the name. */
  async run(revisions: Iterable<FileRevision>): Promise<CheckoutReport> {
    let group: Writing[] = [];
    let last: string | undefined;
    for (const revision of revisions) {
      group.push({ path: revision.path === last ? conflictName(revision.path, revision) : revision.path, revision });
      last = revision.path;
      this.#found++;
      if (group.length < groupMax) continue;
      await this.#writeGroup(group);
      group = [];
    }
    await this.#writeGroup(group);
    if (this.#found === 0) throw new GodwitError('FILE_MISSING', `Nothing stood at "${this.#options.path ?? ''}" in this version.`);
    const [problem] = this.#problems;
    if (this.#found === 1 && problem !== undefined && problem.path === this.#options.path)
      throw new GodwitError(problem.code, problem.message, { retryable: problem.code === notHeld });
    return { written: this.#written, bytes: this.#bytes, unchanged: this.#unchanged, problems: this.#problems };
  }

  async #writeGroup(group: readonly Writing[]): Promise<void> {
    const { search, dataset } = this.#parts;
    const open: Writing[] = [];
    for (const each of group) if (await this.#isOpen(each)) open.push(each);
    const sought = open.flatMap(({ revision }): SoughtContent[] => {
      const { path, author } = revision;
      return revision.kind === 'file' ? [{ content: revision.content, dataset, path, author }] : [];
    });
    await search.using(
      sought.map(({ content }) => content),
      async () => {
        const missing = await search.fetch(sought, this.#options);
        for (const each of open) await this.#write(each, missing);
      },
    );
  }

  /** Looks at what stands at a path: false when there is nothing more to do. */
  async #isOpen({ path, revision }: Writing): Promise<boolean> {
    try {
      const standing = await this.#parts.tree.stat(path);
      if (standing === undefined) return true;
      if (isThere(revision, standing)) this.#unchanged++;
      else
        this.#note(
          path,
          'PATH_OCCUPIED',
          'Something else stands at this path, and a checkout replaces nothing; choose an empty directory.',
        );
    } catch (error) {
      this.#refuse(path, error);
    }
    return false;
  }

  async #write({ path, revision }: Writing, missing: readonly SoughtContent[]): Promise<void> {
    const { tree, contents } = this.#parts;
    const isFree = (standing: FileStat | undefined): boolean => standing === undefined;
    try {
      if (revision.kind === 'symlink') await tree.link(path, revision.target, isFree);
      else if (revision.kind === 'file') {
        const { content, mtimeNs, mode } = revision;
        if (missing.some((each) => equalBytes(each.content.root, content.root))) throw nobodyHolds(path);
        await tree.write(path, this.#bytesOf(contents, content), { mtimeNs, mode }, isFree);
        this.#bytes += content.sizeBytes;
      }
      this.#written++;
    } catch (error) {
      this.#refuse(path, error);
    }
  }

  async *#bytesOf(contents: ContentStore, content: ContentRef): AsyncGenerator<Uint8Array, void, void> {
    const { signal } = this.#options;
    for await (const bytes of contents.lend(content)) {
      if (signal?.aborted) throw new GodwitError('ABORTED', 'The checkout was given up.');
      yield bytes;
    }
  }

  #refuse(path: string, error: unknown): void {
    if (!(error instanceof GodwitError) || generalCodes.includes(error.code)) throw error;
    this.#note(path, error.code, error.message);
  }

  #note(path: string, code: string, message: string): void {
    if (this.#problems.length < problemsListedMax) this.#problems.push({ path, code, message });
  }
}

const notHeld = 'CONTENT_NOT_HELD';

function nobodyHolds(path: string): GodwitError {
  return new GodwitError(
    'CONTENT_NOT_HELD',
    `No node in reach has the bytes of "${path}" in this version; try again when others are here.`,
    {
      retryable: true,
    },
  );
}

function isThere(revision: FileRevision, standing: FileStat): boolean {
  if (revision.kind === 'symlink') return standing.kind === 'symlink' && standing.target === revision.target;
  return (
    revision.kind === 'file' &&
    standing.kind === 'file' &&
    standing.sizeBytes === revision.content.sizeBytes &&
    looksLike(revision, standing)
  );
}
