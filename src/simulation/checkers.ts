import { toHex } from '../core/bytes.ts';
import { decodeCbor } from '../core/cbor.ts';
import type { NodeId } from '../core/identifiers.ts';
import { decodeEntryBody } from '../datasets/entry-body.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * What must be true of a world, found out without asking the nodes: from their catalogs, and from the log entries that all of them hold together.
 *
 * Each checker returns sentences about what is wrong; none means that nothing is.
 */

interface LogLine {
  dataset: Uint8Array;
  author: Uint8Array;
  length: number;
  head: Uint8Array;
}

interface HeadLine {
  dataset: Uint8Array;
  path: string;
  author: Uint8Array;
  sequence: number;
  root: Uint8Array | null;
  complete: number;
}

/** Logs of which two different entries were written at one position, by dataset: the authors. */
export type ForkedLogs = ReadonlyMap<string, ReadonlySet<NodeId>>;

/**
 * Where nodes differ in logs, heads, complete contents or rows: everything that must be equal once all of them have met. Of a dataset in which an author's log forked, only the logs of the other authors
 * are compared: what follows from two histories cannot be one.
 */
export function differences(nodes: readonly SimulatedNode[], forks: ForkedLogs = new Map()): string[] {
  const found: string[] = [];
  const [first, ...others] = nodes;
  if (first === undefined) return found;
  const expected = stateOf(first, forks);
  for (const other of others) {
    const actual = stateOf(other, forks);
    for (const [key, value] of expected)
      if (actual.get(key) !== value) found.push(`${first.name}: ${key} = ${value}; ${other.name}: ${actual.get(key) ?? 'nothing'}`);
    for (const [key, value] of actual) if (!expected.has(key)) found.push(`${other.name}: ${key} = ${value}; ${first.name}: nothing`);
  }
  return found;
}

/** True when the nodes hold the same, and all of it completely. */
export function converged(nodes: readonly SimulatedNode[]): boolean {
  return differences(nodes).length === 0 && nodes.every((node) => incompleteHeads(node).length === 0);
}

/** Standing revisions whose bytes are not all there. */
export function incompleteHeads(node: SimulatedNode): string[] {
  return headsOf(node)
    .filter((head) => head.root !== null && head.complete === 0)
    .map((head) => `${node.name} lacks the content of ${head.path} as ${nameOf(head)} wrote it`);
}

/**
 * Heads that do not follow from the log entries: a revision that nothing replaced is no head any more, or one that was replaced still is. Computed from the entries alone, by the rule of the
 * revision graph: a revision stands until an entry that is here names it as superseded.
 */
export function wrongHeads(node: SimulatedNode): string[] {
  const standing = new Set<string>();
  const superseded = new Set<string>();
  for (const row of node.catalog.iterate<{ dataset: Uint8Array; author: Uint8Array; sequence: number; body: Uint8Array }>(
    'SELECT log.dataset, log.author, log_entry.sequence, log_entry.body FROM log_entry JOIN log ON log.id = log_entry.log',
  )) {
    const author = toHex(row.author) as NodeId;
    const body = decodeEntryBody(row.body, author);
    if (!body.ok || body.value.kind !== 'files') continue;
    for (const change of body.value.changes) {
      const place = `${toHex(row.dataset)} ${change.path}`;
      standing.add(`${place} ${author}/${row.sequence}`);
      for (const old of change.superseded) superseded.add(`${place} ${old.author}/${old.sequence}`);
    }
  }
  const expected = [...standing].filter((revision) => !superseded.has(revision)).sort();
  const actual = headsOf(node)
    .map((head) => `${toHex(head.dataset)} ${head.path} ${nameOf(head)}`)
    .sort();
  const missing = expected.filter((revision) => !actual.includes(revision)).map((revision) => `${node.name} dropped the head ${revision}`);
  const extra = actual
    .filter((revision) => !expected.includes(revision))
    .map((revision) => `${node.name} shows ${revision}, which was replaced`);
  return [...missing, ...extra];
}

/**
 * Promises that were not kept: every receipt of a node, wherever in the world it is found, says what that node holds durably. It must hold it, at any instant, also right after a power cut. What a carrier promises of
 * contents is custody: it must hold those that another of these nodes waits for.
 */
