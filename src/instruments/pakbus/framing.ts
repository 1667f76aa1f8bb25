/**
 * How PakBus packets lie in a stream of bytes.
 *
 * A packet stands between two delimiters 0xBD. Inside it, 0xBD and 0xBC are *quoted*: 0xBC followed by the byte plus 0x20. So a delimiter is always a delimiter, wherever a
 * receiver begins to listen: everything between two of them is a packet or rubbish, and the signature tells which. Runs of delimiters are legal and wake a sleeping port.
 *
 * Source: Campbell Scientific, PakBus Networking Guide; BMP5 Transparent Commands (rev. 9/08), section 1.
 */

const delimiter = 0xbd;
const quote = 0xbc;
const quotedOffset = 0x20;

/** Bytes of the longest packet, unquoted, with its nullifier. Longer ones do not exist, so a longer run of bytes is rubbish. */
export const packetBytesMax = 1010;

/** Bytes of the shortest packet: half a header. Its nullifier comes on top. */
export const packetBytesMin = 4;

/** Six delimiters: enough for a logger to wake up and to recognise the bit rate of a serial line. */
export const wakeUpBytes: Uint8Array = new Uint8Array(6).fill(delimiter);

/** The packet as it goes over the wire: quoted, between delimiters. */
export function framed(packet: Uint8Array): Uint8Array {
  const frame: number[] = [delimiter];
  for (const byte of packet) {
    if (byte === delimiter || byte === quote) frame.push(quote, byte + quotedOffset);
    else frame.push(byte);
  }
  frame.push(delimiter);
  return Uint8Array.from(frame);
}

/**
 * Finds packets in a stream that is cut anywhere.
 *
 * Holds at most one packet. Bytes outside any packet, damaged quoting and overlong runs are dropped and counted; what comes out has sound quoting and length, and nothing is said of
 * its signature yet.
 */
export class Deframer {
  readonly #packet = new Uint8Array(packetBytesMax);
  #length = 0;
  #afterQuote = false;
  #damaged = false;
  #framesDropped = 0;

  /** Runs of bytes between delimiters that were no packet. */
  get framesDropped(): number {
    return this.#framesDropped;
  }

  /** Adds the next bytes; returns the packets they completed, unquoted, each in its own array. */
  push(bytes: Uint8Array): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (const byte of bytes) {
      if (byte === delimiter) {
        const packet = this.#finish();
        if (packet !== undefined) packets.push(packet);
      } else if (!this.#damaged) this.#append(byte);
    }
    return packets;
  }

  #append(byte: number): void {
    let value = byte;
    if (this.#afterQuote) {
      value = byte - quotedOffset;
      this.#afterQuote = false;
      if (value !== delimiter && value !== quote) this.#damaged = true;
    } else if (byte === quote) {
      this.#afterQuote = true;
      return;
    }
    if (this.#length === packetBytesMax) this.#damaged = true;
    if (!this.#damaged) this.#packet[this.#length++] = value;
  }

  #finish(): Uint8Array | undefined {
    const isPacket = !this.#damaged && !this.#afterQuote && this.#length >= packetBytesMin;
    const packet = isPacket ? this.#packet.slice(0, this.#length) : undefined;
    const isEmpty = this.#length === 0 && !this.#damaged && !this.#afterQuote;
    if (!isPacket && !isEmpty) this.#framesDropped += 1;
    this.#length = 0;
    this.#afterQuote = false;
    this.#damaged = false;
    return packet;
  }
}
