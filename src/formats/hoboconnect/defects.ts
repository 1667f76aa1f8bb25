/**
 * Everything that can be wrong with a CSV export of HOBOconnect, by its stable code.
 *
 * The first group spoils the file from the defect to the next header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const hoboconnectDefects = {
  /** The file ended and held nothing but blank lines. */
  HOBOCONNECT_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank has no Date-Time column in its first two places. */
  HOBOCONNECT_NO_HEADER: { scope: 'file', message: 'the first line names no Date-Time column' },
  /** The file ended within the line of headings. */
  HOBOCONNECT_HEADER_CUT: { scope: 'file', message: 'the line of headings is not whole' },
  /** The line of headings names no values or more than a table may have, has broken quoting, or is no text. */
  HOBOCONNECT_HEADER_MALFORMED: { scope: 'file', message: 'the line of headings cannot be used' },
  /** Nothing in the file settles whether day or month comes first. */
  HOBOCONNECT_DATE_ORDER_UNKNOWN: { scope: 'file', message: 'nothing shows whether the day or the month comes first' },
  /** A date is possible only in another order than the one that neighbouring rows suggested, so the rows before it have been dated wrongly. */
  HOBOCONNECT_DATE_ORDER: { scope: 'file', message: 'the order of day, month and year in the rows before this one was mistaken' },

  /** A row between a file defect and the next header. */
  HOBOCONNECT_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row does not have one cell for each heading. */
  HOBOCONNECT_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** There is no date and time where the header has them. */
  HOBOCONNECT_BAD_STAMP: { scope: 'record', message: 'there is no date and time in the Date-Time column' },
  /** Control characters or broken quoting. */
  HOBOCONNECT_BAD_TEXT: { scope: 'record', message: 'the row is not readable text' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  HOBOCONNECT_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  HOBOCONNECT_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
} as const;

/** A code of `hoboconnectDefects`. */
export type HoboconnectDefectCode = keyof typeof hoboconnectDefects;