export function brokenPromises(nodes: readonly SimulatedNode[], carriers: ReadonlySet<NodeId> = new Set()): string[] {
  const found: string[] = [];
  const awaiting = nodes
    .filter((node) => !node.isRunning || !carriers.has(node.node.id))
    .map((node) => ({
      id: node.isRunning ? node.node.id : undefined,
      roots: new Set(headsOf(node).flatMap(({ root, complete }) => (root !== null && complete === 0 ? [toHex(root)] : []))),
    }));
  // The author of an entry may have ended a conflict in favour of what it has not got. Nobody can know that of it, and it waits for that as somebody else's.
  const isAwaited = ({ root, author }: { readonly root: Uint8Array; readonly author: Uint8Array }): boolean =>
    awaiting.some(({ id, roots }) => id !== toHex(author) && roots.has(toHex(root)));
  const nodeById = new Map(nodes.filter((node) => node.isRunning).map((node) => [node.node.id, node]));
  for (const holder of nodes) {
    for (const row of holder.catalog.all<{ node: Uint8Array; dataset: Uint8Array; vector: Uint8Array }>(
      'SELECT node, dataset, vector FROM receipt',
    )) {
      const promiser = nodeById.get(toHex(row.node) as NodeId);
      const decoded = decodeCbor(row.vector);
      const vector = decoded.ok ? VersionVector.fromCbor(decoded.value) : decoded;
      if (promiser === undefined || !vector.ok) continue;
      const lengths = new Map(
        logsOf(promiser).flatMap((log) => (toHex(log.dataset) === toHex(row.dataset) ? [[toHex(log.author), log.length]] : [])) as [
          string,
          number,
        ][],
      );
      for (const [author, length] of lengths) {
        const promised = vector.value.lengthOf(author as NodeId);
        if (promised > length) found.push(`${promiser.name} promised ${promised} entries of ${author} and holds ${length}`);
      }
      for (const head of headsOf(promiser)) {
        if (toHex(head.dataset) !== toHex(row.dataset) || head.root === null || head.complete !== 0) continue;
        if (carriers.has(promiser.node.id) && !isAwaited({ root: head.root, author: head.author })) continue;
        if (head.sequence <= vector.value.lengthOf(toHex(head.author) as NodeId))
          found.push(`${promiser.name} promised the content of ${head.path}, and lacks it`);
      }
    }
  }
  return found;
}

/** Contents of standing revisions that a node lacks although another of these nodes has them. */
export function unfetched(nodes: readonly SimulatedNode[]): string[] {
  const roots = nodes.flatMap((node) =>
    headsOf(node).flatMap(({ root, complete }) => (root !== null && complete === 1 ? [toHex(root)] : [])),
  );
  const available = new Set(roots);
  return nodes.flatMap((node) =>
    headsOf(node)
      .filter(({ root, complete }) => root !== null && complete === 0 && available.has(toHex(root)))
      .map((head) => `${node.name} lacks the content of ${head.path} as ${nameOf(head)} wrote it, which others have`),
  );
}

/** Logs that forked, found by comparing what the nodes hold; and those that a node has refused since it saw two branches, even if one of them is gone now. */
export function forkedLogs(nodes: readonly SimulatedNode[]): ForkedLogs {
  const forks = new Map<string, Set<NodeId>>();
  const seen = new Map<string, string>();
  for (const node of nodes) {
    for (const row of node.catalog.iterate<{ dataset: Uint8Array; author: Uint8Array; sequence: number; signature: Uint8Array }>(
      'SELECT log.dataset, log.author, log_entry.sequence, log_entry.signature FROM log_entry JOIN log ON log.id = log_entry.log',
    )) {
      const [dataset, author] = [toHex(row.dataset), toHex(row.author) as NodeId];
      const place = `${dataset} ${author} ${row.sequence}`;
      const signature = toHex(row.signature);
      if ((seen.get(place) ?? signature) !== signature) forks.set(dataset, (forks.get(dataset) ?? new Set()).add(author));
      seen.set(place, signature);
    }
    for (const row of node.catalog.all<{ dataset: Uint8Array; author: Uint8Array }>('SELECT dataset, author FROM log WHERE forked = 1')) {
      const dataset = toHex(row.dataset);
      forks.set(dataset, (forks.get(dataset) ?? new Set()).add(toHex(row.author) as NodeId));
    }
  }
  return forks;
}

/** Forked logs whose authors are not among these nodes: nobody else can make them one. */
export function lastingForks(nodes: readonly SimulatedNode[]): ForkedLogs {
  const present = new Set(nodes.map(({ node }) => node.id));
  const lasting = [...forkedLogs(nodes)].map(
    ([dataset, authors]) => [dataset, new Set([...authors].filter((author) => !present.has(author)))] as const,
  );
  return new Map(lasting.filter(([, authors]) => authors.size > 0));
}

