import { failure, type Outcome, success } from '../core/outcome.ts';
import { packetNumberMax } from './packet-protection.ts';
import { WireReader } from './wire-bytes.ts';

/**
 * Packets on the wire, version 1. This header is normative; frames are specified in `frames.ts`, the keys in `packet-protection.ts` and `noise.ts`. Integers are most significant byte first.
 *
 * A **datagram** is one packet. On a **stream** every packet is preceded by its length as a varint, at most `streamPacketBytesMax`.
 *
 * A **connection id** is 3 bytes, chosen by the end that will receive packets with it, and unique among its sessions. It only says which keys to try: whoever guesses one gets nothing.
 *
 * **Transport packet**: everything after the handshake.
 *
 *     0 0 0 N N P L L   first byte; LL + 1 is the length of the packet number; P says that nothing follows for now: the acknowledgement may wait for an answer to ride on; NN is the lane (`session-lane.ts`)
 *     connection id     3 bytes
 *     packet number     1-4 bytes: the low bytes of the number in its lane, which the receiver completes to the number nearest to the one it expects next (RFC 9000 appendix A.3)
 *     sealed frames     the rest; 16 bytes longer than the frames. All bytes before it are authenticated with it.
 *
 * **Handshake packet**: one Noise message.
 *
 *     1 T T T V V V V   T: what it is; V: protocol version, 1
 *     connection id     3 bytes: of the sender in the first message; of the receiver in all others
 *     attempt           1 byte, in types 0-3: how often the first message had been sent before, up to 255; an answer repeats it, which makes its round trip unambiguous
 *     Noise message     the rest
 *
 *     T  message                                                payload inside the Noise message
 *     0  IKpsk1, first, between members of a team               early data (`early-data.ts`), or none
 *     1  IKpsk1, second                                         connection id of the responder, early data
 *     2  XXpsk3, first, of a newcomer with an invite            8-byte tag of the invite (readable by anyone), then zeros up to `joinTagBytes + joinPaddingBytes`
 *     3  XXpsk3, second                                         connection id of the responder
 *     4  XXpsk3, third                                          none
 *     7  refusal: the version is not spoken here; V is the newest that is; ends after the connection id
 *
 * The Noise prologue is `godwit` followed by the first byte and the connection id of the first message.
 *
 * A responder answers a first message only when its payload is authentic (type 0) or names an open invite (type 2), with fewer bytes than it got; a first message of an unknown version is answered by
 * a refusal of four bytes. To everything else it is silent. A responder sends no transport packet before it has opened one: until then it does not know that its peer is real, and a replayed
 * first message must not displace a living session.
 */

/** Version of packets, frames and handshakes that this code speaks. */
export const protocolVersion = 1;
/** Bytes of a connection id. */
export const connectionIdBytes = 3;
/** Bytes of an invite's tag. */
export const joinTagBytes = 8;
/** Zeros behind the tag: they make the first message of a join no shorter than its answer, so that the answer cannot amplify. */
export const joinPaddingBytes = 48;
/** Bytes by which sealing lengthens the frames of a packet. */
export const tagBytes = 16;
/** Bytes of the longest header of a transport packet. */
export const headerBytesMax = 1 + connectionIdBytes + 4;
/** Bytes of the longest packet on a stream. */
export const streamPacketBytesMax = 65_535;
/** Every handshake message begins with at least a key or its encryption. */
const handshakeMessageBytesMin = 32;

/** What a handshake packet is: the T of its first byte. */
export const handshakeTypes = { memberHello: 0, memberReply: 1, joinHello: 2, joinReply: 3, joinProof: 4, refusal: 7 } as const;

/** Names of the handshake packets. */
export type HandshakeType = keyof typeof handshakeTypes;

const handshakeTypeByCode = new Map<number, HandshakeType>(
  Object.entries(handshakeTypes).map(([name, code]) => [code, name as HandshakeType]),
);

/** Identifies a session at the end that receives packets with it: 0 to 2^24-1. */
export type ConnectionId = number;

/** A handshake packet taken apart. `message` is empty in a refusal. */
export interface HandshakePacket {
  readonly form: 'handshake';
  readonly type: HandshakeType;
  readonly version: number;
  readonly connectionId: ConnectionId;
  /** 0 where the type has none. */
  readonly attempt: number;
  readonly message: Uint8Array;
}

