/**
 * Everything that can be wrong with a HOBOware text export, by its stable code.
 *
 * The first group spoils the file from the defect to the next header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const hobowareDefects = {
  /** The file ended and held nothing but blank lines. */
  HOBOWARE_EMPTY: { scope: 'file', message: 'the file is empty' },
  /**
   * Neither of the first two lines names a column of dates and a column of values: another format, or an export without headings. Without headings nothing says what the numbers are,
   * so they are not guessed at.
   */
  HOBOWARE_NO_HEADER: { scope: 'file', message: 'neither of the first two lines is a header with a date column' },
  /**
   * A date is impossible in the order of day and month that the earlier dates suggested, and possible in another. Nothing had proved the order, so the rows before this one have been
   * dated wrongly too.
   */
  HOBOWARE_DATE_ORDER: { scope: 'file', message: 'the order of day, month and year in the rows before this one was mistaken' },

  /** A row between a file defect and the next header. */
  HOBOWARE_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row has fewer cells than the header, or numbers to the right of its last column. */
  HOBOWARE_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** There is no date and time where the header has them. */
  HOBOWARE_BAD_STAMP: { scope: 'record', message: 'the row does not begin with a date and time' },
  /** A quotation mark is missing or stands where none may be. */
  HOBOWARE_BAD_QUOTING: { scope: 'record', message: 'the row has broken quoting' },
  /** Control characters other than single zero bytes, which HOBOware itself writes into some names. */
  HOBOWARE_BAD_BYTES: { scope: 'record', message: 'the row holds control characters' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  HOBOWARE_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  HOBOWARE_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
} as const;

/** A code of `hobowareDefects`. */
export type HobowareDefectCode = keyof typeof hobowareDefects;
