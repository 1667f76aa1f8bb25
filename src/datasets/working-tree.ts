import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, identifierToBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { WallMs } from '../core/time.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { FileStat, FileTree, MayReplace, Sighting, UnusableEntry } from '../ports/file-tree.ts';
import { fromSighting, sightingsOf } from '../ports/sighting.ts';
import type { ContentStore, TakenFile } from './content-store.ts';
import { type Attributes, areAttributes, changeBytesMax, type FileChange, type FileState, isDatasetPath } from './entry-body.ts';
import { type FileIndex, type FileRevision, sameState } from './file-index.ts';
import { inLanes, unlessFault } from './lanes.ts';
import type { Dot } from './log-entry.ts';
import type { ChunkRef, ContentRef } from './manifest.ts';
import { batchesOf, changeBytesLimit, type ScanBatch } from './scan-batches.ts';
import { ScanMerge } from './scan-merge.ts';
import { dotOf, looksLike, parseDots, recordedFiles, rowOf, sameAsRow, sameDot, sameStat, type TreeRow } from './tree-row.ts';
import { workingTreeSchema } from './tree-schema.ts';

/**
 * A directory that people and programs use, kept in step with a dataset.
 *
 * For every path the catalog remembers which revision stands on disk and what the platform said of the file then (size, times, inode). A file is read again only when that differs, and it is
 * overwritten only when it does not: what somebody changed on disk and nobody has published yet is never replaced, but published first, beside whatever arrived meanwhile.
 *
 * Most scans find nothing, and some find a hundred thousand small files. So what is on disk is merged with the catalog's rows in one pass that writes nothing, and what changed is read by groups of
 * files, several at a time, whose contents are stored together before any of them is compared with what was known.
 *
 * A power cut between a change on disk and the note of it in the catalog leaves a file that looks changed. It is read again, found to be what a head says, and adopted without a new revision.
 *
 * Large files are the homes of their own chunks. Before one is replaced or removed, what others still need of it is written to where they want it, or copied into packs.
 */

/** How a directory is read. */
export interface ScanOptions {
  /** Read and hash every file again, whatever its times say. Default false. */
  readonly rehash?: boolean;
  /**
   * A file modified less than this before the scan is left for the next one, in milliseconds. Default 2,000, the coarsest step of file times in use (FAT): with less, a file that is written twice
   * within a step may keep its first content until it is touched again. 0 takes files as they are.
   */
  readonly settleMs?: number;
  /** A file that never settles is published as it stands after this long, in milliseconds. Default 60,000. */
  readonly unsettledMsMax?: number;
  /** Take it as meant when every file is gone. Default false: `TREE_EMPTIED` is thrown, because that is what an unmounted disk looks like. */
  readonly allowEmptied?: boolean;
  /** Free metadata for changed files, by path. Default: what the revision before had. */
  readonly attributes?: (path: string) => Attributes | undefined;
}

