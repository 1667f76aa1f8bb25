/** What a segment holds: a batch of rows of one table. The form they take in bytes is in segment-codec.ts. */

/** One row of observations. */
export interface SegmentRow {
  /** Microseconds since 1970; a safe integer. */
  readonly timeUs: number;
  /** The logger's own number of the record; a safe integer. */
  readonly recordNumber?: number;
  /** One cell a field, in the instrument's own digits; `null` where there is nothing. Well-formed text: no lone surrogates. */
  readonly cells: readonly (string | null)[];
  /** One quality flag a field, where the row has been checked. */
  readonly flags?: Uint8Array;
}

/** Rows of one table revision. */
export interface SegmentBatch {
  readonly rows: readonly SegmentRow[];
  /** Cells of each row. */
  readonly fieldCount: number;
}

/** Bounds of one segment. A longer batch becomes several segments. */
export const segmentLimits = {
  rowsMax: 65_536,
  /** Rows times fields: bounds the memory that a few hostile bytes can ask for. */
  cellsMax: 2 * 1024 * 1024,
  /** UTF-8 bytes of all strings that are not plain numbers. */
  textBytesMax: 32 * 1024 * 1024,
} as const;
