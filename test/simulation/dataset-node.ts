import { type DatasetId, type Hash, identifier, type NodeId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { WallMs } from '../../src/core/time.ts';
import { ContentStore } from '../../src/datasets/content-store.ts';
import { decodeEntryBody, encodeEntryBody, type FileChange } from '../../src/datasets/entry-body.ts';
import { dotText, FileIndex } from '../../src/datasets/file-index.ts';
import { HybridClock } from '../../src/datasets/hybrid-clock.ts';
import { LogStore } from '../../src/datasets/log.ts';
import type { Dot, LogEntry } from '../../src/datasets/log-entry.ts';
import { type MaterialiseOutcome, type ScanOptions, type TreeProblem, WorkingTree } from '../../src/datasets/working-tree.ts';
import { TransferJournal } from '../../src/forwarding/transfer-journal.ts';
import { WantList } from '../../src/forwarding/want-list.ts';
import { ContentTasks } from '../../src/node/content-tasks.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import type { ChunkStore } from '../../src/ports/chunk-store.ts';
import type { FileTree } from '../../src/ports/file-tree.ts';
import { nodeCrypto as crypto } from '../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import { zstdCompressor } from '../../src/runtime/zstd-compressor.ts';
import { DiskFaults } from '../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';

/** The dataset that all nodes of a test share. */
export const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));

/** What a node keeps when its process ends. */
export interface NodeDisk {
  readonly catalog: Catalog;
  readonly chunks: ChunkStore;
  readonly tree: FileTree;
}

/** A wall clock for files and revisions, in milliseconds; it goes on a second with every look. */
export class TestClock {
  nowMs = 1_800_000_000_000;

  tick(): WallMs {
    this.nowMs += 1000;
    return this.nowMs as WallMs;
  }
}

/** A disk in memory. */
export function memoryDisk(
  clock: TestClock,
): NodeDisk & { readonly chunks: MemoryChunkStore; readonly tree: MemoryFileTree; readonly faults: DiskFaults } {
  const faults = new DiskFaults(seededRandom(1));
  return {
    catalog: openSqliteCatalog(':memory:'),
    chunks: new MemoryChunkStore({ sha256: crypto.sha256, faults }),
    tree: new MemoryFileTree({ nowNs: () => BigInt(clock.nowMs) * 1_000_000n, faults }),
    faults,
  };
}

/** The dataset layer of one node, put together as the engine does it, without links: entries and contents are handed over by method call. */
export class DatasetNode {
  readonly id: NodeId;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly tree: WorkingTree;
  readonly wants: WantList;
  readonly journal: TransferJournal;
  readonly #disk: NodeDisk;
  readonly #key: Uint8Array;
  readonly #clock: TestClock;
  readonly #hybrid: HybridClock;
  readonly #tasks: ContentTasks;

