import { equalBytes } from '../core/bytes.ts';
import type { CborValue } from '../core/cbor.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Moment } from '../core/time.ts';
import { decodeEntryBody, type EntryBody, encodeEntryBody } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { branchName, decodeForkStatement, encodeForkStatement, type ForkStatement } from '../datasets/fork-statement.ts';
import type { HybridInstant } from '../datasets/hybrid-clock.ts';
import type { LogStore } from '../datasets/log.ts';
import type { LogBranch } from '../datasets/log-branches.ts';
import type { Dot, LogEntry } from '../datasets/log-entry.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { TagBook } from '../datasets/tags.ts';
import { renameDots } from '../datasets/tree-row.ts';
import { workingTreeSchema } from '../datasets/tree-schema.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { BranchedEntries } from './encounter.ts';
import type { Identity } from './identity.ts';
import type { NodeEvent } from './node-event.ts';
import { NewPlaces, renamedBody } from './renamed-entries.ts';

/**
 * Mends logs that forked, so that everything that was signed on any branch is visible everywhere, in one log.
 *
 * A computer that was set back to a backup has lost entries that others hold. If it hears of them before it writes, they come back like any others. If it wrote first, its log has two branches, and it alone can mend
 * that: when a peer shows it a branch that it does not know, it takes that one for its log, because the team builds on it, and writes its own entries of the meantime anew behind it. They are kept as a
 * branch of its own, so that it knows them again. A statement in the log (`fork-statement.ts`) says which entries stand where now; whoever holds the other branch takes the log in its place.
 *
 * Revisions are named by author and number, so two branches use one name for two things. Where somebody replaced a revision of a branch that was given up, and the log has a revision of the same path under
 * that number, the replacement counts for that one: it is not a head then, and stands in the history.
 */

/** What mending reads and writes. */
export interface ForkResolutionParts {
  readonly identity: Identity;
  readonly catalog: Catalog;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly tags: TagBook;
  readonly wants: WantList;
  readonly receipts: ReceiptBook;
}

/** What follows from mending. */
export interface ForkListener {
  /** An entry of the log is to be understood. */
  apply(dataset: DatasetId, entry: LogEntry, body: EntryBody): void;
  /** The instant of something that is written now. */
  instant(now: Moment): HybridInstant;
  /** Other things stand at these paths than before, perhaps, and the log is another. */
  changed(dataset: DatasetId, paths: ReadonlySet<string>): void;
  /** What an author's entries behind one said is not said any more. */
  retract(dataset: DatasetId, author: NodeId, after: number): void;
  report(event: NodeEvent): void;
}

/** The mending of one node. Part of the caller's transaction. */
export class ForkResolution {
  readonly #parts: ForkResolutionParts;
  readonly #listener: ForkListener;
  /** What was compared of the branches of each log since this node was opened. */
  readonly #comparedByLog = new Map<string, Set<string>>();

  constructor(parts: ForkResolutionParts, listener: ForkListener) {
    this.#parts = parts;
    this.#listener = listener;
    // It is written to, and there is a tree only where a directory is attached.
    parts.catalog.migrate(workingTreeSchema);
  }

  /**
   * Entries of a branch came. The author takes the one that is a peer's copy of its log when it has as many entries as the peer said: what it writes behind them is to stay there. One that a peer has beside its
   * copy it only writes anew, because the team does not build on it.
   */
  consider(dataset: DatasetId, { author, claimed, last, news }: BranchedEntries, now: Moment): void {
    const { identity, logs } = this.#parts;
    if (author !== identity.node) {
      if (news === 'statement') this.heard(dataset, author, now);
      else if (news === 'entries') this.#dropCovered(dataset, author);
      return;
    }
    let shown: number | undefined;
    for (const branch of logs.branches(dataset, author)) {
      if (branch.isOwn || last <= branch.after || last > branch.length) continue;
      if (claimed === undefined) logs.claim(branch);
      else if (branch.length >= claimed) shown = this.#takeBack(dataset, branch.id, now, shown);
    }
    this.#writeAnew(dataset, shown, now);
    this.#settle(dataset, author, logs.branches(dataset, author));
  }

  /** The log of somebody else, or a branch of it, says more than before: perhaps that a branch was written anew. */
  heard(dataset: DatasetId, author: NodeId, now: Moment): void {
    const { identity, logs } = this.#parts;
    if (author === identity.node) return;
    this.#dropCovered(dataset, author);
    for (const { id } of logs.branches(dataset, author)) {
      // An earlier one may have taken this one along, or have it depart elsewhere.
      const branch = logs.branches(dataset, author).find((each) => each.id === id);
      if (branch !== undefined) this.#follow(dataset, author, branch, now);
    }
    this.#dropCovered(dataset, author);
  }

