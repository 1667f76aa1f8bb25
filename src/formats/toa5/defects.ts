/**
 * Everything that can be wrong with a TOA5 file, by its stable code.
 *
 * The first group spoils the file from the defect to the next readable header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const toa5Defects = {
  /** The file ended and held nothing but blank lines. */
  TOA5_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank is not a TOA5 header: another format, another version (`TOA6`), or rows whose header went elsewhere. */
  TOA5_NOT_TOA5: { scope: 'file', message: 'the file does not begin with a TOA5 header' },
  /** Fewer than four whole header lines, because the file, a line or a quoted cell ends too early, data rows begin or a new header begins. */
  TOA5_HEADER_CUT: { scope: 'file', message: 'the header ends before its four lines are whole' },
  /** The four header lines do not agree: fewer than eight cells in the first, or different numbers of names, units and processing codes. */
  TOA5_HEADER_MISMATCH: { scope: 'file', message: 'the header lines do not have matching numbers of cells' },
  /** A header line has control characters, a NUL run, or more bytes than a line may have. */
  TOA5_HEADER_BAD_TEXT: { scope: 'file', message: 'the header is not readable text' },
  /** No column is called TIMESTAMP (CardConvert can leave it out), so that no value has a time. */
  TOA5_NO_TIMESTAMP: { scope: 'file', message: 'the header names no TIMESTAMP column' },
  /** Two columns have the same name: a value could not say which one it belongs to. */
  TOA5_DUPLICATE_FIELD: { scope: 'file', message: 'two columns have the same name' },
  /** A column has no name. */
  TOA5_UNNAMED_FIELD: { scope: 'file', message: 'a column has no name' },
  /** More columns than `limits.fieldsPerTableMax`. */
  TOA5_TOO_MANY_FIELDS: { scope: 'file', message: 'the header names more columns than a table may have' },

  /** A row between a defective header and the next good one. */
  TOA5_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no readable header stands before this row' },
  /** The row does not have one cell for each column. */
  TOA5_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has columns' },
  /** The TIMESTAMP cell is not a date and time of the years 1900 to 2199. */
  TOA5_BAD_STAMP: { scope: 'record', message: 'the TIMESTAMP is not a date and time' },
  /** The RECORD cell is not a number. */
  TOA5_BAD_RECORD_NUMBER: { scope: 'record', message: 'the RECORD is not a record number' },
  /** A quotation mark is missing or stands where none may be. */
  TOA5_BAD_QUOTING: { scope: 'record', message: 'the row has broken quoting' },
  /** Control characters in the row: line noise, or parts of two rows written over each other. */
  TOA5_BAD_BYTES: { scope: 'record', message: 'the row holds control characters' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  TOA5_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  TOA5_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
  /**
   * The file ended within a row. It is not used even when it has every cell: loggers end each row, so that the last digits of its last value may be missing.
   */
  TOA5_TAIL_CUT: { scope: 'record', message: 'the last row has no line end' },
} as const;

/** A code of `toa5Defects`. */
export type Toa5DefectCode = keyof typeof toa5Defects;
