import { concatBytes } from '../../core/bytes.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { nullifierOf, signatureOf } from './signature.ts';

/**
 * PakBus packets: who speaks to whom, and the state of the link between them.
 *
 * The header is four 16-bit numbers, each a 4-bit code over a 12-bit address: link state and physical destination; "expect more" and priority and physical source; protocol and
 * destination; hop count and source. Physical addresses name the neighbours on the link and the others the ends of the way; without routers between they are equal. A packet may
 * stop after the first half: it then only says the link's state (*ring*: are you there, *ready*: yes).
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), section 1.3.
 */

/** What a sender says of the link. */
export const linkStates = { offLine: 0x8, ring: 0x9, ready: 0xa, finished: 0xb, pause: 0xc } as const;

/** Whether the sender expects the conversation to go on. */
export const expectMore = { last: 0, more: 1, neutral: 2, reverse: 3 } as const;

/** The layer a message belongs to. */
export const protocols = { control: 0, application: 1 } as const;

/** Number of a protocol: 0 PakCtrl (control), 1 BMP5 (application). */
export type ProtocolNumber = (typeof protocols)[keyof typeof protocols];

/** The address that every node hears. */
export const broadcastAddress = 4095;

const addressMask = 0xfff;
const normalPriority = 1;

/** The header of a packet, and its message. */
export interface PakbusPacket {
  /** One of `linkStates`; others (0 to 15) are kept as they came. */
  readonly linkState: number;
  readonly expectMore: number;
  /** 0 (low) to 3. */
  readonly priority: number;
  /** Addresses are 0 to 4095. */
  readonly physicalDestination: number;
  readonly physicalSource: number;
  /** What the packet carries; absent in a packet of half a header, which only tells the link's state. */
  readonly payload?: PakbusPayload;
}

/** The second half of the header with the message behind it. */
export interface PakbusPayload {
  /** 0 PakCtrl, 1 BMP5; others (to 15) are kept as they came. */
  readonly protocol: number;
  readonly destination: number;
  readonly source: number;
  /** Routers passed so far, 0 to 15. */
  readonly hopCount: number;
  /** Type, transaction number, body. */
  readonly message: Uint8Array;
}

function address(value: number): number {
  return value & addressMask;
}

/** The packet's bytes, signed and unquoted. Addresses over 12 bits lose their upper bits, as in the vendor's software. */
export function encodePacket(packet: PakbusPacket): Uint8Array {
  const writer = new ByteWriter()
    .uint16((packet.linkState << 12) | address(packet.physicalDestination))
    .uint16((packet.expectMore << 14) | (packet.priority << 12) | address(packet.physicalSource));
  const payload = packet.payload;
  if (payload !== undefined) {
    writer
      .uint16((payload.protocol << 12) | address(payload.destination))
      .uint16((payload.hopCount << 12) | address(payload.source))
      .bytes(payload.message);
  }
  const signed = writer.finish();
  return concatBytes(signed, nullifierOf(signatureOf(signed)));
}

/**
 * The packet in these unquoted bytes, nullifier included. `PAKBUS_SIGNATURE` when the signature is not zero: the line damaged it, the sender will repeat it.
 * `PAKBUS_MALFORMED` when it is signed and yet not a packet. The message is not copied.
 */
export function decodePacket(bytes: Uint8Array): Outcome<PakbusPacket> {
  if (signatureOf(bytes) !== 0) return failure('PAKBUS_SIGNATURE', 'instrument', `a packet of ${bytes.length} bytes has a wrong signature`);
  const reader = new ByteReader(bytes.subarray(0, Math.max(0, bytes.length - 2)));
  const first = reader.uint16();
  const second = reader.uint16();
  const isLinkStateOnly = reader.remaining === 0;
  const third = isLinkStateOnly ? 0 : reader.uint16();
  const fourth = isLinkStateOnly ? 0 : reader.uint16();
  if (reader.overrun) return failure('PAKBUS_MALFORMED', 'instrument', `a packet of ${bytes.length} bytes ends inside its header`);
  const link = {
    linkState: first >> 12,
    physicalDestination: address(first),
    expectMore: second >> 14,
    priority: (second >> 12) & 3,
    physicalSource: address(second),
  };
  if (isLinkStateOnly) return success(link);
  return success({
    ...link,
    payload: {
      protocol: third >> 12,
      destination: address(third),
      hopCount: fourth >> 12,
      source: address(fourth),
      message: reader.rest(),
    },
  });
}

/** A packet that carries a message between two nodes; `via` is the router on this link that passes it on, where there is one between them. */
export function messagePacket(
  route: { readonly from: number; readonly to: number; readonly via?: number },
  link: { readonly linkState: number; readonly expectMore: number },
  protocol: ProtocolNumber,
  message: Uint8Array,
): PakbusPacket {
  return {
    ...link,
    priority: normalPriority,
    physicalDestination: route.via ?? route.to,
    physicalSource: route.from,
    payload: { protocol, destination: route.to, source: route.from, hopCount: 0, message },
  };
}

/** A packet that only tells the link's state. */
export function linkStatePacket(route: { readonly from: number; readonly to: number }, linkState: number): PakbusPacket {
  return { linkState, expectMore: expectMore.last, priority: 0, physicalDestination: route.to, physicalSource: route.from };
}
