import { compareBytes, concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type BundleSealer, type OpenedKey, type SealedKey, sealBytes } from './bundle-seals.ts';
import { noiseNonce, noiseTagBytes } from './noise.ts';

/**
 * A segment: one file of a bundle, on a medium that loses bytes. It can be read without any other file, and a place that went bad costs no more than what lay there.
 *
 *     segment  = header || block … || parity block … || header || number of seals (2) || signature (64)
 *     header   = "GDWB" || 1 || number of seals (2) || salt (16) || team tag (8) || bytes of all blocks (4) || blocks of the table (2) || seals (128 each) || check (8)
 *     block    = ChaCha20-Poly1305 of: offset of the first record that begins in it (2; 65,535: none) || up to 65,518 bytes of the records behind one another
 *     record   = length (4) || bytes
 *
 * Integers are big-endian. The check is the beginning of the SHA-256 of the header before it; a header that fails it is taken from the file's end. The key of the blocks is
 * HMAC-SHA-256(bundle's key, "godwit bundle segment 1\0" || salt), the nonce is the block's number.
 *
 * With n blocks there are ceil(n / 32) = p parity blocks; the j-th is the exclusive or of blocks j, j + p, j + 2p, …, padded with zeros. Authentication tells which blocks are bad, so one bad block of each such
 * stripe, and therefore any p bad ones in a row, are computed from the others. What cannot be is left out: reading goes on at the next record that begins in a good block.
 *
 * The signature is the exporter's, Ed25519 over SHA-256("godwit bundle segment 1\0" || header || blocks). It can only be checked when all blocks are there; whatever a segment holds is signed by its
 * author or named by a hash besides, so what is left of a damaged one may be used all the same.
 */

const magic = utf8('GDWB');
const segmentVersion = 1;
const domain = utf8('godwit bundle segment 1\0');
const noBytes = new Uint8Array(0);
const blockBytes = 65_536;
const firstRecordBytes = 2;
const noRecord = 0xffff;
const payloadBytes = blockBytes - noiseTagBytes - firstRecordBytes;
const blocksPerStripe = 32;
const fixedHeaderBytes = 37;
const checkBytes = 8;
const lengthBytes = 4;
const signatureBytes = 64;

/** Bytes of a whole segment file, at most: small enough for every file system and for memory, large enough that a stick holds few files. */
export const segmentBytesMax = 16 * 1024 * 1024;
/** Bytes that the salt has. */
export const saltBytes = 16;
/** Bytes at the beginning of a segment that hold its table, unless it has hundreds of seals or items. */
export const tablePrefixBytes = 2 * blockBytes;
/** Nodes a bundle is sealed to, at most. */
const sealsMax = 4096;

/** A place in a segment file that went bad. */
export interface DamagedPlace {
  readonly offset: number;
  readonly lengthBytes: number;
  /** What lay there was computed from the rest. */
  readonly repaired: boolean;
}

/** The part of a segment that is not encrypted. */
interface SegmentHeader {
  readonly bytes: Uint8Array;
  readonly salt: Uint8Array;
  readonly teamTag: Uint8Array;
  readonly dataBytes: number;
  readonly tableBlocks: number;
  readonly seals: readonly Uint8Array[];
}

/** What a segment holds. */
export interface OpenedSegment {
  /** X25519 public key of the node that made it. */
  readonly sender: Uint8Array;
  /** Records that are whole, in their order. The first record of a sound segment is its table. */
  readonly records: readonly Uint8Array[];
  readonly damage: readonly DamagedPlace[];
  /** What the exporter signed, and the signature; absent when a block is lost. */
  readonly signed?: { readonly hash: Uint8Array; readonly signature: Uint8Array };
}

/** The records of a segment and how it is closed. */
export interface SegmentContents {
  /** The table first. */
  readonly records: readonly Uint8Array[];
  readonly sealed: SealedKey;
  readonly teamTag: Uint8Array;
  /** `saltBytes` random bytes, never used twice. */
  readonly salt: Uint8Array;
  /** Signs a hash as the exporter. */
  readonly sign: (hash: Uint8Array) => Uint8Array;
}

