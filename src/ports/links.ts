/**
 * Sockets and serial lines, seen from the engine: paths that carry datagrams or ordered bytes.
 *
 * Addresses are text: `udp://host:port` and `tcp://host:port`, IPv6 hosts in brackets. A datagram path is named by the remote address, so a peer that answers from where it was reached keeps the
 * path. A stream path is named by the driver and used once.
 */

/** Receives what happens on the links. Called synchronously, never from within a call into the driver. */
export interface LinkSink {
  /** The array is the receiver's; one of 16 KiB or more only until this returns, as its memory may be used again. */
  received(path: string, kind: 'datagram' | 'stream', bytes: Uint8Array): void;
  /** A stream stands: one that was dialled (`address` says which) or one that a peer opened. */
  opened(path: string, address: string | undefined): void;
  closed(path: string): void;
  dialFailed(address: string, message: string): void;
}

/** A place where peers can reach this node. */
export interface Listener {
  /** The address with the port that was really bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** Drives all links of one node. */
export interface LinkDriver {
  /** Must be called before anything else. */
  start(sink: LinkSink): void;
  /**
   * Accepts peers at an address; port 0 takes any free one. Rejects with `PORT_BUSY`, `ADDRESS_UNAVAILABLE` or `ADDRESS_MALFORMED`, each with one sentence that says what to do.
   */
  listen(address: string): Promise<Listener>;
  /** Opens a stream to an address. Answered by `opened` or `dialFailed`. */
  dial(address: string): void;
  /** Sends a datagram, or writes to a stream. What cannot be sent is dropped as a network would: the session notices. The bytes belong to the link from now on. */
  transmit(path: string, bytes: Uint8Array): void;
  /** Closes a stream. */
  closePath(path: string): void;
  close(): Promise<void>;
}
