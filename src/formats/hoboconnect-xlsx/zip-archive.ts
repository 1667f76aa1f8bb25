import { decodeText } from '../csv-row.ts';
import { inflate } from './inflate.ts';

/**
 * ZIP archives as spreadsheets are packed in: the directory at the end of the file, and entries that are stored or deflated. Encryption, several disks and the 64-bit extension are refused.
 *
 * Source: PKWARE, APPNOTE.TXT - .ZIP File Format Specification, sections 4.3.7, 4.3.12 and 4.3.16.
 */

/** Where an entry's bytes stand in the archive. */
export interface ZipEntry {
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc32: number;
  /** Index of its first byte as it stands in the archive. */
  readonly offset: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
}

const localSignature = 0x04034b50;
const centralSignature = 0x02014b50;
const endSignature = 0x06054b50;
const localBytes = 30;
const centralBytes = 46;
const endBytes = 22;
const commentBytesMax = 0xffff;
const entriesMax = 1024;
const encryptedFlag = 0x0001;
/** Deflate makes nothing smaller than about a 1032nd; an entry that claims more lies. */
const inflationMax = 1040;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (crcTable[(value ^ byte) & 0xff] as number) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Index of the record that ends the archive, which must end the bytes; `undefined` when there is none, as in a file that is still being copied. */
function endRecordAt(view: DataView): number | undefined {
  const first = Math.max(0, view.byteLength - endBytes - commentBytesMax);
  for (let at = view.byteLength - endBytes; at >= first; at--) {
    if (view.getUint32(at, true) === endSignature && at + endBytes + view.getUint16(at + 20, true) === view.byteLength) return at;
  }
  return undefined;
}

function entryAt(view: DataView, central: number): ZipEntry | undefined {
  const flags = view.getUint16(central + 8, true);
  const method = view.getUint16(central + 10, true);
  const packedBytes = view.getUint32(central + 20, true);
  const plainBytes = view.getUint32(central + 24, true);
  const local = view.getUint32(central + 42, true);
  if ((flags & encryptedFlag) !== 0 || (method !== 0 && method !== 8)) return undefined;
  if (local + localBytes > view.byteLength || view.getUint32(local, true) !== localSignature) return undefined;
  const offset = local + localBytes + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  if (offset + packedBytes > view.byteLength || plainBytes > packedBytes * inflationMax) return undefined;
  return { method, crc32: view.getUint32(central + 16, true), offset, packedBytes, plainBytes };
}

/**
 * The entries of an archive by name, those that cannot be read left out; of a name that stands twice the first counts. `torn` when the bytes do not end as an archive does or its directory is
 * broken.
 */
export function readZipDirectory(bytes: Uint8Array): ReadonlyMap<string, ZipEntry> | 'torn' {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endRecordAt(view);
  if (end === undefined) return 'torn';
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count > entriesMax) return 'torn';
  const entries = new Map<string, ZipEntry>();
  for (let index = 0; index < count; index++) {
    if (at + centralBytes > end || view.getUint32(at, true) !== centralSignature) return 'torn';
    const nameBytes = view.getUint16(at + 28, true);
    const next = at + centralBytes + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) return 'torn';
    const name = decodeText(bytes.subarray(at + centralBytes, at + centralBytes + nameBytes));
    const entry = entryAt(view, at);
    if (entry !== undefined && !entries.has(name)) entries.set(name, entry);
    at = next;
  }
  return entries;
}

/** The bytes of an entry, verified; `undefined` when they are more than `bytesMax` or damaged. */
export function readZipEntry(archive: Uint8Array, entry: ZipEntry, bytesMax: number): Uint8Array | undefined {
  if (entry.plainBytes > bytesMax) return undefined;
  const packed = archive.subarray(entry.offset, entry.offset + entry.packedBytes);
  const plain = entry.method === 0 ? packed : inflate(packed, entry.plainBytes);
  return plain?.length === entry.plainBytes && crc32(plain) === entry.crc32 ? plain : undefined;
}