/** A path that was left out of a scan or could not be written, and why. */
export interface TreeProblem {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** What became of a path that was to be brought up to date on disk. */
export type MaterialiseOutcome = 'written' | 'unchanged' | 'modified-on-disk' | 'incomplete';

/** What is read before it is stored, in bytes and in files; a single large file goes alone. */
const groupBytesMax = 8 * 1024 * 1024;
const groupFilesMax = 4096;
/** Files that are read at a time. More gains nothing: the threads that do it are few. */
const readersMax = 8;

interface Found {
  readonly change: FileChange;
  readonly row: TreeRow;
}

/** A file on disk that is not as the catalog has it, or is to be read all the same. */
interface Candidate {
  readonly sighting: Sighting;
  readonly stat: FileStat;
  readonly row: TreeRow | undefined;
  /** It never is quiet, and is taken while it changes. */
  readonly changing: boolean;
}

/** What was read of a candidate. `taken` is still to be stored. */
interface Reading {
  readonly state: FileState;
  readonly taken?: TakenFile;
}

/** A candidate that was read and stored, or could not be. */
interface Examined {
  readonly candidate: Candidate;
  readonly result: Reading | GodwitError;
}

/** What a scan gathers while it walks. */
interface Walk {
  readonly merge: ScanMerge;
  /** Paths of files and directories that could not be read or have no usable name. */
  readonly unreadable: Set<string>;
  /** Files that are still waiting to be quiet. */
  readonly unsettled: Set<string>;
  isEmpty: boolean;
}

/** Keeps one directory and one dataset in step. The caller serialises `scan` and `materialise`. */
export class WorkingTree {
  /** Names the tree among the homes of chunks; stable over restarts. */
  readonly id: string;
  readonly #dataset: DatasetId;
  readonly #key: Uint8Array;
  readonly #tree: FileTree;
  readonly #catalog: Catalog;
  readonly #contents: ContentStore;
  readonly #index: FileIndex;
  readonly #mustStay: (root: Hash) => boolean;

  /** @param mustStay whether a content is kept although another stands in its place, as that of a tagged version: then it is not given up with the file that it lies in */
  constructor(
    dataset: DatasetId,
    tree: FileTree,
    catalog: Catalog,
    contents: ContentStore,
    index: FileIndex,
    mustStay: (root: Hash) => boolean = () => false,
  ) {
    this.id = `dataset ${dataset}`;
    this.#dataset = dataset;
    this.#key = identifierToBytes(dataset);
    this.#tree = tree;
    this.#catalog = catalog;
    this.#contents = contents;
    this.#index = index;
    this.#mustStay = mustStay;
    catalog.migrate(workingTreeSchema);
    contents.attachTree(this.id, tree);
  }