  /** An author says in its log that it had a branch. True or not: what others signed of that log counts for less from now on, until they sign it anew. */
  stated(dataset: DatasetId, { author, sequence }: Dot, payload: CborValue): void {
    const statement = decodeForkStatement(payload);
    if (statement.ok) this.#parts.logs.noteStatement(dataset, author, sequence, statement.value);
  }

  /** The author: takes a branch that it does not know for its log. Gives the branch that files on disk are of then: the one that it gave up, unless they were of another already. */
  #takeBack(dataset: DatasetId, id: number, now: Moment, shown: number | undefined): number | undefined {
    const { logs, identity } = this.#parts;
    // An earlier one may have taken this one along, or have it depart elsewhere.
    const branch = logs.branches(dataset, identity.node).find((each) => each.id === id && !each.isOwn);
    if (branch === undefined) return shown;
    const given = this.#exchange(dataset, identity.node, branch, now);
    return shown ?? given;
  }

  /** The author: writes entries of its own branches anew that it has not written anew yet. Files on disk are those of the branch `shown`, which was the log until now; of any other they never were. */
  #writeAnew(dataset: DatasetId, shown: number | undefined, now: Moment): void {
    const { identity, logs, catalog } = this.#parts;
    const author = identity.node;
    for (const branch of logs.branches(dataset, author)) {
      if (!branch.isOwn || !logs.hasUnwritten(branch)) continue;
      const entries = logs.readBranch(author, branch);
      const [first] = entries;
      const open = entries.filter(({ rewrittenAs }) => rewrittenAs === undefined);
      const [from, to] = [open[0]?.sequence, open.at(-1)?.sequence];
      if (first === undefined || from === undefined || to === undefined) continue;
      const renamed = new Map(entries.flatMap(({ sequence, rewrittenAs }) => (rewrittenAs === undefined ? [] : [[sequence, rewrittenAs]])));
      const as = logs.length(dataset, author) + 1;
      for (const [index, { sequence }] of open.entries()) renamed.set(sequence, as + index);
      const places = new NewPlaces(branch.after, renamed);
      for (const entry of open) {
        this.#append(dataset, renamedBody(entry, places));
        logs.noteRewritten(branch, entry.sequence, renamed.get(entry.sequence) as number);
      }
      const payload = encodeForkStatement({ after: branch.after, branch: branchName(first), from, to, as });
      const statement: EntryBody = { kind: 'fork', instant: this.#listener.instant(now), clockQuality: 'unknown', payload };
      this.#append(dataset, encodeEntryBody(statement, author));
      if (branch.id === shown) renameDots(catalog, dataset, author, renamed);
      this.#listener.changed(dataset, new Set());
      this.#listener.report({ type: 'fork-mended', dataset, author, entries: open.length });
    }
  }

  /** Somebody else: takes a branch for the log, if its author says on it that it has written our copy's entries anew. */
  #follow(dataset: DatasetId, author: NodeId, branch: LogBranch, now: Moment): void {
    const { logs, catalog } = this.#parts;
    if (!this.#mayCompare(dataset, author, branch, 0)) return;
    const given = logs.read(dataset, author, branch.after + 1, logs.length(dataset, author), Infinity);
    const renamed = newPlaces(given, branch.after, logs.readBranch(author, branch));
    if (renamed === undefined) return;
    this.#exchange(dataset, author, branch, now);
    renameDots(catalog, dataset, author, renamed);
    this.#listener.report({ type: 'fork-mended', dataset, author, entries: given.length });
  }

  /** Somebody else: drops branches of which the log says that they were written anew in it. */
  #dropCovered(dataset: DatasetId, author: NodeId): void {
    const { logs } = this.#parts;
    const settled: LogBranch[] = [];
    for (const branch of logs.branches(dataset, author)) {
      const [first] = logs.readBranch(author, branch, branch.after + 1, branch.after + 1);
      const statements = first === undefined ? [] : logs.statementsAbout(dataset, author, branch.after, branchName(first));
      if (!coverAll(statements, branch) || !this.#mayCompare(dataset, author, branch, statements.length)) continue;
      const log = logs.read(dataset, author, branch.after + 1, logs.length(dataset, author), Infinity);
      if (newPlaces(logs.readBranch(author, branch), branch.after, log) !== undefined) settled.push(branch);
    }
    if (settled.length > 0) this.#settle(dataset, author, settled);
  }

  /** Whether a branch is to be compared with the log entry by entry: once for as much as is known, and no more often than an honest author needs. */
  #mayCompare(dataset: DatasetId, author: NodeId, { id, length }: LogBranch, statements: number): boolean {
    const known = `${id} ${length} ${this.#parts.logs.length(dataset, author)} ${statements}`;
    const log = `${dataset} ${author}`;
    const compared = this.#comparedByLog.get(log) ?? new Set();
    this.#comparedByLog.set(log, compared);
    if (compared.has(known) || compared.size > limits.forkComparisonsMax) return false;
    compared.add(known);
    if (compared.size <= limits.forkComparisonsMax) return true;
    const message = `the log of ${author} forked so often that its branches are not compared any more until this node is opened anew`;
    this.#listener.report({ type: 'fault', peer: author, fault: { code: 'FORKS_TOO_MANY', blame: 'peer', message } });
    return false;
  }

  #settle(dataset: DatasetId, author: NodeId, branches: readonly LogBranch[]): void {
    this.#parts.logs.settle(dataset, author, author === this.#parts.identity.node ? branches.filter(({ isOwn }) => isOwn) : branches);
  }

  /** Has a branch take the place of what our copy of a log has behind its beginning. Gives the number of the branch that that is now. */
  #exchange(dataset: DatasetId, author: NodeId, branch: LogBranch, now: Moment): number {
    const { logs, index, tags, wants, identity } = this.#parts;
    const paths = new Set<string>();
    for (const { path, sequence } of index.retract(dataset, author, branch.after, now.wallMs)) {
      wants.removeRevision(dataset, author, sequence, path);
      paths.add(path);
    }
    tags.retract(dataset, author, branch.after);
    this.#listener.retract(dataset, author, branch.after);
    this.#parts.receipts.retract(dataset, author, branch.after);
    const given = logs.adopt(dataset, author, branch, author === identity.node);
    for (const entry of logs.read(dataset, author, branch.after + 1, branch.length, Infinity)) {
      const body = decodeEntryBody(entry.body, author);
      if (body.ok) this.#listener.apply(dataset, entry, body.value);
    }
    this.#listener.changed(dataset, paths);
    return given;
  }

  #append(dataset: DatasetId, bytes: Uint8Array): void {
    const { identity, logs } = this.#parts;
    const entry = logs.append(dataset, identity.node, identity.signingKey, bytes);
    const body = decodeEntryBody(bytes, identity.node);
    if (body.ok) this.#listener.apply(dataset, entry, body.value);
  }
}

