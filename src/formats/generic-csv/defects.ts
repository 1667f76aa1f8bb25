/**
 * Everything that can be wrong with a CSV file of unknown origin, by its stable code.
 *
 * The first group spoils the rest of the file; the second group spoils no more than the bytes the defect names.
 */
export const csvDefects = {
  /** The file ended and held nothing but blank lines. */
  CSV_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is neither blank nor a comment is no line of headings: a single cell, a number among the headings, broken quoting, too many columns. */
  CSV_NO_HEADER: { scope: 'file', message: 'the file has no line of headings' },
  /** The comments or the headings are no text, or longer than a header can be. */
  CSV_HEADER_MALFORMED: { scope: 'file', message: 'the lines before the first row are not readable text' },
  /** The row behind the headings holds no date and time that is recognised, or there is no such row, or a column that was declared is not there. */
  CSV_NO_STAMP: { scope: 'file', message: 'no column with a recognisable date and time' },
  /** Nothing in the file settles the order of day, month and year. */
  CSV_DATE_ORDER_UNKNOWN: { scope: 'file', message: 'nothing shows the order of day, month and year' },
  /** A date is possible only in another order than the one that neighbouring rows suggested, so the rows before it have been dated wrongly. */
  CSV_DATE_ORDER: { scope: 'file', message: 'the order of day, month and year in the rows before this one was mistaken' },

  /** A row behind a file defect. */
  CSV_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row does not have one cell for each heading. */
  CSV_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** There is no date and time where the first row has them, or in another form. */
  CSV_BAD_STAMP: { scope: 'record', message: 'there is no date and time in the column that holds them' },
  /** Control characters or broken quoting. */
  CSV_BAD_TEXT: { scope: 'record', message: 'the row is not readable text' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  CSV_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  CSV_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
} as const;

/** A code of `csvDefects`. */
export type CsvDefectCode = keyof typeof csvDefects;
