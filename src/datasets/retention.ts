import { equalBytes, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import { dotText, type FileIndex, type FileRevision } from './file-index.ts';
import type { Dot } from './log-entry.ts';

/**
 * Which contents must stay, and which may go.
 *
 * A content may go when a revision has named it and nothing needs it any more. It is needed while it is a head anywhere; while a revision that has it is pinned; while two heads of a path in
 * conflict both grew from it, because merging them starts there; while it is part of a tagged version; while another component needs it, as the raw bytes of an instrument for one; while a transfer that was begun builds on it; and while it is among the newest that are complete at a path whose head is to
 * come here, because the head will be asked for as a difference to them. Content that no revision names stays too, as it may be just about to be named: it is the raw bytes of an
 * instrument, or a file that is just being published. (The collector drops it when the process that put it has ended.)
 *
 * Everything else is superseded. It is worth its room as the base of other nodes' differences and for people who want an old version back, so the collector keeps the newest of it within a quota.
 */

/** The table of pinned revisions. */
export const retentionSchema: Schema = {
  component: 'retention',
  steps: [
    `CREATE TABLE retention_pin (
       dataset BLOB NOT NULL,
       name TEXT NOT NULL,
       path TEXT NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       root BLOB,
       PRIMARY KEY (dataset, name, path)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX retention_pin_by_root ON retention_pin (root) WHERE root IS NOT NULL;`,
  ],
};

/** How many contents are offered as bases when a content is asked for. */
const basesMax = 4;
/** Paths whose needs a view remembers; beyond that it looks again. */
const pathsRememberedMax = 256;

/** A revision that stays until its pin is taken away. */
export interface Pin extends Dot {
  readonly dataset: DatasetId;
  readonly path: string;
  /** What people call it. One name may pin one revision each of many paths: a tag. */
  readonly name: string;
}

/** What a begun transfer needs, as `TransferJournal` tells it. */
export interface PendingTransfers {
  /** Contents that were begun and are not complete. */
  roots(): readonly Hash[];
  /** The contents that one of them was asked for with. */
  plan(root: Hash): { readonly bases: readonly Hash[] } | undefined;
  /** Hashes of its chunks that are stored already. */
  hashes(root: Hash): readonly Hash[];
}

/** What others than the file index need. */
export interface OtherNeeds {
  /** Why another component needs a content, if one does: `raw` bytes of an instrument, from which everything that was read can be derived again, or bytes that are `in-use` at the moment. */
  readonly reason: (root: Hash) => 'raw' | 'in-use' | undefined;
  /** A revision that stands in a tagged version. */
  readonly isTagged: (dataset: DatasetId, path: string, dot: Dot) => boolean;
  /** False for a head of a dataset that this node only passed on, once that is done: it counts as superseded. */
  readonly keepsHead: (dataset: DatasetId, dot: Dot, path: string) => boolean;
}

const noOtherNeeds: OtherNeeds = { reason: () => undefined, isTagged: () => false, keepsHead: () => true };

/** Whether a content must stay and why, or the wall clock (milliseconds) of the newest revision that has it. */
export type RetentionVerdict =
  | {
      readonly stays: true;
      readonly reason: 'unnamed' | 'raw' | 'in-use' | 'head' | 'pinned' | 'tagged' | 'transfer' | 'conflict' | 'base';
    }
  | { readonly stays: false; readonly newestMs: number };

/** The rules, and the pins. Synchronous; part of the caller's transaction. */
export class Retention {
  readonly #catalog: Catalog;
  readonly #index: FileIndex;
  readonly #holds: (root: Hash) => boolean;
  readonly #transfers: PendingTransfers;
  readonly #others: OtherNeeds;

  /** @param holds whether a content is complete here */
  constructor(
    catalog: Catalog,
    index: FileIndex,
    holds: (root: Hash) => boolean,
    transfers: PendingTransfers,
    others: OtherNeeds = noOtherNeeds,
  ) {
    this.#catalog = catalog;
    this.#index = index;
    this.#holds = holds;
    this.#transfers = transfers;
    this.#others = others;
    catalog.migrate(retentionSchema);
  }

  /**
   * Keeps the content of a revision whatever replaces it. A name that pins another revision of the same path lets that one go. A content that is not here is kept from when it arrives.
   *
   * @throws GodwitError `REVISION_UNKNOWN` when the path has no such revision here
   */
  pin({ dataset, path, author, sequence, name }: Pin): void {
    const revision = this.#index.revision(dataset, path, { author, sequence });
    if (revision === undefined) throw new GodwitError('REVISION_UNKNOWN', `There is no revision ${author}/${sequence} of ${path} here.`);
    this.#catalog.run(
      'INSERT OR REPLACE INTO retention_pin (dataset, name, path, author, sequence, root) VALUES (?, ?, ?, ?, ?, ?)',
      identifierToBytes(dataset),
      name,
      path,
      identifierToBytes(author),
      sequence,
      revision.kind === 'file' ? revision.content.root : null,
    );
  }

  /** Takes a pin away; true when there was one. What it kept becomes superseded like any other. */
  unpin(dataset: DatasetId, path: string, name: string): boolean {
    const key = identifierToBytes(dataset);
    return this.#catalog.run('DELETE FROM retention_pin WHERE dataset = ? AND name = ? AND path = ?', key, name, path) > 0;
  }

  /** The pins of a dataset by name and path, in pages: up to `limit` behind `after`. */
  pins(dataset: DatasetId, limit: number, after: Pick<Pin, 'name' | 'path'> = { name: '', path: '' }): Pin[] {
    return this.#catalog
      .all<{ name: string; path: string; author: Uint8Array; sequence: number }>(
        'SELECT name, path, author, sequence FROM retention_pin WHERE dataset = ? AND (name, path) > (?, ?) ORDER BY name, path LIMIT ?',
        identifierToBytes(dataset),
        after.name,
        after.path,
        limit,
      )
      .map(({ name, path, author, sequence }) => ({ dataset, name, path, author: identifier<NodeId>(author), sequence }));
  }

  /** The rules as of now. What a view has looked up of transfers and paths it does not look up again, so it serves one pass; heads and pins it always reads. */
  view(): RetentionView {
    const bases = new Set(this.#transfers.roots().flatMap((root) => (this.#transfers.plan(root)?.bases ?? []).map(toHex)));
    return new RetentionView(this.#catalog, this.#index, this.#holds, bases, this.#others);
  }

  /** True for a content that was begun and is not complete. */
  isInTransfer(root: Hash): boolean {
    return this.#transfers.roots().some((each) => equalBytes(each, root));
  }

  /** Hashes of the chunks that begun transfers have stored, content by content. */
  *storedByTransfers(): Generator<readonly Hash[], void, void> {
    for (const root of this.#transfers.roots()) yield this.#transfers.hashes(root);
  }
}

/** The rules at one time. */
export class RetentionView {
  readonly #catalog: Catalog;
  readonly #index: FileIndex;
  readonly #holds: (root: Hash) => boolean;
  readonly #transferBases: ReadonlySet<string>;
  readonly #others: OtherNeeds;
  readonly #needsByPath = new Map<string, PathNeeds>();

  constructor(catalog: Catalog, index: FileIndex, holds: (root: Hash) => boolean, transferBases: ReadonlySet<string>, others: OtherNeeds) {
    this.#catalog = catalog;
    this.#index = index;
    this.#holds = holds;
    this.#transferBases = transferBases;
    this.#others = others;
  }

  /** What is to become of a content. */
  verdict(root: Hash): RetentionVerdict {
    const other = this.#others.reason(root);
    if (other !== undefined) return { stays: true, reason: other };
    const revisions = this.#index.revisionsWithRoot(root);
    const [newest] = revisions;
    if (newest === undefined) return { stays: true, reason: this.#transferBases.has(toHex(root)) ? 'transfer' : 'unnamed' };
    if (revisions.some((each) => each.head && this.#others.keepsHead(each.dataset, each, each.path)))
      return { stays: true, reason: 'head' };
    if (this.#catalog.get('SELECT 1 FROM retention_pin WHERE root = ?', root) !== undefined) return { stays: true, reason: 'pinned' };
    if (revisions.some((each) => this.#others.isTagged(each.dataset, each.path, each))) return { stays: true, reason: 'tagged' };
    const key = toHex(root);
    if (this.#transferBases.has(key)) return { stays: true, reason: 'transfer' };
    for (const { dataset, path } of revisions) {
      const needs = this.#needs(dataset, path);
      if (needs.ancestors.has(key)) return { stays: true, reason: 'conflict' };
      if (needs.bases.has(key)) return { stays: true, reason: 'base' };
    }
    return { stays: false, newestMs: newest.wallMs };
  }

  #needs(dataset: DatasetId, path: string): PathNeeds {
    const key = `${dataset}/${path}`;
    let needs = this.#needsByPath.get(key);
    if (needs === undefined) {
      needs = this.#pathNeeds(dataset, path);
      if (this.#needsByPath.size >= pathsRememberedMax) this.#needsByPath.clear();
      this.#needsByPath.set(key, needs);
    }
    return needs;
  }

  #pathNeeds(dataset: DatasetId, path: string): PathNeeds {
    const isWanted = (head: FileRevision): boolean => this.#others.keepsHead(dataset, head, path);
    const heads = this.#index.heads(dataset, path);
    // Where none of its heads is to stay, nobody here merges them.
    const inConflict = this.#index.inConflict(dataset, path) && heads.some(isWanted);
    const awaitsHead = heads.some((head) => head.kind === 'file' && !this.#holds(head.content.root) && isWanted(head));
    if (!inConflict && !awaitsHead) return nothingNeeded;
    const history = this.#index.history(dataset, path);
    return {
      ancestors: new Set(inConflict ? rootsOf(sharedAncestors(history)) : []),
      // Several revisions of a path may have one content, and each counts when bases are offered.
      bases: new Set(
        awaitsHead ? rootsOf(history.filter((each) => each.kind === 'file' && this.#holds(each.content.root))).slice(0, basesMax) : [],
      ),
    };
  }
}

/** Roots, in hexadecimal, that a path keeps although they are superseded. */
interface PathNeeds {
  readonly ancestors: ReadonlySet<string>;
  readonly bases: ReadonlySet<string>;
}

const nothingNeeded: PathNeeds = { ancestors: new Set(), bases: new Set() };

function rootsOf(revisions: readonly FileRevision[]): string[] {
  return revisions.flatMap((revision) => (revision.kind === 'file' ? [toHex(revision.content.root)] : []));
}

/**
 * The revisions of a path from which merging any two of its heads may start: those that more than one head grew from, without those that have a descendant which exactly the same heads grew from.
 */
function sharedAncestors(history: readonly FileRevision[]): FileRevision[] {
  const byDot = new Map(history.map((revision) => [dotText(revision), revision]));
  /** For every ancestor, the heads that grew from it, one bit each. */
  const headsByDot = new Map<string, bigint>();
  history
    .filter(({ head }) => head)
    .forEach((head, number) => {
      const bit = 1n << BigInt(number);
      const open: FileRevision[] = [head];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        for (const parent of next.superseded.map(dotText)) {
          const reached = headsByDot.get(parent) ?? 0n;
          const revision = byDot.get(parent);
          if (revision === undefined || (reached & bit) !== 0n) continue;
          headsByDot.set(parent, reached | bit);
          open.push(revision);
        }
      }
    });
  const shadowed = new Set<string>();
  for (const revision of history) {
    const heads = headsByDot.get(dotText(revision));
    for (const parent of revision.superseded.map(dotText))
      if (heads !== undefined && headsByDot.get(parent) === heads) shadowed.add(parent);
  }
  return history.filter((revision) => {
    const heads = headsByDot.get(dotText(revision)) ?? 0n;
    return (heads & (heads - 1n)) !== 0n && !shadowed.has(dotText(revision));
  });
}
