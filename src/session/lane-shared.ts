import type { RateControlFactory } from '../ports/rate-control.ts';
import type { LedgerAccount, LinkFlow } from './ledger.ts';
import type { ConnectionId } from './packets.ts';
import type { SendQueue } from './send-queue.ts';
import type { Path } from './session-path.ts';

/** What the lanes of one session have in common. */
export interface LaneShared {
  readonly queue: SendQueue;
  readonly account: LedgerAccount;
  readonly rateControl: RateControlFactory;
  readonly remoteConnectionId: ConnectionId;
  /** Of two ends that follow each other, this one does not go back at once to a path that it left. */
  readonly isSteady: boolean;
  readonly flowOf: (path: Path) => LinkFlow;
  /** Emergency bytes are under way, in either direction: what keeps them going may use what is held back for them. */
  emergency: boolean;
  /** The peer is not heard on any lane: only probes leave. */
  suspended: boolean;
  /** Space to write a packet's frames in. It is used again for every packet. */
  scratch: Uint8Array;
}
