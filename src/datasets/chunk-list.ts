import { type Hash, identifierBytes } from '../core/identifiers.ts';
import type { ChunkRef } from './manifest.ts';

/**
 * The chunks of one content, in order: what a hundred gigabytes need of it is 7 MB.
 *
 * A reference as an object with an array of its own takes ten times what it says, and hundreds of thousands of them live until the content ends. So hashes and lengths stand behind one another in blocks, which
 * are never copied, and references are made when they are asked for.
 */

/** References in the first block and in the largest: most contents are a few chunks, and blocks double. */
const blockRefsMin = 16;
const blockRefsMax = 4096;

interface Block {
  readonly hashes: Uint8Array;
  /** No chunk is longer than `limits.chunkBytesMax`, so 32 bits hold every length. */
  readonly lengths: Uint32Array;
  used: number;
}

/** References that are added one by one, and read any number of times. */
export class ChunkList implements Iterable<ChunkRef> {
  readonly #blocks: Block[] = [];

  /** Adds a chunk. The hash is copied; the result names it by that copy. */
  add(hash: Uint8Array, lengthBytes: number): ChunkRef {
    const block = this.#open();
    block.hashes.set(hash, block.used * identifierBytes);
    block.lengths[block.used] = lengthBytes;
    return refAt(block, block.used++);
  }

  /** The chunks in the order in which they were added. Their hashes are views of the list. */
  *[Symbol.iterator](): Generator<ChunkRef, void, void> {
    for (const block of this.#blocks) for (let at = 0; at < block.used; at++) yield refAt(block, at);
  }

  /** A block with room. */
  #open(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.used < last.lengths.length) return last;
    const refs = last === undefined ? blockRefsMin : Math.min(2 * last.lengths.length, blockRefsMax);
    const block = { hashes: new Uint8Array(refs * identifierBytes), lengths: new Uint32Array(refs), used: 0 };
    this.#blocks.push(block);
    return block;
  }
}

function refAt({ hashes, lengths }: Block, at: number): ChunkRef {
  return { hash: hashes.subarray(at * identifierBytes, (at + 1) * identifierBytes) as Hash, lengthBytes: lengths[at] as number };
}
