import { limits } from '../core/limits.ts';
import { type CampbellType, campbellType } from './campbell-types.ts';
import { CsvRow } from './csv-row.ts';
import type { FieldDefinition } from './record-stream.ts';

/**
 * The lines of text that stand before the bytes of a TOB file.
 *
 * Lines are quoted, comma-separated and end with a line feed; behind the last one binary data begin at once. Nothing of a header is used before all of it is here.
 */

const comma = 0x2c;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Why a header cannot be read: a line is no text or too long, or its quoting is broken. */
export type HeaderFlaw = 'bad-text' | 'cut';

/** Collects the lines of one header from bytes that grow. */
export class HeaderLines {
  /** Cells of the lines found so far. */
  readonly lines: string[][] = [];
  /** Index behind the last byte looked at as a line: the header's end when it is whole, the flawed line's when it is flawed. */
  end = 0;
  private searched = 0;
  private readonly count: number;
  private readonly row = new CsvRow();

  /** @param count lines of the header */
  constructor(count: number) {
    this.count = count;
  }

  /**
   * Looks for more lines.
   *
   * @param bytes the file from the header's first byte on; the same bytes as at the last call, and more behind them
   * @returns whether the header is whole, still open, or why it cannot be read
   */
  read(bytes: Uint8Array): 'whole' | 'open' | HeaderFlaw {
    while (this.lines.length < this.count) {
      const from = this.end;
      const newline = bytes.indexOf(lineFeed, this.searched);
      this.searched = newline < 0 ? bytes.length : newline + 1;
      if (this.searched - from > limits.instrumentLineBytesMax) {
        this.end = from + limits.instrumentLineBytesMax;
        return 'bad-text';
      }
      if (newline < 0) return 'open';
      this.end = newline + 1;
      const { row } = this;
      row.scan(bytes, from, bytes[newline - 1] === carriageReturn && newline > from ? newline - 1 : newline, comma);
      if (row.hasControl || row.hasNul || row.flaw === 'too-many-cells') return 'bad-text';
      if (row.flaw) return 'cut';
      this.lines.push(Array.from({ length: row.count }, (_, column) => row.text(column)));
    }
    return 'whole';
  }
}

/** A column of a binary record. */
export interface BinaryColumn {
  readonly definition: FieldDefinition;
  readonly type: CampbellType;
  /** Byte of a record at which the value begins. */
  readonly at: number;
}

/** Why columns cannot be read, in the order in which it is looked for. */
export type ColumnFlaw = 'mismatch' | 'fields' | 'type';

/**
 * The columns that the header lines of names, units, processing codes and types define: `mismatch` when the lines do not have as many cells each, `fields` when a column has no name or the
 * name of another or there are more than a table may have, `type` when a type is not known or a record would be longer than `limits.instrumentLineBytesMax`.
 */
export function binaryColumns(
  names: readonly string[],
  units: readonly string[],
  processing: readonly string[],
  types: readonly string[],
): readonly BinaryColumn[] | ColumnFlaw {
  if (units.length !== names.length || processing.length !== names.length || types.length !== names.length) return 'mismatch';
  if (names.includes('') || new Set(names).size < names.length || names.length > limits.fieldsPerTableMax) return 'fields';
  const columns: BinaryColumn[] = [];
  let at = 0;
  for (const [index, name] of names.entries()) {
    const type = campbellType(types[index] as string);
    if (!type) return 'type';
    const definition = { name, unit: units[index] as string, processing: processing[index] as string, kind: type.kind };
    columns.push({ definition, type, at });
    at += type.bytes;
  }
  return at <= limits.instrumentLineBytesMax ? columns : 'type';
}

/** Bytes of a record with these columns. */
export function recordBytesOf(columns: readonly BinaryColumn[]): number {
  return columns.reduce((sum, { type }) => sum + type.bytes, 0);
}
