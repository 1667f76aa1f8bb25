import { decodeText } from '../csv-row.ts';
import { beginsWith, HeadedTextReader, hasControls, type OpenTable, type RowReading } from '../headed-text-reader.ts';
import { readClock } from './cnv-clock.ts';
import { CnvHeader, type CnvLayout } from './cnv-header.ts';
import { type CnvDefectCode, cnvDefects } from './defects.ts';

/**
 * Reads `.cnv` files, the text that Sea-Bird's programs make of a profiler's or a moored instrument's recordings.
 *
 * Every value has eleven places. A value that fills its places runs together with the one before it, so a row is cut at blanks, and where that does not give as many values as there are names,
 * at every eleventh place.
 */

const placesPerValue = 11;

const codes = {
  empty: 'CNV_EMPTY',
  noHeader: 'CNV_NO_HEADER',
  headerCut: 'CNV_HEADER_CUT',
  headerMalformed: 'CNV_HEADER_MALFORMED',
  rowWithoutTable: 'CNV_ROW_WITHOUT_TABLE',
  nulRun: 'CNV_NUL_RUN',
  lineTooLong: 'CNV_LINE_TOO_LONG',
} as const;

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/;

/** The values of a row, or `undefined` when there are not as many as columns. */
function valuesOf(line: string, columns: number): string[] | undefined {
  const apart = line.split(/[ \t]+/).filter((value) => value !== '');
  if (apart.length === columns) return apart;
  if (line.trimEnd().length !== columns * placesPerValue) return undefined;
  const values = Array.from({ length: columns }, (_, index) =>
    line.slice(index * placesPerValue, (index + 1) * placesPerValue).trimStart(),
  );
  return values.every((value) => number.test(value)) ? values : undefined;
}

/** Reader of one `.cnv` file. */
export class CnvReader extends HeadedTextReader<CnvDefectCode, CnvLayout> {
  protected readonly codes = codes;
  protected readonly defects = cnvDefects;

  protected beginsHeader(bytes: Uint8Array, from: number, to: number): boolean {
    return beginsWith(bytes, from, to, '* Sea-Bird');
  }

  protected newHeader(): CnvHeader {
    return new CnvHeader();
  }

  protected readRow(open: OpenTable<CnvLayout>, bytes: Uint8Array, from: number, to: number): RowReading<CnvDefectCode> {
    const { columns, clock, badFlag, rows } = open.layout;
    if (clock.column < 0) this.open = { ...open, layout: { ...open.layout, rows: rows + 1 } };
    if (hasControls(bytes, from, to)) return 'CNV_BAD_TEXT';
    const values = valuesOf(decodeText(bytes.subarray(from, to)), columns);
    if (!values) return 'CNV_COLUMN_COUNT';
    const time = clock.column < 0 ? String(rows) : (values[clock.column] as string);
    const bad = badFlag !== '' && Number(time) === Number(badFlag);
    const read = number.test(time) && !bad ? readClock(clock, Number(time)) : undefined;
    if (!read) return 'CNV_BAD_STAMP';
    const { localUs, next } = read;
    if (next !== clock) this.open = { ...open, layout: { ...open.layout, clock: next } };
    const { offsetMinutes } = clock;
    return { stamp: offsetMinutes === undefined ? { localUs } : { localUs, offsetMinutes }, cells: values };
  }
}
