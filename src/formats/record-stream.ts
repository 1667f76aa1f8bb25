/**
 * What reading an instrument's file yields, whatever the format: a stream of parsed items, each with the byte range it came from.
 *
 * A reader is a machine without clock or I/O. Bytes are pushed in pieces of any size; items come out in file order; nothing is ever thrown for what the bytes say. Every byte range of
 * the input belongs to exactly one item (or to the pending tail), so that counts add up and each quarantined piece can be found again in the raw file.
 *
 * A file that is still growing is read by pushing what is new: `resume` continues behind the last complete item, given the table that was open there.
 */

/** A point in time as the instrument wrote it: a calendar date and time of day with no zone, or with the fixed offset the file states. */
export interface LocalStamp {
  /** Microseconds from 1970-01-01T00:00:00 to this calendar time, as if it were UTC. Subtract the site's offset to get an instant. */
  readonly localUs: number;
  /** Minutes east of UTC when the file itself says so, else absent: then the site profile decides, and nothing is guessed. */
  readonly offsetMinutes?: number;
}

/** One column of a table, as found. */
export interface FieldDefinition {
  /** Name as written, for example `AirT_C(42)`. */
  readonly name: string;
  /** Unit as written; empty when the file has none. */
  readonly unit: string;
  /** How the logger made the value: `Avg`, `Max`, `Min`, `Tot`, `Smp`, `Std`, `TMx`…; empty when the file does not say. */
  readonly processing: string;
  /** Serial number of the sensor, where the file names one. */
  readonly sensorSerial?: string;
  /** What kind of value the column holds. */
  readonly kind: 'number' | 'text' | 'time' | 'boolean';
}

/** A table's definition as found in the file. Two definitions that differ in anything are two table revisions. */
export interface TableDefinition {
  /** Format identifier, for example `toa5` or `hoboware-csv`. */
  readonly format: string;
  /** Station or deployment name as found. */
  readonly station: string;
  /** Table name as found; formats without tables use the plot or series title. */
  readonly table: string;
  /** Logger model, empty when unknown. */
  readonly model: string;
  /** Logger serial number, empty when unknown. */
  readonly serial: string;
  /** Everything else the header says, by the format's own names (operating system, program, signature, zone text, details). */
  readonly attributes: Readonly<Record<string, string>>;
  readonly fields: readonly FieldDefinition[];
}

/** The bytes an item came from. */
export interface ByteRange {
  /** From the beginning of the file. */
  readonly offset: number;
  readonly length: number;
}

/**
 * One value, in the instrument's own digits: `-0.50` stays `-0.50`. `null` when the cell is empty.
 * Text such as `NAN` or `INF` is kept as text: whether it means "missing" is the site profile's to declare.
 */
export type Cell = string | null;

/** One item of a record stream. */
export type ParsedItem =
  /** The table that the records behind it belong to. Comes again when a header is repeated or changes in mid-file. */
  | { readonly type: 'table'; readonly range: ByteRange; readonly table: TableDefinition }
  /** One complete record. `cells` matches the table's fields one to one. */
  | {
      readonly type: 'record';
      readonly range: ByteRange;
      readonly stamp: LocalStamp;
      /** The logger's record number, where there is one. */
      readonly recordNumber?: number;
      readonly cells: readonly Cell[];
    }
  /** Something the logger did (coupler attached, host connected, end of file), not a measurement. */
  | { readonly type: 'event'; readonly range: ByteRange; readonly stamp: LocalStamp; readonly name: string; readonly detail: string }
  /** Bytes that carry no data and are no defect: blank lines, comments, a repeated header, details. */
  | { readonly type: 'other'; readonly range: ByteRange }
  /**
   * Bytes that could not be used. `scope` says how far the damage goes: this record, or the rest of the file. `code` is stable and documented.
   */
  | {
      readonly type: 'defect';
      readonly range: ByteRange;
      readonly scope: 'record' | 'file';
      readonly code: string;
      readonly message: string;
    };

/** What a reader must remember to go on in a file that has grown. Plain data: it is stored in the catalog with the observations. */
export interface ReaderPosition {
  /** Everything before this byte offset has been turned into items. */
  readonly offset: number;
  /** The table open at that point, absent before the first header. */
  readonly table?: TableDefinition;
  /** State of the particular format, as JSON-compatible data. */
  readonly state?: Readonly<Record<string, string | number | boolean>>;
}

/** Reads one file of one format. */
export interface FormatReader {
  /** Adds the next bytes of the file; returns the items they completed. The array may be reused by the caller afterwards. */
  push(bytes: Uint8Array): ParsedItem[];
  /**
   * Ends this reading. With `complete: true` the file will not grow, so an unfinished tail becomes a record or a defect; with `complete: false` the tail stays pending and is not
   * consumed.
   */
  end(options: { readonly complete: boolean }): ParsedItem[];
  /** Where to go on. Valid at any time; bytes behind `offset` that were pushed but are incomplete must be pushed again. */
  position(): ReaderPosition;
}

/** Bytes of a file by their place. Behind the end there are none. */
export interface BytesByPlace {
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** How a file that is overwritten in place is looked at. */
export interface UnrollOptions {
  /** The file will not change any more. */
  readonly complete: boolean;
  /** Where an earlier reading stopped, and what it was given to remember with that. */
  readonly position?: { readonly offset: number; readonly mark: RingMark };
}

/** What is remembered with a position in an unrolled file. Plain data. */
export type RingMark = Readonly<Record<string, string | number>>;

/** A file that is overwritten in place, as one that only grows. Places in it are not those in the file. */
export interface UnrolledFile extends BytesByPlace {
  readonly sizeBytes: number;
  /** The earlier reading can go on where it stopped; else everything that is there is read from the beginning. */
  readonly continues: boolean;
  /** What to remember with a position of its reader. */
  mark(offset: number): RingMark;
}

/** How sure a format is that a file is its own: 0 (no) to 1 (certain). */
export type Confidence = number;

/** A file format that can be read. */
export interface RecordFormat {
  /** Stable identifier, for example `toa5`. */
  readonly id: string;
  /** Looks at the first bytes (up to 4 KiB) and the name of a file. Never throws. */
  sniff(head: Uint8Array, name: string): Confidence;
  /**
   * Where a file is overwritten in place: how it reads as one that only grows, so that a cursor means the same at the next visit. `undefined` where it can only be read as it stands, from its beginning. Never throws for
   * what the bytes say; rejects with what reading the file rejects with.
   */
  unroll?(file: BytesByPlace, sizeBytes: number, options: UnrollOptions): Promise<UnrolledFile | undefined>;
  /** A reader at the beginning of a file, or where an earlier one stopped. */
  reader(resume?: ReaderPosition): FormatReader;
}