/** Whether statements about a branch cover it, and one of them ends where it ends: then its author had no more of it. */
function coverAll(statements: readonly ForkStatement[], { after, length }: LogBranch): boolean {
  let next = after + 1;
  for (const { from, to } of [...statements].sort((a, b) => a.from - b.from)) if (from <= next) next = Math.max(next, to + 1);
  return next > length && statements.some(({ to }) => to === length);
}

/** What entries of a log say about one branch. */
function statementsAbout(entries: readonly LogEntry[], after: number, branch: Uint8Array): ForkStatement[] {
  return entries.flatMap(({ body, author }) => {
    const decoded = decodeEntryBody(body, author);
    if (!decoded.ok || decoded.value.kind !== 'fork') return [];
    const statement = decodeForkStatement(decoded.value.payload);
    return statement.ok && statement.value.after === after && equalBytes(statement.value.branch, branch) ? [statement.value] : [];
  });
}

/**
 * Where entries behind a common beginning stand by what the other branch says; `undefined` unless that says it of each of them, and has it there. A statement alone makes nobody give up what was signed: its
 * author may have lost its key, or made a mistake.
 */
function newPlaces(given: readonly LogEntry[], after: number, kept: readonly LogEntry[]): ReadonlyMap<number, number> | undefined {
  const [first] = given;
  const statements = first === undefined ? [] : statementsAbout(kept, after, branchName(first));
  const bodies = new Map(kept.map(({ sequence, body }) => [sequence, body]));
  const places = new Map<number, number>();
  for (const { sequence } of given) {
    const statement = statements.find(({ from, to }) => from <= sequence && sequence <= to);
    const place = statement && statement.as + sequence - statement.from;
    if (place === undefined || !bodies.has(place)) return undefined;
    places.set(sequence, place);
  }
  const newNames = new NewPlaces(after, places);
  const stands = (entry: LogEntry): boolean =>
    equalBytes(bodies.get(places.get(entry.sequence) as number) as Uint8Array, renamedBody(entry, newNames));
  return given.every(stands) ? places : undefined;
}