/** Bytes that a record takes among others. */
export function recordBytes(record: Uint8Array): number {
  return lengthBytes + record.length;
}

/** Bytes of a segment file whose records take so many bytes. */
export function segmentBytes(recordsBytes: number, seals: number): number {
  const blocks = Math.max(1, Math.ceil(recordsBytes / payloadBytes));
  const dataBytes = recordsBytes + blocks * (noiseTagBytes + firstRecordBytes);
  const parityBytes = blocks === 1 ? dataBytes : parityCount(blocks) * blockBytes;
  return 2 * headerBytes(seals) + dataBytes + parityBytes + 2 + signatureBytes;
}

/** The bytes of a segment file. */
export function encodeSegment({ records, sealed, teamTag, salt, sign }: SegmentContents, crypto: Crypto): Uint8Array {
  const stream = concatBytes(...records.flatMap((record) => [uint(record.length, lengthBytes), record]));
  const starts: number[] = [];
  let start = 0;
  for (const record of records) {
    starts.push(start);
    start += recordBytes(record);
  }
  const count = Math.max(1, Math.ceil(stream.length / payloadBytes));
  const dataBytes = stream.length + count * (noiseTagBytes + firstRecordBytes);
  const tableBlocks = Math.ceil(recordBytes(records[0] ?? noBytes) / payloadBytes);
  const header = encodeHeader(salt, teamTag, dataBytes, tableBlocks, sealed.seals, crypto);
  const key = segmentKey(sealed.key, salt, crypto);
  const blocks: Uint8Array[] = [];
  let next = 0;
  for (let index = 0; index < count; index++) {
    const from = index * payloadBytes;
    const payload = stream.subarray(from, from + payloadBytes);
    while ((starts[next] ?? Infinity) < from) next++;
    const first = (starts[next] ?? Infinity) < from + payload.length ? (starts[next] as number) - from : noRecord;
    blocks.push(crypto.chachaPolySeal(key, noiseNonce(index), noBytes, concatBytes(uint(first, firstRecordBytes), payload)));
  }
  const signature = sign(signedHash(header, blocks, crypto));
  return concatBytes(header, ...blocks, ...parityOf(blocks), header, uint(sealed.seals.length, 2), signature);
}

/**
 * What a segment file holds, or why nothing of it can be read: `BUNDLE_DAMAGED` (neither header is whole), `BUNDLE_VERSION` (incompatible), `BUNDLE_OTHER_TEAM`, `BUNDLE_NOT_ADDRESSED` (peer).
 */
export function openSegment(file: Uint8Array, sealer: BundleSealer, crypto: Crypto): Outcome<OpenedSegment> {
  const found = findHeader(file, crypto);
  if (!found.ok) return found;
  const { header, isFront } = found.value;
  const opened = openSeals(header, sealer);
  if (!opened.ok) return opened;
  const key = segmentKey(opened.value.key, header.salt, crypto);
  const damage: DamagedPlace[] = isFront ? [] : [{ offset: 0, lengthBytes: header.bytes.length, repaired: true }];
  const sealed = splitBlocks(file.subarray(header.bytes.length), header.dataBytes);
  const open = (index: number, block: Uint8Array) => crypto.chachaPolyOpen(key, noiseNonce(index), noBytes, block);
  const payloads = sealed.map((block, index) => open(index, block));
  for (const [index, payload] of payloads.entries()) {
    if (payload !== undefined) continue;
    const offset = header.bytes.length + index * blockBytes;
    const expectedBytes = expectedBlockBytes(header.dataBytes, index);
    const block = recovered(file, header, sealed, payloads, index);
    const again = block && open(index, block);
    damage.push({ offset, lengthBytes: expectedBytes, repaired: again !== undefined });
    if (block === undefined || again === undefined) continue;
    sealed[index] = block;
    payloads[index] = again;
  }
  const segment = { sender: opened.value.sender, records: recordsIn(payloads), damage };
  if (payloads.includes(undefined) || file.length < signatureBytes) return success(segment);
  return success({ ...segment, signed: { hash: signedHash(header.bytes, sealed, crypto), signature: file.slice(-signatureBytes) } });
}

