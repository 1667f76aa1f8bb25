/**
 * Packets on a raw line: a serial cable, a radio modem, anything that carries bytes in order but may lose, garble or invent some.
 *
 * Each packet goes as
 *
 *     00  body  00        body = COBS(packet, checksum)
 *
 * COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7, 1999) removes every zero from the body for one byte in 254, so a zero always ends a packet and whatever went wrong is
 * over at the next one. The zero in front keeps noise that came while the line was quiet, and a packet whose end was lost, from spoiling what follows. The checksum (two bytes, low one first) is the frame check
 * sequence of HDLC (RFC 1662 appendix C.2): it spares the session from trying its keys on every piece of noise. What it lets through, one garbled packet in 65,536, the session refuses as not authentic.
 *
 * All 256 byte values occur, so a line must not use XON/XOFF flow control.
 */

/** Bytes of the longest packet: more than a session's datagrams ever have. */
export const linePacketBytesMax = 2048;

const checksumBytes = 2;
const blockBytesMax = 254;
/** Body of the longest packet. */
const bodyBytesMax = linePacketBytesMax + checksumBytes + Math.ceil((linePacketBytesMax + checksumBytes) / blockBytesMax) + 1;

const checksumTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >> 1) ^ 0x8408 : remainder >> 1;
  return remainder;
});

function checksumOf(bytes: Uint8Array): number {
  let remainder = 0xffff;
  for (const byte of bytes) remainder = (remainder >> 8) ^ (checksumTable[(remainder ^ byte) & 0xff] as number);
  return remainder ^ 0xffff;
}

/** A packet of up to `linePacketBytesMax` bytes as it goes onto a line. */
export function encodeLinePacket(packet: Uint8Array): Uint8Array {
  const checksum = checksumOf(packet);
  const plain = new Uint8Array(packet.length + checksumBytes);
  plain.set(packet);
  plain[packet.length] = checksum & 0xff;
  plain[packet.length + 1] = checksum >> 8;
  const encoded = new Uint8Array(plain.length + Math.ceil(plain.length / blockBytesMax) + 3);
  let lengthAt = 1;
  let end = 2;
  for (const [at, byte] of plain.entries()) {
    if (byte !== 0) encoded[end++] = byte;
    // A block ends at a zero, which is left out, or when it is full.
    const isFull = end - lengthAt > blockBytesMax;
    if (byte !== 0 && !(isFull && at + 1 < plain.length)) continue;
    encoded[lengthAt] = end - lengthAt;
    lengthAt = end++;
  }
  encoded[lengthAt] = end - lengthAt;
  return encoded.subarray(0, end + 1);
}

/** The packet in a body, `undefined` when it is none. */
function decodeBody(body: Uint8Array): Uint8Array | undefined {
  const plain = new Uint8Array(body.length);
  let length = 0;
  for (let at = 0; at < body.length; ) {
    const blockBytes = body[at] as number;
    const block = body.subarray(at + 1, at + blockBytes);
    if (block.length !== blockBytes - 1) return undefined;
    plain.set(block, length);
    length += block.length;
    at += blockBytes;
    // The zero that was left out; `plain` has one there.
    if (blockBytes <= blockBytesMax && at < body.length) length++;
  }
  if (length < checksumBytes) return undefined;
  const packet = plain.subarray(0, length - checksumBytes);
  const checksum = (plain[length - 2] as number) | ((plain[length - 1] as number) << 8);
  return checksum === checksumOf(packet) ? packet : undefined;
}

/** Finds the packets in what comes from a line. Everything else is passed over. Keeps no more than one unfinished packet. */
export class LineUnframer {
  readonly #body = new Uint8Array(bodyBytesMax);
  #heldBytes = 0;
  /** What is coming is longer than any packet. */
  #isTooLong = false;

  /** Takes the next bytes; the packets that are complete now. They are the caller's. */
  push(bytes: Uint8Array): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (let rest = bytes; rest.length > 0; ) {
      const end = rest.indexOf(0);
      this.#hold(end < 0 ? rest : rest.subarray(0, end));
      if (end < 0) break;
      rest = rest.subarray(end + 1);
      const packet = this.#isTooLong || this.#heldBytes === 0 ? undefined : decodeBody(this.#body.subarray(0, this.#heldBytes));
      if (packet !== undefined) packets.push(packet);
      this.#heldBytes = 0;
      this.#isTooLong = false;
    }
    return packets;
  }

  #hold(bytes: Uint8Array): void {
    this.#isTooLong ||= this.#heldBytes + bytes.length > bodyBytesMax;
    if (this.#isTooLong) return;
    this.#body.set(bytes, this.#heldBytes);
    this.#heldBytes += bytes.length;
  }
}
