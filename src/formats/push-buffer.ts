/**
 * Bytes of a file that were pushed in pieces of any size and are not used up yet, in one array.
 *
 * Bytes are copied when they are pushed, and moved only to make room, so pushing a large thing in small pieces costs time in proportion to its size.
 */
export class PushBuffer {
  /** What was pushed and not dropped. Replaced by every call of `push` and `drop`; what it showed before holds until the next push. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of `bytes[0]` in the file. */
  offset: number;
  private storage = this.bytes;
  private start = 0;

  /** @param offset where in the file the first pushed byte stands */
  constructor(offset: number) {
    this.offset = offset;
  }

  /** Adds the next bytes of the file. They are copied. */
  push(chunk: Uint8Array): void {
    const kept = this.bytes.length;
    const length = kept + chunk.length;
    if (this.start + length > this.storage.length) {
      if (length > this.storage.length) {
        const larger = new Uint8Array(Math.max(2 * kept, length));
        larger.set(this.bytes);
        this.storage = larger;
      } else this.storage.copyWithin(0, this.start, this.start + kept);
      this.start = 0;
    }
    this.storage.set(chunk, this.start + kept);
    this.bytes = this.storage.subarray(this.start, this.start + length);
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.start += count;
    this.offset += count;
    this.bytes = this.bytes.subarray(count);
  }
}
