import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import { decodeText } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { passRest } from '../rest-blocks.ts';
import { type XleDefectCode, xleDefects } from './defects.ts';
import { parseXleHeader, parseXleLog } from './xle-elements.ts';

/**
 * Reads XLE, the XML of Solinst's Levelogger programs: a header, then one `Log` element for each measurement.
 *
 * The file is cut at the tags `<Data>`, `<Log`, `</Log>` and `</Data>` alone, wherever lines end. Blanks before a tag belong to its item. A measurement that another one interrupts is given up, and the
 * other one is read. What stands behind `</Data>` is passed over.
 *
 * Where a cut comes depends on the bytes alone: a tag counts when it begins within `windowBytes` of where it is looked for, and when none does, that many bytes are one defect.
 */

const windowBytes = limits.instrumentLineBytesMax;
const headerBytesMax = 4 * windowBytes;

type TagName = 'data' | 'data-end' | 'log' | 'log-end';

/** The tags at which the file is cut, and whether another character than a letter must follow. */
const tags: readonly { readonly name: TagName; readonly text: Uint8Array; readonly open: boolean }[] = [
  { name: 'data', text: utf8('<Data>'), open: false },
  { name: 'log', text: utf8('<Log'), open: true },
  { name: 'log-end', text: utf8('</Log>'), open: false },
  { name: 'data-end', text: utf8('</Data>'), open: false },
];
const lessThan = 0x3c;
/** Bytes behind the window in which a tag that begins at its end may lie. */
const tagBytesMax = 8;
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const behindLog: ReadonlySet<number> = new Set([...blanks, 0x3e]);

interface Tag {
  readonly name: TagName;
  readonly from: number;
  readonly to: number;
}

function tagAt(bytes: Uint8Array, from: number): Tag | undefined {
  for (const { name, text, open } of tags) {
    const to = from + text.length;
    if (to + (open ? 1 : 0) > bytes.length) continue;
    if (text.some((byte, index) => bytes[from + index] !== byte)) continue;
    if (!open || behindLog.has(bytes[to] as number)) return { name, from, to };
  }
  return undefined;
}

/** The first tag that begins in [from, before). */
function nextTag(bytes: Uint8Array, from: number, before: number): Tag | undefined {
  for (let at = bytes.indexOf(lessThan, from); at >= 0 && at < before; at = bytes.indexOf(lessThan, at + 1)) {
    const tag = tagAt(bytes, at);
    if (tag) return tag;
  }
  return undefined;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => blanks.has(byte));
}

/** Reader of one XLE file. */
export class XleReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private table: TableDefinition | undefined;
  /** True behind the measurements, or behind a header that cannot be used. */
  private inRest: boolean;
  /** Index in the buffer up to which no tag has been found while the header is open, so that it is not searched again and again. */
  private searched = 0;

  constructor(resume: ReaderPosition = { offset: 0 }) {
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
    this.table = resume.table;
    this.inRest = resume.state?.inRest === true;
  }

  push(bytes: Uint8Array): ParsedItem[] {
    this.buffer.push(bytes);
    return this.read(false);
  }

  end({ complete }: { readonly complete: boolean }): ParsedItem[] {
    return complete ? this.read(true) : [];
  }

  position(): ReaderPosition {
    return { offset: this.trail.offset, ...(this.table && { table: this.table }), ...(this.inRest && { state: { inRest: true } }) };
  }

  private read(atEnd: boolean): ParsedItem[] {
    if (!this.table && !this.inRest) this.readHeader(atEnd);
    if (this.table && !this.inRest) this.readLogs(this.table, atEnd);
    if (this.inRest) passRest(this.buffer, this.trail, atEnd);
    return this.trail.take();
  }

  private readHeader(atEnd: boolean): void {
    const { bytes } = this.buffer;
    const tag = nextTag(bytes, this.searched, headerBytesMax);
    this.searched = Math.max(0, bytes.length - tagBytesMax);
    if (tag) {
      const parsed = parseXleHeader(decodeText(bytes.subarray(0, tag.from)));
      if (parsed.ok) {
        const end = tag.name === 'data' ? tag.to : tag.from;
        this.table = parsed.value;
        this.trail.table(this.buffer.offset + end, parsed.value);
        this.buffer.drop(end);
      } else this.fail(parsed.fault.code as XleDefectCode, tag.to);
    } else if (bytes.length >= headerBytesMax + tagBytesMax) this.fail('XLE_HEADER_CUT', headerBytesMax);
    else if (atEnd) this.fail(isBlank(bytes) ? 'XLE_EMPTY' : 'XLE_HEADER_CUT', bytes.length);
  }

  private readLogs(table: TableDefinition, atEnd: boolean): void {
    const { bytes } = this.buffer;
    let at = 0;
    while (!this.inRest) {
      const next = this.readItem(table, bytes, at, atEnd);
      if (next === undefined) break;
      at = next;
    }
    this.buffer.drop(at);
  }

  /** Makes an item of the bytes from `from` on. Returns the index behind it, or `undefined` when more bytes are needed. */
  private readItem(table: TableDefinition, bytes: Uint8Array, from: number, atEnd: boolean): number | undefined {
    const isWindowFull = (start: number) => bytes.length >= start + windowBytes + tagBytesMax;
    const begin = nextTag(bytes, from, from + windowBytes);
    if (!begin) {
      if (isWindowFull(from)) return this.defect('XLE_STRAY_TEXT', from + windowBytes);
      if (!atEnd || from === bytes.length) return undefined;
      if (!isBlank(bytes.subarray(from))) return this.defect('XLE_STRAY_TEXT', bytes.length);
      this.trail.other(this.buffer.offset + bytes.length);
      return bytes.length;
    }
    if (!isBlank(bytes.subarray(from, begin.from))) return this.defect('XLE_STRAY_TEXT', begin.from);
    if (begin.name === 'data-end') {
      this.inRest = true;
      this.trail.other(this.buffer.offset + begin.to);
      return begin.to;
    }
    if (begin.name !== 'log') return this.defect('XLE_STRAY_TEXT', begin.to);
    const end = nextTag(bytes, begin.to, begin.to + windowBytes);
    if (!end) {
      if (isWindowFull(begin.to)) return this.defect('XLE_STRAY_TEXT', begin.to + windowBytes);
      return atEnd ? this.defect('XLE_TAIL_CUT', bytes.length) : undefined;
    }
    const log = end.name === 'log-end' ? parseXleLog(decodeText(bytes.subarray(begin.to, end.from)), table.fields.length) : undefined;
    if (!log) return this.defect('XLE_BAD_LOG', end.name === 'log-end' ? end.to : end.from);
    this.trail.record(this.buffer.offset + end.to, { stamp: { localUs: log.localUs }, cells: log.cells });
    return end.to;
  }

  private fail(code: XleDefectCode, end: number): void {
    this.defect(code, end);
    this.inRest = true;
    this.buffer.drop(end);
  }

  /** @param end index in the buffer */
  private defect(code: XleDefectCode, end: number): number {
    this.trail.defect(this.buffer.offset + end, code, xleDefects[code]);
    return end;
  }
}
