import { invariant } from '../core/assert.ts';
import { giveBack } from '../core/bytes.ts';
import { type Hash, identifierBytes } from '../core/identifiers.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { CutSegment } from '../ports/segment-cutter.ts';
import { ChunkList } from './chunk-list.ts';
import { type ChunkParameters, ChunkSplitter } from './chunking.ts';
import { type ChunkRef, type ContentRef, ManifestBuilder } from './manifest.ts';

/**
 * Cuts one content into chunks, names them and builds the manifest above them, in one pass. What belongs into packs (the manifest's nodes, and the chunks where they are to be kept there) gathers in
 * `records` until it is taken.
 */
export class ContentCut {
  readonly #crypto: Crypto;
  readonly #inPacks: boolean;
  readonly #splitter: ChunkSplitter;
  readonly #manifest: ManifestBuilder;
  readonly #chunks = new ChunkList();
  #records: PackRecord[] = [];
  #recordBytes = 0;

  constructor(parameters: ChunkParameters, inPacks: boolean, crypto: Crypto) {
    this.#crypto = crypto;
    this.#inPacks = inPacks;
    this.#splitter = new ChunkSplitter(parameters);
    this.#manifest = new ManifestBuilder(crypto);
  }

  /** Bytes that wait to be taken. */
  get recordBytes(): number {
    return this.#recordBytes;
  }

  /** The content's next bytes. They belong to the cut from now on. */
  push(bytes: Uint8Array): void {
    for (const chunk of this.#splitter.push(bytes)) {
      this.#addChunk(chunk);
      // One that spans several pushed arrays was joined in an array of its own, which nobody needs once it has a name.
      if (!this.#inPacks && chunk.buffer !== bytes.buffer) giveBack(chunk);
    }
    for (const node of this.#manifest.drain()) this.#addRecord(node);
  }

  /**
   * The same for bytes that were cut already, as if a chunk began with them: a cut depends on what is near it and on where its chunk began, so the two ways of cutting meet after a chunk or a few, and
   * from there on what was found is taken over. The result is that of `push`, whatever the bytes are; where the ways never meet (all bytes alike, say) the work was in vain. Nothing is kept of
   * the segment's array. Only for content whose chunks are not put into packs.
   */
  pushSegment({ bytes, lengths, hashes }: CutSegment): void {
    invariant(!this.#inPacks, 'a segment was cut of a content whose chunks are stored');
    let start = 0;
    for (const [at, lengthBytes] of lengths.entries()) {
      const end = start + lengthBytes;
      if (this.#splitter.isAtCut) this.#add(hashes.subarray(at * identifierBytes, (at + 1) * identifierBytes), lengthBytes);
      else this.push(bytes.subarray(start, end));
      start = end;
    }
    this.push(bytes.subarray(start));
    // Chunks may go on in the next segment; by then this array holds other bytes.
    this.#splitter.keep();
    for (const node of this.#manifest.drain()) this.#addRecord(node);
  }

  /** Ends the content. */
  end(): { readonly content: ContentRef; readonly chunks: Iterable<ChunkRef> } {
    for (const chunk of this.#splitter.end()) this.#addChunk(chunk);
    const { content, nodes } = this.#manifest.finish();
    for (const node of nodes) this.#addRecord(node);
    return { content, chunks: this.#chunks };
  }

  /** What is to be stored and has not been taken yet. */
  takeRecords(): PackRecord[] {
    const records = this.#records;
    this.#records = [];
    this.#recordBytes = 0;
    return records;
  }

  #addChunk(bytes: Uint8Array): void {
    const hash = this.#crypto.sha256(bytes) as Hash;
    this.#add(hash, bytes.length);
    if (this.#inPacks) this.#addRecord({ hash, bytes });
  }

  #add(hash: Uint8Array, lengthBytes: number): void {
    this.#manifest.add(this.#chunks.add(hash, lengthBytes));
  }

  #addRecord(record: PackRecord): void {
    this.#records.push(record);
    this.#recordBytes += record.bytes.length;
  }
}
