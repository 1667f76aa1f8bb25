/**
 * Everything that can be wrong with a CSIXML file, by its stable code.
 *
 * The first group spoils the file from the defect to the next readable document, if one comes; the second group spoils no more than the bytes the defect names.
 */
export const csixmlDefects = {
  /** The file ended and held nothing but blanks and comments. */
  CSIXML_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The first thing in the file that is not blank is no `csixml` element, or a document type is declared. */
  CSIXML_NOT_CSIXML: { scope: 'file', message: 'the file does not begin with a csixml element' },
  /** The head is torn or longer than any table needs, a field in it has no name of its own, or there are too many. */
  CSIXML_BAD_HEAD: { scope: 'file', message: 'the head does not define a table' },

  /** A record before any head, or behind a bad one. */
  CSIXML_RECORD_WITHOUT_TABLE: { scope: 'record', message: 'no readable head stands before this record' },
  /** The record is torn, or holds other things than its values `v1`, `v2`… in their order. */
  CSIXML_BAD_RECORD: { scope: 'record', message: 'the record is torn or holds other things than values' },
  /** The record does not have one value for each field. */
  CSIXML_COLUMN_COUNT: { scope: 'record', message: 'the record does not have as many values as the head has fields' },
  /** The record has no time, or it is not a date and time of the years 1900 to 2199. */
  CSIXML_BAD_STAMP: { scope: 'record', message: 'the time is not a date and time' },
  /** The `no` of the record is not a number. */
  CSIXML_BAD_RECORD_NUMBER: { scope: 'record', message: 'the record number is not a number' },
  /** Text or torn markup where none may be. */
  CSIXML_UNREADABLE: { scope: 'record', message: 'these bytes belong to no record' },
  /** The file ended, or another document began, before this one was whole. The records before stay. */
  CSIXML_TAIL_CUT: { scope: 'record', message: 'the document is not whole' },
} as const;

/** A code of `csixmlDefects`. */
export type CsixmlDefectCode = keyof typeof csixmlDefects;
