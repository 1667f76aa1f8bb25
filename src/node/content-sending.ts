import type { DatasetId } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { Want } from '../session/messages.ts';
import type { BaseAnswer, PreparedTransfer } from './content-tasks.ts';
import type { ObjectAssembly } from './object-assembly.ts';

/** What the sending half of a session keeps of one content. */

/** An object that may be sent now, as far as it is here. */
export interface ReadyObject {
  readonly object: number;
  offset: number;
  /** Its bytes; none of one that is still coming in, or not verified. */
  bytes: Uint8Array;
  /** They stand in a room of the sender, and nobody else looks at them. */
  readonly isInRoom?: boolean;
  coming?: Coming;
}

/** An object that is passed on while it comes in. */
interface Coming {
  assembly: ObjectAssembly;
  startedOver: number;
  /** It was stored; that says little where the plan names no chunks. */
  stored: boolean;
}

/** One content as it goes to one peer. */
export interface Sending {
  readonly dataset: DatasetId | undefined;
  readonly want: Want;
  transfer?: PreparedTransfer;
  /** Groups still to be sent, in order. */
  groups: number[];
  encoding: number;
  /** Since when nothing could be sent, because the rest has not come yet. */
  drySince?: MonotonicMs;
  /** The content became complete here while it was planned as one that is arriving, or is not here, or while a group was encoded whose bytes may have been missing: if so, it is planned once more. */
  planningAgain: boolean;
  /** Groups that may be encoded or ready at once. */
  groupsAhead: number;
  /** Bytes of content whose groups were begun, and those that the receiver has stored since. */
  begunBytes: number;
  storedBytes: number;
  /** Bytes of content that were handed to the session, those that the receiver had already among them. */
  movedBytes: number;
  readonly ready: ReadyObject[];
  /** Groups about whose base the peer was asked, until it has answered. */
  readonly searchByGroup: Map<number, BaseAnswer['search']>;
}

/** Whether anything may be sent now. */
export function hasBytes({ ready }: Sending): boolean {
  return ready.some((object) => availableBytes(object) > 0);
}

/** Bytes of an object that may be sent now: all that there are, but not the end of one that is not verified. */
export function availableBytes({ bytes, offset, coming }: ReadyObject): number {
  if (coming === undefined) return bytes.length - offset;
  const { lengthBytes, isWhole } = coming.assembly.progress;
  return Math.max(0, lengthBytes - (isWhole ? 1 : 0) - offset);
}
