import type { Brand } from './brand.ts';
import { fromHex, toHex } from './bytes.ts';

/** Length of every identifier and hash in bytes. */
export const identifierBytes = 32;

/** A device: its Ed25519 public key, 64 lower-case hexadecimal digits. */
export type NodeId = Brand<string, 'NodeId'>;
/** A team: SHA-256 of its founding statement, 64 lower-case hexadecimal digits. */
export type TeamId = Brand<string, 'TeamId'>;
/** A dataset: 32 random bytes drawn by its creator, 64 lower-case hexadecimal digits. The team's own log uses the team's identifier. */
export type DatasetId = Brand<string, 'DatasetId'>;
/** A SHA-256 hash, 32 bytes: names a chunk, a manifest node or a log entry. */
export type Hash = Brand<Uint8Array, 'Hash'>;

type HexIdentifier = NodeId | TeamId | DatasetId;

const identifierPattern = /^[0-9a-f]{64}$/;

/** True for the text form of an identifier. */
export function isIdentifierText(text: string): boolean {
  return identifierPattern.test(text);
}

/** The identifier with these 32 bytes. The kind is the caller's to name: `identifier<NodeId>(bytes)`. */
export function identifier<T extends HexIdentifier>(bytes: Uint8Array): T {
  if (bytes.length !== identifierBytes) throw new RangeError(`an identifier has ${identifierBytes} bytes, not ${bytes.length}`);
  return toHex(bytes) as T;
}

/** The identifier written as this text, or `undefined` when the text is not one. */
export function parseIdentifier<T extends HexIdentifier>(text: string): T | undefined {
  return isIdentifierText(text) ? (text as T) : undefined;
}

/** Length of a short name in bytes. */
export const shortNameBytes = 8;

/**
 * The first 8 bytes of an identifier, 16 hexadecimal digits: how members name nodes and datasets of their own team to each other. Whoever reads one looks it up among those it knows. To make another identifier with
 * the same beginning takes 2^64 attempts, and would only mean that a signature does not match.
 */
export type ShortName = Brand<string, 'ShortName'>;

/** The short name of an identifier. */
export function shortName(id: HexIdentifier): ShortName {
  return id.slice(0, 2 * shortNameBytes) as string as ShortName;
}

/** The 32 bytes of an identifier. */
export function identifierToBytes(id: HexIdentifier): Uint8Array {
  return fromHex(id);
}
