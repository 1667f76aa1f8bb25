import { fromHex, toHex } from '../core/bytes.ts';
import { type ShortName, shortNameBytes } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type CarryingDigest, carryingDigestBytesMax, decodeCarryingDigest, encodeCarryingDigest } from './carrying-digest.ts';

/**
 * What two nodes say to each other about carrying, in messages of at most `carryingMessageBytesMax` bytes. The first byte says which; all numbers are big-endian:
 *
 *     1 digest    as in carrying-digest.ts
 *     2 offers    entries whose contents the peer may take for others, with the copies there are of each
 *     3 grants    entries of which the peer asks for contents, with the tickets that go with the copy; only where tickets are limited
 *
 * Entries are named by the log that they stand in:
 *
 *      2   number of logs, at most 64; then each:
 *      8     short name of the dataset
 *      8     short name of the author
 *      2     number of entries; of all logs together at most 256; then each:   4 sequence number, 2 copies or tickets, 65535: that many or more
 */

/** Entries of one log, each with its copies or tickets. */
export interface CountedEntries {
  readonly dataset: ShortName;
  readonly author: ShortName;
  readonly entries: readonly { readonly sequence: number; readonly count: number }[];
}

/** A message about carrying. */
export type CarryingMessage =
  | { readonly type: 'digest'; readonly digest: CarryingDigest }
  | { readonly type: 'offers' | 'grants'; readonly logs: readonly CountedEntries[] };

/** Logs that one message names. */
export const carriedLogsMax = 64;
/** Entries that one message names, of all logs together. */
export const carriedEntriesMax = 256;
/** The greatest sequence number that can be named. */
export const carriedSequenceMax = 0xffff_ffff;
const logBytes = 2 * shortNameBytes + 2;
const entryBytes = 6;
const countMax = 0xffff;
/** Bytes of a message at most. */
export const carryingMessageBytesMax = 1 + Math.max(carryingDigestBytesMax, 2 + carriedLogsMax * logBytes + carriedEntriesMax * entryBytes);

const kinds = ['digest', 'offers', 'grants'] as const;

/** The bytes of a message. Its lists must be within their limits. */
export function encodeCarryingMessage(message: CarryingMessage): Uint8Array {
  const body = message.type === 'digest' ? encodeCarryingDigest(message.digest) : encodeLogs(message.logs);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = 1 + kinds.indexOf(message.type);
  bytes.set(body, 1);
  return bytes;
}

/**
 * Reads what a peer said.
 *
 * @returns the message; `CARRYING_DIGEST_MALFORMED` when a list is longer than it may be, or the bytes are not exactly those of the lists; `CARRYING_MESSAGE_UNKNOWN` (incompatible) for a kind of a newer version
 */
export function decodeCarryingMessage(bytes: Uint8Array): Outcome<CarryingMessage> {
  const type = kinds[(bytes[0] ?? 0) - 1];
  if (type === undefined)
    return failure('CARRYING_MESSAGE_UNKNOWN', 'incompatible', 'a message about carrying is of a kind that a newer version has');
  const body = bytes.subarray(1);
  if (type !== 'digest') return decodeLogs(type, body);
  const digest = decodeCarryingDigest(body);
  return digest.ok ? success({ type, digest: digest.value }) : digest;
}

function encodeLogs(logs: readonly CountedEntries[]): Uint8Array {
  const entries = logs.reduce((sum, log) => sum + log.entries.length, 0);
  const bytes = new Uint8Array(2 + logBytes * logs.length + entryBytes * entries);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, logs.length);
  let at = 2;
  for (const log of logs) {
    bytes.set(fromHex(log.dataset), at);
    bytes.set(fromHex(log.author), at + shortNameBytes);
    view.setUint16(at + 2 * shortNameBytes, log.entries.length);
    at += logBytes;
    for (const { sequence, count } of log.entries) {
      view.setUint32(at, sequence);
      view.setUint16(at + 4, Math.min(countMax, count));
      at += entryBytes;
    }
  }
  return bytes;
}

function decodeLogs(type: 'offers' | 'grants', bytes: Uint8Array): Outcome<CarryingMessage> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const logCount = bytes.length < 2 ? carriedLogsMax + 1 : view.getUint16(0);
  if (logCount > carriedLogsMax) return malformed();
  const logs: CountedEntries[] = [];
  let at = 2;
  let left = carriedEntriesMax;
  for (let i = 0; i < logCount; i++) {
    if (at + logBytes > bytes.length) return malformed();
    const dataset = toHex(bytes.subarray(at, at + shortNameBytes)) as ShortName;
    const author = toHex(bytes.subarray(at + shortNameBytes, at + 2 * shortNameBytes)) as ShortName;
    const count = view.getUint16(at + 2 * shortNameBytes);
    at += logBytes;
    left -= count;
    if (left < 0 || at + count * entryBytes > bytes.length) return malformed();
    const entries: CountedEntries['entries'][number][] = [];
    for (let entry = 0; entry < count; entry++, at += entryBytes)
      entries.push({ sequence: view.getUint32(at), count: view.getUint16(at + 4) });
    logs.push({ dataset, author, entries });
  }
  return at === bytes.length ? success({ type, logs }) : malformed();
}

function malformed(): Outcome<CarryingMessage> {
  return failure('CARRYING_DIGEST_MALFORMED', 'peer', 'A list of entries is too long or cut off, or goes on behind its end.');
}
