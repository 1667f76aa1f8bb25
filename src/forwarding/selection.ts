import { type PriorityClass, priorityClasses } from '../core/priority.ts';

/**
 * What to ask for in a contact, in which order.
 *
 * Classes pre-empt one another. Within a class every object counts alike once it is complete, and nothing before: so of the bytes that the contacts ahead have room for, the largest number of objects that
 * finish is chosen, each before its deadline. That is the problem of the fewest late jobs on one machine, which Moore's algorithm solves exactly ("An n Job, One Machine Sequencing Algorithm for
 * Minimizing the Number of Late Jobs", Management Science 15, 1968): take jobs by their deadlines, and whenever one is late, leave out the largest taken so far. The machine is counted in bytes: a
 * deadline is the number of bytes that the contacts until then have room for, and because partials are kept, it is no matter where one contact ends and the next begins.
 *
 * What does not finish fills the rest of its class, that which has least left first: so an object that is too large for any contact is brought nearer by each. What can not finish any more before nobody
 * wants it goes behind everything, and what has expired is left out.
 */

/** Something to move. */
export interface Candidate {
  readonly priority: PriorityClass;
  /** Bytes still to move. */
  readonly leftBytes: number;
  /** By when it is of most use; by this node's wall clock. */
  readonly deadlineMs?: number;
  /** From when on nobody wants it. */
  readonly expiresMs?: number;
}

/** What the contacts with a peer offer, as far as that is known. */
export interface Opportunity {
  readonly nowMs: number;
  /** Bytes a second; absent: unknown. */
  readonly rateBytesPerSecond?: number;
  /** The present contact and those to come that are sure enough to plan by, in order and apart; absent: the present one lasts as long as it is needed. */
  readonly contacts?: readonly { readonly fromMs: number; readonly toMs: number }[];
}

/** The candidates in the order to move them. Those that expired are left out. Takes n log n steps. */
export function inOrder<T extends Candidate>(candidates: readonly T[], opportunity: Opportunity): T[] {
  const present = candidates.filter((each) => (each.expiresMs ?? Infinity) > opportunity.nowMs);
  const room = roomUntil(opportunity);
  const chosen: T[] = [];
  const inVain: T[] = [];
  let startBytes = 0;
  for (const priority of priorityClasses) {
    const ofClass = present.filter((each) => each.priority === priority);
    // Beyond the contacts that are known there may be others.
    const canFinish = (each: T): boolean => startBytes + each.leftBytes <= room(each.expiresMs ?? Infinity, 'hoped');
    inVain.push(...ofClass.filter((each) => !canFinish(each)));
    const planned = plan(ofClass.filter(canFinish), startBytes, (each) => room(lastMs(each), 'known'));
    chosen.push(...planned);
    for (const { leftBytes } of planned) startBytes += leftBytes;
  }
  return [...chosen, ...inVain];
}

function lastMs({ deadlineMs = Infinity, expiresMs = Infinity }: Candidate): number {
  return Math.min(deadlineMs, expiresMs);
}

/** How many bytes there is room for from now until an instant: in the contacts that are `known`, or, where it lies behind them, in those that may be `hoped` for. */
function roomUntil({ nowMs, rateBytesPerSecond, contacts }: Opportunity): (untilMs: number, which: 'known' | 'hoped') => number {
  const rate = rateBytesPerSecond === undefined || rateBytesPerSecond <= 0 ? undefined : rateBytesPerSecond / 1000;
  // Without a rate nothing says how long anything takes, so everything finishes and deadlines alone decide.
  if (rate === undefined) return () => Infinity;
  const windows = contacts ?? [{ fromMs: nowMs, toMs: Infinity }];
  const knownMs = windows.at(-1)?.toMs ?? nowMs;
  return (untilMs, which) => {
    if (which === 'hoped' && untilMs > knownMs) return Infinity;
    let roomMs = 0;
    for (const { fromMs, toMs } of windows) roomMs += Math.max(0, Math.min(untilMs, toMs) - Math.max(nowMs, fromMs));
    return roomMs * rate;
  };
}

/** One class: those that finish, then the others. `dueBytes` says up to which byte of all that is sent an object has to be complete. */
function plan<T extends Candidate>(ofClass: readonly T[], startBytes: number, dueBytes: (each: T) => number): T[] {
  const byDeadline = ofClass
    .map((each) => ({ each, due: dueBytes(each), last: lastMs(each) }))
    // Those of equal deadlines go by size, so that without deadlines the smallest come first.
    .sort((a, b) => compare(a.due, b.due) || compare(a.last, b.last) || a.each.leftBytes - b.each.leftBytes);
  const taken: T[] = [];
  const left = new Set<T>();
  let sentBytes = startBytes;
  for (const { each, due } of byDeadline) {
    push(taken, each);
    sentBytes += each.leftBytes;
    if (sentBytes <= due) continue;
    const largest = pop(taken) as T;
    left.add(largest);
    sentBytes -= largest.leftBytes;
  }
  const finishing = byDeadline.flatMap(({ each }) => (left.has(each) ? [] : [each]));
  return [...finishing, ...[...left].sort((a, b) => a.leftBytes - b.leftBytes)];
}

/** A heap with the largest on top. */
function push<T extends Candidate>(heap: T[], added: T): void {
  heap.push(added);
  for (let at = heap.length - 1; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (bytesAt(heap, parent) >= bytesAt(heap, at)) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function pop<T extends Candidate>(heap: T[]): T | undefined {
  swap(heap, 0, heap.length - 1);
  const top = heap.pop();
  for (let at = 0; ; ) {
    const [a, b] = [2 * at + 1, 2 * at + 2];
    const child = bytesAt(heap, b) > bytesAt(heap, a) ? b : a;
    if (bytesAt(heap, child) <= bytesAt(heap, at)) return top;
    swap(heap, at, child);
    at = child;
  }
}

function bytesAt(heap: readonly Candidate[], index: number): number {
  return heap[index]?.leftBytes ?? -1;
}

function swap<T>(heap: T[], a: number, b: number): void {
  [heap[a], heap[b]] = [heap[b] as T, heap[a] as T];
}

/** Infinities are equal to one another, which a difference would not be. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Fewer places than this are left to the most urgent. */
const sharedPlacesMin = 8;

/**
 * The first `limit` of what is in order, beside what is `coming` already, with one place kept for every less urgent class that waits: or a class with more large objects than there are places would keep the
 * others from being asked for at all, and the session's own floor for the last class would have nothing to send.
 */
export function withPlaces<T extends Candidate>(ordered: readonly T[], limit: number, coming: readonly PriorityClass[] = []): T[] {
  const taken = ordered.slice(0, limit);
  if (limit + coming.length < sharedPlacesMin) return taken;
  const present = new Set([...coming, ...taken.map(({ priority }) => priority)]);
  const missing = priorityClasses.flatMap((priority) => {
    const first = present.has(priority) ? undefined : ordered.find((each) => each.priority === priority);
    return first === undefined ? [] : [first];
  });
  return [...taken.slice(0, Math.max(0, limit - missing.length)), ...missing].slice(0, limit);
}
