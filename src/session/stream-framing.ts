import { streamPacketBytesMax } from './packets.ts';
import { varintBytes, WireReader, WireWriter } from './wire-bytes.ts';

/** Room for a packet of this length as it goes onto a path: on a stream its length stands before it as a varint. `packet` is a part of `whole`. */
export function allocatePacket(kind: 'datagram' | 'stream', length: number): { readonly whole: Uint8Array; readonly packet: Uint8Array } {
  if (kind === 'datagram') {
    const whole = new Uint8Array(length);
    return { whole, packet: whole };
  }
  const whole = new Uint8Array(varintBytes(length) + length);
  new WireWriter(whole).varint(length);
  return { whole, packet: whole.subarray(whole.length - length) };
}

/** The packet as it goes onto a stream: its length as a varint, then its bytes. */
export function framePacket(bytes: Uint8Array): Uint8Array {
  const { whole, packet } = allocatePacket('stream', bytes.length);
  packet.set(bytes);
  return whole;
}

/** Bytes of the longest varint. */
const lengthBytesMax = 8;

interface Announced {
  /** Bytes that say the length. */
  readonly lengthBytes: number;
  readonly packetBytes: number;
}

/**
 * Finds the packets in a stream that arrives in pieces of any length. Keeps at most one unfinished packet.
 *
 * A packet that lies in one piece is given out as a part of it. One that is spread over several is put together in a buffer that is used again and again, as fast links bring thousands of long packets a second.
 */
export class StreamUnframer {
  /** The beginning of a packet, its length before it. Two buffers, in turn: one may still be given out while the other is filled. */
  #buffer = new Uint8Array(0);
  #spare = new Uint8Array(0);
  #heldBytes = 0;

  /**
   * Takes the next bytes of the stream; the packets that are complete now, or `undefined` when the stream announces a packet of no or of too many bytes: it must be closed then. The packets are views that are valid until
   * `push` is called again.
   */
  push(bytes: Uint8Array): Uint8Array[] | undefined {
    const packets: Uint8Array[] = [];
    let rest = bytes;
    while (rest.length > 0) {
      const held = this.#heldBytes > 0;
      const announced = announcedBytes(held ? this.#buffer.subarray(0, this.#heldBytes) : rest);
      if (announced === 'wrong') return undefined;
      if (held) rest = this.#complete(rest, announced, packets);
      else if (announced !== 'unknown' && announced.lengthBytes + announced.packetBytes <= rest.length) {
        const end = announced.lengthBytes + announced.packetBytes;
        packets.push(rest.subarray(announced.lengthBytes, end));
        rest = rest.subarray(end);
      } else {
        this.#hold(rest, announced === 'unknown' ? rest.length : announced.lengthBytes + announced.packetBytes);
        rest = rest.subarray(rest.length);
      }
    }
    return this.#isWrong() ? undefined : packets;
  }

  /** Adds to the packet that is held: as much as is needed to know its length, or what it lacks. Returns what is left. */
  #complete(bytes: Uint8Array, announced: Announced | 'unknown', packets: Uint8Array[]): Uint8Array {
    const wanted = announced === 'unknown' ? this.#heldBytes + 1 : announced.lengthBytes + announced.packetBytes;
    const taken = bytes.subarray(0, wanted - this.#heldBytes);
    this.#hold(taken, wanted);
    if (announced !== 'unknown' && this.#heldBytes === wanted) {
      packets.push(this.#buffer.subarray(announced.lengthBytes, wanted));
      [this.#buffer, this.#spare] = [this.#spare, this.#buffer];
      this.#heldBytes = 0;
    }
    return bytes.subarray(taken.length);
  }

  /** Keeps bytes behind those that are held, with room for so many in all. */
  #hold(bytes: Uint8Array, roomBytes: number): void {
    if (this.#buffer.length < roomBytes) {
      const larger = new Uint8Array(roomBytes);
      larger.set(this.#buffer.subarray(0, this.#heldBytes));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#heldBytes);
    this.#heldBytes += bytes.length;
  }

  /** What is held announces a packet that cannot be. */
  #isWrong(): boolean {
    return this.#heldBytes > 0 && announcedBytes(this.#buffer.subarray(0, this.#heldBytes)) === 'wrong';
  }
}

/** What a packet with its length before it begins with; `unknown` while that is not all there. */
function announcedBytes(bytes: Uint8Array): Announced | 'unknown' | 'wrong' {
  const reader = new WireReader(bytes);
  const packetBytes = reader.varint();
  if (packetBytes === undefined) return bytes.length >= lengthBytesMax ? 'wrong' : 'unknown';
  return packetBytes === 0 || packetBytes > streamPacketBytesMax ? 'wrong' : { lengthBytes: reader.offset, packetBytes };
}