  /**
   * Reads what changed on disk since it was last in step, in batches, some at a time. Those that come together must be recorded before the next are taken, best in one transaction: its end waits for the disk. `problems` collects
   * what was left out.
   *
   * @throws GodwitError `TREE_EMPTIED`, or what the tree throws when it cannot be read at all.
   */
  async *scan(wallMs: WallMs, options: ScanOptions, problems: TreeProblem[]): AsyncGenerator<readonly ScanBatch[], void, void> {
    const walk: Walk = {
      merge: new ScanMerge(recordedFiles(this.#catalog, this.#key)),
      unreadable: new Set(),
      unsettled: new Set(),
      isEmpty: true,
    };
    yield* batchesOf(this.#changed(walk, wallMs, options, problems), (found) => this.#batch(found));
    this.#forgetSettled(walk.unsettled);
    yield* batchesOf(this.#gone(walk, options), (found) => this.#batch(found));
    await this.#contents.recheck();
  }

  /**
   * Brings one path on disk up to the head that is shown. In a conflict the version on disk stays as long as it is one of the heads.
   *
   * @throws GodwitError from the tree (`DISK_FULL`, `DIRECTORY_UNWRITABLE`…), `CONTENT_DAMAGED` or `CONTENT_UNAVAILABLE`; the old file stands then.
   */
  async materialise(path: string): Promise<MaterialiseOutcome> {
    const outcome = await this.#materialise(path, new Set());
    await this.#contents.recheck();
    return outcome;
  }

  /** `busy` holds the paths whose turn led to this one's. */
  async #materialise(path: string, busy: Set<string>): Promise<MaterialiseOutcome> {
    busy.add(path);
    const heads = this.#index.heads(this.#dataset, path);
    const row = this.#row(path);
    const onDisk = row === undefined ? [] : parseDots(row.dots);
    const shown = heads.find((head) => onDisk.some((dot) => sameDot(dot, head))) ?? heads[0];
    if (shown === undefined) return 'unchanged';
    const dots = heads.filter((head) => sameState(head, shown)).map(dotOf);
    if (row !== undefined && sameAsRow(shown, row) && !this.#hasNewAttributes(shown, onDisk)) {
      const text = JSON.stringify(dots);
      if (text !== row.dots) this.#catalog.run('UPDATE tree_file SET dots = ? WHERE dataset = ? AND path = ?', text, this.#key, path);
      return 'unchanged';
    }
    if (shown.kind === 'file' && !this.#contents.holds(shown.content.root)) return 'incomplete';
    await this.#makeRoom(shown, busy);
    if (!isAsRecorded(await this.#tree.stat(path), row)) return 'modified-on-disk';
    const chunks = shown.kind === 'file' ? await this.#contents.refs(shown.content) : [];
    await this.#saveWhatOthersNeed(shown, chunks, busy);
    const part = shown.kind === 'file' ? await this.#contents.arriving.whole(this.id, shown.content, chunks, path) : undefined;
    const written = await this.#write(shown, row, part);
    if (written === 'modified') return 'modified-on-disk';
    this.#catalog.transaction(() => {
      if (shown.kind !== 'file') this.#contents.forgetFile(this.id, path);
      else if (part === undefined) this.#contents.replaceFile(this.id, path, shown.content, chunks);
      else this.#contents.arriving.stands(this.id, part, path, shown.content.root);
      this.#saveRow(rowOf(path, shown, written, dots));
    });
    return row === undefined && shown.kind === 'removal' ? 'unchanged' : 'written';
  }

  /** Whether a revision with the same content brings another mode or time than the one on disk. What the platform made of those is not asked: it may not keep them. */
  #hasNewAttributes(shown: FileRevision, onDisk: readonly Dot[]): boolean {
    const [dot] = onDisk;
    if (shown.kind !== 'file' || dot === undefined || onDisk.some((each) => sameDot(each, shown))) return false;
    const before = this.#index.revision(this.#dataset, shown.path, dot);
    return before?.kind === 'file' && (before.mode !== shown.mode || before.mtimeNs !== shown.mtimeNs);
  }

  /** A file may stand where a directory is needed, or the other way round: what was removed there goes first. */
  async #makeRoom({ path, kind }: FileRevision, busy: Set<string>): Promise<void> {
    if (kind === 'removal') return;
    const names = path.split('/');
    const above = names.slice(1).map((_, depth) => names.slice(0, depth + 1).join('/'));
    const below = this.#catalog
      .all<{ path: string }>(
        `SELECT path FROM tree_file WHERE dataset = ? AND path > ? AND path < ? AND kind <> 'removal'`,
        this.#key,
        `${path}/`,
        afterEverythingBelow(path),
      )
      .map((row) => row.path);
    for (const other of [...above.filter((each) => this.#standsOnDisk(each)), ...below]) await this.#materialiseFirst(other, busy);
  }

  /**
   * The file at this path may be the only place of bytes that a head at another path needs: after a file was moved, for one, or both sides of a conflict were kept. Those paths are written first;
   * what is then still needed of the file is copied into packs, and so is a version that is kept: it may have arrived where it stands and be nowhere else.
   */
  async #saveWhatOthersNeed({ path }: FileRevision, staying: readonly ChunkRef[], busy: Set<string>): Promise<void> {
    for (const content of this.#contents.contentsIn(this.id, path)) {
      const needing = this.#index.headsWithRoot(content.root);
      if (needing.length === 0 && !this.#mustStay(content.root)) continue;
      for (const other of needing) if (other.dataset === this.#dataset) await this.#materialiseFirst(other.path, busy);
      await this.#contents.saveFromFile(this.id, path, content, staying);
    }
  }

  async #materialiseFirst(path: string, busy: Set<string>): Promise<void> {
    if (busy.has(path)) return;
    try {
      await this.#materialise(path, busy);
    } catch (error) {
      // What stands in its way is said when its own turn comes.
      if (!(error instanceof GodwitError)) throw error;
    }
  }

  async #write(shown: FileRevision, row: TreeRow | undefined, part: string | undefined): Promise<FileStat | 'modified' | undefined> {
    // Saving what others need and writing the bytes may take hours, so the file is looked at again when the new one takes its place.
    const mayReplace: MayReplace = (standing) => isAsRecorded(standing, row);
    try {
      switch (shown.kind) {
        case 'removal':
          if (row !== undefined) await this.#tree.remove(shown.path, mayReplace);
          return undefined;
        case 'symlink':
          return await this.#tree.link(shown.path, shown.target, mayReplace);
        case 'file': {
          const { content, mtimeNs, mode } = shown;
          if (part !== undefined) return await this.#tree.placePart(part, shown.path, { mtimeNs, mode }, mayReplace);
          return await this.#tree.write(shown.path, this.#contents.lend(content), { mtimeNs, mode }, mayReplace);
        }
      }
    } catch (error) {
      if (error instanceof GodwitError && error.code === 'FILE_CHANGED') return 'modified';
      throw error;
    }
  }

  /** What changed on disk, in the order of the walk. While one group of files is compared and recorded, the next is read and stored. */
  async *#changed(walk: Walk, wallMs: WallMs, options: ScanOptions, problems: TreeProblem[]): AsyncGenerator<Found, void, void> {
    let ahead: Promise<readonly Examined[]> | undefined;
    try {
      for await (const group of this.#candidates(walk, wallMs, options, problems)) {
        const before = await ahead;
        ahead = this.#take(group, options);
        // Looked at in its turn; until then nobody may take its failure for one that is not looked at.
        ahead.catch(() => {});
        if (before !== undefined) yield* this.#examine(before, problems);
      }
      if (ahead !== undefined) yield* this.#examine(await ahead, problems);
    } finally {
      // Whoever stops early may write to the directory at once.
      await ahead?.catch(() => {});
    }
  }

  /** Files that are not as the catalog has them, by groups that are read as one. */
  async *#candidates(
    walk: Walk,
    wallMs: WallMs,
    options: ScanOptions,
    problems: TreeProblem[],
  ): AsyncGenerator<readonly Candidate[], void, void> {
    let group: Candidate[] = [];
    let groupBytes = 0;
    for await (const page of this.#tree.survey()) {
      // What is as the catalog has it is usable, and nothing more needs to be known of it.
      if (options.rehash !== true && walk.merge.meetAll(page)) {
        walk.isEmpty = false;
        continue;
      }
      for (const sighting of sightingsOf(page)) {
        const recorded = walk.merge.meet(sighting.path);
        if (recorded === sighting.seen && options.rehash !== true) {
          walk.isEmpty = false;
          continue;
        }
        const candidate = this.#candidate(sighting, recorded !== undefined, walk, wallMs, options, problems);
        if (candidate === undefined) continue;
        const { sizeBytes } = candidate.stat;
        if (group.length === groupFilesMax || (group.length > 0 && groupBytes + sizeBytes > groupBytesMax)) {
          yield group;
          group = [];
          groupBytes = 0;
        }
        group.push(candidate);
        groupBytes += sizeBytes;
      }
    }
    if (group.length > 0) yield group;
  }

  /** A sighting as a file to read, or `undefined` with the reason among the problems. */
  #candidate(
    sighting: Sighting,
    isRecorded: boolean,
    walk: Walk,
    wallMs: WallMs,
    options: ScanOptions,
    problems: TreeProblem[],
  ): Candidate | undefined {
    const stat = fromSighting(sighting);
    if (stat.kind === 'unusable' || !isDatasetPath(stat.path)) {
      problems.push(unusable(stat));
      walk.unreadable.add(stat.path);
      return undefined;
    }
    walk.isEmpty = false;
    const quiet = this.#settled(stat, wallMs, walk, options);
    if (quiet !== 'no') return { sighting, stat, row: isRecorded ? this.#row(stat.path) : undefined, changing: quiet === 'never' };
    problems.push({
      path: stat.path,
      code: 'FILE_UNSETTLED',
      message: 'The file is still being written; the next scan that finds it quiet publishes it.',
    });
    return undefined;
  }

  /** Reads files and stores what they hold. */
  async #take(group: readonly Candidate[], options: ScanOptions): Promise<readonly Examined[]> {
    const whole = group.filter((candidate) => this.#isReadWhole(candidate));
    const contents = await this.#tree.readWhole(whole.map(({ sighting }) => sighting));
    const bytesOf = new Map(whole.map((candidate, at) => [candidate, contents[at]]));
    const readings = await inLanes(group, readersMax, (candidate) =>
      unlessFault(async () => this.#reading(candidate, bytesOf.get(candidate), options)),
    );
    const taken = readings.flatMap((reading) => (reading instanceof GodwitError || reading.taken === undefined ? [] : [reading.taken]));
    const fault = await unlessFault(() => this.#contents.storeFiles(this.id, taken));
    return group.map((candidate, at) => {
      const reading = readings[at] as Reading | GodwitError;
      return { candidate, result: reading instanceof GodwitError || reading.taken === undefined ? reading : (fault ?? reading) };
    });
  }

  /** Whether a file is read in one piece with others. One that never is quiet is read as it is, and not held against what was seen of it. */
  #isReadWhole({ stat, row, changing }: Candidate): boolean {
    return (
      stat.kind === 'file' &&
      !changing &&
      this.#contents.isTakenWhole(stat.sizeBytes) &&
      (row === undefined || this.#contents.isTakenWhole(row.size_bytes))
    );
  }

  /** Tells what it means that files hold what they hold. */
  #examine(examined: readonly Examined[], problems: TreeProblem[]): Found[] {
    return this.#catalog.transaction(() => {
      const found: Found[] = [];
      for (const { candidate, result } of examined) {
        const { stat, row } = candidate;
        const change = result instanceof GodwitError ? result : this.#compare(stat, result.state, row);
        if (change instanceof GodwitError) problems.push({ path: stat.path, code: change.code, message: change.message });
        else if (change !== undefined) found.push(change);
      }
      return found;
    });
  }

  /** What a file that was read means: nothing new, a head that was put in place by other means, or a revision. */
  #compare(stat: FileStat, state: FileState, row: TreeRow | undefined): Found | GodwitError | undefined {
    const onDisk = row === undefined ? [] : parseDots(row.dots);
    if (row !== undefined && sameAsRow(state, row) && row.mode === stat.mode && row.mtime_ns === String(stat.mtimeNs)) {
      this.#saveRow(rowOf(stat.path, state, stat, onDisk));
      return undefined;
    }
    const heads = this.#index.heads(this.#dataset, stat.path);
    const agreeing = heads.filter((head) => sameState(head, state));
    // Where the version that stood here is still a head of its own, the file was made like the other one by somebody, and that ends their conflict: a revision.
    const replacesAHead = heads.some((head) => !agreeing.includes(head) && onDisk.some((dot) => sameDot(dot, head)));
    if (!replacesAHead && agreeing.some((head) => !onDisk.some((dot) => sameDot(dot, head)) && looksLike(head, stat))) {
      this.#saveRow(rowOf(stat.path, state, stat, agreeing.map(dotOf)));
      return undefined;
    }
    const others = agreeing.map(dotOf).filter((dot) => !onDisk.some((each) => sameDot(each, dot)));
    const superseded = [...onDisk, ...others].slice(0, limits.headsPerEntryMax);
    const change = { path: stat.path, superseded, ...state };
    if (changeBytesMax(change) > changeBytesLimit) return unsupportedAttributes();
    return { change, row: rowOf(stat.path, state, stat, []) };
  }

