import { identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * When to try to reach whom: every known address of a peer is tried in turn, with capped exponential back-off and jitter between rounds, for as long as there is no session. A hint that something
 * changed (an interface came up, a window opened, the peer was seen) starts over at once. A peer with declared windows is left alone outside of them, without a timer before the next one opens.
 */

const contactSchema: Schema = {
  component: 'contacts',
  steps: [
    'CREATE TABLE contact (node BLOB PRIMARY KEY, addresses TEXT NOT NULL) STRICT, WITHOUT ROWID;',
    'CREATE TABLE contact_heard (node BLOB PRIMARY KEY, address TEXT NOT NULL) STRICT, WITHOUT ROWID;',
  ],
};

/**
 * Back-off of the first and of the longest pause, milliseconds. The longest is a minute, or a 20th of the time that nobody has answered, so that whoever is back is found within that; and never more than ten minutes. An
 * attempt over UDP is eight packets, 1.9 kB: a minute apart they are a megabyte a day, for a laptop that was left at home.
 */
const firstPauseMs = 500;
const longestPauseMs = 60_000;
const shareOfSilence = 1 / 20;
const longestPauseMsMax = 600_000;

interface Target {
  /** Given by people or invites; where the peer was last heard, if that is none of them, stands behind. */
  addresses: readonly string[];
  nextAddress: number;
  pauseMs: number;
  /** Since when every attempt failed. */
  failingSince?: MonotonicMs;
  /** When to try next; absent while an attempt is under way or a session stands. */
  dueAt?: MonotonicMs;
  /** It is not tried before that because its window is shut. */
  shut: boolean;
}

/** Says when to try a peer. */
export interface OpeningTimes {
  /** Going by what people declared: milliseconds from now, 0 inside a window, `undefined` when none will open any more. */
  opensInMs(peer: NodeId): number | undefined;
  /** When the next contact is expected, going by those before: milliseconds from now, `undefined` when nothing says so. */
  expectedInMs(peer: NodeId): number | undefined;
}

/** The peers to reach and the state of trying. */
export class Contacts {
  readonly #catalog: Catalog;
  readonly #random: Random;
  readonly #windows: OpeningTimes | undefined;
  readonly #targetByPeer = new Map<NodeId, Target>();

  /** Peers that were known before are tried at once. `windows`: when a peer can be reached at all; absent: always. */
  constructor(catalog: Catalog, random: Random, now: MonotonicMs, windows?: OpeningTimes) {
    this.#windows = windows;
    this.#catalog = catalog;
    this.#random = random;
    catalog.migrate(contactSchema);
    for (const row of catalog.all<{ node: Uint8Array; addresses: string }>('SELECT node, addresses FROM contact')) {
      const addresses = JSON.parse(row.addresses) as string[];
      this.#targetByPeer.set(identifier<NodeId>(row.node), { addresses, nextAddress: 0, pauseMs: firstPauseMs, dueAt: now, shut: false });
    }
    for (const row of catalog.all<{ node: Uint8Array; address: string }>('SELECT node, address FROM contact_heard')) {
      const peer = identifier<NodeId>(row.node);
      const addresses = [...this.addresses(peer).filter((each) => each !== row.address), row.address];
      this.#targetByPeer.set(peer, { addresses, nextAddress: 0, pauseMs: firstPauseMs, dueAt: now, shut: false });
    }
  }

  /** Learns, or replaces, the addresses of a peer, keeps them over restarts, and tries them at once. */
  add(peer: NodeId, addresses: readonly string[], now: MonotonicMs): void {
    if (addresses.length === 0) return;
    this.#catalog.run('INSERT OR REPLACE INTO contact (node, addresses) VALUES (?, ?)', identifierToBytes(peer), JSON.stringify(addresses));
    this.#targetByPeer.set(peer, { addresses, nextAddress: 0, pauseMs: firstPauseMs, dueAt: now, shut: false });
  }

  /** Forgets a peer and its addresses for good. */
  remove(peer: NodeId): void {
    this.#catalog.run('DELETE FROM contact WHERE node = ?', identifierToBytes(peer));
    this.#catalog.run('DELETE FROM contact_heard WHERE node = ?', identifierToBytes(peer));
    this.#targetByPeer.delete(peer);
  }

  /**
   * A peer that nobody named an address of has reached us from here: it is tried there when it falls silent or this node has restarted, because the peer itself may have nothing to say and so never
   * notice. Replaces where it was heard before.
   */
  heard(peer: NodeId, address: string): void {
    const before = this.#catalog.get<{ address: string }>(
      'SELECT address FROM contact_heard WHERE node = ?',
      identifierToBytes(peer),
    )?.address;
    const known = this.addresses(peer).filter((each) => each !== before);
    if (before === address || known.length > 0) return;
    this.#catalog.run('INSERT OR REPLACE INTO contact_heard (node, address) VALUES (?, ?)', identifierToBytes(peer), address);
    this.#targetByPeer.set(peer, { addresses: [address], nextAddress: 0, pauseMs: firstPauseMs, shut: false });
  }

  /** The addresses known of a peer. */
  addresses(peer: NodeId): readonly string[] {
    return this.#targetByPeer.get(peer)?.addresses ?? [];
  }

  /** Takes the attempts that are due: each will be answered by `connected` or `failed`. */
  due(now: MonotonicMs): { readonly peer: NodeId; readonly address: string }[] {
    const attempts: { peer: NodeId; address: string }[] = [];
    for (const [peer, target] of this.#targetByPeer) {
      if (target.dueAt === undefined || target.dueAt > now) continue;
      delete target.dueAt;
      const address = target.addresses[target.nextAddress] as string;
      target.nextAddress = (target.nextAddress + 1) % target.addresses.length;
      attempts.push({ peer, address });
    }
    return attempts;
  }

  /** A session with the peer stands: stop trying. */
  connected(peer: NodeId): void {
    const target = this.#targetByPeer.get(peer);
    if (target === undefined) return;
    delete target.dueAt;
    delete target.failingSince;
    target.pauseMs = firstPauseMs;
  }

  /** An attempt failed, or the session ended or fell silent: try again after a pause. */
  failed(peer: NodeId, now: MonotonicMs): void {
    const target = this.#targetByPeer.get(peer);
    if (target === undefined || target.dueAt !== undefined) return;
    target.failingSince ??= now;
    const pauseMs = target.pauseMs * (0.75 + this.#random.float() / 2);
    const opensInMs = this.#windows === undefined ? 0 : this.#windows.opensInMs(peer);
    target.shut = opensInMs !== 0;
    if (opensInMs === undefined) return;
    if (opensInMs > 0) {
      target.dueAt = later(now, opensInMs);
      target.pauseMs = firstPauseMs;
      delete target.failingSince;
      return;
    }
    const expectedInMs = this.#windows?.expectedInMs(peer);
    if (expectedInMs !== undefined && expectedInMs > 0 && expectedInMs < pauseMs) {
      // The next contact is about to begin: from then on it is tried as often as at first.
      target.dueAt = later(now, expectedInMs);
      target.pauseMs = firstPauseMs;
      delete target.failingSince;
      return;
    }
    target.dueAt = later(now, pauseMs);
    // The pause grows once a round over all addresses, so that a second address is not made to wait for the first.
    const longestMs = Math.min(Math.max(longestPauseMs, (now - target.failingSince) * shareOfSilence), longestPauseMsMax);
    if (target.nextAddress === 0) target.pauseMs = Math.min(target.pauseMs * 2, longestMs);
  }

  /** Something changed in the surroundings: try every peer without a session now. `connectedPeers` are left alone. */
  hint(connectedPeers: { has(peer: NodeId): boolean }, now: MonotonicMs): void {
    for (const [peer, target] of this.#targetByPeer) {
      if (connectedPeers.has(peer)) continue;
      delete target.failingSince;
      target.pauseMs = firstPauseMs;
      target.dueAt = now;
      target.shut = false;
    }
  }

  /** The windows of a peer are others than before: it is tried when the next one opens, at once inside of one. `isConnected`: a session stands, and it is left alone. */
  windowsChanged(peer: NodeId, isConnected: boolean, now: MonotonicMs): void {
    const target = this.#targetByPeer.get(peer);
    if (target === undefined || isConnected) return;
    delete target.dueAt;
    delete target.failingSince;
    target.pauseMs = firstPauseMs;
    this.failed(peer, now);
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const { dueAt, shut } of this.#targetByPeer.values()) {
      if (dueAt !== undefined)
        next = earliest(next, { at: dueAt, reason: shut ? 'the window of a peer opens' : 'try to reach a peer again' });
    }
    return next;
  }
}
