import type { NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { Moment } from '../core/time.ts';
import type { CarriedMessage } from '../session/bundle-records.ts';
import type { CarryingKeeping } from './carrying-keeping.ts';
import type { DeliveryTracking } from './delivery-tracking.ts';
import { Encounter, type EncounterStores } from './encounter.ts';
import type { LogKeeping } from './log-keeping.ts';
import type { NodeEvent } from './node-event.ts';
import type { Replication } from './replication.ts';

/**
 * Entries and receipts that came by another way than a session: somebody carried them here on a medium. They mean what they mean in a session, and nobody is there to be answered.
 */

/** What a carried message is brought into. */
export interface CarriedParts extends EncounterStores {
  readonly keeping: LogKeeping;
  readonly replication: Replication;
  readonly deliveries: DeliveryTracking;
  readonly carrying: Pick<CarryingKeeping, 'receipts'>;
  readonly report: (event: NodeEvent) => void;
}

/** What came of a carried message. */
export interface CarriedResult {
  /** Entries that were new. */
  readonly stored: number;
  /** Why something was not taken, and nothing behind it. */
  readonly faults: readonly Fault[];
}

/** Takes a message that was made for members of the team by `from`. Part of a turn. */
export function takeCarried(parts: CarriedParts, from: NodeId, message: CarriedMessage, now: Moment): CarriedResult {
  const { keeping, replication, deliveries, carrying, report } = parts;
  const encounter = new Encounter(parts, from);
  if (message.type === 'entries') {
    const accepted = encounter.handleEntries(message);
    const { stored, fault } = accepted;
    // How long the carrier's copy of a log is, nobody said, and more messages may bring the rest: its author writes a branch anew behind its log, and takes no part of it for the log.
    const branched = accepted.branched && { branched: { ...accepted.branched, claimed: undefined } };
    keeping.take({ ...accepted, ...branched }, from, now);
    return { stored: stored.length, faults: fault === undefined ? [] : [fault] };
  }
  const { fresh, faults } = encounter.handleReceipts(message);
  for (const { node, dataset } of fresh) report({ type: 'receipt', node, dataset });
  deliveries.receipts(fresh, now);
  carrying.receipts(fresh);
  keeping.unwant(new Set(fresh.map(({ dataset }) => dataset)));
  replication.sendReceipts(fresh);
  return { stored: 0, faults };
}
