import { toHex } from '../core/bytes.ts';
import type { Crypto } from '../ports/crypto.ts';
import { nodeCrypto } from '../runtime/node-crypto.ts';

/**
 * The cryptography of a world: that of a node in the field, except that a signature is checked once for all nodes.
 *
 * A receipt or a log entry reaches every node of a team, each of which checks it. Checking is a pure function and the most expensive of them, so one process that is all nodes may remember what came of it; what
 * the nodes do is the same to the bit.
 */

/** Verdicts that are remembered; beyond that all are forgotten at once. */
const verdictsMax = 100_000;

/** A crypto port for the nodes of one world. */
export function sharedCrypto(): Crypto {
  const verdictByClaim = new Map<string, boolean>();
  return {
    ...nodeCrypto,
    ed25519Verify: (publicKey, message, signature) => {
      const claim = `${toHex(publicKey)} ${toHex(signature)} ${toHex(nodeCrypto.sha256(message))}`;
      const known = verdictByClaim.get(claim);
      if (known !== undefined) return known;
      const verdict = nodeCrypto.ed25519Verify(publicKey, message, signature);
      if (verdictByClaim.size >= verdictsMax) verdictByClaim.clear();
      verdictByClaim.set(claim, verdict);
      return verdict;
    },
  };
}
