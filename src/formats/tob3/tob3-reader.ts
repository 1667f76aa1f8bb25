import { invariant } from '../../core/assert.ts';
import { limits } from '../../core/limits.ts';
import { HeaderLines } from '../campbell-header.ts';
import { localUsSince1990 } from '../campbell-types.ts';
import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { type Tob3DefectCode, tob3Defects } from './defects.ts';
import { type FramePart, readTob3Frame, type Tob3Frame } from './tob3-frame.ts';
import { parseTob3Header, type Tob3Layout, tob3HeaderLines } from './tob3-header.ts';

/**
 * Reads TOB3, the ring file that a logger keeps on its memory card.
 *
 * The file has its full size from the start; the logger fills it frame by frame and then begins again at the front. So frames without the file's stamp are what lay on the card before: behind
 * the last good frame they are `other`, but between good frames they are a defect. As the next visit may find them filled, they stay unconsumed until a good frame follows or the file is
 * complete. Records come in the order of the file, which in a ring that went round is not the order of their numbers.
 *
 * The headers and footers of frames have no items of their own: a frame's first record begins with the frame and its last one ends with it.
 */

/** `"TOB3",` */
const magic = [0x22, 0x54, 0x4f, 0x42, 0x33, 0x22, 0x2c];
/** Bytes of a block of data that cannot be read. */
const blockBytes = limits.instrumentLineBytesMax;

/** How many of the first bytes are those of a TOB3 header's beginning. */
function matchingBytes(bytes: Uint8Array): number {
  let count = 0;
  while (count < magic.length && bytes[count] === magic[count]) count++;
  return count;
}

/** True when a TOB3 header begins with these bytes. */
export function beginsTob3(bytes: Uint8Array): boolean {
  return matchingBytes(bytes) === magic.length;
}

