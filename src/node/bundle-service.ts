import { GodwitError } from '../core/errors.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import {
  BundleExport,
  type BundleExportOptions,
  type BundleExportReport,
  readersOf,
  withReceipts,
  writeReceipts,
} from './bundle-export.ts';
import { BundleImport, type BundleImportParts, type BundleImportReport, writersOf } from './bundle-import.ts';
import { BundleShelf, type ShelvedSegment, type Survey } from './bundle-shelf.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { Identity } from './identity.ts';
import { KeptSegments } from './kept-segments.ts';
import type { Platform } from './platform.ts';

/**
 * Bundles on removable media: a link that works one way, takes days, and may be pulled out or lose a part at any time.
 *
 * The bytes are those of `session/bundle-segment.ts`. One bundle is handled at a time; sessions go on meanwhile.
 */

/** What bundles are made from and brought into. */
export interface BundleServiceParts extends Omit<BundleImportParts, 'pause'> {
  readonly platform: Pick<Platform, 'clock' | 'timers' | 'crypto' | 'entropy' | 'openMedium' | 'catalog'>;
  readonly identity: Identity;
  readonly receipts: ReceiptBook;
  readonly access: DatasetAccess;
}

/** How long a bundle is worked on before everything else has its turn. */
const turnMs = 20;

