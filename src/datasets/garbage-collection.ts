import { invariant } from '../core/assert.ts';
import { toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ChunkStore, PackRecord } from '../ports/chunk-store.ts';
import { contentPage } from './content-page.ts';
import type { ContentStore } from './content-store.ts';
import { isReleased, keptBasesSchema } from './kept-bases.ts';
import type { ContentRef } from './manifest.ts';
import type { Retention, RetentionView } from './retention.ts';
import { SteppedWork } from './stepped-work.ts';

/**
 * Gives back the room of what nobody needs: mark, drop, sweep.
 *
 * *Mark*: everything that contents are made of which must stay, by `Retention`, node by node and chunk by chunk. *Drop*: of the superseded contents the newest are marked as well while what only
 * they need fits the quota; the others are not complete any more from this moment. *Sweep*: packs of which less than half is marked are written anew, the marked records at the end of the packs, and
 * removed; a pack without a marked record is just removed. What is not marked in the other packs stays where it is.
 *
 * What nothing names is about to be named by whoever put it, unless that was an earlier process, which a power cut or a kill came upon. Then it goes at once: a file that was just being published is published
 * anew, and bytes of an instrument that were archived and not noted are read again.
 *
 * Work goes on meanwhile, so the marks are never finished: the content store tells the collection of everything that is put, and of the chunks of every content that becomes complete, and these are
 * marked at once (`beginSparing`). A record's row is deleted only in a transaction that finds no mark, and marks are made in transactions too, so there is no gap between looking and deleting.
 *
 * A power cut at any point loses marks and nothing else. They are in a temporary table and die with the process. A moved record is durable in its new pack before one transaction turns its row
 * there, and a pack is removed after the transaction that deletes its last rows. What may be left behind is a pack that nothing names, and the next collection removes it.
 *
 * This file works on the tables of `content-schema.ts`, as `content-store.ts` does.
 */

/** Contents looked at in one step of the walk, and marks made in one transaction. */
const contentsAtATime = 64;
const marksAtATime = 512;
/** What a look at a content, and a mark, count against the budget in the place of the bytes they read and write. */
const contentCostBytes = 1024;
const markCostBytes = 128;
/** About how much is moved by one append and one transaction. */
const moveBytesMax = 4 * 1024 * 1024;

/** What a collection did. */
export interface CollectionReport {
  /** Contents that are not complete here any more: superseded ones, and some that were put by an earlier process, which ended before it named them. */
  readonly droppedContents: number;
  /** Packs that were removed. */
  readonly removedPacks: number;
  /** Bytes of the removed packs, without those that were moved to others. */
  readonly freedBytes: number;
  /** Bytes in packs that only superseded contents within the quota need. */
  readonly supersededBytes: number;
  /** Records that could not be read when they were to be moved; their packs were left as they are. Verification tells which contents they damage. */
  readonly damagedRecords: number;
}

/** What a collection works on. */
export interface CollectionParts {
  readonly catalog: Catalog;
  readonly chunks: ChunkStore;
  readonly contents: ContentStore;
  readonly retention: Retention;
}

/** One collection, done in steps. At most one at a time for each content store; call `stop` to give one up. */
export class GarbageCollection {
  readonly #parts: CollectionParts;
  readonly #quotaBytes: number;
  readonly #work: SteppedWork;
  #report = { droppedContents: 0, removedPacks: 0, freedBytes: 0, supersededBytes: 0, damagedRecords: 0 };

  /** @param quotaBytes bytes in packs that superseded contents may keep, from 0; what they share with contents that stay is not counted */
  constructor(parts: CollectionParts, quotaBytes: number) {
    this.#parts = parts;
    this.#quotaBytes = quotaBytes;
    parts.catalog.migrate(keptBasesSchema);
    this.#work = new SteppedWork(this.#run());
  }

  /** What was done so far. */
  get report(): CollectionReport {
    return this.#report;
  }

  /**
   * Goes on with about `budgetBytes` of reading and writing; one append of 4 MiB, or one transaction over a pack's rows, is not divided. True when the collection is over.
   *
   * @throws GodwitError `DISK_FULL` when there is no room to move records, `STORAGE_FAILED`; nothing is lost, and this collection is over: a later one does the rest
   */
  async step(budgetBytes: number): Promise<boolean> {
    return this.#work.step(budgetBytes);
  }

  /** Gives the collection up, between two steps. */
  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** Yields what each piece of work cost, in bytes. */
  async *#run(): AsyncGenerator<number, void, void> {
    const { catalog, contents } = this.#parts;
    invariant(!contents.unnamed.isSparing, 'two collections of one content store run at a time');
    catalog.run('CREATE TEMP TABLE collection_mark (hash BLOB PRIMARY KEY) WITHOUT ROWID');
    catalog.run(
      'CREATE TEMP TABLE collection_candidate (newest_ms INTEGER, root BLOB, size_bytes INTEGER, depth INTEGER, PRIMARY KEY (newest_ms, root)) WITHOUT ROWID',
    );
    try {
      contents.unnamed.beginSparing((hashes) => this.#mark(hashes));
      try {
        yield* this.#markWhatStays();
        yield* this.#thinOut();
        await this.#discardParts();
        yield* this.#sweep();
      } finally {
        contents.unnamed.endSparing();
      }
    } finally {
      catalog.run('DROP TABLE collection_mark');
      catalog.run('DROP TABLE collection_candidate');
    }
  }

