import { limits } from '../../core/limits.ts';
import { decodeText } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { sameTable } from '../table-definition.ts';
import { readCsijsonHead, readCsijsonRecord } from './csijson-record.ts';
import { type CsijsonDefectCode, csijsonDefects } from './defects.ts';
import { type JsonValue, parseJson } from './json-value.ts';
import { ValueCutter } from './value-cutter.ts';

/**
 * Reads CSIJSON, the answer of a logger to a query for data: `{"head": {…}, "data": [{"time": …, "no": …, "vals": […]}, …], "more": true}`.
 *
 * The outermost object and its list `data` are followed byte by byte; every value within them is cut out and read as a whole, so memory does not depend on the number of records. `data` may be
 * `null`. Other members, of which `more` says that the logger has further records, carry no data. Answers may follow each other in one file, as a poller that appends them leaves it.
 *
 * Separators belong to the item behind them. Behind broken JSON reading goes on with the next line, if it begins an answer.
 */

const lineFeed = 0x0a;
const quote = 0x22;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const byteOrderMark: ReadonlySet<number> = new Set([0xef, 0xbb, 0xbf]);
/** Bytes of one value at most: a head with as many fields as a table may have. */
const valueBytesMax = 4 * limits.instrumentLineBytesMax;

/**
 * Where the next byte stands: before an answer's opening brace; before a member's name, before its colon, before its value, behind its value; before or behind an element of `data`; or in a
 * line that is given up.
 */
type Place = 'answer' | 'first-name' | 'name' | 'colon' | 'value' | 'member-end' | 'first-element' | 'element' | 'element-end' | 'given-up';

/** The places behind an item, at which reading may be resumed. */
const resumable: ReadonlySet<string> = new Set<Place>(['answer', 'member-end', 'element-end', 'given-up']);

