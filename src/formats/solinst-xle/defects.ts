/**
 * Everything that can be wrong with a Solinst XLE file, by its stable code.
 *
 * The first group spoils the file; the second group spoils no more than the bytes the defect names.
 */
export const xleDefects = {
  /** The file ended and held nothing but blanks. */
  XLE_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** No element `Body_xle` begins before the measurements. */
  XLE_NOT_XLE: { scope: 'file', message: 'the file is no XLE file' },
  /** The file ends before the measurements, or they do not begin within the length a header may have. */
  XLE_HEADER_CUT: { scope: 'file', message: 'the header ends before the measurements begin' },
  /** The header names no channels, or has control characters. */
  XLE_HEADER_MALFORMED: { scope: 'file', message: 'the header names no channels' },

  /** A measurement without a usable date and time, without one value for each channel, with control characters, or without an end. */
  XLE_BAD_LOG: { scope: 'record', message: 'the measurement is not whole' },
  /** Something else than measurements where measurements stand, or a part of one over the length limit. */
  XLE_STRAY_TEXT: { scope: 'record', message: 'something else than a measurement' },
  /** The file ended within a measurement. */
  XLE_TAIL_CUT: { scope: 'record', message: 'the last measurement has no end' },
} as const;

/** A code of `xleDefects`. */
export type XleDefectCode = keyof typeof xleDefects;
