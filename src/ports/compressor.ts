/** Options of one compression. */
export interface CompressOptions {
  /** zstd level, 1 (fast) to 19 (small). */
  readonly level: number;
  /** Bytes that both ends hold; matches into them cost almost nothing. Used as a raw-content dictionary. */
  readonly dictionary?: Uint8Array;
}

/** Options of one decompression. */
export interface DecompressOptions {
  /** The dictionary given to `compress`, byte for byte. */
  readonly dictionary?: Uint8Array;
  /** The output may not be longer; a bomb ends here. */
  readonly bytesMax: number;
}

/** Zstandard (RFC 8878): synchronous and deterministic for one library version. */
export interface Compressor {
  /** A zstd frame without checksum (content is verified by hash) and with the content size in its header. */
  compress(bytes: Uint8Array, options: CompressOptions): Uint8Array;
  /** The content, or `undefined` when the frame is malformed, too large, or made with another dictionary. Never throws. */
  decompress(frame: Uint8Array, options: DecompressOptions): Uint8Array | undefined;
}
