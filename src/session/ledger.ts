/**
 * Where the bytes of a session went: every one that it put on a link or took off it, the headers below its packets included.
 *
 * A packet's headers and seal count with what the packet was sent for: new data, else data sent again, else control.
 */

/** Bytes by purpose. */
export interface PurposeBytes {
  /** Transfers, for the first time. */
  readonly data: number;
  /** Messages, acknowledgements, probes, farewells. */
  readonly control: number;
  /** Transfers sent again; of what was received, what had arrived before. */
  readonly retransmission: number;
  readonly handshake: number;
}

/** Both directions of a session. */
export interface Ledger {
  readonly sent: PurposeBytes;
  readonly received: PurposeBytes;
}

/** Kinds of paths: datagrams, or an ordered stream. */
export type PathKind = 'datagram' | 'stream';

/** UDP over IPv4: 20 + 8. Over IPv6 it would be 48; the ledger does not know. */
export const datagramHeaderBytes = 28;
/** TCP over IPv4 without options, for each segment. */
const segmentHeaderBytes = 40;
/** Bytes of a full TCP segment on an Ethernet-like path, timestamps taken off. */
const segmentBytes = 1448;

/** Bytes that a packet of `bytes` takes on the link; for a stream an estimate, as only the kernel knows how it cut it. */
export function linkBytes(kind: PathKind, bytes: number): number {
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

  /** A transport packet of `bytes` on the link left, that held so many bytes of new and of repeated DATA frames. */
  sent(bytes: number, newBytes: number, repeatedBytes: number): void {
    book(this.#sent, bytes, newBytes, repeatedBytes);
  }

  /** The same for one that arrived. */
  received(bytes: number, newBytes: number, repeatedBytes: number): void {
    book(this.#received, bytes, newBytes, repeatedBytes);
  }

  /** A copy of the account as it stands. */
  get ledger(): Ledger {
    return { sent: { ...this.#sent }, received: { ...this.#received } };
  }
}

function book(side: Mutable<PurposeBytes>, bytes: number, newBytes: number, repeatedBytes: number): void {
  if (newBytes > 0) {
    side.data += bytes - repeatedBytes;
    side.retransmission += repeatedBytes;
  } else if (repeatedBytes > 0) side.retransmission += bytes;
  else side.control += bytes;
}
