import { equalBytes } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type PartialGroup, partialGroupsMax, type Want } from '../session/messages.ts';
import type { OpenedTransfer } from './content-tasks.ts';
import type { ObjectAssembly } from './object-assembly.ts';

/** What the receiving half of a session keeps of one content, asks to have done, and says. */

/** What the receiver needs done. Answered by `opened`, `stored`, `answered` and `finished`. */
export type ReceiverTask =
  | {
      readonly type: 'open';
      readonly number: number;
      readonly wanted: WantedContent;
      readonly bases: readonly Hash[];
      readonly planObject: Uint8Array;
    }
  | {
      readonly type: 'store';
      readonly number: number;
      readonly transfer: OpenedTransfer;
      readonly group: number;
      readonly encoded: Uint8Array;
    }
  | {
      readonly type: 'answer';
      readonly number: number;
      readonly transfer: OpenedTransfer;
      readonly group: number;
      readonly query: Uint8Array;
    }
  | { readonly type: 'finish'; readonly number: number; readonly transfer: OpenedTransfer; readonly hashes: readonly Hash[] };

/** What the receiver says. */
export type ReceiverOutput =
  | { readonly type: 'want'; readonly want: Want }
  | { readonly type: 'withdraw'; readonly number: number }
  | { readonly type: 'progress'; readonly number: number; readonly storedBytes: number }
  /** A content whose plan is understood now: those who ask for it here can be given what comes. */
  | { readonly type: 'begun'; readonly root: Hash; readonly groups: number }
  /** What the base of a group holds, of the class of the content; empty for `encode it without`. */
  | {
      readonly type: 'base-blocks';
      readonly number: number;
      readonly group: number;
      readonly answer: Uint8Array;
      readonly priority: PriorityClass;
    }
  | { readonly type: 'complete'; readonly root: Hash; readonly transfer: OpenedTransfer }
  | { readonly type: 'failed'; readonly root: Hash; readonly fault: Fault }
  /** A content comes by another plan than before: what others send of it by that does not fit. */
  | { readonly type: 'planned'; readonly root: Hash }
  /** The peer can not send a content beside another one. */
  | { readonly type: 'apart'; readonly root: Hash };

/** From which end of a content its groups come: of two peers that send it at once, one begins with the last. */
export type ContentEnd = 'front' | 'back';

/** How a content comes that another peer sends too. */
export interface Beside {
  readonly end: ContentEnd;
  /** Whether an object comes from there. */
  readonly isComing: (object: number) => boolean;
}

/** What a second peer is asked by. */
export interface Arrival {
  readonly wanted: WantedContent;
  readonly end: ContentEnd;
  readonly transfer: OpenedTransfer;
  /** Whether an object is coming in, or being stored. */
  isTaken(object: number): boolean;
  /** Whether a group is stored. */
  isHere(group: number): boolean;
}

/** How fast a content comes: when its last two objects began to come, and how much had come by then. */
export interface ArrivalPace {
  bytes: number;
  marks: readonly { readonly at: MonotonicMs; readonly bytes: number }[];
}

/** One content as it comes from one peer. */
export interface Receiving {
  readonly wanted: WantedContent;
  readonly end: ContentEnd;
  /** Another peer sends it by the same plan: whatever does not fit that is done without. */
  readonly beside: Beside | undefined;
  readonly pace: ArrivalPace;
  readonly bases: readonly Hash[];
  readonly assemblyByObject: Map<number, ObjectAssembly>;
  /** Complete objects that wait for the plan to be understood. */
  readonly waiting: Map<number, Uint8Array>;
  transfer?: OpenedTransfer;
  opening: boolean;
  resuming: boolean;
  finishing: boolean;
  /** The peer said it has not got it (yet). */
  lacked: boolean;
  /** It said so once: what it had sent before may still come, and says nothing. */
  wasLacked: boolean;
  /** When something of it came last from this peer, since it was asked or lacked it, and whether that was of a group. */
  heardAt?: MonotonicMs;
  flowing: boolean;
  readonly groupsDone: Set<number>;
  /** Groups that are being stored. */
  readonly storing: Set<number>;
  /** Questions about bases that wait for the plan to be understood, by group. */
  readonly queryByGroup: Map<number, Uint8Array>;
  /** The base that the plan builds on, as soon as there is a plan; none of a plan that does without. */
  planBase?: Hash | undefined;
  /** Groups whose base the peer took for something else: it is told nothing of it any more. */
  readonly withoutBase: ReadonlySet<number>;
  storedBytes: number;
  reportedBytes: number;
}

