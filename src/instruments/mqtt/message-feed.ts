/**
 * Messages by topic, as brokers of MQTT deliver them: the port between the node and whoever speaks the protocol.
 *
 * **A message is acknowledged to the broker only when `deliver` has resolved, which is when it is durable.** The session outlives the connection, so what is published meanwhile waits at the broker; a
 * message whose acknowledgement was lost comes again, and is recognised by its rows.
 */

/** One message as it came. */
export interface FeedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker kept it from earlier: when it was published is not known. */
  readonly isRetained: boolean;
}

/** Where to listen, and to what. */
export interface MessageFeedOptions {
  /** `mqtt://host:1883`, or `mqtts://host:8883` with a certificate that this computer's authorities vouch for. */
  readonly address: string;
  /** Names the session at the broker; the same one every time, and nobody else's. */
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** Topic filters. */
  readonly filters: readonly string[];
}

/**
 * Listens until the signal is aborted, and resolves then. Messages come one after the other; when `deliver` rejects, listening ends without an acknowledgement and rejects with the same error.
 *
 * Rejects with `ADDRESS_MALFORMED`, `MQTT_MISSING`, `INSTRUMENT_UNREACHABLE` or `INSTRUMENT_REFUSED` (account, or a filter) when listening could not begin. Connections that are lost later are made again.
 */
export type OpenMessageFeed = (
  options: MessageFeedOptions,
  deliver: (message: FeedMessage) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;