  constructor(number: number, disk: NodeDisk, clock: TestClock) {
    const pair = crypto.ed25519KeyPair(new Uint8Array(32).fill(number));
    this.id = identifier<NodeId>(pair.publicKey);
    this.#key = pair.secretKey;
    this.#disk = disk;
    this.#clock = clock;
    this.logs = new LogStore(disk.catalog, crypto);
    this.index = new FileIndex(disk.catalog);
    this.contents = new ContentStore(disk.catalog, disk.chunks, crypto);
    this.wants = new WantList(disk.catalog);
    this.journal = new TransferJournal(disk.catalog);
    this.tree = new WorkingTree(dataset, disk.tree, disk.catalog, this.contents, this.index);
    this.#hybrid = new HybridClock(this.index.greatestInstant(this.id, clock.nowMs + 86_400_000));
    this.#tasks = new ContentTasks(this.contents, crypto, zstdCompressor, (root) => {
      const [head] = this.index.headsWithRoot(root);
      return head && { tree: this.tree.id, path: head.path };
    });
  }

  /** Writes a revision. */
  publish(changes: readonly FileChange[], recorded?: (dot: Dot) => void): Dot {
    return this.#disk.catalog.transaction(() => {
      const body = { instant: this.#hybrid.issue(this.#clock.tick()), clockQuality: 'ntp', kind: 'files', changes } as const;
      const entry = this.logs.append(dataset, this.id, this.#key, encodeEntryBody(body, this.id));
      this.#apply(entry);
      recorded?.(entry);
      return { author: entry.author, sequence: entry.sequence };
    });
  }

  /** Scans the directory and publishes what changed. Files count as settled at once unless the options say otherwise. */
  async scan(options: ScanOptions = {}): Promise<{ published: FileChange[]; problems: TreeProblem[] }> {
    const published: FileChange[] = [];
    const problems: TreeProblem[] = [];
    for await (const batches of this.tree.scan(this.#clock.tick(), { settleMs: 0, ...options }, problems)) {
      for (const batch of batches) {
        this.publish(batch.changes, (dot) => batch.recorded(dot));
        published.push(...batch.changes);
      }
    }
    this.wantLost();
    return { published, problems };
  }

  /** Takes the entries that another node has and this one lacks, without their contents. */
  receiveEntries(from: DatasetNode): void {
    for (const [author, length] of from.logs.lengths(dataset)) {
      const known = this.logs.length(dataset, author);
      for (const entry of from.logs.read(dataset, author, known + 1, length, Number.MAX_SAFE_INTEGER)) {
        this.#disk.catalog.transaction(() => {
          const accepted = this.logs.accept(dataset, entry);
          if (!accepted.ok) throw new Error(accepted.fault.code);
          this.#apply(entry);
        });
      }
    }
  }

  /** Fetches every wanted content that the other node holds, group by group, going on where an earlier attempt ended. */
  async receiveContents(from: DatasetNode): Promise<void> {
    const failed = new Set<string>();
    for (let [want] = this.wants.next(1, failed); want !== undefined; [want] = this.wants.next(1, failed)) {
      const { root } = want;
      if (this.contents.holds(root)) {
        this.wants.remove(root);
        continue;
      }
      const journalled = this.journal.plan(root);
      const bases = journalled?.bases ?? this.#bases(want.path);
      const prepared = await from.#tasks.prepare(want, bases);
      if (prepared === undefined) {
        failed.add(root.toHex());
        continue;
      }
      const opened = await this.#tasks.open(want, bases, journalled?.planObject ?? prepared.planObject);
      if (!opened.ok) {
        this.journal.forget(root);
        failed.add(root.toHex());
        continue;
      }
      if (journalled === undefined) this.#disk.catalog.transaction(() => this.journal.begin(root, prepared.planObject, bases));
      const done = new Set(this.journal.groups(root));
      for (const group of prepared.groups.keys()) {
        if (done.has(group)) continue;
        let encoded = await from.#tasks.encode(prepared, group, 'fast');
        while (encoded?.kind === 'query') {
          const answer = await this.#tasks.answer(opened.value, group, encoded.query);
          const bytes = answer.ok ? answer.value : new Uint8Array(0);
          encoded = await from.#tasks.encode(prepared, group, 'fast', { search: encoded.search, bytes });
        }
        if (encoded === undefined) throw new Error('the sender lost a chunk');
        const stored = await this.#tasks.store(opened.value, group, encoded.bytes);
        if (!stored.ok) throw new Error(stored.fault.code);
        this.#disk.catalog.transaction(() => this.journal.addGroup(root, group, stored.value));
      }
      const finished = await this.#tasks.finish(opened.value, this.journal.hashes(root));
      this.#disk.catalog.transaction(() => {
        this.journal.forget(root);
        if (finished.ok) this.wants.remove(root);
        else failed.add(root.toHex());
      });
    }
  }

  /** Brings the directory up to date; what became of each path. */
  async materialise(): Promise<Record<string, MaterialiseOutcome>> {
    const outcomes: Record<string, MaterialiseOutcome> = {};
    for (const path of this.index.paths(dataset, '', 10_000)) outcomes[path] = await this.tree.materialise(path);
    this.wantLost();
    return outcomes;
  }

  /** Takes everything from another node and writes it to disk. */
  async sync(from: DatasetNode): Promise<Record<string, MaterialiseOutcome>> {
    this.receiveEntries(from);
    await this.receiveContents(from);
    return this.materialise();
  }

  /** Wants again what was here and is not any more. */
  wantLost(): void {
    this.#disk.catalog.transaction(() => {
      for (const content of this.contents.takeLost()) {
        for (const head of this.index.headsWithRoot(content.root)) this.wants.add({ ...content, ...head, priority: 'normal' });
      }
    });
  }

  /** Texts of the heads of a path. */
  heads(path: string): string[] {
    return this.index.heads(dataset, path).map(dotText);
  }

  #bases(path: string): Hash[] {
    return this.index
      .history(dataset, path)
      .flatMap((revision) => (revision.kind === 'file' && this.contents.holds(revision.content.root) ? [revision.content.root] : []))
      .slice(0, 4);
  }

  #apply(entry: LogEntry): void {
    const body = decodeEntryBody(entry.body, entry.author);
    if (!body.ok || body.value.kind !== 'files') throw new Error('an entry of this test is no revision');
    this.#hybrid.observe(body.value.instant, this.#clock.nowMs as WallMs);
    this.index.apply(dataset, entry, body.value, body.value.changes, this.#clock.nowMs);
    for (const change of body.value.changes) {
      for (const old of change.superseded) this.wants.removeRevision(dataset, old.author, old.sequence, change.path);
    }
    for (const { path, content, head } of this.index.contentsOf(dataset, entry)) {
      if (!head) continue;
      if (content.sizeBytes === 0) this.contents.complete(content, []);
      else if (!this.contents.holds(content.root)) {
        this.wants.add({ ...content, priority: 'normal', dataset, path, author: entry.author, sequence: entry.sequence });
      }
    }
  }
}
