import { concatBytes } from '../core/bytes.ts';
import { streamPacketBytesMax } from './packets.ts';
import { varintBytes, WireReader, WireWriter } from './wire-bytes.ts';

/** The packet as it goes onto a stream: its length as a varint, then its bytes. */
export function framePacket(packet: Uint8Array): Uint8Array {
  const framed = new Uint8Array(varintBytes(packet.length) + packet.length);
  const writer = new WireWriter(framed);
  writer.varint(packet.length);
  writer.bytes(packet);
  return framed;
}

/** Finds the packets in a stream that arrives in pieces of any length. Keeps at most one unfinished packet. */
export class StreamUnframer {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes needed before anything can be cut. */
  #needed = 1;

  /** Takes the next bytes of the stream; the packets that are complete now, or `undefined` when the stream announces a packet of no or of too many bytes: it must be closed then. */
  push(bytes: Uint8Array): Uint8Array[] | undefined {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    const packets: Uint8Array[] = [];
    if (this.#heldBytes < this.#needed) return packets;
    const joined = this.#held.length === 1 ? bytes : concatBytes(...this.#held);
    let cut = 0;
    for (;;) {
      const reader = new WireReader(joined.subarray(cut));
      const length = reader.varint();
      if (length === undefined) {
        // Eight bytes hold any varint.
        if (joined.length - cut >= 8) return undefined;
        this.#needed = joined.length - cut + 1;
        break;
      }
      if (length === 0 || length > streamPacketBytesMax) return undefined;
      const packet = reader.bytes(length);
      if (packet === undefined) {
        this.#needed = reader.offset + length;
        break;
      }
      packets.push(packet);
      cut += reader.offset;
    }
    this.#held = cut < joined.length ? [joined.subarray(cut)] : [];
    this.#heldBytes = joined.length - cut;
    return packets;
  }
}
