import { type DefectKind, ItemTrail } from '../item-trail.ts';
import { PushBuffer } from '../push-buffer.ts';
import type { FormatReader, ParsedItem, ReaderPosition } from '../record-stream.ts';
import { passRest } from '../rest-blocks.ts';

/** Bytes that the defect names, where there are as many: what the file is known by. */
const headBytes = 8;

/** Sets a file aside as a whole: one defect for how it begins, and all behind it passed over. */
export class KeptWholeReader implements FormatReader {
  private readonly code: string;
  private readonly kind: DefectKind;
  private readonly buffer: PushBuffer;
  private readonly trail: ItemTrail;
  private inRest: boolean;

  constructor(code: string, kind: DefectKind, resume: ReaderPosition = { offset: 0 }) {
    this.code = code;
    this.kind = kind;
    this.buffer = new PushBuffer(resume.offset);
    this.trail = new ItemTrail(resume.offset);
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
    return { offset: this.trail.offset, ...(this.inRest && { state: { inRest: true } }) };
  }

  private read(atEnd: boolean): ParsedItem[] {
    const { length } = this.buffer.bytes;
    if (!this.inRest && (atEnd || length >= headBytes)) {
      this.trail.defect(Math.min(length, headBytes), this.code, this.kind);
      this.inRest = true;
    }
    if (this.inRest) passRest(this.buffer, this.trail, atEnd);
    return this.trail.take();
  }
}
