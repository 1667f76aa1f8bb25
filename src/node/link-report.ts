import type { LinkClass } from '../bandwidth/link-class.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { WallMs } from '../core/time.ts';
import type { PathEstimate } from '../ports/rate-control.ts';

/** What is known of the link to a member. */
export interface LinkReport {
  readonly peer: NodeId;
  /** Remote address without its port. */
  readonly link: string;
  /** True while a session stands there; otherwise this is what was known last. */
  readonly isUp: boolean;
  readonly linkClass: LinkClass;
  /** Rate, round trips, loss, jitter, and how far they can be relied on. */
  readonly estimate: PathEstimate;
  /** When it was learned, by this node's clock. */
  readonly learnedMs: WallMs;
}

/** Something that waits for a budget, or for another way. */
export interface Waiting {
  readonly peer: NodeId;
  /** The most urgent class that has to wait. */
  readonly priority: PriorityClass;
  /** `WAY_RESERVED`: the budget keeps the only way there is for more urgent classes. */
  readonly reason: 'BUDGET_EXHAUSTED' | 'WAY_RESERVED';
  /** Name of the budget. */
  readonly budget: string;
  /** When it goes on; absent when the budget gives the class too little for a packet. */
  readonly untilMs?: WallMs;
}
