import { concatBytes, toHex, utf8 } from '../core/bytes.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import { NoiseHandshake, noiseKeyBytes, noiseTagBytes } from './noise.ts';

/**
 * Who can read a bundle. The segments of one export are encrypted under one random key, and that key is sealed to each addressed node by a Noise `X` message (section 7.4): it says nothing about whom it
 * is for, opens with one node's channel key only, and proves whose channel key made it. The team's identifier is in the prologue, so a seal of one team opens in no other.
 *
 * All segments of an export carry the same seals, so each can be read alone, and reading many costs the Diffie-Hellman work once.
 */

/** Bytes of a seal: an ephemeral key, the sender's key and the bundle's key, the last two with their tags. */
export const sealBytes = noiseKeyBytes + 2 * (noiseKeyBytes + noiseTagBytes);

/** The key of one export, and its seals in any order. */
export interface SealedKey {
  readonly key: Uint8Array;
  readonly seals: readonly Uint8Array[];
}

/** What an opened seal tells. */
export interface OpenedKey {
  readonly key: Uint8Array;
  /** X25519 public key of the node that made the bundle. */
  readonly sender: Uint8Array;
}

const domain = utf8('godwit bundle 1\0');
/** Exports whose keys are remembered. */
const openedMax = 256;

/** Makes and opens the seals of one node in one team. */
export class BundleSealer {
  readonly #crypto: Crypto;
  readonly #entropy: Entropy;
  readonly #localStatic: KeyPair;
  readonly #prologue: Uint8Array;
  readonly #openedBySeals = new Map<string, OpenedKey | undefined>();
  /** 8 bytes that tell the bundles of this team from those of others, and nothing to anybody else. */
  readonly teamTag: Uint8Array;

  /** @param team the team's identifier, 32 bytes */
  constructor(crypto: Crypto, entropy: Entropy, localStatic: KeyPair, team: Uint8Array) {
    this.#crypto = crypto;
    this.#entropy = entropy;
    this.#localStatic = localStatic;
    this.#prologue = concatBytes(domain, team);
    this.teamTag = crypto.sha256(this.#prologue).slice(0, 8);
  }

  /** A fresh key, sealed to these channel keys. */
  seal(channelKeys: readonly Uint8Array[]): SealedKey {
    const key = this.#entropy.bytes(noiseKeyBytes);
    const seals = channelKeys.map((remoteStatic) => this.#handshake('initiator', remoteStatic).writeMessage(key));
    return { key, seals };
  }

  /** The key behind these seals, or `undefined` when none of them is for this node. */
  open(seals: readonly Uint8Array[]): OpenedKey | undefined {
    const name = toHex(this.#crypto.sha256(concatBytes(...seals)));
    if (this.#openedBySeals.has(name)) return this.#openedBySeals.get(name);
    const opened = this.#openFirst(seals);
    if (this.#openedBySeals.size >= openedMax) this.#openedBySeals.clear();
    this.#openedBySeals.set(name, opened);
    return opened;
  }

  #openFirst(seals: readonly Uint8Array[]): OpenedKey | undefined {
    for (const seal of seals) {
      const handshake = this.#handshake('responder');
      const key = handshake.readMessage(seal);
      if (key.ok && key.value.length === noiseKeyBytes && handshake.remoteStatic !== undefined)
        return { key: key.value, sender: handshake.remoteStatic };
    }
    return undefined;
  }

  #handshake(role: 'initiator' | 'responder', remoteStatic?: Uint8Array): NoiseHandshake {
    const options = { pattern: 'X', role, prologue: this.#prologue, localStatic: this.#localStatic } as const;
    return new NoiseHandshake(remoteStatic === undefined ? options : { ...options, remoteStatic }, this.#crypto, this.#entropy);
  }
}
