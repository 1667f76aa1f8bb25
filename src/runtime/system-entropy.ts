import { randomFillSync } from 'node:crypto';
import type { Entropy } from '../ports/entropy.ts';

/** Bytes from OpenSSL's generator, which the operating system seeds. */
export const systemEntropy: Entropy = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
};
