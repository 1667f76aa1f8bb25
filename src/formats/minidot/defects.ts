/**
 * Everything that can be wrong with a file of a miniDOT logger, by its stable code.
 *
 * The first group spoils the file from the defect to the next header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const minidotDefects = {
  /** The file ended and held nothing but blank lines. */
  MINIDOT_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank is not the logger's serial number. */
  MINIDOT_NO_HEADER: { scope: 'file', message: 'the file does not begin with a miniDOT serial number' },
  /** Fewer than three header lines. */
  MINIDOT_HEADER_CUT: { scope: 'file', message: 'the header ends before its three lines are whole' },
  /** The second or third line is not what a miniDOT writes there, or no text. */
  MINIDOT_HEADER_MALFORMED: { scope: 'file', message: 'the header lines are not those of a miniDOT' },

  /** A row between a file defect and the next header. */
  MINIDOT_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row does not have one cell for each heading. */
  MINIDOT_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** The first cell is not a whole number of seconds. */
  MINIDOT_BAD_STAMP: { scope: 'record', message: 'the row does not begin with a time in seconds' },
  /** Control characters or broken quoting. */
  MINIDOT_BAD_TEXT: { scope: 'record', message: 'the row is not readable text' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  MINIDOT_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  MINIDOT_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
  /** The file ended within a row: the last digits of its last value may be missing. */
  MINIDOT_TAIL_CUT: { scope: 'record', message: 'the last row has no line end' },
} as const;

/** A code of `minidotDefects`. */
export type MinidotDefectCode = keyof typeof minidotDefects;
