/** Unpredictable bytes for keys, nonces and identifiers. The simulator's are seeded. */
export interface Entropy {
  /** `length` bytes, fit for keys. */
  bytes(length: number): Uint8Array;
}
