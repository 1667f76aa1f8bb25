import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import { tob3Format } from '../../../../src/formats/tob3/tob3-format.ts';
import {
  dividedFlag,
  emptyFlag,
  tob3Body,
  tob3Cells,
  tob3DividedFrame,
  tob3Footer,
  tob3Frame,
  tob3FrameBytes,
  tob3Header,
  tob3MinorFrame,
  tob3Residue,
  tob3Stamp,
  words,
} from '../campbell-files.ts';
import { expectTiling, itemsOf, outline, readGrowing, readWhole, stampTexts } from '../reading.ts';

/** The items of a file with these frames. */
function read(frames: readonly Uint8Array[], header = tob3Header()) {
  const bytes = concatBytes(header, ...frames);
  const items = readWhole(tob3Format, bytes);
  expectTiling(items, bytes.length);
  return items;
}

/** A header for frames of that many bytes. */
function headerFor(frameBytes: number): Uint8Array {
  return tob3Header({ framing: tob3Cells.framing.with(2, `${frameBytes}`) });
}

function numbers(items: ReturnType<typeof read>) {
  return itemsOf(items, 'record').map(({ recordNumber }) => recordNumber);
}

const fourRecords = ['record', 'record', 'record', 'record'];

describe('a TOB3 frame', () => {
  it('gives its records numbers and times in the interval of the table', () => {
    const items = read([tob3Frame(2)]);
    expect(numbers(items)).toEqual([2, 3, 4, 5]);
    expect(stampTexts(items)).toEqual([
      '2023-05-01 00:00:00.500000',
      '2023-05-01 00:00:00.750000',
      '2023-05-01 00:00:01',
      '2023-05-01 00:00:01.250000',
    ]);
    expect(itemsOf(items, 'record')[1]?.cells).toEqual(['0.3', '3']);
  });

  it('counts record numbers on from 0 behind the largest', () => {
    const frame = tob3Frame(0);
    frame.set(words(0xffff_fffe), 8);
    expect(numbers(read([frame]))).toEqual([4_294_967_294, 4_294_967_295, 0, 1]);
  });

  it.each([tob3Stamp, 0xffff ^ tob3Stamp, tob3Stamp - 1, tob3Stamp + 1])('with the stamp %i belongs to the file of stamp 4711', (stamp) => {
    expect(outline(read([tob3Frame(0, stamp)]))).toEqual(['table', ...fourRecords]);
  });

  it.each([0, tob3Stamp - 2, tob3Stamp + 2, (0xffff ^ tob3Stamp) + 1])('with the stamp %i does not', (stamp) => {
    expect(outline(read([tob3Frame(0, stamp)]))).toEqual(['table', 'other']);
  });

  it('that is empty carries no data', () => {
    const empty = concatBytes(tob3Body(0, 4), tob3Footer(0, emptyFlag));
    expect(outline(read([tob3Frame(0), empty, tob3Frame(4)]))).toEqual(['table', ...fourRecords, 'other', ...fourRecords]);
  });

  it('may have space that no record fits into', () => {
    const frame = concatBytes(tob3Body(0, 4), new Uint8Array(5), tob3Footer());
    expect(numbers(read([frame, frame], headerFor(45)))).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('with an impossible time is quarantined, and its neighbours go on', () => {
    const frame = tob3Frame(4);
    frame.set(words(10_000), 4);
    expect(outline(read([tob3Frame(0), frame, tob3Frame(8)]))).toEqual(['table', ...fourRecords, 'TOB3_BAD_STAMP', ...fourRecords]);
  });

  it('whose records reach beyond the time that a logger can count is quarantined', () => {
    const header = tob3Header({ framing: tob3Cells.framing.with(1, '366 DAY') });
    const late = tob3Frame(0);
    late.set(words(0xffff_0000), 0);
    expect(outline(read([tob3Frame(0), late], header))).toEqual(['table', ...fourRecords, 'TOB3_BAD_STAMP']);
  });

  it('in a table without an interval has a time for its first record alone', () => {
    const header = (bytes: number) => tob3Header({ framing: tob3Cells.framing.with(1, '0 SEC').with(2, `${bytes}`) });
    expect(outline(read([concatBytes(tob3Body(0, 1), tob3Footer())], header(22)))).toEqual(['table', 'record']);
    const items = read([tob3Frame(0)], header(tob3FrameBytes));
    expect(outline(items)).toEqual(['table', 'record', 'TOB3_NO_STAMP']);
    expect(items[2]?.range.length).toBe(3 * 6 + 4);
  });
});

describe('a divided TOB3 frame', () => {
  const frameBytes = 100;
  const header = headerFor(frameBytes);

  it('holds minor frames with times and numbers of their own', () => {
    const items = read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 2), tob3MinorFrame(8, 1, tob3Stamp - 1)])], header);
    expect(numbers(items)).toEqual([0, 1, 8]);
    expect(stampTexts(items)[2]).toBe('2023-05-01 00:00:02');
  });

  it('may hold minor frames without records', () => {
    const items = read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 0), tob3MinorFrame(8, 1), tob3MinorFrame(12, 0)])], header);
    expect(numbers(items)).toEqual([8]);
    expect(outline(read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 0)])], header))).toEqual(['table', 'other']);
  });

  it('that is also called empty still holds its minor frames', () => {
    expect(numbers(read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 3)], emptyFlag)], header))).toEqual([0, 1, 2]);
    expect(numbers(read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 3)], dividedFlag | emptyFlag)], header))).toEqual([0, 1, 2]);
  });

  it('loses what does not fit together, and keeps the minor frames behind it', () => {
    const broken = tob3MinorFrame(0, 2);
    broken.set(tob3Footer(17), broken.length - 4);
    const items = read([tob3DividedFrame(frameBytes, [broken, tob3MinorFrame(8, 1)])], header);
    expect(outline(items)).toEqual(['table', 'TOB3_BAD_MINOR_FRAME', 'record']);
    expect(items[1]?.range.length).toBe(broken.length);
  });

  it('loses a minor frame without a stamp of the file', () => {
    const items = read([tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 2, 99), tob3MinorFrame(8, 1)])], header);
    expect(outline(items)).toEqual(['table', 'TOB3_BAD_MINOR_FRAME', 'record']);
  });

  it('loses everything when its unused space is said to be longer than it can be', () => {
    const frame = tob3DividedFrame(frameBytes, [tob3MinorFrame(0, 2)]);
    frame.set(tob3Footer(90, dividedFlag), frameBytes - 4);
    expect(outline(read([frame], header))).toEqual(['table', 'TOB3_BAD_MINOR_FRAME', 'other']);
    frame.set(tob3Footer(2000, dividedFlag), frameBytes - 4);
    expect(outline(read([frame], header))).toEqual(['table', 'other']);
  });

  it('that minor frames fill to the last byte has all of them', () => {
    const minor = [tob3MinorFrame(0, 2), tob3Body(2, 2)];
    const full = concatBytes(...minor, tob3Footer(16 + 12, dividedFlag));
    expect(numbers(read([full], headerFor(full.length)))).toEqual([0, 1, 2, 3]);
  });
});

