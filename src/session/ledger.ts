import type { PriorityClass } from '../core/priority.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { Incoming } from './incoming-quota.ts';
import { varintBytes } from './wire-bytes.ts';

/**
 * Where the bytes of a session went: every one that it put on a link or took off it, the headers below its packets included.
 *
 * A packet's headers and seal count with what the packet was sent for: new data, else data sent again, else control. Messages that carry rows of observations are data, all others control.
 *
 * Headers are those of UDP or TCP over IPv4 without options; on a line (a serial cable) there are only the framing and the checksum of `runtime/line-framing.ts`. What TCP adds by itself (opening and closing connections, its bare acknowledgements, its repetitions) only the kernel knows: it is not counted.
 */

/** Bytes by purpose. */
export interface PurposeBytes {
  /** Transfers and rows, for the first time. */
  readonly data: number;
  /** Other messages, acknowledgements, probes, farewells; of what was received, also what was no packet of any session. */
  readonly control: number;
  /** Transfers and rows sent again; of what was received, what had arrived before. */
  readonly retransmission: number;
  readonly handshake: number;
}

/** What a byte was sent for. */
export type Purpose = keyof PurposeBytes;

/** Both directions of a session. */
export interface Ledger {
  readonly sent: PurposeBytes;
  readonly received: PurposeBytes;
}

/** Kinds of paths: datagrams, or an ordered stream. */
export type PathKind = 'datagram' | 'stream';

/**
 * One way to one peer in the node's accounts: what may leave there, and what did.
 *
 * A session asks before it makes a packet and books every packet it made, so that what was booked is what the driver was told to transmit, to the byte.
 */
export interface LinkFlow {
  /** Bytes on the link, all headers counted, that this class may send now; `Infinity` where nothing limits it. */
  allowanceBytes(priority: PriorityClass): number;
  /** When so many bytes of this class may leave, perhaps in the past; `Infinity` when that is not known. */
  availableAt(bytes: number, priority: PriorityClass): MonotonicMs;
  /** The least urgent class that the owner wants there. Absent: `bulk`. */
  readonly least?: PriorityClass;
  /** What may still come before a budget is used up, and when there is more. Absent, or `undefined`: nothing limits it. */
  incoming?(): Incoming | undefined;
  /** Bytes went or came. With less than nothing, what was booked before for this purpose is taken back, because it turned out to have another. */
  book(direction: 'sent' | 'received', purpose: Purpose, bytes: number): void;
}

/** The accounts of a node, by way and peer. */
export interface LinkMeter {
  /** The account of a way to whoever holds this X25519 key; `undefined` where nobody is known to. Asked once for each path of a session, and for each handshake packet. */
  flow(path: string, remoteStatic: Uint8Array | undefined): LinkFlow;
}

const unmeteredFlow: LinkFlow = {
  allowanceBytes: () => Infinity,
  availableAt: () => -Infinity as MonotonicMs,
  book: () => undefined,
};

/** Limits nothing and keeps no account. */
export const unmetered: LinkMeter = { flow: () => unmeteredFlow };

/** What carries a path's packets: datagrams over IP, datagrams on a line, or a stream. */
export type LinkKind = PathKind | 'line';

/** What carries the packets of a path with this name. */
export function linkKindOf(kind: PathKind, path: string): LinkKind {
  return kind === 'datagram' && (path.startsWith('serial:') || path.startsWith('line:')) ? 'line' : kind;
}

/** On a line: a zero before and behind, a checksum, and a byte that says where the first zero was; one more for every 254 bytes in a row without one, which is the worst case. */
const lineHeaderBytes = 5;
const lineChecksumBytes = 2;
const lineRunBytes = 254;

/** UDP over IPv4: 20 + 8. Over IPv6 it would be 48; the ledger does not know. */
export const datagramHeaderBytes = 28;
/** TCP over IPv4 without options, for each segment. */
const segmentHeaderBytes = 40;
/** Bytes of a full TCP segment on an Ethernet-like path, timestamps taken off. */
const segmentBytes = 1448;

