import type { NodeId } from '../core/identifiers.ts';
import type { Ledger, PurposeBytes } from '../session/ledger.ts';

/** Bytes exchanged with one peer, every header counted, by purpose. */
export interface PeerTraffic {
  readonly peer: NodeId;
  readonly sent: Readonly<Record<string, number>>;
  readonly received: Readonly<Record<string, number>>;
  /** Bytes that did not have to travel from here to the peer. */
  readonly saved: { readonly resume: number; readonly delta: number };
}

/** What one session has come to. A session that is gone has no ledger any more. */
export interface SessionTraffic {
  readonly ledger: Ledger | undefined;
  readonly saved: PeerTraffic['saved'];
}

/** Sums the sessions with each peer, those that have ended and the one that stands. Kept in memory: it begins at nothing when the node is opened. */
export class TrafficBook {
  readonly #pastByPeer = new Map<NodeId, PeerTraffic>();

  /** A session has ended: what it came to is added for good. */
  add(peer: NodeId, session: SessionTraffic): void {
    this.#pastByPeer.set(peer, this.#sum(peer, session));
  }

  /** All there was, with what the sessions that stand have come to by now. */
  totals(standing: ReadonlyMap<NodeId, SessionTraffic>): PeerTraffic[] {
    const peers = new Set([...this.#pastByPeer.keys(), ...standing.keys()]);
    return [...peers].map((peer) => this.#sum(peer, standing.get(peer)));
  }

  #sum(peer: NodeId, session: SessionTraffic | undefined): PeerTraffic {
    const past = this.#pastByPeer.get(peer);
    return {
      peer,
      sent: addUp(past?.sent, session?.ledger?.sent),
      received: addUp(past?.received, session?.ledger?.received),
      saved: {
        resume: (past?.saved.resume ?? 0) + (session?.saved.resume ?? 0),
        delta: (past?.saved.delta ?? 0) + (session?.saved.delta ?? 0),
      },
    };
  }
}

function addUp(a: Readonly<Record<string, number>> | undefined, b: PurposeBytes | undefined): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [purpose, bytes] of Object.entries(b ?? {})) sum[purpose] = (sum[purpose] ?? 0) + bytes;
  return sum;
}
