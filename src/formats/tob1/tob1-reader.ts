import { invariant } from '../../core/assert.ts';
import { limits } from '../../core/limits.ts';
import { HeaderLines } from '../campbell-header.ts';
import { localUsSince1990 } from '../campbell-types.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import { type Tob1DefectCode, tob1Defects } from './defects.ts';
import { parseTob1Header, type Tob1Layout, tob1HeaderLines } from './tob1-header.ts';

/**
 * Reads TOB1: five lines of text, then records of fixed length with nothing between them.
 *
 * Where a record begins follows from the header alone. So a record is believed when its time is possible, and behind a header that cannot be read nothing can be: the bytes are quarantined in
 * blocks. A new header is looked for only where a record could begin; LoggerNet writes one when it connects anew.
 */

/** `"TOB1",` */
const magic = [0x22, 0x54, 0x4f, 0x42, 0x31, 0x22, 0x2c];
/** Bytes of a block of data that cannot be read. */
const blockBytes = limits.instrumentLineBytesMax;

/** How many of the bytes from `from` on are those of a TOB1 header's beginning. */
function matchingBytes(bytes: Uint8Array, from: number): number {
  let count = 0;
  while (count < magic.length && bytes[from + count] === magic[count]) count++;
  return count;
}

/** True when a TOB1 header begins with these bytes. */
export function beginsTob1(bytes: Uint8Array): boolean {
  return matchingBytes(bytes, 0) === magic.length;
}

/** Reader of one TOB1 file. */
export class Tob1Reader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private header: HeaderLines | undefined;
  private table: TableDefinition | undefined;
  private layout: Tob1Layout | undefined;
  /** The header's cells, from which the layout can be made again. */
  private headerText = '';
  /** True behind a header that could not be read. */
  private unreadable: boolean;

  constructor(resume: ReaderPosition = { offset: 0 }) {
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
    this.unreadable = resume.state?.unreadable === true;
    if (resume.table) {
      const header = resume.state?.header;
      invariant(typeof header === 'string', 'a TOB1 position with a table holds its header');
      const parsed = parseTob1Header(JSON.parse(header));
      invariant(parsed.ok, 'the header in a TOB1 position can be read again');
      this.open(header, resume.table, parsed.value.layout);
    }
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    this.read(false);
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    this.read(true);
    const end = this.buffer.offset + this.buffer.bytes.length;
    if (this.header) this.fail('TOB1_HEADER_CUT', end);
    else if (end > this.trail.offset) this.defect(this.unreadable ? 'TOB1_DATA_WITHOUT_TABLE' : 'TOB1_TAIL_CUT', end);
    else if (!this.layout && !this.unreadable) this.defect('TOB1_EMPTY', end);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const { offset } = this.trail;
    if (this.table) return { offset, table: this.table, state: { header: this.headerText } };
    return this.unreadable ? { offset, state: { unreadable: true } } : { offset };
  }

  private read(atEnd: boolean): void {
    let goesOn = true;
    while (goesOn) {
      if (this.header) goesOn = this.readHeader(this.header);
      else goesOn = this.layout ? this.readRecords(this.layout, atEnd) : this.readWithoutTable(atEnd);
    }
    this.buffer.drop(this.trail.offset - this.buffer.offset);
  }

  /** Bytes that are in no item yet. */
  private rest(): Uint8Array {
    return this.buffer.bytes.subarray(this.trail.offset - this.buffer.offset);
  }

  /** Reads on in an open header. False when more bytes are needed. */
  private readHeader(header: HeaderLines): boolean {
    const progress = header.read(this.rest());
    if (progress === 'open') return false;
    const end = this.trail.offset + header.end;
    if (progress === 'whole') this.closeHeader(header.lines, end);
    else this.fail(progress === 'cut' ? 'TOB1_HEADER_CUT' : 'TOB1_HEADER_BAD_TEXT', end);
    return true;
  }

  private closeHeader(lines: readonly (readonly string[])[], end: number): void {
    const parsed = parseTob1Header(lines);
    if (!parsed.ok) {
      this.fail(parsed.fault.code as Tob1DefectCode, end);
      return;
    }
    const { table, layout } = parsed.value;
    if (this.table && sameTable(this.table, table)) this.trail.other(end);
    else this.trail.table(end, table);
    this.open(JSON.stringify(lines), table, layout);
  }

  private open(headerText: string, table: TableDefinition, layout: Tob1Layout): void {
    this.header = undefined;
    this.unreadable = false;
    this.headerText = headerText;
    this.table = table;
    this.layout = layout;
  }

  /** Reads all records up to the next header. False when more bytes are needed. */
  private readRecords(layout: Tob1Layout, atEnd: boolean): boolean {
    const bytes = this.rest();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += layout.recordBytes) {
      const matching = matchingBytes(bytes, at);
      if (matching === magic.length) {
        this.header = new HeaderLines(tob1HeaderLines);
        return true;
      }
      const mayBeHeader = matching > 0 && at + matching === bytes.length;
      if (at + layout.recordBytes > bytes.length || (mayBeHeader && !atEnd)) return false;
      this.readRecord(layout, bytes, view, at);
    }
    return false;
  }

  private readRecord(layout: Tob1Layout, bytes: Uint8Array, view: DataView, at: number): void {
    const end = this.trail.offset + layout.recordBytes;
    const nanoseconds = layout.nanosecondsAt < 0 ? 0 : view.getUint32(at + layout.nanosecondsAt, true);
    const localUs = localUsSince1990(view.getUint32(at + layout.secondsAt, true), nanoseconds);
    if (isZero(bytes, at, at + layout.recordBytes)) this.defect('TOB1_NUL_RUN', end);
    else if (localUs === undefined) this.defect('TOB1_BAD_STAMP', end);
    else {
      const cells = layout.fields.map((column) => column.type.cell(view, at + column.at));
      const numbered = layout.recordNumberAt >= 0 && { recordNumber: view.getUint32(at + layout.recordNumberAt, true) };
      this.trail.record(end, { stamp: { localUs }, ...numbered, cells });
    }
  }

  /** Looks for the first header, or gives up a block behind a bad one. False when more bytes are needed. */
  private readWithoutTable(atEnd: boolean): boolean {
    const bytes = this.rest();
    if (this.unreadable) {
      if (bytes.length < blockBytes) return false;
      this.defect('TOB1_DATA_WITHOUT_TABLE', this.trail.offset + blockBytes);
      return true;
    }
    const matching = matchingBytes(bytes, 0);
    if (matching === bytes.length && matching < magic.length && !(atEnd && matching > 0)) return false;
    if (matching === bytes.length || matching === magic.length) this.header = new HeaderLines(tob1HeaderLines);
    else this.fail('TOB1_NOT_TOB1', this.trail.offset + matching + 1);
    return true;
  }

  /** Gives up the table: nothing behind it can be read. */
  private fail(code: Tob1DefectCode, end: number): void {
    this.header = undefined;
    this.table = undefined;
    this.layout = undefined;
    this.unreadable = true;
    this.defect(code, end);
  }

  private defect(code: Tob1DefectCode, end: number): void {
    this.trail.defect(end, code, tob1Defects[code]);
  }
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
