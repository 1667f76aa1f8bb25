import { utf8 } from '../../core/bytes.ts';
import { decodeText } from '../csv-row.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { passRest } from '../rest-blocks.ts';
import { type GpxDefectCode, gpxDefects } from './defects.ts';
import { gpxTable, parseGpxPoint, pointNames } from './gpx-point.ts';

/**
 * Reads GPX, the XML of satellite receivers and of the programs that empty them: the points that have a time, whichever of tracks, routes and waypoints they belong to.
 *
 * The file is cut at the tags of points alone, wherever lines end; what stands between points is passed over. A point that another one interrupts is given up, and the other one is read.
 *
 * Where a cut comes depends on the bytes alone: a tag counts when it begins within `windowBytes` of where it is looked for, and when none does, that many bytes are passed over or are one defect.
 */

/** A point with all that programs add to it has some hundred bytes. */
const windowBytes = 64 * 1024;
/** Bytes behind the window in which a tag that begins at its end may lie. */
const tagBytesMax = 16;

const lessThan = 0x3c;
const greaterThan = 0x3e;
const slash = 0x2f;
/** What may stand behind the name in a tag that opens an element. */
const behindName: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, slash, greaterThan]);
const opens = pointNames.map((name) => utf8(`<${name}`));
const closes = pointNames.map((name) => utf8(`</${name}>`));

function stands(bytes: Uint8Array, at: number, tag: Uint8Array): boolean {
  return at + tag.length <= bytes.length && tag.every((byte, index) => bytes[at + index] === byte);
}

/** The first place in [from, before) at which a tag of a point begins; -1 where there is none. */
function nextTag(bytes: Uint8Array, from: number, before: number, isTag: (at: number) => boolean): number {
  for (let at = bytes.indexOf(lessThan, from); at >= 0 && at < before; at = bytes.indexOf(lessThan, at + 1)) if (isTag(at)) return at;
  return -1;
}

/** Reader of one GPX file. */
export class GpxReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private table: TableDefinition | undefined;
  /** True in a file that cannot be used. */
  private inRest: boolean;

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
    if (this.table === undefined && !this.inRest) this.readHead(atEnd);
    if (this.table !== undefined) this.readPoints(atEnd);
    if (this.inRest) passRest(this.buffer, this.trail, atEnd);
    return this.trail.take();
  }

  private readHead(atEnd: boolean): void {
    const head = this.buffer.bytes.subarray(0, windowBytes);
    const begin = nextTag(head, 0, head.length, (at) => stands(head, at, utf8('<gpx')) && behindName.has(head[at + 4] as number));
    const end = begin < 0 ? -1 : head.indexOf(greaterThan, begin);
    if (end >= 0) {
      this.table = gpxTable(decodeText(head.subarray(begin, end + 1)));
      this.trail.table(this.buffer.offset + end + 1, this.table);
      this.buffer.drop(end + 1);
    } else if (atEnd || head.length === windowBytes) {
      const isEmpty = decodeText(head).trim() === '';
      this.defect(isEmpty ? 'GPX_EMPTY' : 'GPX_NOT_GPX', head.length);
      this.buffer.drop(head.length);
      this.inRest = true;
    }
  }

  private readPoints(atEnd: boolean): void {
    let at = 0;
    for (let next = this.readItem(at, atEnd); next !== undefined; next = this.readItem(at, atEnd)) at = next;
    this.buffer.drop(at);
  }

  /** Makes an item of the bytes from an index on. Returns the index behind it, or `undefined` when more bytes are needed or none are left. */
  private readItem(from: number, atEnd: boolean): number | undefined {
    const { bytes } = this.buffer;
    const isFull = bytes.length >= from + windowBytes + tagBytesMax;
    const begin = nextTag(bytes, from, from + windowBytes, (at) => this.opensAt(at));
    if (begin < 0) {
      if (from === bytes.length || !(isFull || atEnd)) return undefined;
      return this.other(isFull ? from + windowBytes : bytes.length);
    }
    if (begin > from) return this.other(begin);
    return this.readPoint(from, isFull, atEnd);
  }

  private readPoint(from: number, isFull: boolean, atEnd: boolean): number | undefined {
    const { bytes } = this.buffer;
    const tagEnd = bytes.indexOf(greaterThan, from);
    const next = nextTag(bytes, from + 1, from + windowBytes, (at) => this.opensAt(at) || this.closesAt(at) > 0);
    const isAlone = tagEnd > 0 && tagEnd < from + windowBytes && bytes[tagEnd - 1] === slash && (next < 0 || tagEnd < next);
    if (!isAlone && next < 0) {
      if (isFull) return this.defect('GPX_POINT_TORN', from + windowBytes);
      return atEnd ? this.defect('GPX_TAIL_CUT', bytes.length) : undefined;
    }
    const closing = isAlone ? 0 : this.closesAt(next);
    const end = isAlone ? tagEnd + 1 : next + closing;
    if (!isAlone && closing === 0) return this.defect('GPX_POINT_TORN', next);
    const point = parseGpxPoint(decodeText(bytes.subarray(from, end)));
    if (typeof point === 'string') return this.defect(point, end);
    this.trail.record(this.buffer.offset + end, point);
    return end;
  }

  /** Whether the tag that opens a point stands at an index. */
  private opensAt(at: number): boolean {
    const { bytes } = this.buffer;
    return opens.some((tag) => stands(bytes, at, tag) && behindName.has(bytes[at + tag.length] as number));
  }

  /** Length of the tag that closes a point at an index; 0 where there is none. */
  private closesAt(at: number): number {
    return closes.find((tag) => stands(this.buffer.bytes, at, tag))?.length ?? 0;
  }

  private other(end: number): number {
    this.trail.other(this.buffer.offset + end);
    return end;
  }

  private defect(code: GpxDefectCode, end: number): number {
    this.trail.defect(this.buffer.offset + end, code, gpxDefects[code]);
    return end;
  }
}
