/** A portion of a content, cut as if a chunk began where it begins. */
export interface CutSegment {
  /** The array that was given, or another with the same bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Lengths of the chunks that end within the segment, in order. What is behind them is the beginning of another chunk. */
  readonly lengths: readonly number[];
  /** SHA-256 of each of these chunks, 32 bytes each, behind one another. */
  readonly hashes: Uint8Array;
}

/** Cuts and hashes on other processors what the node's own thread reads. */
export interface SegmentCutter {
  /** How many segments keep all of them busy. */
  readonly segmentsAtOnce: number;
  /**
   * Cuts a segment by the rule for chunks of this average. `bytes` is all of its buffer's beginning; the buffer belongs to the cutter until the result gives it back. Rejects with `STORAGE_FAILED`
   * (retryable) when the thread that did it has ended.
   */
  cut(bytes: Uint8Array<ArrayBuffer>, averageBytes: number): Promise<CutSegment>;
}