/** Bytes that a packet takes on the link, the length before it on a stream included. */
export function packetLinkBytes(kind: LinkKind, packetBytes: number): number {
  return linkBytes(kind, kind === 'stream' ? varintBytes(packetBytes) + packetBytes : packetBytes);
}

/** The longest packet that takes no more than this on the link; 0 or less when there is none. */
export function packetBytesWithin(kind: LinkKind, allowanceBytes: number): number {
  if (kind === 'line' && allowanceBytes !== Infinity)
    return Math.floor(((allowanceBytes - lineHeaderBytes) * lineRunBytes) / (lineRunBytes + 1)) - 1;
  if (kind !== 'stream' || allowanceBytes === Infinity) return allowanceBytes - datagramHeaderBytes;
  const segments = Math.ceil(allowanceBytes / (segmentHeaderBytes + segmentBytes));
  return allowanceBytes - segmentHeaderBytes * segments - streamLengthBytesMax;
}

/** The longest length before a packet on a stream. */
const streamLengthBytesMax = 4;

/** Bytes that so many bytes of a datagram, or of a write to a stream, take on the link; for a stream an estimate, as only the kernel knows how it cut it. */
export function linkBytes(kind: LinkKind, bytes: number): number {
  if (kind === 'line') return bytes + lineHeaderBytes + Math.floor((bytes + lineChecksumBytes) / lineRunBytes);
  return bytes + (kind === 'datagram' ? datagramHeaderBytes : segmentHeaderBytes * Math.ceil(bytes / segmentBytes));
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Keeps the account of one session. */
export class LedgerAccount {
  readonly #sent: Mutable<PurposeBytes> = { data: 0, control: 0, retransmission: 0, handshake: 0 };
  readonly #received: Mutable<PurposeBytes> = { data: 0, control: 0, retransmission: 0, handshake: 0 };

  handshakeSent(bytes: number): void {
    this.#sent.handshake += bytes;
  }

  handshakeReceived(bytes: number): void {
    this.#received.handshake += bytes;
  }

  /** A transport packet of `bytes` on the link left, that held so many bytes of new and of repeated data. Booked in the flow as well. */
  sent(bytes: number, newBytes: number, repeatedBytes: number, flow: LinkFlow): void {
    book(this.#sent, 'sent', purposesOf(bytes, newBytes, repeatedBytes), flow);
  }

  /** The same for one that arrived. */
  received(bytes: number, newBytes: number, repeatedBytes: number, flow: LinkFlow): void {
    book(this.#received, 'received', purposesOf(bytes, newBytes, repeatedBytes), flow);
  }

  /** So many bytes of what was received as control turned out to be data: what a message is shows when it is complete. */
  receivedData(bytes: number, flow: LinkFlow): void {
    const moved = Math.min(bytes, this.#received.control);
    book(this.#received, 'received', { data: moved, control: -moved, retransmission: 0, handshake: 0 }, flow);
  }

  /** A copy of the account as it stands. */
  get ledger(): Ledger {
    return { sent: { ...this.#sent }, received: { ...this.#received } };
  }
}

function purposesOf(bytes: number, newBytes: number, repeatedBytes: number): PurposeBytes {
  const none = { data: 0, control: 0, retransmission: 0, handshake: 0 };
  if (newBytes > 0) return { ...none, data: bytes - repeatedBytes, retransmission: repeatedBytes };
  return repeatedBytes > 0 ? { ...none, retransmission: bytes } : { ...none, control: bytes };
}

function book(side: Mutable<PurposeBytes>, direction: 'sent' | 'received', purposes: PurposeBytes, flow: LinkFlow): void {
  for (const [purpose, bytes] of Object.entries(purposes) as [Purpose, number][]) {
    if (bytes === 0) continue;
    side[purpose] += bytes;
    flow.book(direction, purpose, bytes);
  }
}
