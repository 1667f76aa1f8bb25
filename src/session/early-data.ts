import { failure, type Outcome, success } from '../core/outcome.ts';
import { decodeMessage, type Message } from './messages.ts';
import { varintBytes, WireReader, WireWriter } from './wire-bytes.ts';

/**
 * What two members say to each other within the handshake, before there is a session (normative; `packets.ts` says where it stands).
 *
 * The first message of `IKpsk1` can be replayed by whoever recorded it, and its payload can be read by whoever comes to hold the responder's key and the team's secret later (Noise section 7.7, payload security 0 and 2). So it
 * carries only what does no harm when it is heard twice or late: **what a node has, which is answered by reading**, never anything to be kept or done. The responder's answer, in the second message, can be read by nobody but the initiator that
 * asked; it says only what the node would say to that member anyway, and it is no longer than the question, so that a replay from a forged address gains nothing. Nothing in either is acted upon before the session stands: until then the
 * responder has only looked things up.
 *
 * Early data is the beginning of its sender's stream of critical messages: whole messages, each behind its length as a varint. Whoever has the session has it too, so the streams of the session go on behind it.
 */

/** The messages that may be said early, as question or answer: both say what a node has. All others are refused. */
export const earlyMessages: ReadonlySet<Message['type']> = new Set(['frontier', 'vectors', 'summary']);

/** Bytes of early data at most: a handshake packet stays short, as it may be repeated over a slow link. */
export const earlyBytesMax = 512;

/** What a node says to a known member before there is a session with it. Asked for by keys; neither may change anything. */
export interface EarlySpeaker {
  /** The messages to begin with. */
  question(remoteStatic: Uint8Array): readonly Uint8Array[];
  /** What to answer to such messages, most useful first. */
  answer(remoteStatic: Uint8Array, question: readonly Uint8Array[]): readonly Uint8Array[];
}

/** What was said within a handshake. */
export interface EarlyExchange {
  /** Early data that came. */
  readonly heard: Uint8Array;
  /** Messages that went. */
  readonly said: readonly Uint8Array[];
}

/** Bytes of the stream that these messages take. */
export function earlyBytes(said: readonly Uint8Array[]): number {
  return said.reduce((sum, { length }) => sum + varintBytes(length) + length, 0);
}

/** Early data of these messages: the first ones that fit, in their order. Also gives those. */
export function encodeEarly(
  messages: readonly Uint8Array[],
  bytesMax: number,
): { readonly bytes: Uint8Array; readonly said: Uint8Array[] } {
  const room = Math.min(bytesMax, earlyBytesMax);
  const surplus = messages.findIndex((_, index) => earlyBytes(messages.slice(0, index + 1)) > room);
  const said = surplus < 0 ? [...messages] : messages.slice(0, surplus);
  const writer = new WireWriter(new Uint8Array(earlyBytes(said)));
  for (const message of said) {
    writer.varint(message.length);
    writer.bytes(message);
  }
  return { bytes: writer.written, said };
}

/** The messages of early data. Fails with `EARLY_DATA_REFUSED` (peer) when one of them may not be said there, or they are cut. */
export function decodeEarly(bytes: Uint8Array): Outcome<Uint8Array[]> {
  if (bytes.length > earlyBytesMax) return refused('longer than the limit');
  const reader = new WireReader(bytes);
  const messages: Uint8Array[] = [];
  while (reader.remaining > 0) {
    const length = reader.varint();
    const message = length === undefined ? undefined : reader.bytes(length);
    if (message === undefined) return refused('ends within a message');
    const decoded = decodeMessage(message);
    if (!decoded.ok || !earlyMessages.has(decoded.value.type)) return refused('what it says may not be said so early');
    messages.push(message);
  }
  return success(messages);
}

function refused(message: string) {
  return failure('EARLY_DATA_REFUSED', 'peer', `early data: ${message}`);
}