  async *#markWhatStays(): AsyncGenerator<number, void, void> {
    const { catalog, retention } = this.#parts;
    const view = retention.view();
    let after: Uint8Array = new Uint8Array(0);
    for (let page = contentPage(catalog, after, contentsAtATime); page.length > 0; page = contentPage(catalog, after, contentsAtATime)) {
      for (const { content, complete, isLeftBehind } of page) {
        after = content.root;
        const verdict = view.verdict(content.root);
        if (complete && isLeftBehind && verdict.stays && verdict.reason === 'unnamed') {
          catalog.transaction(() => this.#drop(content.root));
          continue;
        }
        // What is in doubt is being looked through by somebody, who may find it complete.
        if (verdict.stays || !complete) yield* this.#markContent(content);
        else {
          const { root, sizeBytes, depth } = content;
          catalog.run('INSERT OR IGNORE INTO collection_candidate VALUES (?, ?, ?, ?)', verdict.newestMs, root, sizeBytes, depth);
        }
      }
      yield page.length * contentCostBytes;
    }
  }

  /** Keeps the newest superseded contents and drops the others. One that does not fit makes no room for older ones that do: those are kept too. */
  async *#thinOut(): AsyncGenerator<number, void, void> {
    const { catalog, contents, retention } = this.#parts;
    const view = retention.view();
    for (let candidate = this.#takeCandidate(); candidate !== undefined; candidate = this.#takeCandidate()) {
      const ownBytes = yield* this.#ownBytes(candidate);
      if (ownBytes === undefined) continue;
      if (this.#report.supersededBytes + ownBytes <= this.#quotaBytes) {
        this.#report.supersededBytes += ownBytes;
        yield* this.#markContent(candidate);
      } else if (!catalog.transaction(() => this.#dropUnlessNeeded(candidate.root, view))) {
        // Somebody came to need it since the walk.
        yield* this.#markContent(candidate);
      }
      yield contentCostBytes;
    }
    for (const hashes of retention.storedByTransfers()) this.#mark(hashes);
    await contents.unnamed.stored();
  }

