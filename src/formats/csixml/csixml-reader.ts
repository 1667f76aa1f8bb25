import { limits } from '../../core/limits.ts';
import { decodeText } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import { OpenHead, OpenRecord } from './csixml-parts.ts';
import { type CsixmlDefectCode, csixmlDefects } from './defects.ts';
import { parseTag, plainText, type Tag } from './markup.ts';
import { MarkupCutter, type MarkupKind } from './markup-cutter.ts';

/**
 * Reads CSIXML piece of markup by piece of markup, without keeping the document:
 *
 *     <csixml> <head> <environment> texts </environment> <fields> <field …/> … </fields> </head> <data> <r no time> <v1>…</v1> <v2>…</v2> … </r> … </data> </csixml>
 *
 * A head and a record are used, and their bytes are consumed, as a whole. A tag that was torn costs the record it stands in: reading goes on with the next `<r>`. Where a new `<csixml>`
 * begins, the document before it has ended, whether it says so or not. What stands between records belongs to the record behind it.
 */

const root = 'csixml';
/** Elements within each other at most; deeper ones spoil what they stand in as torn ones do. */
const depthMax = 8;

/** Reader of one CSIXML file. */
export class CsixmlReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  /** The table of the last head that was read, in this document or one before. */
  private table: TableDefinition | undefined;
  /** True when this document has had its head. */
  private headed: boolean;
  /** True when something was found that is neither blank nor a comment. */
  private begun: boolean;
  /** Names of the open elements, the outermost first. */
  private path: string[];
  /** `path` behind the last item, when neither a head nor a record was open. */
  private resumePath: readonly string[];
  private head: OpenHead | undefined;
  private record: OpenRecord | undefined;
  /** Text of the innermost element. */
  private text = '';
  private cutter = new MarkupCutter();

  constructor(resume: ReaderPosition = { offset: 0 }) {
    const { path, headed, begun } = resume.state ?? {};
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
    this.table = resume.table;
    this.headed = headed === true;
    this.begun = begun === true;
    this.path = typeof path === 'string' ? path.split(' ') : [];
    this.resumePath = [...this.path];
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    for (;;) {
      const kind = this.cutter.read(this.buffer.bytes);
      if (kind === undefined) return this.trail.take();
      const { length } = this.cutter;
      const from = this.buffer.offset;
      const markup = kind === 'text' || kind === 'tag' ? decodeText(this.buffer.bytes.subarray(0, length)) : '';
      this.buffer.drop(length);
      this.cutter = new MarkupCutter();
      this.accept(kind, markup, from, from + length);
    }
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    const { bytes, offset } = this.buffer;
    const end = offset + bytes.length;
    if (this.path.length > 0) this.defect('CSIXML_TAIL_CUT', end);
    else if (decodeText(bytes).trim() !== '') this.acceptForeign(end);
    else if (!this.begun) this.defect('CSIXML_EMPTY', end);
    else if (end > this.trail.offset) this.trail.other(end);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const state = {
      ...(this.resumePath.length > 0 && { path: this.resumePath.join(' ') }),
      ...(this.headed && { headed: true }),
      ...(this.begun && { begun: true }),
    };
    return { offset: this.trail.offset, ...(this.table && { table: this.table }), ...(Object.keys(state).length > 0 && { state }) };
  }

  /** Takes one piece, which begins at offset `from` and ends at `to`. */
  private accept(kind: MarkupKind, markup: string, from: number, to: number): void {
    if (kind === 'comment' || kind === 'instruction') return;
    if (kind === 'text') this.acceptText(markup, to);
    else {
      const tag = kind === 'tag' ? parseTag(markup) : undefined;
      if (!tag) this.acceptTorn(to);
      else if (tag.kind === 'close') this.close(tag.name, from, to);
      else if (this.open(tag, from, to) && tag.kind === 'empty') this.close(tag.name, from, to);
    }
  }

  private acceptText(markup: string, to: number): void {
    const hasMark = !this.begun && markup.startsWith('\uFEFF');
    const text = plainText(hasMark ? markup.slice(1) : markup);
    const isValue = this.head !== undefined || (this.record !== undefined && this.path.at(-1) !== 'r');
    if (text !== undefined && isValue && this.text.length < limits.instrumentLineBytesMax) this.text += text;
    else if (text === undefined || text.trim() !== '') this.acceptTorn(to);
  }

  /** Takes something that cannot be understood: it spoils the head or record it stands in, or else just itself. */
  private acceptTorn(to: number): void {
    if (this.head) this.head.isTorn = true;
    else if (this.record) this.record.isTorn = true;
    else if (this.path.length === 0) this.acceptForeign(to);
    else this.defect('CSIXML_UNREADABLE', to);
  }

  /** Takes something outside a document. */
  private acceptForeign(to: number): void {
    const { begun } = this;
    this.begun = true;
    this.defect(begun ? 'CSIXML_UNREADABLE' : 'CSIXML_NOT_CSIXML', to);
  }

  /** Opens an element. False when it has no place. */
  private open(tag: Tag, from: number, to: number): boolean {
    const { name } = tag;
    this.text = '';
    if (name === root) this.openDocument(from);
    else if (this.path.length === 0) {
      this.acceptForeign(to);
      return false;
    } else if (this.head && name === 'data') {
      this.head.isTorn = true;
      this.closeHead(from);
    } else if (name === 'r' && !this.head) {
      if (this.record) this.cutRecord(from);
      this.record = new OpenRecord(tag);
    } else if (this.path.length >= depthMax) {
      this.acceptTorn(to);
      return false;
    } else if (this.record && this.path.at(-1) !== 'r') this.record.isTorn = true;
    else if (!this.record && !this.head && name === 'head') this.head = new OpenHead();
    else if (this.head && name === 'field') this.head.addField(tag);
    this.path.push(name);
    return true;
  }

  private openDocument(from: number): void {
    const wasOpen = this.path.length > 0;
    this.path = [];
    this.head = undefined;
    this.record = undefined;
    this.headed = false;
    this.begun = true;
    if (wasOpen) this.defect('CSIXML_TAIL_CUT', from);
  }

  private close(name: string, from: number, to: number): void {
    const depth = this.path.lastIndexOf(name);
    const recordDepth = this.record ? this.path.lastIndexOf('r') : -1;
    if (depth < 0) {
      this.acceptTorn(to);
      return;
    }
    if (depth < recordDepth) this.cutRecord(from);
    const isInnermost = depth === this.path.length - 1;
    this.path.length = Math.min(this.path.length, depth);
    const parent = this.path.at(-1);
    if (this.record && !isInnermost) this.record.isTorn = true;
    if (this.head && !isInnermost) this.head.isTorn = true;
    if (this.record && depth === recordDepth) this.closeRecord(this.record, to);
    else if (this.record) this.record.addValue(name, this.text);
    else if (this.head && (name === 'head' || name === root)) this.closeHead(to);
    else if (this.head && parent === 'environment') this.head.addText(name, this.text);
    if (name === root && this.trail.offset < to) {
      this.trail.other(to);
      this.resumePath = [...this.path];
    }
    this.text = '';
  }

  /** Ends a head at offset `end`. */
  private closeHead(end: number): void {
    const depth = this.path.indexOf('head');
    if (depth >= 0) this.path.length = depth;
    const table = this.head?.table();
    this.head = undefined;
    if (!table) this.defect('CSIXML_BAD_HEAD', end);
    else {
      if (this.table && sameTable(this.table, table)) this.trail.other(end);
      else this.trail.table(end, table);
      this.resumePath = [...this.path];
    }
    this.table = table;
    this.headed = table !== undefined;
  }

  private closeRecord(record: OpenRecord, end: number): void {
    const content = this.table && this.headed ? record.content(this.table) : 'CSIXML_RECORD_WITHOUT_TABLE';
    this.record = undefined;
    if (typeof content === 'string') this.defect(content, end);
    else {
      this.trail.record(end, content);
      this.resumePath = [...this.path];
    }
  }

  /** Ends a record whose end is missing, where the next thing begins. */
  private cutRecord(from: number): void {
    this.record = undefined;
    this.path.length = this.path.lastIndexOf('r');
    this.defect('CSIXML_BAD_RECORD', from);
  }

  private defect(code: CsixmlDefectCode, end: number): void {
    this.trail.defect(end, code, csixmlDefects[code]);
    this.resumePath = [...this.path];
  }
}
