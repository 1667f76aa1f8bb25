import { limits } from '../../core/limits.ts';
import { secondUs } from '../civil-time.ts';
import { CsvRow } from '../csv-row.ts';
import { distinctNames } from '../distinct-names.ts';
import {
  HeadedTextReader,
  type HeaderLines,
  type HeaderStep,
  type OpenTable,
  type RowReading,
  withoutMark,
} from '../headed-text-reader.ts';
import type { FieldDefinition } from '../record-stream.ts';
import { type MinidotDefectCode, minidotDefects } from './defects.ts';

/**
 * Reads the text files of PME's miniDOT oxygen loggers: one file a day, three header lines, then rows that begin with Unix time.
 *
 * The header is the logger's serial number (`7392-354869`), its operating system with the time of the sensor's calibration, and the headings with units in parentheses. A new header may
 * follow in mid-file where daily files were joined.
 */

const comma = 0x2c;

/** Unix times of the years 1970 to 2199; later ones no logger has written. */
const secondsMax = 7_258_118_400;

/** Cells of every row. */
interface MinidotLayout {
  readonly columns: number;
}

const codes = {
  empty: 'MINIDOT_EMPTY',
  noHeader: 'MINIDOT_NO_HEADER',
  headerCut: 'MINIDOT_HEADER_CUT',
  headerMalformed: 'MINIDOT_HEADER_MALFORMED',
  rowWithoutTable: 'MINIDOT_ROW_WITHOUT_TABLE',
  nulRun: 'MINIDOT_NUL_RUN',
  lineTooLong: 'MINIDOT_LINE_TOO_LONG',
  tailCut: 'MINIDOT_TAIL_CUT',
} as const;

/** True for a serial number as the logger writes it in the first line: two groups of digits. */
export function isSerialLine(line: string): boolean {
  return /^\d{3,8}-\d{3,10}\s*$/.test(withoutMark(line));
}

/** True for the second line: the logger's operating system and the time of the sensor's calibration. */
export function isSystemLine(line: string): boolean {
  return line.startsWith('OS REV:');
}

class MinidotHeader implements HeaderLines<MinidotDefectCode, MinidotLayout> {
  private serial = '';
  private readonly attributes: Record<string, string> = {};
  private lines = 0;

  add(line: string): HeaderStep<MinidotDefectCode, MinidotLayout> {
    this.lines++;
    if (this.lines === 1) {
      this.serial = withoutMark(line).trim();
      return 'more';
    }
    if (this.lines === 2) {
      if (!isSystemLine(line)) return { refused: 'MINIDOT_HEADER_MALFORMED' };
      const [, system = '', calibration = ''] = /^OS REV: *(\S*)(?: +Sensor Cal: *(\S*))?/.exec(line) ?? [];
      Object.assign(this.attributes, { operatingSystem: system, sensorCalibrationUnixSeconds: calibration });
      return 'more';
    }
    return this.headings(line);
  }

  private headings(line: string): HeaderStep<MinidotDefectCode, MinidotLayout> {
    const [time = '', ...headings] = line.split(',').map((heading) => heading.trim());
    if (!/^Time ?\(sec\)$/i.test(time) || headings.length === 0 || headings.length >= limits.fieldsPerTableMax) {
      return { refused: 'MINIDOT_HEADER_MALFORMED' };
    }
    const parts = headings.map((heading) => /^(.*?) *\(([^()]*)\)$/.exec(heading) ?? [heading, heading, '']);
    const names = distinctNames(parts.map(([, name = '']) => name));
    const fields = parts.map(
      ([, , unit = ''], index): FieldDefinition => ({
        name: names[index] as string,
        unit,
        processing: '',
        kind: 'number',
      }),
    );
    const { serial, attributes } = this;
    const table = { format: 'minidot', station: serial, table: serial, model: 'miniDOT', serial, attributes, fields };
    return { open: { table, layout: { columns: headings.length + 1 } }, withLine: true };
  }
}

/** Reader of one miniDOT file. */
export class MinidotReader extends HeadedTextReader<MinidotDefectCode, MinidotLayout> {
  protected readonly codes = codes;
  protected readonly defects = minidotDefects;
  private readonly row = new CsvRow();

  protected beginsHeader(bytes: Uint8Array, from: number, to: number): boolean {
    // No line of the header but the first has this form, and rows have commas.
    return to - from <= 24 && isSerialLine(String.fromCharCode(...bytes.subarray(from, to)).replace('\u00ef\u00bb\u00bf', ''));
  }

  protected newHeader(): MinidotHeader {
    return new MinidotHeader();
  }

  protected readRow({ layout }: OpenTable<MinidotLayout>, bytes: Uint8Array, from: number, to: number): RowReading<MinidotDefectCode> {
    const { row } = this;
    row.scan(bytes, from, to, comma);
    if (row.hasControl || row.hasNul || row.flaw === 'quoting') return 'MINIDOT_BAD_TEXT';
    if (row.count !== layout.columns) return 'MINIDOT_COLUMN_COUNT';
    const seconds = row.text(0);
    if (!/^\d{1,10}$/.test(seconds) || Number(seconds) >= secondsMax) return 'MINIDOT_BAD_STAMP';
    const cells = Array.from({ length: layout.columns - 1 }, (_, index) => row.cell(index + 1));
    return { stamp: { localUs: Number(seconds) * secondUs, offsetMinutes: 0 }, cells };
  }
}
