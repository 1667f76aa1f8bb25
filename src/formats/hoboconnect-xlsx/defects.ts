/**
 * Everything that can be wrong with an XLSX export of HOBOconnect, by its stable code.
 *
 * The first group spoils the file; the second group spoils no more than the bytes the defect names.
 */
export const hoboconnectXlsxDefects = {
  /** The file will not grow any more and does not end as a ZIP archive does: it was cut, or it is not one. */
  HOBOCONNECT_XLSX_TORN: { scope: 'file', message: 'the file is not a whole ZIP archive' },
  /** More bytes than such a file may have. */
  HOBOCONNECT_XLSX_TOO_LARGE: { scope: 'file', message: 'the file is larger than 32 MiB' },
  /** Something was added behind a workbook that has been read already. */
  HOBOCONNECT_XLSX_CHANGED: { scope: 'file', message: 'the file grew after it had been read' },
  /** The archive holds no workbook, or one whose parts are damaged, encrypted or too large. */
  HOBOCONNECT_XLSX_NO_WORKBOOK: { scope: 'file', message: 'the file holds no workbook that can be read' },
  /** The first row of the sheet of data has no Date-Time column in its first two places, or no columns of values. */
  HOBOCONNECT_XLSX_NO_HEADER: { scope: 'file', message: 'the sheet of data has no headings of HOBOconnect' },

  /** A row has cells beyond its headings, is not closed, or refers to what is not there. */
  HOBOCONNECT_XLSX_BAD_ROW: { scope: 'record', message: 'the row cannot be read' },
  /** There is no date where the headings have it. */
  HOBOCONNECT_XLSX_BAD_STAMP: { scope: 'record', message: 'there is no date and time in the Date-Time column' },
} as const;

/** A code of `hoboconnectXlsxDefects`. */
export type HoboconnectXlsxDefectCode = keyof typeof hoboconnectXlsxDefects;
