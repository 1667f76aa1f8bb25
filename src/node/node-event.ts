import type { DatasetId, NodeId, TeamId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { DeliveryChange } from '../forwarding/delivery-queue.ts';
import type { CircuitReason } from '../mesh/circuit-wire.ts';
import type { LinkReport, Waiting } from './link-report.ts';

/** Something the node's owner may want to know. */
export type NodeEvent =
  | { readonly type: 'joined'; readonly team: TeamId }
  /** Every address of the invite has been tried `attempt` times without success, last with this fault; joining goes on. */
  | { readonly type: 'joining'; readonly attempt: number; readonly fault: Fault }
  | { readonly type: 'join-failed'; readonly fault: Fault }
  | { readonly type: 'team-changed' }
  | { readonly type: 'session-up'; readonly peer: NodeId; readonly address: string }
  | { readonly type: 'session-down'; readonly peer: NodeId; readonly fault: Fault }
  | { readonly type: 'entries'; readonly dataset: DatasetId; readonly count: number; readonly from: NodeId | 'self' }
  /** A path has other heads than before, or the content of its head has arrived. */
  | { readonly type: 'path-changed'; readonly dataset: DatasetId; readonly path: string }
  | { readonly type: 'conflict'; readonly dataset: DatasetId; readonly path: string }
  | { readonly type: 'content-complete'; readonly root: string; readonly sizeBytes: number; readonly copiedBytes: number }
  | { readonly type: 'receipt'; readonly node: NodeId; readonly dataset: DatasetId }
  /** The log of a node that was set back to a backup and wrote before it heard what it had lost is one again: so many of its entries stand at other places in it now. */
  | { readonly type: 'fork-mended'; readonly dataset: DatasetId; readonly author: NodeId; readonly entries: number }
  /** Deliveries of one order, or of a dataset to one of its subscribers, came into another state. */
  | ({ readonly type: 'delivery' } & DeliveryChange)
  /** The link to a member turned out to be of another class, or half as fast or slow again. */
  | { readonly type: 'link-changed'; readonly report: LinkReport }
  /** Something that could be sent or asked for waits for a budget; said again when what it waits for changes, and ended by `waiting-over`. */
  | { readonly type: 'waiting'; readonly waiting: Waiting }
  | { readonly type: 'waiting-over'; readonly peer: NodeId }
  /** There is a route to a member, for the first time since this node began or since the member was lost. `metric` is in milliseconds for 16 KiB. */
  | { readonly type: 'node-seen'; readonly node: NodeId; readonly nextHop: NodeId; readonly metric: number }
  /** There has been no route to a member for three seconds. */
  | { readonly type: 'node-lost'; readonly node: NodeId }
  /** A member became a neighbour that had been reached by way of others, or the reverse. */
  | { readonly type: 'node-moved'; readonly node: NodeId; readonly nextHop: NodeId; readonly isNeighbour: boolean }
  | { readonly type: 'route-changed'; readonly node: NodeId; readonly nextHop: NodeId | undefined; readonly metric: number }
  /** Several members were lost together; and the first of them is reached again. */
  | { readonly type: 'partition-suspected'; readonly nodes: readonly NodeId[] }
  | { readonly type: 'partition-healed'; readonly nodes: readonly NodeId[] }
  /** A circuit that this node keeps to a member was opened, or ended or could not be opened for this reason; another one follows. */
  | { readonly type: 'circuit'; readonly member: NodeId; readonly isOpen: boolean; readonly reason?: CircuitReason }
  /** A peer or an earlier version of it did something that this node does not take; nothing is lost by it. */
  | { readonly type: 'fault'; readonly peer: NodeId | undefined; readonly fault: Fault };

/** Something the owner may want to know of long work. */
export type UpkeepEvent =
  /** A verification found that a content or a working file is damaged. `lost`: no sound copy is here, and it is asked of other nodes. */
  | { readonly type: 'damage'; readonly dataset: DatasetId | undefined; readonly path: string | undefined; readonly lost: boolean }
  /** Long work goes on. `bytes` were read, or given back, so far. */
  | { readonly type: 'upkeep'; readonly work: 'verify' | 'collect'; readonly bytes: number; readonly done: boolean };

/** Something that happened, beside what the engine reports. */
export type FieldNodeEvent =
  | NodeEvent
  | UpkeepEvent
  /** A path on disk now holds what the dataset says. */
  | { readonly type: 'file-written'; readonly dataset: DatasetId; readonly path: string }
  /** The node's own storage failed in the middle of a step. Nothing is lost and nothing more is done: close it, mend the cause, open it again. */
  | { readonly type: 'stopped'; readonly code: string; readonly message: string }
  /** Work in the background failed; it is tried again when its cause may have gone. */
  | { readonly type: 'problem'; readonly what: string; readonly code: string; readonly message: string };