/** How long nothing may come of a content that its sender lacked before, until it is taken to lack it still. */
const staleAfterMs = 30_000;

/** When that will be, for a content that is expected. */
export function staleAt({ lacked, wasLacked, heardAt, finishing, opening }: Receiving): MonotonicMs | undefined {
  return lacked || !wasLacked || heardAt === undefined || finishing || opening ? undefined : later(heardAt, staleAfterMs);
}

/** How a content comes of which the plan is understood. */
export function arrivalOf({ wanted, end, groupsDone, storing, assemblyByObject }: Receiving, transfer: OpenedTransfer): Arrival {
  return {
    wanted,
    end,
    transfer,
    isTaken: (object) => assemblyByObject.has(object) || storing.has(object - 1),
    isHere: (group) => groupsDone.has(group),
  };
}

/** How long something must have come until it says how fast more will. */
const paceMsMin = 1000;

/** How long an object will take to come, about, by how the last two came: nothing when it is here, and for ever while nothing is known. */
export function remainingMsOf(receiving: Receiving, object: number, now: MonotonicMs): number {
  const { storing, groupsDone, transfer, assemblyByObject, pace } = receiving;
  if (transfer === undefined) return Infinity;
  if (storing.has(object - 1) || groupsDone.has(object - 1)) return 0;
  const [from] = pace.marks;
  const elapsedMs = from === undefined ? 0 : now - from.at;
  if (from === undefined || elapsedMs < paceMsMin) return Infinity;
  const missingBytes = (transfer.groups[object - 1]?.targetBytes ?? 0) - (assemblyByObject.get(object)?.heldBytes ?? 0);
  return (Math.max(0, missingBytes) * elapsedMs) / Math.max(1, pace.bytes - from.bytes);
}

/** One content of which nothing has come yet. */
export function receivingOf(wanted: WantedContent, bases: readonly Hash[], withoutBase: ReadonlySet<number>, beside?: Beside): Receiving {
  return {
    wanted,
    end: beside?.end ?? 'front',
    beside,
    pace: { bytes: 0, marks: [] },
    bases,
    assemblyByObject: new Map(),
    waiting: new Map(),
    opening: false,
    resuming: false,
    finishing: false,
    lacked: false,
    wasLacked: false,
    flowing: false,
    groupsDone: new Set(),
    storing: new Set(),
    queryByGroup: new Map(),
    withoutBase,
    storedBytes: 0,
    reportedBytes: 0,
  };
}

/** Whether two contents are the same, and come in the same groups. */
export function isSamePlan(one: OpenedTransfer, other: OpenedTransfer): boolean {
  return equalBytes(one.content.root, other.content.root) && equalBytes(one.planId, other.planId);
}

/** Groups as runs of numbers one behind the other, in their order. */
export function runsOf(groups: ReadonlySet<number>): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const group of [...groups].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && run.first + run.count === group) run.count++;
    else runs.push({ first: group, count: 1 });
  }
  return runs;
}

/** The groups of a content that have come in part, those first of which most is here. */
export function partialsOf({ assemblyByObject, groupsDone }: Receiving, crypto: Pick<Crypto, 'sha256'>): PartialGroup[] {
  return [...assemblyByObject]
    .filter(([object]) => object > 0 && !groupsDone.has(object - 1))
    .sort(([, a], [, b]) => b.heldBytes - a.heldBytes)
    .slice(0, partialGroupsMax)
    .map(([object, assembly]) => {
      const beginning = assembly.beginning();
      return { group: object - 1, offset: beginning.length, prefixHash: crypto.sha256(beginning).slice(0, 8) };
    });
}
