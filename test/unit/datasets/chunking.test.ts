import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type ChunkParameters, ChunkSplitter, chunkParametersFor } from '../../../src/datasets/chunking.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const gibibyte = 1024 * mebibyte;

function split(bytes: Uint8Array, parameters: ChunkParameters): Uint8Array[] {
  const splitter = new ChunkSplitter(parameters);
  return [...splitter.push(bytes), ...splitter.end()];
}

describe('chunk parameters', () => {
  it('average 64 KiB up to 256 MiB and double for every eightfold size beyond', () => {
    expect(chunkParametersFor(0)).toEqual({ minBytes: 16 * kibibyte, averageBytes: 64 * kibibyte, maxBytes: 256 * kibibyte });
    expect(chunkParametersFor(256 * mebibyte).averageBytes).toBe(64 * kibibyte);
    expect(chunkParametersFor(256 * mebibyte + 1).averageBytes).toBe(128 * kibibyte);
    expect(chunkParametersFor(2 * gibibyte + 1).averageBytes).toBe(256 * kibibyte);
    expect(chunkParametersFor(16 * gibibyte + 1).averageBytes).toBe(512 * kibibyte);
  });

  it('keep a file of 100 GB to 200,000 chunks', () => {
    expect(100e9 / chunkParametersFor(100e9).averageBytes).toBeLessThan(200_000);
  });

  it('never let a chunk exceed the limit', () => {
    expect(chunkParametersFor(Number.MAX_SAFE_INTEGER).maxBytes).toBe(limits.chunkBytesMax);
  });

  it('stay with the average of the base while it is within a factor of four', () => {
    expect(chunkParametersFor(300 * mebibyte, 74_000).averageBytes).toBe(64 * kibibyte);
    expect(chunkParametersFor(15 * gibibyte, 74_000).averageBytes).toBe(64 * kibibyte);
    expect(chunkParametersFor(17 * gibibyte, 74_000).averageBytes).toBe(512 * kibibyte);
    expect(chunkParametersFor(100 * mebibyte, 150_000).averageBytes).toBe(128 * kibibyte);
    expect(chunkParametersFor(100 * mebibyte, 85).averageBytes).toBe(64 * kibibyte);
  });
});

describe('chunk splitter', () => {
  const parameters = chunkParametersFor(0);

  it('cuts at the places fixed for ever by the format', () => {
    const bytes = seededRandom(7).bytes(mebibyte);
    expect(split(bytes, parameters).map((chunk) => chunk.length)).toEqual([
      67764, 88138, 89809, 65834, 94700, 77284, 81884, 74550, 69771, 72292, 73516, 66042, 102145, 24847,
    ]);
  });

  it('cuts at the same places wherever the bytes stand in memory, and however few come at a time', () => {
    const bytes = seededRandom(7).bytes(mebibyte);
    const lengths = split(bytes, parameters).map((chunk) => chunk.length);
    for (const shift of [1, 2, 3]) {
      const moved = new Uint8Array(bytes.length + shift).subarray(shift);
      moved.set(bytes);
      expect(split(moved, parameters).map((chunk) => chunk.length)).toEqual(lengths);
    }
    const splitter = new ChunkSplitter(parameters);
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 7) chunks.push(...splitter.push(bytes.subarray(at, at + 7)));
    expect([...chunks, ...splitter.end()].map((chunk) => chunk.length)).toEqual(lengths);
  });

  it('gives nothing for empty content', () => {
    expect(split(new Uint8Array(0), parameters)).toEqual([]);
  });

  it('cuts bytes without any structure at the maximum', () => {
    const lengths = split(new Uint8Array(600 * kibibyte), parameters).map((chunk) => chunk.length);
    expect(lengths).toEqual([256 * kibibyte, 256 * kibibyte, 88 * kibibyte]);
  });

  it('keeps lengths near the average', () => {
    const bytes = seededRandom(1).bytes(16 * mebibyte);
    const chunks = split(bytes, parameters);
    const mean = bytes.length / chunks.length;
    expect(mean).toBeGreaterThan(56 * kibibyte);
    expect(mean).toBeLessThan(80 * kibibyte);
  });

  it('finds its old cuts again behind an insertion', () => {
    const before = seededRandom(2).bytes(4 * mebibyte);
    const after = new Uint8Array(before.length + 1000);
    after.set(before.subarray(0, mebibyte));
    after.set(seededRandom(3).bytes(1000), mebibyte);
    after.set(before.subarray(mebibyte), mebibyte + 1000);
    const known = new Set(split(before, parameters).map((chunk) => chunk.toHex()));
    const fresh = split(after, parameters).filter((chunk) => !known.has(chunk.toHex()));
    expect(fresh.length).toBeLessThanOrEqual(3);
  });

  it('returns views of what was pushed where a chunk lies in one array', () => {
    const bytes = seededRandom(4).bytes(mebibyte);
    const splitter = new ChunkSplitter(parameters);
    const chunks = splitter.push(bytes);
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks) expect(chunk.buffer).toBe(bytes.buffer);
  });

  it('begins anew after the end of content', () => {
    const bytes = seededRandom(5).bytes(300_000);
    const splitter = new ChunkSplitter(parameters);
    const first = [...splitter.push(bytes), ...splitter.end()];
    const second = [...splitter.push(bytes), ...splitter.end()];
    expect(second).toEqual(first);
    expect(splitter.end()).toEqual([]);
  });
});
