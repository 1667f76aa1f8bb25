import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { WantedPlace } from '../datasets/arriving-files.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader, FileChange } from '../datasets/entry-body.ts';
import type { Conflict, FileIndex, FileRevision } from '../datasets/file-index.ts';
import type { KeptBases } from '../datasets/kept-bases.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import { type ScanOptions, type TreeProblem, WorkingTree } from '../datasets/working-tree.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { Chores } from './chores.ts';
import type { ConflictPolicies, ConflictResolver } from './conflict-policies.ts';
import { resolveConflict } from './conflict-resolution.ts';
import type { DatasetAccess } from './dataset-access.ts';
import { areConflictRules, type ConflictRule, type Membership } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Platform } from './platform.ts';

/**
 * The files of a node's datasets: directories that are kept in step with them, what stands in them, and conflicts.
 *
 * What follows from an event (a path to write, a conflict to end) is a chore: done in its turn, and again when its cause may have gone. Which directories are attached is kept in the catalog.
 */

/** What a scan of a directory came to. */
export interface ScanReport {
  /** Paths whose change was published. */
  readonly published: readonly string[];
  /** Paths that were left out, with the reason; they are looked at again next time. */
  readonly problems: readonly TreeProblem[];
}

/** A file of a dataset as it stands. */
export interface FileInfo {
  readonly path: string;
  readonly revision: FileRevision;
  /** True when its bytes are all here. */
  readonly complete: boolean;
  readonly inConflict: boolean;
}

/** A revision of a path with all its metadata: author, instant and the quality of the author's clock, position, times, mode, attributes, and what it replaced. */
export type RevisionInfo = FileRevision & {
  /** True when its bytes are all here. Those of an old one may be fetched by a checkout. */
  readonly complete: boolean;
};

/** What the files of a node work with. */
export interface FileServiceParts {
  readonly self: NodeId;
  readonly platform: Pick<Platform, 'catalog' | 'clock' | 'openTree'>;
  readonly access: DatasetAccess;
  readonly membership: Membership;
  readonly policies: ConflictPolicies;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly bases: KeptBases;
  /** Whether a content must stay, whatever replaces it. */
  readonly mustStay: (root: Hash) => boolean;
  readonly driver: NodeDriver;
  readonly chores: Chores;
  /** What every entry of this node's begins with. */
  readonly header: () => Omit<EntryHeader, 'instant'>;
  /** A path on disk now holds what the dataset says. */
  readonly onWritten: (dataset: DatasetId, path: string) => void;
  /** Reading found that a content is damaged. */
  readonly onDamage: (content: ContentRef) => void;
  readonly onProblem: (what: string, error: unknown) => void;
}

const listPage = 1024;

/** The files of one node. */
export class FileService {
  readonly #parts: FileServiceParts;
  readonly #treeByDataset = new Map<DatasetId, WorkingTree>();
  readonly #directoryByDataset = new Map<DatasetId, FileTree>();

  constructor(parts: FileServiceParts) {
    this.#parts = parts;
  }

  // Directories

  /** Takes up the directories that an earlier run attached. One that is not there is a problem, and the others go on. */
  restore(): void {
    const { catalog } = this.#parts.platform;
    catalog.migrate({
      component: 'attachments',
      steps: ['CREATE TABLE attachment (dataset TEXT PRIMARY KEY, directory TEXT NOT NULL) STRICT, WITHOUT ROWID;'],
    });
    for (const row of catalog.all<{ dataset: DatasetId; directory: string }>('SELECT dataset, directory FROM attachment')) {
      try {
        this.#openTree(row.dataset, row.directory);
      } catch (error) {
        this.#parts.onProblem(`attached directory ${row.directory}`, error);
        continue;
      }
      for (const path of this.#paths(row.dataset)) this.materialiseLater(row.dataset, path);
      this.#keepBasesLater(row.dataset);
    }
  }

  /** Keeps a directory and a dataset in step, over restarts too. @throws GodwitError `DATASET_UNKNOWN`, `DATASET_KIND`, `DIRECTORY_MISSING` */
  attach(dataset: DatasetId, directory: string): void {
    const { access, platform } = this.#parts;
    access.requireKind(dataset, 'files');
    platform.catalog.run('INSERT OR REPLACE INTO attachment (dataset, directory) VALUES (?, ?)', dataset, directory);
    this.#openTree(dataset, directory);
    for (const path of this.#paths(dataset)) this.materialiseLater(dataset, path);
  }

  /** The directories that are attached. */
  attached(): { readonly dataset: DatasetId; readonly tree: FileTree }[] {
    return [...this.#directoryByDataset].map(([dataset, tree]) => ({ dataset, tree }));
  }

  /** Publishes what changed in the attached directory. @throws GodwitError `NOT_ATTACHED`, `NOT_A_WRITER`, `TREE_EMPTIED`, `DIRECTORY_MISSING`, `DISK_FULL` */
  async scan(dataset: DatasetId, options: ScanOptions): Promise<ScanReport> {
    const { access, chores, driver, header, platform } = this.#parts;
    access.requireWriter();
    const tree = this.#requireTree(dataset);
    return chores.exclusive(`scan ${dataset}`, async () => {
      const published: string[] = [];
      const problems: TreeProblem[] = [];
      for await (const batches of tree.scan(platform.clock.now().wallMs, options, problems)) {
        driver.command((engine, now) =>
          engine.atomically(now, () => {
            for (const batch of batches) {
              engine.appendChanges(dataset, batch.changes, header(), now, (dot) => batch.recorded(dot));
              for (const change of batch.changes) {
                if (change.kind === 'file') engine.contentAvailable(change.content.root);
                this.#noteBase(tree.id, change);
              }
            }
          }),
        );
        for (const { changes } of batches) published.push(...changes.map(({ path }) => path));
      }
      this.#keepBasesLater(dataset);
      return { published, problems };
    });
  }

  /** Brings a path on disk up to date in its turn, where a directory is attached. */
  materialiseLater(dataset: DatasetId, path: string): void {
    const tree = this.#treeByDataset.get(dataset);
    if (tree === undefined) return;
    this.#parts.chores.add(`write ${dataset} ${path}`, async () => {
      if ((await tree.materialise(path)) !== 'written') return;
      this.#noteWritten(dataset, path);
      this.#parts.onWritten(dataset, path);
    });
  }

  /** A file was written. One that arrived where it stands is the only place of its bytes, and gets a copy as if it had been published here. */
  #noteWritten(dataset: DatasetId, path: string): void {
    const { bases, contents, index } = this.#parts;
    const tree = this.#requireTree(dataset).id;
    const [head] = index.heads(dataset, path);
    const stands = head?.kind === 'file' && contents.contentsIn(tree, path).some(({ root }) => equalBytes(root, head.content.root));
    if (stands) {
      this.#noteBase(tree, head);
      this.#keepBasesLater(dataset);
    } else bases.forget(tree, path);
  }

