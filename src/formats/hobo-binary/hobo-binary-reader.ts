import { ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition, TableDefinition } from '../record-stream.ts';
import { passRest } from '../rest-blocks.ts';
import { type HoboBinaryDefectCode, hoboBinaryDefects } from './defects.ts';
import { beginsHobo, hoboHeaderBytesMax, hoboHeaderEnd, parseHoboHeader } from './hobo-header.ts';

/** Reads the header of a `.hobo` file and passes over the rest. A file that cannot be used is one defect of at most the bytes a header may have. */
export class HoboBinaryReader implements FormatReader {
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private table: TableDefinition | undefined;
  /** True behind the header, or what was taken for one. */
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
    if (!this.inRest) this.readHeader(atEnd);
    if (this.inRest) passRest(this.buffer, this.trail, atEnd);
    return this.trail.take();
  }

  private readHeader(atEnd: boolean): void {
    const { bytes } = this.buffer;
    const head = bytes.subarray(0, hoboHeaderBytesMax);
    const isHobo = beginsHobo(head);
    const end = isHobo ? hoboHeaderEnd(head) : undefined;
    const parsed = end === undefined ? undefined : parseHoboHeader(head.subarray(0, end));
    if (end !== undefined && parsed?.ok) {
      this.table = parsed.value;
      this.trail.table(end, parsed.value);
      this.inRest = true;
    } else if (atEnd || bytes.length >= hoboHeaderBytesMax) {
      if (!isHobo) this.fail('HOBO_NOT_HOBO', head.length);
      else this.fail(end === undefined ? 'HOBO_HEADER_CUT' : 'HOBO_HEADER_MALFORMED', head.length);
    }
  }

  private fail(code: HoboBinaryDefectCode, end: number): void {
    this.trail.defect(end, code, hoboBinaryDefects[code]);
    this.inRest = true;
  }
}