  /** What a file holds: `bytes` if they have been read already. */
  async #reading({ stat, row, changing }: Candidate, bytes: Uint8Array | undefined, options: ScanOptions): Promise<Reading> {
    const { path, mtimeNs, mode } = stat;
    if (stat.kind === 'symlink') return { state: { kind: 'symlink', target: stat.target ?? '', mtimeNs } };
    const before = row === undefined ? undefined : this.#revisionOf(row);
    const attributes = options.attributes?.(path) ?? before?.attributes;
    if (attributes !== undefined && !areAttributes(attributes)) throw unsupportedAttributes();
    const stateOf = (content: ContentRef): FileState => ({
      kind: 'file',
      content,
      mtimeNs,
      mode,
      ...(attributes === undefined ? {} : { attributes }),
    });
    if (bytes !== undefined) {
      const taken = this.#contents.takeBytes(path, bytes);
      return { state: stateOf(taken.content), taken };
    }
    const how = { changing, ...(before === undefined ? {} : { previous: before.content }) };
    const reader = await this.#tree.open(path);
    try {
      if (!this.#contents.isTakenWhole(stat.sizeBytes)) return { state: stateOf(await this.#contents.addFile(this.id, reader, stat, how)) };
      const taken = await this.#contents.takeFile(reader, stat, how);
      return { state: stateOf(taken.content), taken };
    } finally {
      await reader.close();
    }
  }