  /** Where a content is to stand as a file: at a path of an attached directory that has no conflict, in which another version might stay. */
  placeOf(root: Hash): WantedPlace | undefined {
    const { index } = this.#parts;
    for (const { dataset, path } of index.headsWithRoot(root)) {
      const tree = this.#treeByDataset.get(dataset);
      if (tree !== undefined && !index.inConflict(dataset, path)) return { tree: tree.id, path };
    }
    return undefined;
  }

  /** A large file that was published may get a copy, as a base for its next change. */
  #noteBase(tree: string, change: FileChange): void {
    const { bases } = this.#parts;
    if (change.kind === 'file') {
      const { path, content, mtimeNs, superseded } = change;
      bases.note({ tree, path, content, changedMs: Number(mtimeNs / 1_000_000n), isChange: superseded.length > 0 });
    } else bases.forget(tree, change.path);
  }

  /** Keeps and releases copies of large files, a step at a time, so that other chores come in between. */
  #keepBasesLater(dataset: DatasetId): void {
    const tree = this.#treeByDataset.get(dataset);
    const directory = this.#directoryByDataset.get(dataset);
    if (tree === undefined || directory === undefined) return;
    this.#parts.chores.add(`keep bases of ${dataset}`, async () => {
      if (await this.#parts.bases.step(tree.id, directory)) this.#keepBasesLater(dataset);
    });
  }

  // Files as they stand

  /** Files of a dataset, by path. Removed ones are left out. */
  *list(dataset: DatasetId): IterableIterator<FileInfo> {
    for (const path of this.#paths(dataset)) {
      const info = this.file(dataset, path);
      if (info !== undefined) yield info;
    }
  }

  file(dataset: DatasetId, path: string): FileInfo | undefined {
    const { index, contents } = this.#parts;
    // In a conflict of an edit with a removal the edit is what there is to see.
    const revision = index.heads(dataset, path).find(({ kind }) => kind !== 'removal');
    if (revision === undefined || revision.kind === 'removal') return undefined;
    const complete = revision.kind === 'symlink' || contents.holds(revision.content.root);
    return { path, revision, complete, inConflict: index.inConflict(dataset, path) };
  }

  /** Every revision of a path, newest first. */
  history(dataset: DatasetId, path: string): RevisionInfo[] {
    const { index, contents } = this.#parts;
    return index
      .history(dataset, path)
      .map((revision) => ({ ...revision, complete: revision.kind !== 'file' || contents.holds(revision.content.root) }));
  }

  /** The bytes of a file, or of one of its revisions, verified chunk by chunk. @throws GodwitError `FILE_MISSING`, `CONTENT_INCOMPLETE`, `CONTENT_DAMAGED` */
  async *read(dataset: DatasetId, path: string, revision: Dot | undefined): AsyncGenerator<Uint8Array, void, void> {
    const { index, contents } = this.#parts;
    const wanted = revision === undefined ? this.file(dataset, path)?.revision : index.revision(dataset, path, revision);
    if (wanted?.kind !== 'file') throw new GodwitError('FILE_MISSING', `There is no file "${path}" in this dataset.`);
    if (!contents.holds(wanted.content.root))
      throw new GodwitError('CONTENT_INCOMPLETE', `The bytes of "${path}" have not all arrived yet.`, { retryable: true });
    try {
      yield* contents.stream(wanted.content);
    } catch (error) {
      if (!contents.holds(wanted.content.root)) this.#parts.onDamage(wanted.content);
      throw error;
    }
  }

  // Conflicts

  conflicts(dataset: DatasetId, open: boolean): Conflict[] {
    return this.#parts.index.conflicts(dataset, { open });
  }

  /** Ends a conflict by hand: the given head stands. @throws GodwitError `CONFLICT_UNKNOWN` */
  resolveConflict(dataset: DatasetId, path: string, keep: Dot): void {
    const { index, driver, header } = this.#parts;
    const heads = index.heads(dataset, path);
    const kept = heads.find((head) => head.author === keep.author && head.sequence === keep.sequence);
    if (kept === undefined || !index.inConflict(dataset, path))
      throw new GodwitError('CONFLICT_UNKNOWN', `"${path}" has no such head in conflict.`);
    const superseded = heads.map(({ author, sequence }) => ({ author, sequence }));
    driver.command((engine, now) => engine.appendChanges(dataset, [{ ...kept, path, superseded } as FileChange], header(), now));
  }

  /** Replaces a dataset's conflict rules for the whole team. @throws GodwitError `CONFLICT_RULES_INVALID`, `NOT_A_WRITER`, `DATASET_UNKNOWN`, `DATASET_KIND` */
  setConflictRules(dataset: DatasetId, rules: readonly ConflictRule[]): void {
    const { access, driver } = this.#parts;
    access.requireWriter();
    access.requireKind(dataset, 'files');
    if (!areConflictRules(rules))
      throw new GodwitError('CONFLICT_RULES_INVALID', 'There may be 256 rules, each with a pattern of 1 to 1,024 characters and a policy.');
    driver.command((engine, now) => engine.appendOperation({ type: 'conflicts', id: dataset, rules }, now));
    this.retryConflicts(dataset);
  }

  /** Ends conflicts by a function from now on. Returns how to stop. @throws GodwitError `DATASET_UNKNOWN`, `DATASET_KIND` */
  resolveConflictsWith(dataset: DatasetId, glob: string, resolver: ConflictResolver): () => void {
    this.#parts.access.requireKind(dataset, 'files');
    const stop = this.#parts.policies.use(dataset, glob, resolver);
    this.retryConflicts(dataset);
    return stop;
  }

  /** Tries the open conflicts of a dataset again: how they are to be ended has changed. */
  retryConflicts(dataset: DatasetId): void {
    for (const { path } of this.conflicts(dataset, true)) this.endConflictLater(dataset, path);
  }

  /** Conflicts that an earlier run noticed and could not end any more. */
  takeUpConflicts(): void {
    for (const { id } of this.#parts.membership.datasets()) this.retryConflicts(id);
  }

  /** Ends a conflict by the dataset's policy, in its turn. */
  endConflictLater(dataset: DatasetId, path: string): void {
    this.#parts.chores.add(`conflict ${dataset} ${path}`, () => this.#endConflict(dataset, path));
  }

  async #endConflict(dataset: DatasetId, path: string): Promise<void> {
    const { self, membership, policies, index, contents, driver, header } = this.#parts;
    const policy = policies.of(dataset, path);
    if (policy === undefined || !membership.mayWrite(self) || !index.inConflict(dataset, path)) return;
    const resolution = await resolveConflict(dataset, path, policy, index, contents);
    if (resolution.kind === 'later') return;
    if (resolution.kind === 'stays') {
      index.annotateConflict(dataset, path, { detail: resolution.detail });
      return;
    }
    driver.command((engine, now) =>
      engine.atomically(now, () => {
        index.annotateConflict(dataset, path, { resolution: resolution.resolution });
        engine.appendChanges(dataset, resolution.changes, header(), now);
      }),
    );
  }

  // Inside

  *#paths(dataset: DatasetId): IterableIterator<string> {
    const { index } = this.#parts;
    for (let page = index.paths(dataset, '', listPage); page.length > 0; page = index.paths(dataset, page.at(-1) as string, listPage))
      yield* page;
  }

  #openTree(dataset: DatasetId, directory: string): void {
    const { platform, contents, index, mustStay } = this.#parts;
    const tree = platform.openTree(directory);
    this.#directoryByDataset.set(dataset, tree);
    this.#treeByDataset.set(dataset, new WorkingTree(dataset, tree, platform.catalog, contents, index, mustStay));
  }

  #requireTree(dataset: DatasetId): WorkingTree {
    this.#parts.access.requireKind(dataset, 'files');
    const tree = this.#treeByDataset.get(dataset);
    if (tree === undefined) throw new GodwitError('NOT_ATTACHED', 'No directory is attached to this dataset here; attach one first.');
    return tree;
  }
}
