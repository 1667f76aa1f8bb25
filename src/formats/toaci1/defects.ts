/**
 * Everything that can be wrong with a TOACI1 file, by its stable code.
 *
 * The first group spoils the file from the defect to the next readable header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const toaci1Defects = {
  /** The file ended and held nothing but blank lines. */
  TOACI1_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank is not a TOACI1 header. */
  TOACI1_NOT_TOACI1: { scope: 'file', message: 'the file does not begin with a TOACI1 header' },
  /** Fewer than two whole header lines, or fewer than three cells in the first one. */
  TOACI1_HEADER_CUT: { scope: 'file', message: 'the header ends before its two lines are whole' },
  /** A header line has control characters, a NUL run, or more bytes or cells than a line may have. */
  TOACI1_HEADER_BAD_TEXT: { scope: 'file', message: 'the header is not readable text' },
  /** A column has no name, two have the same, or there are more than `limits.fieldsPerTableMax`. */
  TOACI1_BAD_FIELDS: { scope: 'file', message: 'a column has no name of its own, or there are too many' },
  /** No column is called TMSTAMP, so that no value has a time. */
  TOACI1_NO_TIMESTAMP: { scope: 'file', message: 'the header names no TMSTAMP column' },

  /** A row between a defective header and the next good one. */
  TOACI1_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no readable header stands before this row' },
  /** The row does not have one cell for each column. */
  TOACI1_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** The TMSTAMP cell is not a date and time of the years 1900 to 2199. */
  TOACI1_BAD_STAMP: { scope: 'record', message: 'the TMSTAMP is not a date and time' },
  /** The RECNBR cell is not a number. */
  TOACI1_BAD_RECORD_NUMBER: { scope: 'record', message: 'the RECNBR is not a record number' },
  /** A quotation mark is missing or stands where none may be. */
  TOACI1_BAD_QUOTING: { scope: 'record', message: 'the row has broken quoting' },
  /** Control characters in the row. */
  TOACI1_BAD_BYTES: { scope: 'record', message: 'the row holds control characters' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  TOACI1_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  TOACI1_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
  /** The file ended within a row. It is not used even when it has every cell, as the last digits of its last value may be missing. */
  TOACI1_TAIL_CUT: { scope: 'record', message: 'the last row has no line end' },
} as const;

/** A code of `toaci1Defects`. */
export type Toaci1DefectCode = keyof typeof toaci1Defects;
