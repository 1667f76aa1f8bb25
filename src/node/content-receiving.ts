import type { Hash } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { Want } from '../session/messages.ts';
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
  | { readonly type: 'begun'; readonly root: Hash }
  /** What the base of a group holds, of the class of the content; empty for `encode it without`. */
  | {
      readonly type: 'base-blocks';
      readonly number: number;
      readonly group: number;
      readonly answer: Uint8Array;
      readonly priority: PriorityClass;
    }
  | { readonly type: 'complete'; readonly root: Hash; readonly transfer: OpenedTransfer }
  | { readonly type: 'failed'; readonly root: Hash; readonly fault: Fault };

/** One content as it comes from one peer. */
export interface Receiving {
  readonly wanted: WantedContent;
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
