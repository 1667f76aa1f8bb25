import { frameOverheadBytes, type Tob3Layout } from './tob3-header.ts';

/**
 * One frame of a TOB3 file, taken apart.
 *
 *     frame  = seconds since 1990 u32, fraction of a second u32, number of the first record u32, records, padding, footer u32        (integers little-endian)
 *     footer = length in bytes (bits 0-10), file mark (11), card removed (12), empty (13), divided (14), validation stamp (16-31)
 *
 * Records of a frame follow each other in the table's interval. Where they do not, because one was left out or the card was taken out, the logger ends a *minor frame* within the frame and
 * begins another: each has a header and a footer of its own, and its footer's length is its own length. The frame's footer has the flag "divided" then, and its length is that of the unused
 * space at the frame's end, in which it stands itself. So minor frames are found from the end backwards.
 *
 * A frame belongs to the file if its stamp is the header's, its complement (the ring has gone round) or one off (minor frames). The samples have no case where minor frames fill a frame to
 * the last byte, so that the last footer is a minor frame's own; it is taken for one if its record number goes on where the part before it ends.
 *
 * Sources: LoggerNet manual, appendix B.2; CR9000X manual, section 2.4 (TOB3); comparison with the output of CardConvert.
 */

const emptyFlag = 0x2000;
const dividedFlag = 0x4000;
const lengthMask = 0x7ff;
const footerBytes = 4;
/** Bytes before the first record of a frame. */
const headerBytes = frameOverheadBytes - footerBytes;

/** A part of a frame with records in it. */
export interface FramePart {
  /** Byte of the frame at which its first record begins. */
  readonly recordsAt: number;
  readonly recordCount: number;
  readonly seconds: number;
  readonly fraction: number;
  readonly firstRecord: number;
}

/** A frame that belongs to the file. */
export interface Tob3Frame {
  /** Parts in the order of the file. */
  readonly parts: readonly FramePart[];
  /** Bytes at its beginning that cannot be read, because minor frames do not fit together; 0 in a good frame. */
  readonly lostBytes: number;
}

function isOfFile(stamp: number, { validationStamp }: Tob3Layout): boolean {
  if (stamp === (validationStamp ^ 0xffff)) return true;
  return ((stamp - validationStamp + 1) & 0xffff) <= 2;
}

function part(view: DataView, at: number, recordCount: number): FramePart {
  return {
    recordsAt: at + headerBytes,
    recordCount,
    seconds: view.getUint32(at, true),
    fraction: view.getUint32(at + 4, true),
    firstRecord: view.getUint32(at + 8, true),
  };
}

/** The minor frame of that many bytes that ends at `end`, or `undefined` when there can be none. */
function minorFrame(view: DataView, end: number, length: number, layout: Tob3Layout): FramePart | undefined {
  const recordsBytes = length - frameOverheadBytes;
  if (length > end || recordsBytes < 0 || recordsBytes % layout.recordBytes !== 0) return undefined;
  return part(view, end - length, recordsBytes / layout.recordBytes);
}

/** Takes a frame of `layout.frameBytes` bytes apart; `undefined` when it does not belong to the file. */
export function readTob3Frame(view: DataView, layout: Tob3Layout): Tob3Frame | undefined {
  const { frameBytes, recordBytes } = layout;
  const footer = view.getUint32(frameBytes - footerBytes, true);
  if (!isOfFile(footer >>> 16, layout)) return undefined;
  const length = footer & lengthMask;
  if ((footer & dividedFlag) === 0 && !((footer & emptyFlag) !== 0 && length > 0)) {
    const recordCount = (footer & emptyFlag) === 0 ? Math.floor((frameBytes - frameOverheadBytes) / recordBytes) : 0;
    return { parts: recordCount === 0 ? [] : [part(view, 0, recordCount)], lostBytes: 0 };
  }

  const parts: FramePart[] = [];
  let end = Math.max(0, frameBytes - length);
  while (end > 0) {
    const minorFooter = end >= frameOverheadBytes ? view.getUint32(end - footerBytes, true) : 0;
    const minor = isOfFile(minorFooter >>> 16, layout) ? minorFrame(view, end, minorFooter & lengthMask, layout) : undefined;
    if (!minor) break;
    parts.unshift(minor);
    end = minor.recordsAt - headerBytes;
  }
  const before = parts.at(-1);
  const last = (footer & emptyFlag) === 0 ? minorFrame(view, frameBytes, length, layout) : undefined;
  if (before && last && last.firstRecord === before.firstRecord + before.recordCount) parts.push(last);
  return { parts: parts.filter(({ recordCount }) => recordCount > 0), lostBytes: end };
}
