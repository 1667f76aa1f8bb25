import type { NodeId } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import type { CarryingKeeping } from './carrying-keeping.ts';
import type { ContentReceiver } from './content-receiver.ts';
import type { ContentSender } from './content-sender.ts';
import type { DeliveryTracking } from './delivery-tracking.ts';
import type { Encounter } from './encounter.ts';
import type { EngineTask } from './engine-task.ts';
import type { Identity } from './identity.ts';
import type { Interests } from './interests.ts';
import type { LinkSupervision } from './link-supervision.ts';
import type { LogKeeping } from './log-keeping.ts';
import type { Membership } from './membership.ts';
import type { NodeEvent } from './node-event.ts';

/** What a conversation with a member consists of, and what all of them read, write and speak through. */

/** What the conversations read, write and speak through. */
export interface ReplicationParts {
  readonly identity: Pick<Identity, 'node'>;
  readonly endpoint: SessionEndpoint;
  readonly crypto: Crypto;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly wants: WantList;
  readonly interests: Interests;
  readonly journal: TransferJournal;
  readonly deliveries: DeliveryTracking;
  readonly keeping: LogKeeping;
  readonly carrying: Pick<CarryingKeeping, 'asked' | 'receipts' | 'comingRoots' | 'shareOf'>;
  readonly links: LinkSupervision;
  /** Begins a task; answered by `handleTaskDone`. */
  readonly start: (task: EngineTask) => void;
  readonly report: (event: NodeEvent) => void;
}

/** The conversation with one member, as long as its session lasts. */
export interface Talk {
  readonly session: SessionId;
  readonly peer: NodeId;
  readonly encounter: Encounter;
  readonly sender: ContentSender;
  readonly receiver: ContentReceiver;
  /** Contents that this peer is not asked for beside another one any more in this session. */
  readonly apart: Set<string>;
  /** Contents sent to this peer without being asked for. */
  pushes: number;
  /** The want list or the places in it may have changed since the peer was last asked. */
  askAgain: boolean;
  /** The peer was asked for all that may be asked of it: that something else has arrived changes nothing. */
  hasAskedAll: boolean;
  /** The peer is not heard at the moment. */
  silent: boolean;
  /** A cap holds back data or entries until then. */
  cappedUntil: MonotonicMs | undefined;
  /** The peer waits for more of a content that is arriving here, until then. */
  dryUntil: MonotonicMs | undefined;
}
