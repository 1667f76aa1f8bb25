import { concatBytes, utf8 } from '../core/bytes.ts';
import { identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';

/**
 * Who this node is: an Ed25519 key pair that names it and signs, and an X25519 key pair for sessions that the first one vouches for.
 */
export interface Identity {
  readonly node: NodeId;
  /** Ed25519 seed. */
  readonly signingKey: Uint8Array;
  /** X25519 pair of the secure channel. */
  readonly channelKey: KeyPair;
  /** Signature that binds the channel key to the node. */
  readonly binding: Uint8Array;
}

const identitySchema: Schema = {
  component: 'identity',
  steps: ['CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), signing_seed BLOB NOT NULL, channel_seed BLOB NOT NULL) STRICT;'],
};

const bindingDomain = utf8('godwit channel key 1\0');

/** The identity in this catalog; drawn from entropy the first time, the same ever after. */
export function openIdentity(catalog: Catalog, crypto: Crypto, entropy: Entropy): Identity {
  catalog.migrate(identitySchema);
  catalog.run('INSERT OR IGNORE INTO identity (id, signing_seed, channel_seed) VALUES (1, ?, ?)', entropy.bytes(32), entropy.bytes(32));
  const row = catalog.get<{ signing_seed: Uint8Array; channel_seed: Uint8Array }>('SELECT signing_seed, channel_seed FROM identity');
  if (row === undefined) throw new Error('the identity was not stored');
  const signing = crypto.ed25519KeyPair(row.signing_seed);
  const channelKey = crypto.x25519KeyPair(row.channel_seed);
  return {
    node: identifier<NodeId>(signing.publicKey),
    signingKey: row.signing_seed,
    channelKey,
    binding: crypto.ed25519Sign(row.signing_seed, bindingBytes(channelKey.publicKey)),
  };
}

/** True when `node` vouches for this channel key. */
export function verifyBinding(crypto: Crypto, node: NodeId, channelKey: Uint8Array, binding: Uint8Array): boolean {
  return crypto.ed25519Verify(identifierToBytes(node), bindingBytes(channelKey), binding);
}

function bindingBytes(channelKey: Uint8Array): Uint8Array {
  return concatBytes(bindingDomain, channelKey);
}
