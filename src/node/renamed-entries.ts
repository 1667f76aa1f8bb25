import type { NodeId } from '../core/identifiers.ts';
import { decodeEntryBody, encodeEntryBody } from '../datasets/entry-body.ts';
import { decodeForkStatement, encodeForkStatement } from '../datasets/fork-statement.ts';
import type { Dot, LogEntry } from '../datasets/log-entry.ts';
import { decodeTagOperation, encodeTagOperation, type TagOperation } from '../datasets/tags.ts';
import { type LogRange, VersionVector } from '../datasets/version-vector.ts';
import { decodeOrder, encodeOrder, type Order, type OrderItem, orderItemsMax } from '../forwarding/orders.ts';

/**
 * What an entry of a branch says when its author writes it anew behind another: the same, with the entries of its own branch by the names that they have in the log.
 *
 * Everybody who holds the branch works this out as well, and follows only where the log says exactly that. So it depends on nothing but the entry and where the entries before it stand now.
 */

/** Entries of a branch that stand in the log of its author in the same order, one behind the other: those from `from` to `to` from `as` on. */
interface MovedRun {
  readonly from: number;
  to: number;
  readonly as: number;
}

/** Where entries of a branch stand in the log of its author, by their numbers in the branch. */
export class NewPlaces {
  /** The last entry that the two have in common. */
  readonly after: number;
  readonly runs: readonly MovedRun[];

  /** @param places number in the branch and in the log, ascending by the first */
  constructor(after: number, places: Iterable<readonly [number, number]>) {
    this.after = after;
    const runs: MovedRun[] = [];
    for (const [sequence, place] of places) {
      const last = runs.at(-1);
      if (last !== undefined && sequence === last.to + 1 && place === last.as + sequence - last.from) last.to = sequence;
      else runs.push({ from: sequence, to: sequence, as: place });
    }
    this.runs = runs;
  }

  /** Where an entry stands; `undefined` for one that is not of the branch. */
  of(sequence: number): number | undefined {
    const run = this.runs.find(({ from, to }) => from <= sequence && sequence <= to);
    return run && run.as + sequence - run.from;
  }
}

/** The body of an entry of a branch with its own branch's entries by their new names. One that is not understood is written anew as it is. */
export function renamedBody({ body, author, sequence }: LogEntry, places: NewPlaces): Uint8Array {
  const decoded = decodeEntryBody(body, author);
  if (!decoded.ok) return body;
  const newName = (dot: Dot): Dot => ({
    author: dot.author,
    sequence: (dot.author === author ? places.of(dot.sequence) : undefined) ?? dot.sequence,
  });
  if (decoded.value.kind === 'files') {
    const changes = decoded.value.changes.map((change) => ({ ...change, superseded: change.superseded.map(newName) }));
    return encodeEntryBody({ ...decoded.value, changes }, author);
  }
  const before = new EarlierEntries(author, sequence, places);
  if (decoded.value.kind === 'tag') {
    const operation = decodeTagOperation(decoded.value.payload);
    if (!operation.ok) return body;
    const payload = encodeTagOperation(renamedTag(operation.value, newName, before));
    return encodeEntryBody({ ...decoded.value, payload }, author);
  }
  if (decoded.value.kind === 'order') {
    const order = decodeOrder(decoded.value.payload);
    if (!order.ok) return body;
    return encodeEntryBody({ ...decoded.value, payload: encodeOrder(renamedOrder(order.value, newName, before)) }, author);
  }
  if (decoded.value.kind !== 'fork') return body;
  const statement = decodeForkStatement(decoded.value.payload);
  if (!statement.ok) return body;
  const as = places.of(statement.value.as) ?? statement.value.as;
  return encodeEntryBody({ ...decoded.value, payload: encodeForkStatement({ ...statement.value, as }) }, author);
}

/** Entries of a branch before the one that speaks of them. */
class EarlierEntries {
  readonly #author: NodeId;
  readonly #sequence: number;
  readonly #places: NewPlaces;

  constructor(author: NodeId, sequence: number, places: NewPlaces) {
    this.#author = author;
    this.#sequence = sequence;
    this.#places = places;
  }

  /** Where a range of the branch stands in the log, in as few runs as there are. */
  runs(node: NodeId, from: number, to: number): LogRange[] {
    const { after, runs: moved } = this.#places;
    if (node !== this.#author || to <= after) return [{ node, from, to }];
    const runs: LogRange[] = from > after ? [] : [{ node, from, to: after }];
    for (const run of moved) {
      const [first, end] = [Math.max(from, run.from), Math.min(to, run.to, this.#sequence - 1)];
      if (first <= end) runs.push({ node, from: run.as + first - run.from, to: run.as + end - run.from });
    }
    return runs;
  }
}

/**
 * A version ends, in the author's log, at the last of its own entries that it had. What the log has before that, and the branch had not, is left out of it.
 */
function renamedTag(operation: TagOperation, newName: (dot: Dot) => Dot, before: EarlierEntries): TagOperation {
  if (operation.type === 'remove') return { ...operation, tag: newName(operation.tag) };
  const without: LogRange[] = (operation.without ?? []).flatMap(({ node, from, to }) => before.runs(node, from, to));
  const lengths = [...operation.version.entries()].map(([node, length]): [NodeId, number] => {
    const runs = before.runs(node, 1, length);
    let last = 0;
    for (const { from, to } of runs) {
      if (from > last + 1) without.push({ node, from: last + 1, to: from - 1 });
      last = to;
    }
    return [node, last === 0 ? length : last];
  });
  const { type, name } = operation;
  return { type, name, version: VersionVector.of(lengths), ...(without.length === 0 ? {} : { without }) };
}

/** An order for entries on both sides of where the branch departs is one for each side. One that would have more items than an order may have is for those between them as well. */
function renamedOrder(order: Order, newName: (dot: Dot) => Dot, before: EarlierEntries): Order {
  if (order.type === 'rules') return order;
  if (order.type !== 'send') return { ...order, ...newName(order) };
  const exact = order.items.flatMap((item): OrderItem[] => {
    const runs = before.runs(item.author, item.first, item.last);
    return runs.length === 0 ? [item] : runs.map(({ from, to }) => ({ ...item, first: from, last: to }));
  });
  if (exact.length <= orderItemsMax) return { ...order, items: exact };
  const spanning = order.items.map((item) => {
    const runs = before.runs(item.author, item.first, item.last);
    return { ...item, first: runs[0]?.from ?? item.first, last: runs.at(-1)?.to ?? item.last };
  });
  return { ...order, items: spanning };
}
