import { invariant } from '../core/assert.ts';
import type { Crypto } from '../ports/crypto.ts';
import { noiseNonce, noiseRekey } from './noise.ts';
import { ReplayWindow } from './replay-window.ts';

/**
 * Protects the packets of one session, in both directions, with the keys that a Noise handshake ends in.
 *
 * Packets may be lost, reordered and repeated, so Noise's counting CipherState does not fit; as Noise section 11.4 proposes, every packet says its number, and the number is the nonce. Three
 * rules make this safe:
 *
 * - A sender never uses a number twice: numbers only rise.
 * - A receiver takes a number once: a window over the newest 2,048 refuses repeats. The window is consulted before the packet is opened, to save the work, and moved only after it
 *   was found authentic, so that forged numbers change nothing.
 * - Keys are replaced as they age. Packet numbers are divided into epochs of 65,536, and the key of an epoch is REKEY (Noise section 4.2) of the key before. Both ends see from the number which
 *   key it is, so nothing is negotiated, and lost packets cannot put them out of step. A receiver keeps the key of the epoch before for as long as the window still admits its numbers, and then
 *   forgets it: a device captured later does not give away what it received or sent earlier.
 *
 * **Lanes.** A session has several sequences of packets, each with numbers, keys and windows of its own. Lane 0 has the keys of the handshake. The first keys of the others are derived from those as REKEY derives a key, under the nonces
 * 2^64 - 2, 2^64 - 3 and 2^64 - 4, which like that of REKEY itself no packet ever has; once they are derived no key says anything of another.
 *
 * Numbers may run ahead by at most four epochs, which bounds the work that a forged number can cause. A sender comes nowhere near: it waits for acknowledgements long before.
 */

/** Lanes of one session: two bits of a packet's first byte. */
export const lanesMax = 4;
/** Packets that one key protects. */
export const packetsPerEpoch = 65_536;
/** Epochs that a packet number may lie ahead of the newest authentic one. */
const epochsAheadMax = 4;
/** The last usable packet number. A session that comes near it (after 8.9 years at a million packets a second) must make way for a new handshake. Far below the nonce that REKEY uses. */
export const packetNumberMax = 2 ** 48 - 1;

/** The keys of consecutive epochs of one direction, derived when first asked for. */
class KeyChain {
  readonly #crypto: Crypto;
  /** Epoch of `#keys[0]`. */
  #oldestEpoch = 0;
  readonly #keys: Uint8Array[];

  constructor(crypto: Crypto, firstKey: Uint8Array) {
    this.#crypto = crypto;
    this.#keys = [firstKey];
  }

  /** The key of an epoch that has not been forgotten. */
  key(epoch: number): Uint8Array {
    const index = epoch - this.#oldestEpoch;
    for (let length = this.#keys.length; length <= index; length++) {
      this.#keys.push(noiseRekey(this.#crypto, this.#keys[length - 1] as Uint8Array));
    }
    return this.#keys[index] as Uint8Array;
  }

  /** Drops the keys of all epochs before this one. */
  forgetBefore(epoch: number): void {
    if (epoch <= this.#oldestEpoch) return;
    this.key(epoch);
    this.#keys.splice(0, epoch - this.#oldestEpoch);
    this.#oldestEpoch = epoch;
  }
}

function epochOf(packetNumber: number): number {
  return Math.floor(packetNumber / packetsPerEpoch);
}

/** The keys of both directions, 32 bytes each. */
export interface DirectionKeys {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
}

/** The protections of all lanes of a session, from the keys that `NoiseHandshake.split` gives. */
export function protectLanes(keys: DirectionKeys, crypto: Crypto): readonly PacketProtection[] {
  return Array.from({ length: lanesMax }, (_, lane) => {
    if (lane === 0) return new PacketProtection(keys, crypto);
    return new PacketProtection(
      { sendKey: noiseRekey(crypto, keys.sendKey, lane), receiveKey: noiseRekey(crypto, keys.receiveKey, lane) },
      crypto,
    );
  });
}

/** Seals and opens the packets of one lane. */
export class PacketProtection {
  readonly #crypto: Crypto;
  readonly #sendKeys: KeyChain;
  readonly #receiveKeys: KeyChain;
  readonly #received = new ReplayWindow();
  #lastSent = -1;

  constructor(keys: DirectionKeys, crypto: Crypto) {
    this.#crypto = crypto;
    this.#sendKeys = new KeyChain(crypto, keys.sendKey);
    this.#receiveKeys = new KeyChain(crypto, keys.receiveKey);
  }

  /**
   * The plaintext encrypted, 16 bytes longer, in `target` if given. `header` is authenticated with it but not contained.
   *
   * @throws InvariantViolation when the number is not larger than every number sealed before, runs more than four epochs ahead, or lies beyond `packetNumberMax`: a nonce used twice would
   * give the plaintexts away, so there is no going on.
   */
  seal(packetNumber: number, header: Uint8Array, plaintext: Uint8Array, target?: Uint8Array): Uint8Array {
    invariant(Number.isSafeInteger(packetNumber) && packetNumber > this.#lastSent, 'packet numbers only rise');
    invariant(packetNumber <= packetNumberMax, 'the session has used up its packet numbers');
    const epoch = epochOf(packetNumber);
    invariant(epoch <= epochOf(Math.max(0, this.#lastSent)) + epochsAheadMax, 'packet numbers run too far ahead');
    this.#lastSent = packetNumber;
    this.#sendKeys.forgetBefore(epoch);
    return this.#crypto.chachaPolySeal(this.#sendKeys.key(epoch), noiseNonce(packetNumber), header, plaintext, target);
  }

  /**
   * The plaintext, or `undefined` when the packet is not authentic, has been opened before, is too old to tell, or has a number that no packet can have. Whoever sent it, it deserves no answer.
   * Never throws.
   */
  open(packetNumber: number, header: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (!Number.isSafeInteger(packetNumber) || packetNumber < 0) return undefined;
    const epoch = epochOf(packetNumber);
    if (epoch > epochOf(Math.max(0, this.#received.newest)) + epochsAheadMax) return undefined;
    if (!this.#received.isFresh(packetNumber)) return undefined;
    const plaintext = this.#crypto.chachaPolyOpen(this.#receiveKeys.key(epoch), noiseNonce(packetNumber), header, sealed);
    if (plaintext === undefined) return undefined;
    this.#received.record(packetNumber);
    this.#receiveKeys.forgetBefore(epochOf(this.#received.oldestAcceptable));
    return plaintext;
  }

  /** The largest packet number that has arrived authentic, from which a shortened number is completed; -1 before the first. */
  get newestReceived(): number {
    return this.#received.newest;
  }
}