/** Reader of one CSIJSON file. */
export class CsijsonReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  /** The table of the last head that was read, in this answer or one before. */
  private table: TableDefinition | undefined;
  /** True when this answer has had its head. */
  private headed: boolean;
  /** True when something was found that is not blank. */
  private begun: boolean;
  private place: Place = 'answer';
  /** The place behind the last item. */
  private resumePlace: Place;
  /** Name of the member whose value comes next. */
  private name = '';
  /** Looks for the end of the value that begins at `at`. */
  private cutter: ValueCutter | undefined;
  /** Index in the buffer of the next byte to be understood. */
  private at = 0;

  constructor(resume: ReaderPosition = { offset: 0 }) {
    const { place, headed, begun } = resume.state ?? {};
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
    this.table = resume.table;
    this.headed = headed === true;
    this.begun = begun === true;
    if (typeof place === 'string' && resumable.has(place)) this.place = place as Place;
    this.resumePlace = this.place;
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    this.read();
    this.buffer.drop(this.at);
    this.at = 0;
    return this.trail.take();
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    if (!complete) return [];
    const end = this.buffer.offset + this.buffer.bytes.length;
    if (this.place === 'given-up') {
      if (end > this.trail.offset) this.defect('CSIJSON_UNREADABLE', end);
    } else if (this.place !== 'answer') this.defect('CSIJSON_TAIL_CUT', end);
    else if (!this.begun) this.defect('CSIJSON_EMPTY', end);
    else if (end > this.trail.offset) this.trail.other(end);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const state = {
      ...(this.resumePlace !== 'answer' && { place: this.resumePlace }),
      ...(this.headed && { headed: true }),
      ...(this.begun && { begun: true }),
    };
    return { offset: this.trail.offset, ...(this.table && { table: this.table }), ...(Object.keys(state).length > 0 && { state }) };
  }

  /** Understands all bytes that can be. */
  private read(): void {
    const { bytes } = this.buffer;
    while (this.at < bytes.length) {
      if (this.place === 'given-up') {
        if (!this.passLine(bytes)) return;
      } else if (this.cutter) {
        if (!this.cut(this.cutter, bytes)) return;
      } else {
        const byte = bytes[this.at] as number;
        const isBlank = blanks.has(byte) || (this.place === 'answer' && !this.begun && byteOrderMark.has(byte));
        if (isBlank) this.at++;
        else this.accept(byte);
      }
    }
  }

  /** Takes one byte of the outermost structure, or begins to look for the end of a value. */
  private accept(byte: number): void {
    const { place } = this;
    if (place === 'answer') this.beginAnswer(byte);
    else if (place === 'colon' && byte === colon) this.go('value');
    else if (place === 'member-end' && byte === comma) this.go('name');
    else if ((place === 'member-end' || place === 'first-name') && byte === closeBrace) {
      this.go('answer');
      this.trail.other(this.here());
      this.resumePlace = 'answer';
    } else if (place === 'element-end' && byte === comma) this.go('element');
    else if ((place === 'element-end' || place === 'first-element') && byte === closeBracket) this.go('member-end');
    else if (place === 'value' && byte === openBracket && this.name === 'data') this.go('first-element');
    else if (place === 'value' || place === 'element' || place === 'first-element') this.cutter = new ValueCutter();
    else if ((place === 'name' || place === 'first-name') && byte === quote) this.cutter = new ValueCutter();
    else this.giveUp('CSIJSON_BROKEN', this.at + 1);
  }

  private beginAnswer(byte: number): void {
    const { begun } = this;
    this.begun = true;
    this.headed = false;
    if (byte === openBrace) this.go('first-name');
    else this.giveUp(begun ? 'CSIJSON_UNREADABLE' : 'CSIJSON_NOT_CSIJSON', this.at + 1);
  }

  private go(place: Place): void {
    this.place = place;
    this.at++;
  }

  /** Looks for the end of a value. False when more bytes are needed. */
  private cut(cutter: ValueCutter, bytes: Uint8Array): boolean {
    const progress = cutter.read(bytes.subarray(this.at, this.at + valueBytesMax + 1));
    if (cutter.length > valueBytesMax) this.giveUp('CSIJSON_BROKEN', this.at + valueBytesMax);
    else if (progress === 'broken') this.giveUp('CSIJSON_BROKEN', this.at + cutter.length);
    else if (progress === 'open') return false;
    else {
      const value = parseJson(decodeText(bytes.subarray(this.at, this.at + cutter.length)));
      this.at += cutter.length;
      this.cutter = undefined;
      this.acceptValue(value);
    }
    return true;
  }

  private acceptValue(value: JsonValue | undefined): void {
    if (this.place === 'name' || this.place === 'first-name') {
      if (value?.type === 'string') {
        this.name = value.text;
        this.place = 'colon';
      } else this.giveUp('CSIJSON_BROKEN', this.at);
    } else if (this.place === 'value') {
      this.place = 'member-end';
      if (this.name === 'head') this.acceptHead(value);
    } else {
      this.place = 'element-end';
      this.acceptElement(value);
      this.resumePlace = this.place;
    }
  }

  private acceptHead(value: JsonValue | undefined): void {
    const table = value && readCsijsonHead(value);
    if (!table) this.defect('CSIJSON_BAD_HEAD', this.here());
    else if (this.table && sameTable(this.table, table)) this.trail.other(this.here());
    else this.trail.table(this.here(), table);
    this.table = table;
    this.headed = table !== undefined;
    this.resumePlace = this.place;
  }

  private acceptElement(value: JsonValue | undefined): void {
    if (!this.table || !this.headed) this.defect('CSIJSON_RECORD_WITHOUT_TABLE', this.here());
    else {
      const record = value ? readCsijsonRecord(value, this.table) : 'CSIJSON_BAD_RECORD';
      if (typeof record === 'string') this.defect(record, this.here());
      else this.trail.record(this.here(), record);
    }
  }

  /** Gives up the rest of the line behind index `end`. */
  private giveUp(code: CsijsonDefectCode, end: number): void {
    const endsLine = this.buffer.bytes[end - 1] === lineFeed;
    this.at = end;
    this.cutter = undefined;
    this.place = endsLine ? 'answer' : 'given-up';
    this.resumePlace = this.place;
    this.defect(code, this.here());
  }

  /** Passes over a line that is given up, or as much of it as a line may be long. False when more bytes are needed. */
  private passLine(bytes: Uint8Array): boolean {
    const limit = this.trail.offset - this.buffer.offset + limits.instrumentLineBytesMax;
    const newline = bytes.subarray(0, limit).indexOf(lineFeed, this.at);
    this.at = newline < 0 ? Math.min(limit, bytes.length) : newline + 1;
    if (newline < 0 && this.at < limit) return false;
    this.giveUp('CSIJSON_UNREADABLE', this.at);
    return true;
  }

  /** Offset in the file of the next byte to be understood. */
  private here(): number {
    return this.buffer.offset + this.at;
  }

  private defect(code: CsijsonDefectCode, end: number): void {
    this.trail.defect(end, code, csijsonDefects[code]);
  }
}
