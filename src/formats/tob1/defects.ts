/**
 * Everything that can be wrong with a TOB1 file, by its stable code.
 *
 * The first group spoils the file from the defect on, as nothing in the bytes says where a record begins; the second group spoils no more than the bytes the defect names.
 */
export const tob1Defects = {
  /** The file ended and was empty. */
  TOB1_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The file does not begin with a TOB1 header. */
  TOB1_NOT_TOB1: { scope: 'file', message: 'the file does not begin with a TOB1 header' },
  /** The file ended before the five header lines were whole, or a quoted cell of one does not end. */
  TOB1_HEADER_CUT: { scope: 'file', message: 'the header ends before its five lines are whole' },
  /** A header line has control characters or more bytes or cells than a line may have. */
  TOB1_HEADER_BAD_TEXT: { scope: 'file', message: 'the header is not readable text' },
  /** The header lines do not agree: fewer than eight cells in the first, or different numbers of names, units, processing codes and types. */
  TOB1_HEADER_MISMATCH: { scope: 'file', message: 'the header lines do not have matching numbers of cells' },
  /** A column has no name, two have the same, or there are more than `limits.fieldsPerTableMax`. */
  TOB1_BAD_FIELDS: { scope: 'file', message: 'a column has no name of its own, or there are too many' },
  /** A column has a type we do not know, so that the length of a record is not known either; or a record would be longer than `limits.instrumentLineBytesMax`. */
  TOB1_UNKNOWN_TYPE: { scope: 'file', message: 'a column has an unknown data type' },
  /** No column SECONDS of whole seconds, which a file may be made without, so that no value has a time. */
  TOB1_NO_TIMESTAMP: { scope: 'file', message: 'the header names no SECONDS column' },

  /** Bytes behind a header that could not be read. */
  TOB1_DATA_WITHOUT_TABLE: { scope: 'record', message: 'no readable header stands before these bytes' },
  /** The nanoseconds of the record's time are a second or more: these bytes are no record, or records are not where they should be. */
  TOB1_BAD_STAMP: { scope: 'record', message: 'the record has no possible time' },
  /** Nothing but zero bytes where a record should be, as a power cut leaves them. */
  TOB1_NUL_RUN: { scope: 'record', message: 'a record of zero bytes' },
  /** The file ended within a record. */
  TOB1_TAIL_CUT: { scope: 'record', message: 'the last record is not whole' },
} as const;

/** A code of `tob1Defects`. */
export type Tob1DefectCode = keyof typeof tob1Defects;