  #revisionOf(row: TreeRow): (FileRevision & { kind: 'file' }) | undefined {
    const [dot] = parseDots(row.dots);
    const revision = dot && this.#index.revision(this.#dataset, row.path, dot);
    return revision?.kind === 'file' ? revision : undefined;
  }

  /** Whether a file is quiet for long enough (`yes`), is not, or has never been for too long. */
  #settled(stat: FileStat, wallMs: WallMs, { unsettled }: Walk, options: ScanOptions): 'yes' | 'no' | 'never' {
    const ageMs = wallMs - Number(stat.mtimeNs / 1_000_000n);
    const settleMs = options.settleMs ?? 2000;
    // A time in the future says nothing about when the file was written.
    if (settleMs === 0 || ageMs >= settleMs || ageMs < 0) return 'yes';
    unsettled.add(stat.path);
    this.#catalog.run(
      'INSERT OR IGNORE INTO tree_unsettled (dataset, path, since_ms) VALUES (?, ?, ?)',
      this.#key,
      stat.path,
      Math.floor(wallMs),
    );
    const since =
      this.#catalog.get<{ since_ms: number }>('SELECT since_ms FROM tree_unsettled WHERE dataset = ? AND path = ?', this.#key, stat.path)
        ?.since_ms ?? wallMs;
    if (wallMs - since < (options.unsettledMsMax ?? 60_000)) return 'no';
    unsettled.delete(stat.path);
    return 'never';
  }

  /** Files that became quiet, or went away, begin to wait anew when they are written to again. */
  #forgetSettled(unsettled: ReadonlySet<string>): void {
    const settled = this.#catalog
      .all<{ path: string }>('SELECT path FROM tree_unsettled WHERE dataset = ?', this.#key)
      .filter(({ path }) => !unsettled.has(path));
    if (settled.length === 0) return;
    this.#catalog.transaction(() => {
      for (const { path } of settled) this.#catalog.run('DELETE FROM tree_unsettled WHERE dataset = ? AND path = ?', this.#key, path);
    });
  }

  /** What is not on disk any more, in the order of paths. A file or directory that cannot be read is not gone, and nothing below it is. */
  *#gone({ merge, unreadable, isEmpty }: Walk, options: ScanOptions): Generator<Found, void, void> {
    const gone: { path: string; dots: Dot[] }[] = [];
    const unmet = [...merge.unmet()].filter(({ seen }) => !seen.startsWith('removal'));
    for (const path of unmet.map((file) => file.path).sort()) {
      const row = isAtOrBelow(path, unreadable) ? undefined : this.#row(path);
      if (row === undefined) continue;
      const dots = parseDots(row.dots);
      if (!this.#adoptsRemoval(path, dots)) gone.push({ path, dots });
    }
    if (isEmpty && options.allowEmptied !== true && gone.length > 0) {
      throw new GodwitError(
        'TREE_EMPTIED',
        `All ${gone.length} files are gone from the directory. Mount it, or scan with allowEmptied if they were meant to be removed.`,
      );
    }
    for (const { path, dots } of gone) {
      const change: FileChange = { path, superseded: dots.slice(0, limits.headsPerEntryMax), kind: 'removal' };
      yield { change, row: rowOf(path, change, undefined, []) };
    }
  }

  /** A file that is gone as others wanted it to be was removed by us, before a power cut, or by somebody who knew: there is nothing to publish. */
  #adoptsRemoval(path: string, onDisk: readonly Dot[]): boolean {
    const heads = this.#index.heads(this.#dataset, path);
    const removals = heads.filter(({ kind }) => kind === 'removal');
    if (removals.length === 0 || heads.some((head) => onDisk.some((dot) => sameDot(dot, head)))) return false;
    this.#catalog.transaction(() => {
      this.#contents.forgetFile(this.id, path);
      this.#saveRow(rowOf(path, { kind: 'removal' }, undefined, removals.map(dotOf)));
    });
    return true;
  }

  #standsOnDisk(path: string): boolean {
    const row = this.#row(path);
    return row !== undefined && row.kind !== 'removal';
  }

  #batch(found: readonly Found[]): ScanBatch {
    return {
      changes: found.map(({ change }) => change),
      recorded: (dot) => {
        const dots = JSON.stringify([dotOf(dot)]);
        for (const { row } of found) {
          if (row.kind !== 'file') this.#contents.forgetFile(this.id, row.path);
          this.#saveRow({ ...row, dots });
        }
      },
    };
  }

  #row(path: string): TreeRow | undefined {
    return this.#catalog.get<TreeRow>('SELECT * FROM tree_file WHERE dataset = ? AND path = ?', this.#key, path);
  }

  #saveRow(row: TreeRow): void {
    this.#catalog.run(
      `INSERT OR REPLACE INTO tree_file (dataset, path, kind, size_bytes, mtime_ns, ctime_ns, inode, mode, root, depth, target, dots)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#key,
      row.path,
      row.kind,
      row.size_bytes,
      row.mtime_ns,
      row.ctime_ns,
      row.inode,
      row.mode,
      row.root,
      row.depth,
      row.target,
      row.dots,
    );
  }
}

/** Whether what stands on disk is what stood there when the path was last in step. */
function isAsRecorded(stat: FileStat | undefined, row: TreeRow | undefined): boolean {
  if (row === undefined || row.kind === 'removal') return stat === undefined;
  return stat !== undefined && sameStat(stat, row);
}

function isAtOrBelow(path: string, tops: ReadonlySet<string>): boolean {
  if (tops.size === 0) return false;
  const names = path.split('/');
  return names.some((_, depth) => tops.has(names.slice(0, depth + 1).join('/')));
}

/** The first text behind all paths below this one: `0` is the character behind `/`. */
function afterEverythingBelow(path: string): string {
  return `${path}0`;
}

function unsupportedAttributes(): GodwitError {
  return new GodwitError(
    'ATTRIBUTES_UNSUPPORTED',
    'The metadata of this file is too large for a log entry, or holds something else than texts, numbers and truth values.',
  );
}

function unusable(entry: FileStat | UnusableEntry): TreeProblem {
  if (entry.kind === 'unusable') return { path: entry.path, code: entry.code, message: entry.message };
  return {
    path: entry.path,
    code: 'NAME_UNSUPPORTED',
    message: 'The name holds a character that no dataset path may have (backslash, NUL or an unpaired surrogate), or is too long.',
  };
}
