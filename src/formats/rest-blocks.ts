import type { ItemTrail } from './item-trail.ts';
import type { PushBuffer } from './push-buffer.ts';

/** Bytes of one block. */
const blockBytes = 65_536;

/**
 * Passes the rest of a file over, of which nothing is read: `other` items that end at multiples of 64 KiB, so that they are the same whatever the sizes in which the file was pushed, and with
 * `atEnd` what remains behind the last of them.
 */
export function passRest(buffer: PushBuffer, trail: ItemTrail, atEnd: boolean): void {
  const end = buffer.offset + buffer.bytes.length;
  for (;;) {
    const next = (Math.floor(trail.offset / blockBytes) + 1) * blockBytes;
    if (next > end) break;
    trail.other(next);
  }
  if (atEnd && end > trail.offset) trail.other(end);
  buffer.drop(trail.offset - buffer.offset);
}
