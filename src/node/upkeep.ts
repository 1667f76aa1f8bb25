import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import { type DamagedFile, FileAudit } from '../datasets/file-audit.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { type CollectionReport, GarbageCollection } from '../datasets/garbage-collection.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { Retention } from '../datasets/retention.ts';
import { SteppedWork } from '../datasets/stepped-work.ts';
import { type DamagedContent, Verification, type VerificationReport } from '../datasets/verification.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { Chores } from './chores.ts';
import { ContentMending } from './content-mending.ts';
import type { ContentSearch, SearchOptions, SoughtContent } from './content-search.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { NodeDriver } from './node-driver.ts';
import type { UpkeepEvent } from './node-event.ts';
import type { Platform } from './platform.ts';

/**
 * Keeps a node's storage in order: reads what is held against its hashes, has damage replaced from other nodes, and gives back the room of what nobody needs.
 *
 * All of it is long work on the whole store. It is done in steps of a few megabytes, each a chore of its own, so that scans, writing and conflicts have their turn between two steps and never run
 * beside one, and sessions go on all the time.
 */

/** How thoroughly a verification reads. */
export interface VerifyOptions {
  /** Read every file of the attached directories too, also those whose bytes are kept in packs besides. Default false: only the files at whose paths damage was found. */
  readonly rehash?: boolean;
  /** Stops between two steps when it is aborted: `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** A file in an attached directory whose bytes changed although nobody wrote to it. It is written anew from its content. */
export interface DamagedWorkingFile extends DamagedFile {
  readonly dataset: DatasetId;
}

/** What a verification found. */
export interface VerifyReport extends VerificationReport {
  /** Working files that were read to their ends. */
  readonly files: number;
  readonly damagedFiles: readonly DamagedWorkingFile[];
}

/** What a repair came to. */
export interface RepairReport extends VerifyReport {
  /** Lost contents that are whole again. */
  readonly repaired: number;
  /** Lost contents that nobody in reach has. Those that stand in a dataset stay wanted and are repaired when somebody comes who has them. */
  readonly missing: readonly DamagedContent[];
}

/** An attached directory. */
export interface AttachedTree {
  readonly dataset: DatasetId;
  readonly tree: FileTree;
}

/** What upkeep works on. */
export interface UpkeepParts {
  readonly platform: Pick<Platform, 'catalog' | 'chunks' | 'clock' | 'crypto'>;
  readonly contents: ContentStore;
  readonly index: FileIndex;
  readonly retention: Retention;
  readonly access: DatasetAccess;
  readonly driver: NodeDriver;
  readonly chores: Chores;
  readonly search: ContentSearch;
  /** Bytes in packs that superseded contents may keep when it collects by itself. */
  readonly supersededBytesMax: number;
  readonly attached: () => AttachedTree[];
  /** Writes a path of an attached directory anew, in its turn. */
  readonly rewrite: (dataset: DatasetId, path: string) => void;
  readonly report: (event: UpkeepEvent) => void;
  readonly onProblem: (what: string, error: unknown) => void;
}

/** About how much is read or written in one step. */
const stepBytes = 16 * 1024 * 1024;
/** A collection by itself looks worth its while when the packs grew by this share and this much since the last one, and at most this often. */
const growthShareMin = 0.1;
const growthBytesMin = 64 * 1024 * 1024;
const collectionPauseMs = 10 * 60 * 1000;

/** The upkeep of one node. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #mending: ContentMending;
  readonly #running = new Set<Promise<unknown>>();
  #lastCollection: Promise<unknown> = Promise.resolve();
  #lookedAtMs: number | undefined;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#mending = new ContentMending(parts);
    parts.platform.catalog.migrate({
      component: 'upkeep',
      steps: ['CREATE TABLE upkeep (id INTEGER PRIMARY KEY CHECK (id = 1), packed_bytes INTEGER NOT NULL) STRICT;'],
    });
  }

  /** Begins what goes on by itself. Called when the node is open. */
  start(): void {
    this.#mending.start();
  }

