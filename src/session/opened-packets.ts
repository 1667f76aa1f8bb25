import { giveBack } from '../core/bytes.ts';
import type { Crypto } from '../ports/crypto.ts';

/**
 * The plaintexts of packets, until everything in them was handed out: a fast link brings a gigabyte of them in a few seconds, and the collector would run all the time. Whoever keeps something of a packet
 * copies it.
 */
export class OpenedPackets {
  #plaintexts: Uint8Array[] = [];

  /** The same cryptography, which remembers what it opens. */
  remembering(crypto: Crypto): Crypto {
    return {
      ...crypto,
      chachaPolyOpen: (...sealed) => {
        const plaintext = crypto.chachaPolyOpen(...sealed);
        if (plaintext !== undefined) this.#plaintexts.push(plaintext);
        return plaintext;
      },
    };
  }

  /** Nobody looks at what was opened any more. */
  giveBack(): void {
    const plaintexts = this.#plaintexts;
    if (plaintexts.length === 0) return;
    this.#plaintexts = [];
    for (const plaintext of plaintexts) giveBack(plaintext);
  }
}
