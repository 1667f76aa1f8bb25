/**
 * Everything that can be wrong with a mixed-array file, by its stable code.
 *
 * The first group is said once and concerns the whole file; the second group spoils no more than the bytes the defect names.
 */
export const mixedArrayDefects = {
  /** The file ended and held nothing but blank lines. */
  MIXED_ARRAY_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** A row has no year where the layout expects one: the logger's program did not write it, so that whoever knows the site must say it. Rows with a year go on. */
  MIXED_ARRAY_NO_YEAR: { scope: 'file', message: 'the rows do not say their year; the site must' },

  /** Another row without a year, behind the one that was reported for the file. */
  MIXED_ARRAY_ROW_WITHOUT_YEAR: { scope: 'record', message: 'the row does not say its year' },
  /** The row does not begin with an array number, has broken quoting, control characters, or more cells than a table may have columns. */
  MIXED_ARRAY_BAD_ROW: { scope: 'record', message: 'the row is not an array' },
  /** The row ends before its time is whole. */
  MIXED_ARRAY_TOO_SHORT: { scope: 'record', message: 'the row ends within its time' },
  /** Day of the year, hours and minutes or seconds are not possible ones. */
  MIXED_ARRAY_BAD_STAMP: { scope: 'record', message: 'the row has no possible time' },
  /** Zero bytes, as a power cut leaves them, with the torn row before them. */
  MIXED_ARRAY_NUL_RUN: { scope: 'record', message: 'a run of zero bytes' },
  /** A part of a line with more than `limits.instrumentLineBytesMax` bytes. */
  MIXED_ARRAY_LINE_TOO_LONG: { scope: 'record', message: 'part of a line over the length limit' },
  /** The file ended within a row. It is not used, as the last digits of its last value, or further values, may be missing. */
  MIXED_ARRAY_TAIL_CUT: { scope: 'record', message: 'the last row has no line end' },
} as const;

/** A code of `mixedArrayDefects`. */
export type MixedArrayDefectCode = keyof typeof mixedArrayDefects;
