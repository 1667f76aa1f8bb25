/**
 * Everything that can be wrong with an AmeriFlux or FLUXNET file, by its stable code.
 *
 * The first group spoils the file from the defect to the next header, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const amerifluxDefects = {
  /** The file ended and held nothing but blank lines. */
  AMERIFLUX_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first line that is not blank is neither a comment nor the line of names. */
  AMERIFLUX_NO_HEADER: { scope: 'file', message: 'the file does not begin with TIMESTAMP_START and TIMESTAMP_END' },
  /** The file ended before the line of names, or within it. */
  AMERIFLUX_HEADER_CUT: { scope: 'file', message: 'the header ends before the line of names is whole' },
  /** The line behind the comments does not name TIMESTAMP_START, TIMESTAMP_END and variables, each once, or is no text. */
  AMERIFLUX_HEADER_MALFORMED: { scope: 'file', message: 'the names of the columns cannot be used' },

  /** A row between a file defect and the next header. */
  AMERIFLUX_ROW_WITHOUT_TABLE: { scope: 'record', message: 'no usable header stands before this row' },
  /** The row does not have one cell for each name. */
  AMERIFLUX_COLUMN_COUNT: { scope: 'record', message: 'the row does not have as many cells as the header has names' },
  /** TIMESTAMP_END is not a time of the form YYYYMMDDHHMM. */
  AMERIFLUX_BAD_STAMP: { scope: 'record', message: 'TIMESTAMP_END is not a date and time' },
  /** Control characters or broken quoting. */
  AMERIFLUX_BAD_TEXT: { scope: 'record', message: 'the row is not readable text' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  AMERIFLUX_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  AMERIFLUX_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
} as const;

/** A code of `amerifluxDefects`. */
export type AmerifluxDefectCode = keyof typeof amerifluxDefects;
