/**
 * Everything that can be wrong with a TOB3 file, by its stable code.
 *
 * The first group spoils the file from the defect on; the second group spoils no more than the bytes the defect names.
 */
export const tob3Defects = {
  /** The file ended and was empty. */
  TOB3_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** The file does not begin with a TOB3 header. */
  TOB3_NOT_TOB3: { scope: 'file', message: 'the file does not begin with a TOB3 header' },
  /** The file ended before the six header lines were whole, or a quoted cell of one does not end. */
  TOB3_HEADER_CUT: { scope: 'file', message: 'the header ends before its six lines are whole' },
  /** A header line has control characters or more bytes or cells than a line may have. */
  TOB3_HEADER_BAD_TEXT: { scope: 'file', message: 'the header is not readable text' },
  /** The header lines do not agree: too few cells in the first two, or different numbers of names, units, processing codes and types. */
  TOB3_HEADER_MISMATCH: { scope: 'file', message: 'the header lines do not have matching numbers of cells' },
  /** A column has no name, two have the same, or there are more than `limits.fieldsPerTableMax`. */
  TOB3_BAD_FIELDS: { scope: 'file', message: 'a column has no name of its own, or there are too many' },
  /** A column has a type we do not know, so that the length of a record is not known either; or a record would be longer than `limits.instrumentLineBytesMax`. */
  TOB3_UNKNOWN_TYPE: { scope: 'file', message: 'a column has an unknown data type' },
  /** The interval, the frame size, the validation stamp or the time resolution of the second line cannot be used, or no record fits into a frame. */
  TOB3_BAD_FRAMING: { scope: 'file', message: 'the header does not say how frames are to be read' },

  /** Bytes behind a header that could not be read. */
  TOB3_DATA_WITHOUT_TABLE: { scope: 'record', message: 'no readable header stands before these bytes' },
  /** One or more frames without the validation stamp, and good ones behind them. */
  TOB3_BAD_FRAME: { scope: 'record', message: 'frames among good ones do not carry the validation stamp' },
  /** A frame that was divided says no possible lengths of its parts; everything before the good parts at its end is lost. */
  TOB3_BAD_MINOR_FRAME: { scope: 'record', message: 'the parts of a divided frame do not fit together' },
  /** The fraction of a second in a frame's time is a second or more, or its records would reach beyond the time a logger can count. */
  TOB3_BAD_STAMP: { scope: 'record', message: 'the frame has no possible time' },
  /** Records behind the first one of a frame in a table without an interval: nothing says when they were made. */
  TOB3_NO_STAMP: { scope: 'record', message: 'the records have no time of their own and the table has no interval' },
  /** The file ended within a frame that good ones stand before. */
  TOB3_TAIL_CUT: { scope: 'record', message: 'the last frame is not whole' },
} as const;

/** A code of `tob3Defects`. */
export type Tob3DefectCode = keyof typeof tob3Defects;