describe('what lay on the card before', () => {
  it('is no defect behind the last good frame', () => {
    const items = read([tob3Frame(0), tob3Residue(1), tob3Residue(2), tob3Residue(3).subarray(0, 9)]);
    expect(outline(items)).toEqual(['table', ...fourRecords, 'other']);
    expect(items.at(-1)?.range.length).toBe(2 * tob3FrameBytes + 9);
  });

  it('is a defect between good frames, however many frames it is', () => {
    const items = read([tob3Frame(0), tob3Residue(1), tob3Residue(2), tob3Frame(4)]);
    expect(outline(items)).toEqual(['table', ...fourRecords, 'TOB3_BAD_FRAME', ...fourRecords]);
    expect(items[5]?.range.length).toBe(2 * tob3FrameBytes);
  });

  it('is read again when the logger has filled it', () => {
    const header = tob3Header();
    const first = concatBytes(header, tob3Frame(0), tob3Residue(1), tob3Residue(2));
    const second = concatBytes(header, tob3Frame(0), tob3Frame(4), tob3Residue(2));
    const reader = tob3Format.reader();
    reader.push(first);
    reader.end({ complete: false });
    const { offset } = reader.position();
    expect(offset).toBe(header.length + tob3FrameBytes);
    const resumed = tob3Format.reader(reader.position());
    expect(outline([...resumed.push(second.subarray(offset)), ...resumed.end({ complete: true })])).toEqual([...fourRecords, 'other']);
  });
});

describe('the end of a TOB3 file', () => {
  it('within a frame is pending while it grows, and a defect when it does not', () => {
    const bytes = concatBytes(tob3Header(), tob3Frame(0), tob3Frame(4));
    const cut = bytes.subarray(0, bytes.length - 1);
    expect(outline(readWhole(tob3Format, cut))).toEqual(['table', ...fourRecords, 'TOB3_TAIL_CUT']);
    expect(readGrowing(tob3Format, bytes, [cut.length])).toEqual(readWhole(tob3Format, bytes));
  });
});
