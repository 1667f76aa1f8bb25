import type { ByteRange, Cell, LocalStamp, ParsedItem, TableDefinition } from './record-stream.ts';

/** What a kind of defect says whenever it is met: the value of one line of a format's table of defects. */
export interface DefectKind {
  readonly scope: 'record' | 'file';
  readonly message: string;
}

/** What of a record does not follow from where it stands. */
export interface RecordContent {
  readonly stamp: LocalStamp;
  readonly recordNumber?: number;
  readonly cells: readonly Cell[];
}

/**
 * The items a reader has made and where they end.
 *
 * Every item is given by its end alone and begins where the one before it ended, so items cover the file without gap or overlap whatever the reader does. Separators, frame headers and
 * the like thereby belong to the item behind them.
 */
export class ItemTrail {
  /** Offset in the file behind the last item. */
  offset: number;
  private items: ParsedItem[] = [];

  /** @param offset where in the file the first item begins */
  constructor(offset: number) {
    this.offset = offset;
  }

  /** Hands out the items made since the last call. */
  take(): ParsedItem[] {
    const { items } = this;
    this.items = [];
    return items;
  }

  /** A table is defined by the bytes before `end`. */
  table(end: number, table: TableDefinition): void {
    this.items.push({ type: 'table', range: this.consume(end), table });
  }

  /** The bytes before `end` are a record. */
  record(end: number, content: RecordContent): void {
    this.items.push({ type: 'record', range: this.consume(end), ...content });
  }

  /** The bytes before `end` carry no data and are no defect. */
  other(end: number): void {
    this.items.push({ type: 'other', range: this.consume(end) });
  }

  /** The bytes before `end` cannot be used. */
  defect(end: number, code: string, { scope, message }: DefectKind): void {
    this.items.push({ type: 'defect', range: this.consume(end), scope, code, message });
  }

  private consume(end: number): ByteRange {
    const range = { offset: this.offset, length: end - this.offset };
    this.offset = end;
    return range;
  }
}