/** The bundles of one node. */
export class BundleService {
  readonly #parts: BundleServiceParts;
  readonly #kept: KeptSegments;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(parts: BundleServiceParts) {
    this.#parts = parts;
    const { driver, platform } = parts;
    this.#kept = new KeptSegments(platform.catalog, (work) => driver.command((engine, now) => engine.atomically(now, work)));
  }

  /**
   * Fills a medium with what the addressed members lack as far as their receipts say, the most urgent first, encrypted for them and signed. What an earlier export put there for them is not written
   * again; what receipts on the medium show to have arrived is removed. The medium may be pulled out at any time: call again with it back in its place.
   *
   * @param media the directory where the medium is found; bundles lie in a folder `godwit` there
   * @throws GodwitError `NO_TEAM`, `MEMBER_UNKNOWN`, `DIRECTORY_MISSING` (retryable), `DIRECTORY_UNWRITABLE`, `STORAGE_FAILED` (retryable), `ABORTED`, `NODE_CLOSED` (retryable)
   */
  async export(media: string, options: BundleExportOptions = {}): Promise<BundleExportReport> {
    const { access, membership, self, platform, driver } = this.#parts;
    access.requireTeam();
    const nodes = options.for === undefined ? readersOf(membership.members(), self) : [...new Set(options.for)];
    for (const node of nodes)
      if (membership.member(node) === undefined) throw new GodwitError('MEMBER_UNKNOWN', `${node} is no member of this team.`);
    const others = nodes.filter((node) => node !== self);
    return this.#alone(async () => {
      const shelf = new BundleShelf({ ...platform, ...this.#parts }, platform.openMedium(media));
      const pause = this.#pauses(options.signal);
      driver.command((engine, now) => engine.signReceipts(now));
      const { segments } = await shelf.survey();
      const bringer = new BundleImport({ ...this.#parts, pause }, shelf);
      for (const segment of withReceipts(segments, self)) await bringer.takeReceipts(segment);
      const parts = { ...this.#parts, nowMs: () => platform.clock.now().wallMs, pause };
      return BundleExport.run(parts, shelf, segments, others, options.budgetBytes ?? Infinity);
    });
  }

  /**
   * Takes what a medium brings for this node. In any order and any number of times; from a write-protected medium too. A damaged place costs what lay there and is named in `problems`; everything else is taken.
   * What follows on something that is not here yet is kept and taken when an import brings that. Writes receipts back, so that whoever wrote the bundle learns what arrived.
   *
   * @param media the directory where the medium is found
   * @throws GodwitError `NO_TEAM`, `BUNDLE_MISSING`, `DIRECTORY_MISSING` (retryable), `STORAGE_FAILED` (retryable), `DISK_FULL` (retryable), `ABORTED`, `NODE_CLOSED` (retryable), and when nothing on the medium can be
   *   read by this node `BUNDLE_OTHER_TEAM`, `BUNDLE_NOT_ADDRESSED`, `BUNDLE_VERSION` or `BUNDLE_DAMAGED`; what was taken before stays
   */
  async import(media: string, options: { readonly signal?: AbortSignal } = {}): Promise<BundleImportReport> {
    const { access, self, platform, driver } = this.#parts;
    access.requireTeam();
    return this.#alone(async () => {
      const medium = platform.openMedium(media);
      const shelf = new BundleShelf({ ...platform, ...this.#parts }, medium);
      const survey = await shelf.survey();
      requireReadable(survey, media);
      const foreign = survey.segments.filter(({ exporter }) => exporter !== self);
      const parts = { ...this.#parts, pause: this.#pauses(options.signal) };
      const work = new BundleImport(parts, shelf);
      const earlier = new BundleImport(parts, new BundleShelf({ ...platform, ...this.#parts }, this.#kept));
      const waiting = await this.#takeWithKept(work, foreign, earlier);
      // What strangers made could take the place of what members did.
      for (const { name, sizeBytes, exporter } of waiting)
        if (exporter !== undefined) await this.#kept.write(name, await medium.read(name, 0, sizeBytes));
      for (const { name, fault } of survey.unreadable)
        if (fault.code === 'BUNDLE_DAMAGED' || fault.code === 'BUNDLE_VERSION') work.note(name, fault);
      driver.command((engine, now) => engine.signReceipts(now));
      const receipts = await this.#answer(shelf, survey, foreign.length === 0 ? [] : writersOf(foreign, self), work.damaged);
      return {
        bytesRead: shelf.bytesRead,
        segments: foreign.length,
        entries: work.entries + earlier.entries,
        contents: work.contents + earlier.contents,
        waiting: waiting.length,
        problems: work.problems,
        receipts,
      };
    });
  }

  /** Ends what is under way, as soon as it can be ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last.catch(() => undefined);
  }

  /** Takes what a medium brings and what earlier ones brought too early, in turns, as long as either makes something of the other possible. Returns the medium's segments that still wait. */
  async #takeWithKept(work: BundleImport, segments: readonly ShelvedSegment[], earlier: BundleImport): Promise<readonly ShelvedSegment[]> {
    let waiting = await work.take(segments);
    let kept = await this.#keptSegments();
    for (let before = -1; kept.length > 0 && work.taken + earlier.taken > before; ) {
      before = work.taken + earlier.taken;
      const left = await earlier.take(kept);
      for (const segment of kept) if (!left.includes(segment)) await this.#kept.remove(segment.name);
      kept = left;
      if (waiting.length > 0) waiting = await work.take(waiting);
    }
    return waiting;
  }

  async #keptSegments(): Promise<readonly ShelvedSegment[]> {
    const { platform } = this.#parts;
    return (await new BundleShelf({ ...platform, ...this.#parts }, this.#kept).survey()).segments;
  }

  /** Says on the medium what is held here; a medium that cannot be written is no reason to fail. */
  async #answer(shelf: BundleShelf, { segments }: Survey, addressed: readonly NodeId[], damaged: readonly string[]): Promise<string> {
    if (addressed.length === 0) return 'unchanged';
    const parts = { ...this.#parts, nowMs: () => this.#parts.platform.clock.now().wallMs };
    try {
      const { segments: written, full } = await writeReceipts(shelf, segments, parts, { addressed, damaged, budgetBytes: Infinity });
      return full ? 'DISK_FULL' : written > 0 ? 'written' : 'unchanged';
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error;
      return error.code;
    }
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.catch(() => undefined).then(work);
    this.#last = result;
    return result;
  }

  /** Lets everything else have its turn, and ends the work when nobody wants it any more. */
  #pauses(signal: AbortSignal | undefined): () => Promise<void> {
    const { clock, timers } = this.#parts.platform;
    let since = clock.now().monotonicMs;
    return async () => {
      if (clock.now().monotonicMs - since >= turnMs) {
        await new Promise<void>((resolve) => {
          timers.schedule(0, resolve);
        });
        since = clock.now().monotonicMs;
      }
      if (this.#closed) throw new GodwitError('NODE_CLOSED', 'The node was closed before the bundle was done.', { retryable: true });
      if (signal?.aborted) throw new GodwitError('ABORTED', 'The bundle was given up.');
    };
  }
}

/** Fails when there is nothing to read, with the reason that says most. */
function requireReadable({ segments, unreadable }: Survey, media: string): void {
  if (segments.length > 0) return;
  const fault = ['BUNDLE_NOT_ADDRESSED', 'BUNDLE_OTHER_TEAM', 'BUNDLE_VERSION', 'BUNDLE_DAMAGED']
    .map((code) => unreadable.find((each) => each.fault.code === code)?.fault)
    .find((each) => each !== undefined);
  if (fault !== undefined) throw GodwitError.from(fault);
  throw new GodwitError('BUNDLE_MISSING', `There is no bundle in ${media}.`);
}
