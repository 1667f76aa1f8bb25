import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../../src/core/bytes.ts';
import type { ReaderPosition, RingMark, UnrolledFile } from '../../../../src/formats/record-stream.ts';
import { tob3Format } from '../../../../src/formats/tob3/tob3-format.ts';
import { unrollTob3 } from '../../../../src/formats/tob3/tob3-ring.ts';
import {
  tob3Cells,
  tob3DividedFrame,
  tob3Frame,
  tob3FrameBytes,
  tob3Header,
  tob3MinorFrame,
  tob3Residue,
  tob3Stamp,
} from '../campbell-files.ts';

const frames = 8;

/** A card in a logger: a file of fixed size that is filled frame by frame, over and over. */
class Card {
  readonly bytes: Uint8Array;
  readonly headerBytes: number;
  written = 0;

  constructor(header = tob3Header()) {
    const residue = Array.from({ length: frames }, (_, seed) => tob3Residue(seed));
    this.bytes = concatBytes(header, ...residue, new Uint8Array(7));
    this.headerBytes = header.length;
  }

  put(frame: Uint8Array, at = this.written % frames): void {
    this.bytes.set(frame, this.headerBytes + at * tob3FrameBytes);
  }

  write(count: number): void {
    // Every second round is stamped with the complement.
    for (let index = 0; index < count; index++, this.written++)
      this.put(tob3Frame(this.written * 4, Math.floor(this.written / frames) % 2 === 0 ? tob3Stamp : 0xffff ^ tob3Stamp));
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length);
  }
}

/** Somebody who takes the card now and then, and remembers where they were. */
class Visitor {
  cursor: { readonly position: ReaderPosition; readonly mark: RingMark } | undefined;
  last: UnrolledFile | undefined;

  /** Numbers of the records that are new, or that are read again because the reading cannot go on; defects as their codes. */
  async take(card: Card, complete = false): Promise<(number | string)[]> {
    const position = this.cursor && { offset: this.cursor.position.offset, mark: this.cursor.mark };
    const unrolled = await unrollTob3(card, card.bytes.length, { complete, ...(position && { position }) });
    this.last = unrolled;
    if (unrolled === undefined) return [];
    const resume = unrolled.continues ? this.cursor?.position : undefined;
    const reader = tob3Format.reader(resume);
    const items = [];
    for (let offset = resume?.offset ?? 0; offset < unrolled.sizeBytes; offset += 100)
      items.push(...reader.push(await unrolled.read(offset, Math.min(100, unrolled.sizeBytes - offset))));
    items.push(...reader.end({ complete }));
    this.cursor = JSON.parse(JSON.stringify({ position: reader.position(), mark: unrolled.mark(reader.position().offset) }));
    return items.flatMap<number | string>((item) =>
      item.type === 'record' ? [item.recordNumber ?? -1] : item.type === 'defect' ? [item.code] : [],
    );
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

describe('a ring file that is taken again and again', () => {
  it('gives each record once, in the order in which it was written, however often the ring goes round', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: frames - 1 }), { maxLength: 12 }), async (batches) => {
        const [card, visitor] = [new Card(), new Visitor()];
        const seen: (number | string)[] = [];
        for (const count of batches) {
          card.write(count);
          seen.push(...(await visitor.take(card)));
        }
        expect(seen).toEqual(numbers(0, card.written * 4));
      }),
    );
  });

  it('gives what is left when it was overwritten before it was taken, from the oldest on', async () => {
    const [card, visitor] = [new Card(), new Visitor()];
    card.write(5);
    await visitor.take(card);
    card.write(frames + 3);
    expect(await visitor.take(card)).toEqual(numbers((card.written - frames) * 4, card.written * 4));
    expect(visitor.last?.continues).toBe(false);
  });

  it('is read as far as it is new', async () => {
    const [card, visitor] = [new Card(), new Visitor()];
    card.write(frames - 1);
    await visitor.take(card);
    card.write(2);
    await visitor.take(card);
    card.write(1);
    const taken = await visitor.take(card);
    expect(taken).toHaveLength(4);
    expect(visitor.last?.sizeBytes).toBe(card.headerBytes + (frames + 2) * tob3FrameBytes);
    expect(await visitor.take(card)).toEqual([]);
  });

  it('goes on when the header says that the card was taken out', async () => {
    const [card, visitor] = [new Card(), new Visitor()];
    card.write(3);
    await visitor.take(card);
    const framing = tob3Cells.framing.with(6, '          11').with(7, '   987654321'.slice(0, 12));
    card.bytes.set(tob3Header({ framing }));
    card.write(1);
    expect(await visitor.take(card)).toEqual(numbers(12, 16));
  });

  it('is read anew when it is another file, or the frame that was read last has been filled further', async () => {
    const [card, visitor] = [new Card(), new Visitor()];
    card.write(3);
    await visitor.take(card);
    const other = new Card(tob3Header({ environment: tob3Cells.environment.with(7, '2023-06-01 00:00:00') }));
    other.write(4);
    expect(await visitor.take(other)).toEqual(numbers(0, 16));
    other.put(tob3DividedFrame(tob3FrameBytes, [tob3MinorFrame(16, 1)]), 4);
    expect(await visitor.take(other)).toEqual([16]);
    other.put(tob3Frame(16), 4);
    expect(await visitor.take(other)).toEqual(numbers(0, 20));
    expect(visitor.last?.continues).toBe(false);
  });

  it('has a bad frame between good ones as a defect, and goes on behind it', async () => {
    const [card, visitor] = [new Card(), new Visitor()];
    card.write(2);
    await visitor.take(card);
    card.write(3);
    card.put(tob3Residue(99), 3);
    expect(await visitor.take(card)).toEqual([...numbers(8, 12), 'TOB3_BAD_FRAME', ...numbers(16, 20)]);
    card.write(frames);
    expect(await visitor.take(card)).toEqual(numbers(20, 52));
  });

  it('is read as it stands where it is complete and has not gone round, has no frames of its own, or no header', async () => {
    const card = new Card();
    const look = (complete: boolean, sizeBytes = card.bytes.length) => unrollTob3(card, sizeBytes, { complete });
    expect(await look(false)).toBeUndefined();
    card.write(2);
    expect(await look(true)).toBeUndefined();
    expect((await look(false))?.sizeBytes).toBe(card.headerBytes + 2 * tob3FrameBytes);
    card.write(frames);
    expect((await look(true))?.sizeBytes).toBe(card.headerBytes + frames * tob3FrameBytes);
    for (let size = 0; size < card.headerBytes + tob3FrameBytes; size += 11) expect(await look(false, size)).toBeUndefined();
    card.bytes.set([0x20], 20);
    expect(
      await unrollTob3(card, card.bytes.length, { complete: false, position: { offset: 999, mark: { identity: 'x', start: -1 } } }),
    ).toBeDefined();
  });

  it('is not misled by a cursor that is none of its own', async () => {
    const card = new Card();
    card.write(3);
    const visitor = new Visitor();
    await visitor.take(card);
    const mark = visitor.cursor?.mark ?? {};
    const { offset = 0 } = visitor.cursor?.position ?? {};
    for (const [at, start] of [
      [offset + 1, 0],
      [card.headerBytes, 0],
      [offset, -1],
      [offset, 0.5],
      [offset, 'x'],
      [offset + tob3FrameBytes, 0],
    ] as const)
      expect(
        (await unrollTob3(card, card.bytes.length, { complete: false, position: { offset: at, mark: { ...mark, start } } }))?.continues,
      ).toBe(false);
  });
});
