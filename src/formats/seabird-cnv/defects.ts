/**
 * Everything that can be wrong with a Sea-Bird `.cnv` file, by its stable code.
 *
 * The first group spoils the file from the defect to the next header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const cnvDefects = {
  /** The file ended and held nothing but blank lines. */
  CNV_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank does not begin with `* Sea-Bird`. */
  CNV_NO_HEADER: { scope: 'file', message: 'the file does not begin with a Sea-Bird header' },
  /** The file ended before `*END*`, or no such line came within the length a header can have. */
  CNV_HEADER_CUT: { scope: 'file', message: 'the header has no end' },
  /** Names and the number of columns do not agree, or a line before `*END*` is no header line or no text. Raw `.hex` files have such headers. */
  CNV_HEADER_MALFORMED: { scope: 'file', message: 'the header does not name the columns' },
  /** The rows are binary numbers (`file_type = binary`). */
  CNV_BINARY: { scope: 'file', message: 'the rows are binary and not text' },
  /** No column says the time and it cannot be counted either: no usable `start_time`, or rows averaged over depth. */
  CNV_NO_TIME: { scope: 'file', message: 'neither a column nor the header says when the rows were measured' },

  /** A row between a file defect and the next header. */
  CNV_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row does not have one value for each name. */
  CNV_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many values as the header has names' },
  /** The time is not a number, marked as bad, or outside the years 1900 to 2199. */
  CNV_BAD_STAMP: { scope: 'record', message: 'the time of the row is not usable' },
  /** Control characters in the row. */
  CNV_BAD_TEXT: { scope: 'record', message: 'the row is not readable text' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  CNV_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  CNV_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
} as const;

/** A code of `cnvDefects`. */
export type CnvDefectCode = keyof typeof cnvDefects;
