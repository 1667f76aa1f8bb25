import { utf8 } from '../../../src/core/bytes.ts';
import type { Random } from '../../../src/core/random.ts';
import type { Crypto } from '../../../src/ports/crypto.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { NoiseHandshake, type NoiseOptions, type NoisePattern } from '../../../src/session/noise.ts';

/** The patterns that Godwit speaks, with the bytes each message adds to its payload. */
export const productPatterns = [
  { pattern: 'IKpsk1', addedBytes: [96, 48] },
  { pattern: 'XXpsk3', addedBytes: [48, 96, 64] },
  { pattern: 'X', addedBytes: [96] },
] as const satisfies readonly { pattern: NoisePattern; addedBytes: readonly number[] }[];

export interface EndChanges {
  readonly initiator?: Partial<NoiseOptions>;
  readonly responder?: Partial<NoiseOptions>;
}

/** Both ends of a handshake that would succeed, with all keys drawn from `random`, except for the changes. */
export function noiseEnds(
  pattern: NoisePattern,
  random: Random,
  changes: EndChanges = {},
  crypto: Crypto = nodeCrypto,
): { readonly initiator: NoiseHandshake; readonly responder: NoiseHandshake } {
  const initiatorStatic = nodeCrypto.x25519KeyPair(random.bytes(32));
  const responderStatic = nodeCrypto.x25519KeyPair(random.bytes(32));
  const shared = { pattern, prologue: utf8('test'), ...(pattern.includes('psk') && { psk: random.bytes(32) }) };
  return {
    initiator: new NoiseHandshake(
      { ...shared, role: 'initiator', localStatic: initiatorStatic, remoteStatic: responderStatic.publicKey, ...changes.initiator },
      crypto,
      random.fork(),
    ),
    responder: new NoiseHandshake(
      { ...shared, role: 'responder', localStatic: responderStatic, remoteStatic: initiatorStatic.publicKey, ...changes.responder },
      crypto,
      random.fork(),
    ),
  };
}
