import type { NodeId } from '../core/identifiers.ts';

/** What logs are made of. */

/** The position of an entry: `sequence` counts from 1 in the author's log. Names a revision wherever one is needed. */
export interface Dot {
  readonly author: NodeId;
  readonly sequence: number;
}

/** Entries that belong to something, for example to a version of a dataset. */
export interface EntrySet {
  contains(dot: Dot): boolean;
}

/** An entry as it travels. */
export interface SignedEntry {
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** An entry with its position. */
export interface LogEntry extends SignedEntry, Dot {}
