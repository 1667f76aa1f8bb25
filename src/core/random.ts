/** A seeded generator: the same seed gives the same numbers on every platform. For decisions and tests, never for keys. */
export interface Random {
  /** An integer in 0..2^32-1. */
  uint32(): number;
  /** A float in [0, 1) with 32 random bits. */
  float(): number;
  /** An integer in [0, bound), bound at most 2^32. */
  below(bound: number): number;
  /** `length` pseudo-random bytes. */
  bytes(length: number): Uint8Array;
  /** An independent generator, derived from this one. */
  fork(): Random;
}

/** splitmix32: spreads a small seed over the state words of the generator below. */
function splitmix32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/** xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021). */
export function seededRandom(seed: number): Random {
  const spread = splitmix32(seed);
  let a = spread();
  let b = spread();
  let c = spread();
  let d = spread();

  function uint32(): number {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  }

  return {
    uint32,
    float: () => uint32() / 0x100000000,
    below: (bound) => Math.floor((uint32() / 0x100000000) * bound),
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i += 4) {
        const word = uint32();
        for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = word >>> (8 * j);
      }
      return bytes;
    },
    fork: () => seededRandom(uint32()),
  };
}