/** The first record, the table, from the beginning of a segment file. `undefined`: more bytes are needed, or something is damaged; `openSegment` with the whole file tells. */
export function openTable(
  prefix: Uint8Array,
  sealer: BundleSealer,
  crypto: Crypto,
): Outcome<{ sender: Uint8Array; table: Uint8Array } | undefined> {
  const read = readHeader(prefix, crypto);
  if (!read.ok) return read.fault.code === 'BUNDLE_DAMAGED' ? success(undefined) : read;
  const header = read.value;
  const opened = openSeals(header, sealer);
  if (!opened.ok) return opened;
  const blocks = splitBlocks(prefix.subarray(header.bytes.length), header.dataBytes).slice(0, header.tableBlocks);
  const key = segmentKey(opened.value.key, header.salt, crypto);
  const payloads = blocks.map((block, index) => crypto.chachaPolyOpen(key, noiseNonce(index), noBytes, block));
  const [table] = payloads.includes(undefined) ? [] : recordsIn(payloads);
  return success(table && { sender: opened.value.sender, table });
}

function headerBytes(seals: number): number {
  return fixedHeaderBytes + seals * sealBytes + checkBytes;
}

function parityCount(blocks: number): number {
  return Math.ceil(blocks / blocksPerStripe);
}

function encodeHeader(
  salt: Uint8Array,
  teamTag: Uint8Array,
  dataBytes: number,
  tableBlocks: number,
  seals: readonly Uint8Array[],
  crypto: Crypto,
): Uint8Array {
  const counts = [uint(dataBytes, 4), uint(tableBlocks, 2)];
  const checked = concatBytes(magic, Uint8Array.of(segmentVersion), uint(seals.length, 2), salt, teamTag, ...counts, ...seals);
  return concatBytes(checked, crypto.sha256(checked).subarray(0, checkBytes));
}

function findHeader(file: Uint8Array, crypto: Crypto): Outcome<{ readonly header: SegmentHeader; readonly isFront: boolean }> {
  const front = readHeader(file, crypto);
  if (front.ok) return success({ header: front.value, isFront: true });
  if (front.fault.code !== 'BUNDLE_DAMAGED') return front;
  const end = file.length - signatureBytes - 2;
  const seals = end < 0 ? 0 : readUint(file, end, 2);
  const back = readHeader(file.subarray(Math.max(0, end - headerBytes(seals)), Math.max(0, end)), crypto);
  if (back.ok) return success({ header: back.value, isFront: false });
  return front;
}

function readHeader(bytes: Uint8Array, crypto: Crypto): Outcome<SegmentHeader> {
  const damaged = failure('BUNDLE_DAMAGED', 'peer', 'the header of a bundle segment is damaged');
  if (bytes.length < headerBytes(0)) return damaged;
  const seals = readUint(bytes, 5, 2);
  const length = headerBytes(seals);
  if (seals > sealsMax || bytes.length < length) return damaged;
  const checked = bytes.slice(0, length - checkBytes);
  if (compareBytes(crypto.sha256(checked).subarray(0, checkBytes), bytes.subarray(length - checkBytes, length)) !== 0) return damaged;
  if (!equalBytes(checked.subarray(0, 4), magic)) return damaged;
  if (checked[4] !== segmentVersion)
    return failure('BUNDLE_VERSION', 'incompatible', `a bundle segment is of version ${checked[4]}, which this version does not read`);
  const dataBytes = readUint(checked, 31, 4);
  if (dataBytes > segmentBytesMax) return damaged;
  return success({
    bytes: bytes.slice(0, length),
    salt: checked.slice(7, 23),
    teamTag: checked.slice(23, 31),
    dataBytes,
    tableBlocks: readUint(checked, 35, 2),
    seals: Array.from({ length: seals }, (_, index) =>
      checked.slice(fixedHeaderBytes + index * sealBytes, fixedHeaderBytes + (index + 1) * sealBytes),
    ),
  });
}

