import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { giveBack } from '../core/bytes.ts';
import type { CompressOptions, Compressor, DecompressOptions } from '../ports/compressor.ts';

/**
 * The Compressor port on the zstd that Node bundles.
 *
 * A frame stands alone: one frame, no checksum, no dictionary identifier, its content size in the header. Reading is as strict as writing, because a frame comes from a peer: the
 * frame's outline is walked before anything is allocated, so a frame that claims more than the caller allows, or that is followed by anything else, never reaches the library.
 *
 * A dictionary is raw content. One that happens to begin with zstd's dictionary magic would be taken for a trained dictionary and refused by the library, so both ends leave its first
 * byte out: what remains begins with another byte and is raw content for certain.
 */

/** RFC 8878 section 3.1.1: little-endian 0xFD2FB528. */
const frameMagic = [0x28, 0xb5, 0x2f, 0xfd] as const;
/** RFC 8878 section 5: little-endian 0xEC30A437. */
const dictionaryMagic = [0x37, 0xa4, 0x30, 0xec] as const;

const windowLogMin = 10;
/** 128 MiB: the window that every zstd decoder accepts without being asked. Reaching further back is not attempted. */
const windowLogMax = 27;

function beginsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

/** The dictionary as the library is given it, or nothing when there is none. */
function rawContent(dictionary: Uint8Array | undefined): { readonly dictionary?: Uint8Array } {
  if (dictionary === undefined || dictionary.length === 0) return {};
  return { dictionary: beginsWith(dictionary, dictionaryMagic) ? dictionary.subarray(1) : dictionary };
}

/** The smallest window, as a power of two, that spans this many bytes. */
function windowLog(bytes: number): number {
  return Math.min(windowLogMax, Math.max(windowLogMin, Math.ceil(Math.log2(bytes + 1))));
}

/**
 * The content size of a frame as `compress` makes them, or `undefined` for anything else: several frames, a cut or followed frame, a skippable one, a checksum, a dictionary
 * identifier, a missing size.
 *
 * Walks the header (RFC 8878 section 3.1.1.1) and the three-byte block headers (section 3.1.1.2); what is in the blocks is the library's to judge.
 */
function contentSizeBytes(frame: Uint8Array): number | undefined {
  if (!beginsWith(frame, frameMagic)) return undefined;
  const descriptor = frame[4];
  // Bit 3 is reserved, bit 2 says checksum, bits 1-0 a dictionary identifier: a frame of ours has none of them.
  if (descriptor === undefined || (descriptor & 0b1111) !== 0) return undefined;
  const singleSegment = (descriptor & 0b10_0000) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeFieldBytes = sizeFlag === 0 && !singleSegment ? 0 : 1 << sizeFlag;
  if (sizeFieldBytes === 0) return undefined;
  // Without the single-segment flag one byte of window size stands in between.
  const sizeFieldAt = singleSegment ? 5 : 6;
  let at = sizeFieldAt + sizeFieldBytes;
  if (at > frame.length) return undefined;
  let size = 0;
  for (let i = sizeFieldBytes - 1; i >= 0; i--) size = size * 256 + (frame[sizeFieldAt + i] as number);
  // Two-byte sizes begin at 256, where one-byte sizes end.
  if (sizeFieldBytes === 2) size += 256;

  for (;;) {
    if (at + 3 > frame.length) return undefined;
    const header = (frame[at] as number) | ((frame[at + 1] as number) << 8) | ((frame[at + 2] as number) << 16);
    const isLast = (header & 1) === 1;
    const isRunLength = ((header >> 1) & 3) === 1;
    at += 3 + (isRunLength ? 1 : header >> 3);
    if (isLast) return at === frame.length ? size : undefined;
  }
}

function compress(bytes: Uint8Array, options: CompressOptions): Uint8Array {
  const dictionary = rawContent(options.dictionary);
  // Room for the worst case, so that the library writes the frame in one piece instead of through its own buffers.
  const roomBytes = bytes.length + (bytes.length >> 8) + 128;
  const frame = zstdCompressSync(bytes, {
    ...dictionary,
    params: {
      [constants.ZSTD_c_compressionLevel]: options.level,
      [constants.ZSTD_c_windowLog]: windowLog(bytes.length + (dictionary.dictionary?.length ?? 0)),
      [constants.ZSTD_c_contentSizeFlag]: 1,
      [constants.ZSTD_c_checksumFlag]: 0,
    },
    chunkSize: roomBytes,
  });
  const { buffer } = frame;
  if (buffer.byteLength !== roomBytes) return new Uint8Array(buffer, frame.byteOffset, frame.byteLength);
  // The room is several times as long as most frames, and nobody else's: a short one lies in a buffer that Node shares among many.
  const compressed = new Uint8Array(frame);
  giveBack(new Uint8Array(buffer));
  return compressed;
}

function decompress(frame: Uint8Array, options: DecompressOptions): Uint8Array | undefined {
  const sizeBytes = contentSizeBytes(frame);
  if (sizeBytes === undefined || sizeBytes > options.bytesMax) return undefined;
  try {
    const content = zstdDecompressSync(frame, {
      ...rawContent(options.dictionary),
      params: { [constants.ZSTD_d_windowLogMax]: windowLog(sizeBytes) },
      maxOutputLength: Math.max(1, sizeBytes),
      // One byte more than the content, so that the library sees the end of the frame without asking for a second buffer.
      chunkSize: Math.max(64, sizeBytes + 1),
    });
    // The library has compared the length with the header's.
    return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  } catch {
    return undefined;
  }
}

/**
 * Compressor on `node:zlib`. Levels 1 to 19; higher ones need more memory than a logger box has and are not for this port.
 *
 * Not knowing the dictionary does not always show: a frame made with another dictionary may decode to other bytes, so content is always verified by its hash.
 */
export const zstdCompressor: Compressor = { compress, decompress };