/** Forked logs whose authors are among these nodes and that are not one again. */
export function unmendedForks(nodes: readonly SimulatedNode[]): string[] {
  const lasting = lastingForks(nodes);
  return [...forkedLogs(nodes)].flatMap(([dataset, authors]) =>
    [...authors]
      .filter((author) => !lasting.get(dataset)?.has(author))
      .map((author) => `the log of ${author} in ${dataset} is forked still`),
  );
}

/**
 * Forked logs that no node has noticed, or that none has told its owner of. Where all copies are equally long nobody is expected to notice yet: nodes compare lengths, and the next entry on either side
 * tells.
 */
export function unnoticedForks(nodes: readonly SimulatedNode[], forks: ForkedLogs): string[] {
  const found: string[] = [];
  const lengthsOf = (dataset: string, author: NodeId): Set<number> =>
    new Set(
      nodes.flatMap((node) =>
        logsOf(node).flatMap((log) => (toHex(log.dataset) === dataset && toHex(log.author) === author ? [log.length] : [])),
      ),
    );
  const told = nodes.some(({ events }) => events.some((event) => event.type === 'fault' && event.fault.code === 'LOG_FORKED'));
  for (const [dataset, authors] of forks) {
    for (const author of authors) {
      if (lengthsOf(dataset, author).size === 1) continue;
      const noticed = nodes.some(({ catalog }) =>
        catalog
          .all<{ dataset: Uint8Array; author: Uint8Array }>('SELECT dataset, author FROM log WHERE forked = 1')
          .some((row) => toHex(row.dataset) === dataset && toHex(row.author) === author),
      );
      if (!noticed) found.push(`nobody noticed that the log of ${author} in ${dataset} forked`);
      else if (!told) found.push(`nobody was told that the log of ${author} in ${dataset} forked`);
    }
  }
  return found;
}

/** Entries that a node took from peers more often than once: it reported more than it holds. Fewer is no mistake, because a power cut may come between taking one and reporting it. The node must run. */
export function doubleDeliveries(node: SimulatedNode): string[] {
  const reported = new Map<string, number>();
  for (const event of node.events)
    if (event.type === 'entries' && event.from !== 'self') reported.set(event.dataset, (reported.get(event.dataset) ?? 0) + event.count);
  const held = new Map<string, number>();
  for (const { dataset, author, length } of logsOf(node))
    if (toHex(author) !== node.node.id) held.set(toHex(dataset), (held.get(toHex(dataset)) ?? 0) + length);
  return [...reported].flatMap(([dataset, count]) => {
    const most = held.get(dataset) ?? 0;
    return count > most ? [`${node.name} was delivered ${count} entries of ${dataset} and holds ${most}`] : [];
  });
}

function stateOf(node: SimulatedNode, forks: ForkedLogs): Map<string, string> {
  const state = new Map<string, string>();
  for (const log of logsOf(node)) {
    const author = toHex(log.author) as NodeId;
    if (!forks.get(toHex(log.dataset))?.has(author))
      state.set(`log ${author} of ${toHex(log.dataset)}`, `${log.length} ${toHex(log.head)}`);
  }
  for (const head of headsOf(node)) {
    if (forks.has(toHex(head.dataset))) continue;
    state.set(
      `head ${head.path} by ${nameOf(head)}`,
      head.root === null ? 'none' : `${toHex(head.root)} ${head.complete === 1 ? 'complete' : 'incomplete'}`,
    );
  }
  for (const row of node.catalog.iterate<{ dataset: Uint8Array; hash: Uint8Array; n: number; cells: string }>(
    `SELECT dataset, hash, count(*) AS n, group_concat(time_us || ' ' || record || ' ' || cells, ';') AS cells
     FROM (SELECT * FROM observation JOIN table_revision ON table_revision.id = observation.revision ORDER BY dataset, hash, time_us, record, cells)
     GROUP BY dataset, hash`,
  )) {
    if (!forks.has(toHex(row.dataset))) state.set(`rows of ${toHex(row.hash)}`, `${row.n} ${row.cells}`);
  }
  return state;
}

function logsOf(node: SimulatedNode): LogLine[] {
  return node.catalog.all<LogLine>('SELECT dataset, author, length, head FROM log WHERE length > 0 ORDER BY dataset, author');
}

function headsOf(node: SimulatedNode): HeadLine[] {
  return node.catalog.all<HeadLine>(
    `SELECT dataset, path, author, sequence, root, EXISTS (SELECT 1 FROM content WHERE content.root = file_revision.root AND content.state = 'complete') AS complete
     FROM file_revision WHERE head = 1 ORDER BY dataset, path, author, sequence`,
  );
}

function nameOf(head: HeadLine): string {
  return `${toHex(head.author)}/${head.sequence}`;
}