  #takeCandidate(): ContentRef | undefined {
    const { catalog } = this.#parts;
    const row = catalog.get<{ newest_ms: number; root: Uint8Array; size_bytes: number; depth: number }>(
      'SELECT * FROM collection_candidate ORDER BY newest_ms DESC, root LIMIT 1',
    );
    if (row === undefined) return undefined;
    catalog.run('DELETE FROM collection_candidate WHERE newest_ms = ? AND root = ?', row.newest_ms, row.root);
    return { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth };
  }

  #dropUnlessNeeded(root: Hash, view: RetentionView): boolean {
    if (view.verdict(root).stays) return false;
    this.#drop(root);
    return true;
  }

  /** Nobody is told any more that a content is here, and its chunks are left to the sweep. */
  #drop(root: Hash): void {
    const { catalog } = this.#parts;
    catalog.run(`DELETE FROM content WHERE root = ? AND state = 'complete'`, root);
    catalog.run('DELETE FROM content_in_file WHERE root = ?', root);
    this.#report.droppedContents++;
  }

  /** Bytes in packs, and in parts that never came to stand anywhere, that nothing marked so far needs, or `undefined` when the manifest is damaged: the content is lost then. */
  async *#ownBytes(content: ContentRef): AsyncGenerator<number, number | undefined, void> {
    const { catalog, contents } = this.#parts;
    let ownBytes = 0;
    let parts = 0;
    const counted = new Set<string>();
    try {
      for await (const { hash } of contents.parts(content)) {
        const own = catalog.get<{ bytes: number }>(
          `SELECT record_bytes AS bytes FROM chunk WHERE hash = ?1 AND hash NOT IN (SELECT hash FROM collection_mark)
           UNION ALL
           SELECT length_bytes FROM chunk_in_file AS home JOIN arriving_file ON arriving_file.tree = home.tree AND part = path
           WHERE hash = ?1 AND hash NOT IN (SELECT hash FROM collection_mark) LIMIT 1`,
          hash,
        );
        if (own !== undefined && !counted.has(toHex(hash))) {
          counted.add(toHex(hash));
          ownBytes += own.bytes;
        }
        if (++parts % marksAtATime === 0) yield marksAtATime * markCostBytes;
      }
      return ownBytes;
    } catch (error) {
      return refuseOthersThanDamage(error);
    }
  }

  /** Marks what a content is made of, as far as its manifest can be read: with a damaged one it is lost, and no bytes of it can be shown. */
  async *#markContent(content: ContentRef): AsyncGenerator<number, void, void> {
    const { catalog } = this.#parts;
    // A released copy (`kept-bases.ts`) leaves the packs, unless another content needs it there.
    const released = isReleased(catalog, content.root);
    let hashes: Hash[] = [];
    try {
      for await (const { hash } of this.#parts.contents.parts(content)) {
        if (released && catalog.get('SELECT 1 FROM chunk_in_file WHERE hash = ?', hash) !== undefined) continue;
        hashes.push(hash);
        if (hashes.length < marksAtATime) continue;
        this.#mark(hashes);
        hashes = [];
        yield marksAtATime * markCostBytes;
      }
    } catch (error) {
      refuseOthersThanDamage(error);
    }
    this.#mark(hashes);
  }

  #mark(hashes: Iterable<Hash>): void {
    const { catalog } = this.#parts;
    catalog.transaction(() => {
      for (const hash of hashes) catalog.run('INSERT OR IGNORE INTO collection_mark (hash) VALUES (?)', hash);
    });
  }

  /** Files that nobody's content arrives in any more. */
  async #discardParts(): Promise<void> {
    const { contents, retention } = this.#parts;
    await contents.arriving.discardUnless((root) => retention.isInTransfer(root));
    await contents.recheck();
  }

  async *#sweep(): AsyncGenerator<number, void, void> {
    const { chunks, contents } = this.#parts;
    const packs = await chunks.packs();
    const newest = packs.at(-1)?.pack;
    const sparse: { pack: number; lengthBytes: number; markedBytes: number }[] = [];
    for (const { pack, lengthBytes } of packs) {
      const { records, markedBytes } = this.#share(pack);
      yield records * markCostBytes;
      // A new pack may be empty only because what was appended to it is not named yet.
      if (markedBytes * 2 < lengthBytes && (pack !== newest || records > 0)) sparse.push({ pack, lengthBytes, markedBytes });
    }
    // The emptiest first: on a full disk they make the room that moving the others takes.
    for (const { pack, lengthBytes } of sparse.sort((a, b) => a.markedBytes - b.markedBytes)) {
      if (pack === newest) await chunks.truncateAfter(pack, Number.MAX_SAFE_INTEGER);
      await contents.unnamed.stored();
      yield* this.#rewrite(pack, lengthBytes);
    }
  }

  /** How many records of a pack the catalog names, and the bytes of those that are marked. */
  #share(pack: number): { records: number; markedBytes: number } {
    const row = this.#parts.catalog.get<{ records: number; markedBytes: number | null }>(
      `SELECT count(*) AS records, sum(CASE WHEN hash IN (SELECT hash FROM collection_mark) THEN record_bytes END) AS markedBytes
       FROM chunk WHERE pack = ?`,
      pack,
    );
    return { records: row?.records ?? 0, markedBytes: row?.markedBytes ?? 0 };
  }

  /** Moves what is marked out of a pack that grows no more, and removes the pack. */
  async *#rewrite(pack: number, lengthBytes: number): AsyncGenerator<number, void, void> {
    const { catalog, chunks, contents } = this.#parts;
    let movedBytes = 0;
    while (!catalog.transaction(() => this.#forgetUnmarked(pack))) {
      const moving: PackRecord[] = [];
      const offsets: number[] = [];
      let bytes = 0;
      for (const { hash, offset } of this.#firstMarked(pack)) {
        const found = await contents.read(hash);
        if (found === undefined) {
          this.#report.damagedRecords++;
          this.#report.freedBytes -= movedBytes;
          return;
        }
        moving.push({ hash, bytes: found });
        offsets.push(offset);
        bytes += found.length;
        if (bytes >= moveBytesMax) break;
      }
      const places = await chunks.append(moving, 'room');
      catalog.transaction(() => {
        moving.forEach(({ hash }, index) => {
          const place = places[index];
          if (place === undefined) throw new GodwitError('STORAGE_FAILED', 'The chunk store did not say where it put a chunk.');
          movedBytes += place.recordBytes;
          catalog.run(
            'UPDATE chunk SET pack = ?, offset = ?, record_bytes = ? WHERE hash = ? AND pack = ? AND offset = ?',
            place.pack,
            place.offset,
            place.recordBytes,
            hash,
            pack,
            offsets[index] as number,
          );
        });
      });
      yield 2 * bytes + contentCostBytes;
    }
    await chunks.remove(pack);
    this.#report.removedPacks++;
    this.#report.freedBytes += lengthBytes - movedBytes;
    yield contentCostBytes;
  }

  /** Deletes the rows of a pack when none of them is marked; false, and nothing is deleted, when one is. */
  #forgetUnmarked(pack: number): boolean {
    if (this.#firstMarked(pack).length > 0) return false;
    this.#parts.catalog.run('DELETE FROM chunk WHERE pack = ?', pack);
    return true;
  }

  #firstMarked(pack: number): { hash: Hash; offset: number }[] {
    return this.#parts.catalog.all<{ hash: Hash; offset: number }>(
      'SELECT hash, offset FROM chunk WHERE pack = ? AND hash IN (SELECT hash FROM collection_mark) ORDER BY offset LIMIT ?',
      pack,
      marksAtATime,
    );
  }
}

/** A manifest that cannot be read is what `ContentStore.parts` has dealt with. */
function refuseOthersThanDamage(error: unknown): undefined {
  if (!(error instanceof GodwitError && error.code.startsWith('MANIFEST_'))) throw error;
}
