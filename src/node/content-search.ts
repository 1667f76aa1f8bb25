import { toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { Membership } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import type { FieldNodeEvent } from './node-event.ts';
import type { Platform } from './platform.ts';

/**
 * Fetches contents that no log entry asks for: an old version that somebody wants back, or a retained one that a disk has lost.
 *
 * They are wanted like any other content, so they come from whoever has them, as differences to what is here, and go on where an earlier session stopped. Only the waiting is different: a person
 * waits, and is told when everybody in reach has said that it is not there.
 */

/** A content with the path it is for. */
export interface SoughtContent {
  readonly content: ContentRef;
  readonly dataset: DatasetId;
  readonly path: string;
  readonly author: NodeId;
}

/** How long a search goes on. */
export interface SearchOptions {
  /** How long to wait for members that are not in reach now, in milliseconds. Default 0: give up as soon as everybody in reach has said no. */
  readonly waitMs?: number;
  /** Gives up when it is aborted: `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** What a search works with. */
export interface ContentSearchParts {
  readonly platform: Pick<Platform, 'clock' | 'timers'>;
  readonly contents: ContentStore;
  readonly membership: Membership;
  readonly driver: NodeDriver;
  /** Calls back on every event until the returned function is called. */
  readonly onEvent: (handler: (event: FieldNodeEvent) => void) => () => void;
}

/** What peers in reach say of a content is looked at this often while somebody waits for it. */
const lookAgainMs = 1000;

/** The searches of one node. */
export class ContentSearch {
  readonly #parts: ContentSearchParts;
  /** How many use a content, by hexadecimal root: a collection leaves it until they are done. */
  readonly #usersByRoot = new Map<string, number>();
  readonly #giveUps = new Set<(error: GodwitError) => void>();
  #closed = false;

  constructor(parts: ContentSearchParts) {
    this.#parts = parts;
  }

  /** True while somebody fetches or reads this content. */
  isInUse(root: Hash): boolean {
    return this.#usersByRoot.has(toHex(root));
  }

  /** Does work that needs contents; no collection takes them meanwhile. */
  async using<T>(contents: readonly ContentRef[], work: () => Promise<T>): Promise<T> {
    const keys = contents.map(({ root }) => toHex(root));
    for (const key of keys) this.#usersByRoot.set(key, (this.#usersByRoot.get(key) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const key of keys) {
        const left = (this.#usersByRoot.get(key) ?? 1) - 1;
        if (left === 0) this.#usersByRoot.delete(key);
        else this.#usersByRoot.set(key, left);
      }
    }
  }

  /**
   * Waits until contents are complete here. Returns those that are not to be had, empty when all are. Call it within `using`.
   *
   * @throws GodwitError `ABORTED`, `NODE_CLOSED`
   */
  async fetch(sought: readonly SoughtContent[], { waitMs = 0, signal }: SearchOptions): Promise<SoughtContent[]> {
    const { contents, driver, platform, onEvent } = this.#parts;
    let open = sought.filter(({ content }) => !contents.holds(content.root));
    if (open.length === 0) return [];
    this.#request(open);
    const { clock } = platform;
    const patientUntil = clock.now().monotonicMs + waitMs;
    try {
      await new Promise<void>((resolve, reject) => {
        const cleanUps: (() => void)[] = [];
        const settle = (done: () => void): void => {
          for (const cleanUp of cleanUps) cleanUp();
          done();
        };
        const giveUp = (error: GodwitError): void => settle(() => reject(error));
        const look = (): void => {
          open = open.filter(({ content }) => !contents.holds(content.root));
          const isHopeless =
            clock.now().monotonicMs >= patientUntil &&
            open.every(({ content }) => driver.command((engine) => engine.prospect(content.root)) === 'nowhere');
          if (open.length === 0 || isHopeless) settle(resolve);
        };
        const aborted = (): void => giveUp(new GodwitError('ABORTED', 'Waiting for contents was given up.'));
        this.#giveUps.add(giveUp);
        cleanUps.push(() => this.#giveUps.delete(giveUp));
        cleanUps.push(onEvent((event) => event.type === 'content-complete' && look()));
        const again = (): void => {
          timer = platform.timers.schedule(lookAgainMs, () => {
            again();
            look();
          });
        };
        let timer: { cancel(): void } | undefined;
        again();
        cleanUps.push(() => timer?.cancel());
        signal?.addEventListener('abort', aborted);
        cleanUps.push(() => signal?.removeEventListener('abort', aborted));
        if (signal?.aborted) aborted();
        else if (this.#closed) giveUp(closed());
        else look();
      });
      return open;
    } finally {
      const left = open.map(({ content }) => content.root);
      if (!this.#closed && left.length > 0) driver.command((engine, now) => engine.stopSeeking(left, now));
    }
  }

  /** Ends every search. What was asked for stays wanted, so that a transfer that was begun goes on when the node is opened again. */
  close(): void {
    this.#closed = true;
    for (const giveUp of [...this.#giveUps]) giveUp(closed());
  }

  #request(open: readonly SoughtContent[]): void {
    const { driver, membership } = this.#parts;
    driver.command((engine, now) =>
      engine.seek(
        open.map(({ content, dataset, path, author }) => ({
          ...content,
          dataset,
          path,
          author,
          sequence: 0,
          priority: membership.dataset(dataset)?.priority ?? 'normal',
        })),
        now,
      ),
    );
  }
}

function closed(): GodwitError {
  return new GodwitError('NODE_CLOSED', 'The node was closed before this was done.', { retryable: true });
}
