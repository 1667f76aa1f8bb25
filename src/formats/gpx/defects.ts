/** Everything that can be wrong with a GPX file, by its stable code. The first group spoils the file; the second group spoils no more than the bytes the defect names. */
export const gpxDefects = {
  /** The file ended and held nothing but blanks. */
  GPX_EMPTY: { scope: 'file', message: 'the file is empty' },
  /** No element `gpx` begins within the length that what stands before it may have. */
  GPX_NOT_GPX: { scope: 'file', message: 'the file is no GPX file' },

  /** A point without a time: nobody can say when it was true. Waypoints that were marked by hand, routes and tracks drawn on a map have none. */
  GPX_POINT_WITHOUT_TIME: { scope: 'record', message: 'the point has no time' },
  /** A point without a latitude of -90 to 90 and a longitude of -180 to 180 degrees, or with a time that is none. */
  GPX_BAD_POINT: { scope: 'record', message: 'the point has no usable position or time' },
  /** A point that does not end before the next one begins, or is longer than a point may be. */
  GPX_POINT_TORN: { scope: 'record', message: 'the point has no end' },
  /** The file ended within a point. */
  GPX_TAIL_CUT: { scope: 'record', message: 'the last point has no end' },
} as const;

/** A code of `gpxDefects`. */
export type GpxDefectCode = keyof typeof gpxDefects;