function openSeals(header: SegmentHeader, sealer: BundleSealer): Outcome<OpenedKey> {
  if (!equalBytes(header.teamTag, sealer.teamTag)) return failure('BUNDLE_OTHER_TEAM', 'peer', 'a bundle segment belongs to another team');
  const opened = sealer.open(header.seals);
  return opened === undefined ? failure('BUNDLE_NOT_ADDRESSED', 'peer', 'a bundle segment is not addressed to this node') : success(opened);
}

function segmentKey(bundleKey: Uint8Array, salt: Uint8Array, crypto: Crypto): Uint8Array {
  return crypto.hmacSha256(bundleKey, concatBytes(domain, salt));
}

function signedHash(header: Uint8Array, blocks: readonly Uint8Array[], crypto: Crypto): Uint8Array {
  const hash = crypto.createSha256();
  for (const part of [domain, header, ...blocks]) hash.update(part);
  return hash.digest();
}

function expectedBlockBytes(dataBytes: number, index: number): number {
  return Math.min(blockBytes, dataBytes - index * blockBytes);
}

/** The blocks as they lie there; those behind the end of a file that was cut are short or empty. */
function splitBlocks(bytes: Uint8Array, dataBytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(dataBytes / blockBytes) }, (_, index) =>
    bytes.subarray(index * blockBytes, index * blockBytes + expectedBlockBytes(dataBytes, index)),
  );
}

function parityOf(blocks: readonly Uint8Array[]): Uint8Array[] {
  const count = parityCount(blocks.length);
  return Array.from({ length: count }, (_, stripe) => {
    const parity = (blocks[stripe] as Uint8Array).slice();
    for (let index = stripe + count; index < blocks.length; index += count) exclusiveOr(parity, blocks[index] as Uint8Array);
    return parity;
  });
}

/** A bad block from its stripe: the others and the parity. `undefined` when another one is bad too. */
function recovered(
  file: Uint8Array,
  header: SegmentHeader,
  sealed: readonly Uint8Array[],
  payloads: readonly (Uint8Array | undefined)[],
  bad: number,
): Uint8Array | undefined {
  const count = parityCount(sealed.length);
  const stripe = bad % count;
  const parityBytes = expectedBlockBytes(header.dataBytes, stripe);
  const offset = header.bytes.length + header.dataBytes + stripe * parityBytes;
  const block = file.slice(offset, offset + parityBytes);
  if (block.length < parityBytes) return undefined;
  for (let index = stripe; index < sealed.length; index += count) {
    if (index === bad) continue;
    if (payloads[index] === undefined) return undefined;
    exclusiveOr(block, sealed[index] as Uint8Array);
  }
  return block.subarray(0, expectedBlockBytes(header.dataBytes, bad));
}

function exclusiveOr(target: Uint8Array, bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) target[index] = (target[index] as number) ^ (bytes[index] as number);
}

/** The records that lie wholly in good blocks. */
function recordsIn(payloads: readonly (Uint8Array | undefined)[]): Uint8Array[] {
  const records: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const finish = (): void => {
    records.push(...recordsOf(concatBytes(...run)));
    run = [];
  };
  let follows = true;
  for (const payload of payloads) {
    if (payload === undefined || payload.length < firstRecordBytes) {
      finish();
      follows = false;
      continue;
    }
    const first = readUint(payload, 0, firstRecordBytes);
    const bytes = payload.subarray(firstRecordBytes);
    if (follows) run.push(bytes);
    else if (first < bytes.length) {
      run.push(bytes.subarray(first));
      follows = true;
    }
  }
  finish();
  return records;
}

function recordsOf(stream: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let offset = 0; offset + lengthBytes <= stream.length; ) {
    const length = readUint(stream, offset, lengthBytes);
    offset += lengthBytes;
    if (offset + length > stream.length) break;
    records.push(stream.slice(offset, offset + length));
    offset += length;
  }
  return records;
}

function uint(value: number, bytes: 2 | 4): Uint8Array {
  const encoded = new Uint8Array(bytes);
  const view = new DataView(encoded.buffer);
  if (bytes === 2) view.setUint16(0, value);
  else view.setUint32(0, value);
  return encoded;
}

function readUint(from: Uint8Array, offset: number, bytes: 2 | 4): number {
  const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
  return bytes === 2 ? view.getUint16(offset) : view.getUint32(offset);
}