/** Reader of one TOB3 file. */
export class Tob3Reader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private header: HeaderLines | undefined;
  private table: TableDefinition | undefined;
  private layout: Tob3Layout | undefined;
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
      invariant(typeof header === 'string', 'a TOB3 position with a table holds its header');
      const parsed = parseTob3Header(JSON.parse(header));
      invariant(parsed.ok, 'the header in a TOB3 position can be read again');
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
    const { offset } = this.trail;
    const end = this.buffer.offset + this.buffer.bytes.length;
    if (this.header) this.fail('TOB3_HEADER_CUT', end);
    else if (this.layout) {
      const wholeFrames = this.buffer.offset > offset;
      if (wholeFrames) this.trail.other(end);
      else if (end > offset) this.defect('TOB3_TAIL_CUT', end);
    } else if (end > offset) this.defect('TOB3_DATA_WITHOUT_TABLE', end);
    else if (!this.unreadable) this.defect('TOB3_EMPTY', end);
    return this.trail.take();
  }

  position(): ReaderPosition {
    const { offset } = this.trail;
    if (this.table) return { offset, table: this.table, state: { header: this.headerText } };
    return this.unreadable ? { offset, state: { unreadable: true } } : { offset };
  }

  private read(atEnd: boolean): void {
    if (!this.header && !this.layout && !this.unreadable) this.lookForHeader(atEnd);
    if (this.header) this.readHeader(this.header);
    if (this.layout) this.readFrames(this.layout);
    if (this.unreadable) this.readWithoutTable();
  }

  private lookForHeader(atEnd: boolean): void {
    const { bytes } = this.buffer;
    const matching = matchingBytes(bytes);
    if (matching === magic.length || (atEnd && matching === bytes.length && matching > 0)) this.header = new HeaderLines(tob3HeaderLines);
    else if (matching < bytes.length) this.fail('TOB3_NOT_TOB3', this.trail.offset + matching + 1);
  }

  private readHeader(header: HeaderLines): void {
    const progress = header.read(this.buffer.bytes);
    if (progress === 'open') return;
    const end = this.trail.offset + header.end;
    const parsed = parseTob3Header(header.lines);
    if (progress !== 'whole') this.fail(progress === 'cut' ? 'TOB3_HEADER_CUT' : 'TOB3_HEADER_BAD_TEXT', end);
    else if (!parsed.ok) this.fail(parsed.fault.code as Tob3DefectCode, end);
    else {
      this.trail.table(end, parsed.value.table);
      this.buffer.drop(header.end);
      this.open(JSON.stringify(header.lines), parsed.value.table, parsed.value.layout);
    }
  }

  private open(headerText: string, table: TableDefinition, layout: Tob3Layout): void {
    this.header = undefined;
    this.headerText = headerText;
    this.table = table;
    this.layout = layout;
  }

  private readFrames(layout: Tob3Layout): void {
    const { frameBytes } = layout;
    const { bytes, offset } = this.buffer;
    let at = 0;
    for (; at + frameBytes <= bytes.length; at += frameBytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameBytes);
      const frame = readTob3Frame(view, layout);
      if (frame) this.acceptFrame(layout, frame, view, offset + at);
    }
    this.buffer.drop(at);
  }

  private acceptFrame(layout: Tob3Layout, frame: Tob3Frame, view: DataView, frameOffset: number): void {
    if (frameOffset > this.trail.offset) this.defect('TOB3_BAD_FRAME', frameOffset);
    if (frame.lostBytes > 0) this.defect('TOB3_BAD_MINOR_FRAME', frameOffset + frame.lostBytes);
    const frameEnd = frameOffset + layout.frameBytes;
    frame.parts.forEach((part, index) => {
      const next = frame.parts[index + 1];
      const partEnd = next ? frameOffset + part.recordsAt + part.recordCount * layout.recordBytes : frameEnd;
      this.acceptPart(layout, part, view, frameOffset, partEnd);
    });
    if (this.trail.offset < frameEnd) this.trail.other(frameEnd);
  }

  /** Makes the records of a part of a frame. The last one's bytes go to `partEnd`. */
  private acceptPart(layout: Tob3Layout, part: FramePart, view: DataView, frameOffset: number, partEnd: number): void {
    const { recordBytes, intervalNs, fields } = layout;
    const fractionNs = part.fraction * layout.fractionNs;
    const startUs = localUsSince1990(part.seconds, 0);
    const durationSeconds = Math.floor(((part.recordCount - 1) * intervalNs) / 1e9);
    if (startUs === undefined || localUsSince1990(part.seconds + durationSeconds, fractionNs) === undefined) {
      this.defect('TOB3_BAD_STAMP', partEnd);
      return;
    }
    const timedCount = intervalNs === 0 ? 1 : part.recordCount;
    for (let index = 0; index < timedCount; index++) {
      const at = part.recordsAt + index * recordBytes;
      const cells = fields.map((column) => column.type.cell(view, at + column.at));
      // The record number has 32 bits and begins again at 0.
      const recordNumber = (part.firstRecord + index) >>> 0;
      const stamp = { localUs: startUs + Math.floor((fractionNs + index * intervalNs) / 1000) };
      const end = index === part.recordCount - 1 ? partEnd : frameOffset + at + recordBytes;
      this.trail.record(end, { stamp, recordNumber, cells });
    }
    if (timedCount < part.recordCount) this.defect('TOB3_NO_STAMP', partEnd);
  }

  /** Gives up what follows a header that could not be read, block by block. */
  private readWithoutTable(): void {
    const end = this.buffer.offset + this.buffer.bytes.length;
    while (end - this.trail.offset >= blockBytes) this.defect('TOB3_DATA_WITHOUT_TABLE', this.trail.offset + blockBytes);
    this.buffer.drop(this.trail.offset - this.buffer.offset);
  }

  private fail(code: Tob3DefectCode, end: number): void {
    this.header = undefined;
    this.unreadable = true;
    this.defect(code, end);
  }

  private defect(code: Tob3DefectCode, end: number): void {
    this.trail.defect(end, code, tob3Defects[code]);
  }
}
