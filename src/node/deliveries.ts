import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';

/** Where a dataset's own revisions of this node are, for one other member. */
export interface Delivery {
  readonly member: NodeId;
  readonly name: string;
  /** `delivered`: that member durably holds everything. `custody`: another member does and carries it on. `queued`: it is only here. */
  readonly state: 'queued' | 'custody' | 'delivered';
  /** Log entries of ours that the member is known to hold completely, and how many there are. */
  readonly held: number;
  readonly total: number;
}

/** What says where a node's entries are. */
export interface DeliveryParts {
  readonly self: NodeId;
  readonly logs: LogStore;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
}

/** Where what this node wrote into a dataset is, subscriber by subscriber, as far as receipts have come back. */
export function deliveriesOf(dataset: DatasetId, { self, logs, membership, receipts, interests }: DeliveryParts): Delivery[] {
  const total = logs.length(dataset, self);
  const others = membership.members().filter((member) => member.node !== self && interests.subscribes(member.node, dataset));
  const heldBy = (node: NodeId) => Math.min(total, receipts.knownToHold(node, dataset, self));
  // Relays and carriers, too: what they promise is custody.
  const custodians = membership.members().filter(({ node }) => node !== self && heldBy(node) === total);
  return others.map(({ node, name }) => {
    const own = heldBy(node);
    const carried = custodians.some((other) => other.node !== node);
    const state = own === total ? 'delivered' : carried ? 'custody' : 'queued';
    return { member: node, name, state, held: own, total };
  });
}
