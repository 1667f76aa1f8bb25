/**
 * Everything that can be wrong with a CSIJSON file, by its stable code.
 *
 * The first group spoils the file from the defect to the next readable answer, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const csijsonDefects = {
  /** The file ended and held nothing but blanks. */
  CSIJSON_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The file does not begin with a JSON object. */
  CSIJSON_NOT_CSIJSON: { scope: 'file', message: 'the file does not begin with a JSON object' },
  /** Brackets, commas, colons or quotation marks do not stand as JSON demands, so that nothing says where the next record begins. What follows up to the end of the line goes with it. */
  CSIJSON_BROKEN: { scope: 'file', message: 'the JSON is broken' },
  /** The value of `head`, or its fields, are not of the form that loggers write, a field has no name of its own, or there are too many. */
  CSIJSON_BAD_HEAD: { scope: 'file', message: 'the head does not define a table' },

  /** A record before any head, or behind a bad one. */
  CSIJSON_RECORD_WITHOUT_TABLE: { scope: 'record', message: 'no readable head stands before this record' },
  /** A record is not an object with `time`, perhaps `no`, and a list `vals` of texts, numbers, truth values and nulls. */
  CSIJSON_BAD_RECORD: { scope: 'record', message: 'the record is not of the form that loggers write' },
  /** The record does not have one value for each field. */
  CSIJSON_COLUMN_COUNT: { scope: 'record', message: 'the record does not have as many values as the head has fields' },
  /** The time of the record is not a date and time of the years 1900 to 2199. */
  CSIJSON_BAD_STAMP: { scope: 'record', message: 'the time is not a date and time' },
  /** Bytes between two answers that are no JSON. */
  CSIJSON_UNREADABLE: { scope: 'record', message: 'these bytes are no JSON' },
  /** The file ended before the answer was whole. The records before stay. */
  CSIJSON_TAIL_CUT: { scope: 'record', message: 'the answer is not whole' },
} as const;

/** A code of `csijsonDefects`. */
export type CsijsonDefectCode = keyof typeof csijsonDefects;