  /** Reads what is complete here, of one dataset or of all. See `FieldNode.verify`. */
  verify(dataset: DatasetId | undefined, options: VerifyOptions): Promise<VerifyReport> {
    return this.#keep(this.#verify(dataset, options));
  }

  /** Verifies, and waits until what was lost is here again. See `FieldNode.repair`. */
  repair(dataset: DatasetId | undefined, options: VerifyOptions & SearchOptions): Promise<RepairReport> {
    return this.#keep(this.#repair(dataset, options));
  }

  /** Collects garbage. See `FieldNode.collectGarbage`. */
  collectGarbage(quotaBytes: number): Promise<CollectionReport> {
    const collection = this.#lastCollection.then(() => this.#collect(quotaBytes));
    this.#lastCollection = collection.catch(() => undefined);
    return this.#keep(collection);
  }

  /**
   * Reading came upon damage in a content: the rest of it is read too, so that everything that went bad is known before any of it is fetched again. What is stored already is not stored twice, and
   * would stay bad.
   */
  noteDamage(content: ContentRef): void {
    const { contents, driver, onProblem } = this.#parts;
    const check = async function* (): AsyncGenerator<number, void, void> {
      for await (const { hash, lengthBytes } of contents.parts(content)) {
        await contents.read(hash);
        yield lengthBytes;
      }
    };
    const work = new SteppedWork(check());
    const checked = this.#inSteps('check', undefined, () => work.step(stepBytes)).catch((error: unknown) => {
      // A damaged manifest is part of what is looked for.
      if (!(error instanceof GodwitError && /^(MANIFEST_|CONTENT_UNAVAILABLE|NODE_CLOSED)/.test(error.code)))
        onProblem('look through a damaged content', error);
    });
    void this.#keep(
      checked
        .then(() => driver.command((engine, now) => engine.noticeLosses(now)))
        .catch((error: unknown) => onProblem('ask for a damaged content', error)),
    );
  }

  /** Something was superseded: looks now and then whether a collection is worth its while. It is asked by what happens, and sets no timer. */
  noteChange(): void {
    const { chores, platform } = this.#parts;
    const nowMs = platform.clock.now().monotonicMs;
    if (this.#lookedAtMs !== undefined && nowMs - this.#lookedAtMs < collectionPauseMs) return;
    this.#lookedAtMs = nowMs;
    chores.add('look for superseded bytes', () => this.#collectIfWorthwhile());
  }

  /** Resolves when everything that was running has ended; the chores are closed before. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #verify(dataset: DatasetId | undefined, { rehash = false, signal }: VerifyOptions): Promise<VerifyReport> {
    const { platform, contents, index, access, driver, report } = this.#parts;
    if (dataset !== undefined) access.dataset(dataset);
    const verification = new Verification(platform.catalog, contents, index, dataset === undefined ? {} : { dataset });
    let told = 0;
    try {
      await this.#inSteps('verify', signal, async () => {
        const done = await verification.step(stepBytes);
        const { damaged, goodBytes } = verification.report;
        if (damaged.length > told) driver.command((engine, now) => engine.noticeLosses(now));
        for (const each of damaged.slice(told)) this.#tellDamage(each);
        told = damaged.length;
        report({ type: 'upkeep', work: 'verify', bytes: goodBytes, done: done && !rehash });
        return done;
      });
    } finally {
      await verification.stop();
    }
    const files = await this.#audit(dataset, rehash ? undefined : verification.report.damaged, verification.report.goodBytes, signal);
    return { ...verification.report, ...files };
  }

  /** Reads working files: all, or those at whose paths contents are damaged. */
  async #audit(
    dataset: DatasetId | undefined,
    damaged: readonly DamagedContent[] | undefined,
    readBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Pick<VerifyReport, 'files' | 'damagedFiles'>> {
    const { platform, contents, attached, rewrite, report } = this.#parts;
    let files = 0;
    const damagedFiles: DamagedWorkingFile[] = [];
    for (const each of attached()) {
      if (dataset !== undefined && each.dataset !== dataset) continue;
      const paths = damaged?.flatMap(({ places }) => places.filter((place) => place.dataset === each.dataset).map(({ path }) => path));
      if (paths?.length === 0) continue;
      const audit = new FileAudit({ ...platform, ...each, contents }, paths === undefined ? undefined : new Set(paths));
      await this.#inSteps('verify', signal, async () => {
        const done = await audit.step(stepBytes);
        report({ type: 'upkeep', work: 'verify', bytes: readBytes + audit.report.goodBytes, done });
        return done;
      });
      files += audit.report.files;
      for (const file of audit.report.damaged) {
        damagedFiles.push({ dataset: each.dataset, ...file });
        report({ type: 'damage', dataset: each.dataset, path: file.path, lost: false });
        rewrite(each.dataset, file.path);
      }
    }
    return { files, damagedFiles };
  }

  #tellDamage({ places, lost }: DamagedContent): void {
    const { report } = this.#parts;
    if (places.length === 0) report({ type: 'damage', dataset: undefined, path: undefined, lost });
    for (const { dataset, path } of places) report({ type: 'damage', dataset, path, lost });
  }

  async #repair(dataset: DatasetId | undefined, options: VerifyOptions & SearchOptions): Promise<RepairReport> {
    const { contents, index, retention, search, chores } = this.#parts;
    const found = await this.#verify(dataset, options);
    const lost = found.damaged.filter((each) => each.lost);
    const view = retention.view();
    const sought = lost.flatMap(({ content }): SoughtContent[] => {
      const [revision] = index.revisionsWithRoot(content.root);
      // What nothing but the quota kept is not worth the link.
      return revision === undefined || !view.verdict(content.root).stays
        ? []
        : [{ content, dataset: revision.dataset, path: revision.path, author: revision.author }];
    });
    await search.using(
      sought.map(({ content }) => content),
      () => search.fetch(sought, options),
    );
    await chores.exclusive('repair', async () => undefined);
    const missing = lost.filter(({ content }) => !contents.holds(content.root));
    return { ...found, repaired: lost.length - missing.length, missing };
  }

  async #collect(quotaBytes: number): Promise<CollectionReport> {
    const { platform, contents, retention, report } = this.#parts;
    const { catalog, chunks } = platform;
    const collection = new GarbageCollection({ catalog, chunks, contents, retention }, quotaBytes);
    try {
      await this.#inSteps('collect', undefined, async () => {
        const done = await collection.step(stepBytes);
        report({ type: 'upkeep', work: 'collect', bytes: collection.report.freedBytes, done });
        return done;
      });
    } finally {
      await collection.stop();
    }
    await this.#notePackedBytes();
    return collection.report;
  }

  async #collectIfWorthwhile(): Promise<void> {
    const { catalog } = this.#parts.platform;
    const before = catalog.get<{ packed_bytes: number }>('SELECT packed_bytes FROM upkeep')?.packed_bytes;
    const packedBytes = await this.#packedBytes();
    if (before === undefined) await this.#notePackedBytes();
    else if (packedBytes - before > Math.max(growthBytesMin, before * growthShareMin)) {
      // Not awaited: its steps are chores, and come behind this one.
      void this.collectGarbage(this.#parts.supersededBytesMax).catch((error: unknown) => this.#parts.onProblem('collect garbage', error));
    }
  }

  async #packedBytes(): Promise<number> {
    return (await this.#parts.platform.chunks.packs()).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  async #notePackedBytes(): Promise<void> {
    this.#parts.platform.catalog.run('INSERT OR REPLACE INTO upkeep (id, packed_bytes) VALUES (1, ?)', await this.#packedBytes());
  }

  /** Does steps, each in its turn with the node's other work, until one says that it was the last. */
  async #inSteps(name: string, signal: AbortSignal | undefined, step: () => Promise<boolean>): Promise<void> {
    do {
      if (signal?.aborted) throw new GodwitError('ABORTED', 'The verification was given up.');
    } while (!(await this.#parts.chores.exclusive(name, step)));
  }

  #keep<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return work;
  }
}
