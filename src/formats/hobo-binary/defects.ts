/** Everything that can be wrong with a raw file of a HOBO logger, by its stable code. Each spoils the whole file, of which nothing but the header is read anyway. */
export const hoboBinaryDefects = {
  /** The file does not begin with `HOBO` and a tag. */
  HOBO_NOT_HOBO: { scope: 'file', message: 'the file does not begin like the raw data of a HOBO logger' },
  /** The file ends within a tag, or there are more tags than a header can have. */
  HOBO_HEADER_CUT: { scope: 'file', message: 'the header has no end' },
  /** No tag names the logger's model. */
  HOBO_HEADER_MALFORMED: { scope: 'file', message: 'the header names no logger' },
} as const;

/** A code of `hoboBinaryDefects`. */
export type HoboBinaryDefectCode = keyof typeof hoboBinaryDefects;