/** A transport packet taken apart, still sealed. */
export interface TransportPacket {
  readonly form: 'transport';
  readonly connectionId: ConnectionId;
  /** 0 to `lanesMax - 1`. Whoever changes it changes the key, and the packet is not authentic any more. */
  readonly lane: number;
  /** The low bytes of the packet number. */
  readonly shortNumber: number;
  /** How many bytes of the number were sent: 1 to 4. */
  readonly numberBytes: number;
  /** Nothing follows for now: the acknowledgement may wait. Believed only when the packet is authentic. */
  readonly isPatient: boolean;
  /** Everything before the sealed part. */
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

const longForm = 0x80;
const patientBit = 0x04;
const laneShift = 3;

function hasAttempt(type: HandshakeType): boolean {
  return handshakeTypes[type] <= handshakeTypes.joinReply;
}

/** The bytes of a handshake packet in our version. */
export function encodeHandshakePacket(packet: {
  readonly type: HandshakeType;
  readonly connectionId: ConnectionId;
  readonly attempt: number;
  readonly message: Uint8Array;
}): Uint8Array {
  const headerBytes = 1 + connectionIdBytes + (hasAttempt(packet.type) ? 1 : 0);
  const bytes = new Uint8Array(headerBytes + packet.message.length);
  bytes[0] = handshakeFirstByte(packet.type);
  writeConnectionId(bytes, packet.connectionId);
  if (hasAttempt(packet.type)) bytes[1 + connectionIdBytes] = Math.min(packet.attempt, 255);
  bytes.set(packet.message, headerBytes);
  return bytes;
}

/** The same handshake packet as the answer to another attempt. Nothing authenticates the attempt; only a round-trip time depends on it. */
export function withAttempt(packet: Uint8Array, attempt: number): Uint8Array {
  const copy = packet.slice();
  copy[1 + connectionIdBytes] = attempt;
  return copy;
}

/** First byte of a handshake packet of our version. */
export function handshakeFirstByte(type: HandshakeType): number {
  return longForm | (handshakeTypes[type] << 4) | protocolVersion;
}

function writeConnectionId(bytes: Uint8Array, id: ConnectionId): void {
  bytes[1] = id >> 16;
  bytes[2] = id >> 8;
  bytes[3] = id;
}

/**
 * Takes a packet apart without any key. Fails with `PACKET_MALFORMED`. A handshake packet of another version is returned with its type, version and connection id only: what follows them is
 * that version's business.
 */
export function decodePacket(bytes: Uint8Array): Outcome<HandshakePacket | TransportPacket> {
  const reader = new WireReader(bytes);
  const first = reader.uint(1);
  const connectionId = reader.uint(connectionIdBytes);
  if (first === undefined || connectionId === undefined) return malformed('shorter than any header');
  if ((first & longForm) === 0) {
    if ((first & 0x60) !== 0) return malformed('reserved bits are set');
    const numberBytes = (first & 3) + 1;
    const shortNumber = reader.uint(numberBytes);
    if (shortNumber === undefined) return malformed('ends within the packet number');
    return success({
      form: 'transport',
      connectionId,
      lane: first >> laneShift,
      shortNumber,
      numberBytes,
      isPatient: (first & patientBit) !== 0,
      header: bytes.subarray(0, reader.offset),
      sealed: reader.rest(),
    });
  }
  const version = first & 0x0f;
  const type = handshakeTypeByCode.get((first >> 4) & 7);
  if (type === undefined) return malformed('unknown kind of handshake packet');
  if (type === 'refusal' || version !== protocolVersion) {
    return success({ form: 'handshake', type, version, connectionId, attempt: 0, message: new Uint8Array(0) });
  }
  const attempt = hasAttempt(type) ? reader.uint(1) : 0;
  const message = reader.rest();
  if (attempt === undefined || message.length < handshakeMessageBytesMin) return malformed('too short for a handshake message');
  return success({ form: 'handshake', type, version, connectionId, attempt, message });
}

function malformed(message: string) {
  return failure('PACKET_MALFORMED', 'peer', `packet: ${message}`);
}

/**
 * Fewest bytes (1-4) that let the peer complete a packet number, when it may have missed everything behind `newestAcknowledged` (-1: nothing was acknowledged). RFC 9000 appendix A.2.
 */
export function packetNumberBytes(packetNumber: number, newestAcknowledged: number): number {
  const unacknowledged = packetNumber - newestAcknowledged;
  if (unacknowledged < 0x80) return 1;
  if (unacknowledged < 0x8000) return 2;
  return unacknowledged < 0x80_0000 ? 3 : 4;
}

/** Writes the header of a transport packet in front of a packet body and returns its length. `lane` is 0 and `isPatient` false if absent. */
export function writeTransportHeader(
  bytes: Uint8Array,
  header: {
    readonly connectionId: ConnectionId;
    readonly lane?: number;
    readonly packetNumber: number;
    readonly numberBytes: number;
    readonly isPatient?: boolean;
  },
): number {
  const { connectionId, lane = 0, packetNumber, numberBytes, isPatient = false } = header;
  bytes[0] = (lane << laneShift) | (numberBytes - 1) | (isPatient ? patientBit : 0);
  writeConnectionId(bytes, connectionId);
  let rest = packetNumber;
  for (let i = connectionIdBytes + numberBytes; i > connectionIdBytes; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return 1 + connectionIdBytes + numberBytes;
}

/** The packet number nearest to `newestReceived + 1` that ends in these bytes (RFC 9000 appendix A.3). */
export function completePacketNumber(shortNumber: number, numberBytes: number, newestReceived: number): number {
  const expected = newestReceived + 1;
  const span = 256 ** numberBytes;
  const candidate = expected - (expected % span) + shortNumber;
  if (candidate <= expected - span / 2 && candidate + span <= packetNumberMax) return candidate + span;
  if (candidate > expected + span / 2 && candidate >= span) return candidate - span;
  return candidate;
}
