import { hash as digest } from 'node:crypto';
import { equalBytes, giveBack } from '../core/bytes.ts';
import { type Hash, identifierBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import { zstdCompressor } from './zstd-compressor.ts';

/**
 * The bytes of a pack file, version 1. Normative. Integers are unsigned and little-endian.
 *
 *     pack    = magic version record*
 *     magic   = "GDWTPK"                6 bytes
 *     version = 1                       2 bytes
 *
 *     record  = mark stored content codec zeros hash bytes
 *     mark    = "GREC"                  4 bytes
 *     stored  = length of `bytes`       4 bytes
 *     content = length of the chunk     4 bytes
 *     codec   = 0 raw, 1 zstd frame     1 byte
 *     zeros   = 0                       3 bytes
 *     hash    = SHA-256 of the chunk    32 bytes
 *     bytes   = the chunk, encoded      `stored` bytes
 *
 * A record is compressed (zstd, RFC 8878, one frame without checksum and with its content size) when that saves at least one byte in twenty. Nothing follows from the order of
 * records, and nothing points from one to another: a record is good when its own fields agree, its length is the one the catalog noted, and the chunk it yields has the hash that was
 * asked for. So whatever lies between good records (a torn tail, the rest of a removed one) is skipped by not being named.
 *
 * A program that meets a higher version must leave the file alone. One that meets an unknown codec treats the record as damaged.
 */

/** Bytes in front of the first record. */
export const packHeaderBytes = 8;
/** Bytes in front of a record's content. */
export const recordHeaderBytes = 48;

const packMagic = Uint8Array.of(0x47, 0x44, 0x57, 0x54, 0x50, 0x4b);
const packVersion = 1;
const recordMark = 0x43455247;
const codecs = { raw: 0, zstd: 1 } as const;
const hashOffset = recordHeaderBytes - identifierBytes;
/** Higher levels save little on chunks of 64 KiB and cost the ingest its speed. */
const compressionLevel = 3;

/** The first bytes of a new pack. */
export function packHeader(): Uint8Array {
  const header = new Uint8Array(packHeaderBytes);
  header.set(packMagic);
  new DataView(header.buffer).setUint16(packMagic.length, packVersion, true);
  return header;
}

/** What the first bytes of a file say: a pack of this version, a pack of a `newer` one, or no intact pack. */
export function packHeaderVerdict(bytes: Uint8Array): 'current' | 'newer' | 'damaged' {
  if (bytes.length < packHeaderBytes || !equalBytes(bytes.subarray(0, packMagic.length), packMagic)) return 'damaged';
  const version = (bytes[6] as number) | ((bytes[7] as number) << 8);
  if (version > packVersion) return 'newer';
  return version === packVersion ? 'current' : 'damaged';
}

/** A record in the two parts that are written one behind the other. */
export interface EncodedRecord {
  readonly header: Uint8Array;
  /** The chunk compressed, or the very array that was passed in. */
  readonly body: Uint8Array;
}

/** A record for a chunk of at most `limits.chunkBytesMax` bytes. One that is dense is stored as it is. */
export function encodeRecord({ hash, bytes: chunk, isDense }: PackRecord): EncodedRecord {
  const frame = isDense === true ? undefined : zstdCompressor.compress(chunk, { level: compressionLevel });
  const isWorthIt = frame !== undefined && frame.length * 20 <= chunk.length * 19;
  const body = isWorthIt ? frame : chunk;
  if (frame !== undefined && !isWorthIt) giveBack(frame);
  const header = new Uint8Array(recordHeaderBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, recordMark, true);
  view.setUint32(4, body.length, true);
  view.setUint32(8, chunk.length, true);
  view.setUint8(12, isWorthIt ? codecs.zstd : codecs.raw);
  header.set(hash, hashOffset);
  return { header, body };
}

/**
 * The chunk in the bytes of one whole record, verified against `hash`, or `undefined` when anything about the record is wrong. Never throws. The result may be a view of `record`.
 */
export function decodeRecord(record: Uint8Array, hash: Hash): Uint8Array | undefined {
  if (record.length < recordHeaderBytes) return undefined;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  if (view.getUint32(0, true) !== recordMark) return undefined;
  if (view.getUint32(4, true) !== record.length - recordHeaderBytes) return undefined;
  const contentBytes = view.getUint32(8, true);
  if (contentBytes > limits.chunkBytesMax) return undefined;
  // Read as one number: the codec, and three bytes that are zero until a later version gives them a meaning.
  const codec = view.getUint32(12, true);
  if (!equalBytes(record.subarray(hashOffset, recordHeaderBytes), hash)) return undefined;

  const stored = record.subarray(recordHeaderBytes);
  let chunk: Uint8Array | undefined;
  if (codec === codecs.raw) chunk = stored;
  else if (codec === codecs.zstd) chunk = zstdCompressor.decompress(stored, { bytesMax: contentBytes });
  if (chunk === undefined || chunk.length !== contentBytes) return undefined;
  return equalBytes(digest('sha256', chunk, 'buffer'), hash) ? chunk : undefined;
}
