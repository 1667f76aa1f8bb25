import { giveBack } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { identifierBytes } from '../core/identifiers.ts';
import { ChunkSplitter, chunkParametersOf } from '../datasets/chunking.ts';
import type { Sighting } from '../ports/file-tree.ts';
import type { CutSegment } from '../ports/segment-cutter.ts';
import { type Lane, listDisk, readWholeFiles, type WholeFiles } from './disk-survey.ts';
import { type EncodedRecords, encodeRecords, type JoinedRecords } from './disk-work.ts';
import { betweenRuns } from './merged-listing.ts';
import { nodeCrypto } from './node-crypto.ts';

/**
 * What a worker thread can be asked, and how it answers.
 */

/** A segment on its way to be cut. */
export interface SegmentToCut {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly averageBytes: number;
}

/** One lane of a listing. */
export interface ListingPart {
  readonly listing: number;
  readonly root: string;
  readonly lane: Lane;
}

/** Requests by name: what goes in, and what comes out. */
export interface WorkRequests {
  /** The next page of a listing, its runs joined by two NULs; `undefined` behind the last. The first request with a number begins the listing. */
  readonly list: { readonly input: ListingPart; readonly output: string | undefined };
  /** Ends a listing before its end. */
  readonly endList: { readonly input: { readonly listing: number }; readonly output: undefined };
  readonly readWhole: { readonly input: { readonly root: string; readonly files: readonly Sighting[] }; readonly output: WholeFiles };
  readonly cut: { readonly input: SegmentToCut; readonly output: CutSegment };
  readonly encode: { readonly input: JoinedRecords; readonly output: EncodedRecords };
}

/** A request on its way to the worker. */
export type WorkRequest = {
  readonly [Name in keyof WorkRequests]: { readonly id: number; readonly name: Name; readonly input: WorkRequests[Name]['input'] };
}[keyof WorkRequests];

/** An answer on its way back. `code` is the operating system's, if it had one. */
export type WorkAnswer =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly code?: string } };

/** Answers requests, one after the other. */
export class WorkHandler {
  readonly #listings = new Map<number, Generator<readonly string[], void, void>>();

  handle(request: WorkRequest): WorkAnswer {
    try {
      return { id: request.id, output: this.#outputOf(request) };
    } catch (error) {
      const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
      return { id: request.id, error: { message: String(error), ...code } };
    }
  }

  #outputOf(request: WorkRequest): unknown {
    switch (request.name) {
      case 'list':
        return this.#list(request.input);
      case 'endList':
        return void this.#listings.delete(request.input.listing);
      case 'readWhole':
        return readWholeFiles(request.input.root, request.input.files);
      case 'cut':
        return cutSegment(request.input.bytes, request.input.averageBytes);
      case 'encode':
        return encodeAndDrop(request.input);
    }
  }

  #list({ listing, root, lane }: ListingPart): string | undefined {
    const pages = this.#listings.get(listing) ?? listDisk(root, lane);
    this.#listings.set(listing, pages);
    const page = pages.next();
    if (page.done !== true) return page.value.join(betweenRuns);
    this.#listings.delete(listing);
    return undefined;
  }
}

/** Cuts a segment and names its chunks, as the port says. */
export function cutSegment(bytes: Uint8Array<ArrayBuffer>, averageBytes: number): CutSegment {
  const chunks = new ChunkSplitter(chunkParametersOf(averageBytes)).push(bytes);
  const hashes = new Uint8Array(chunks.length * identifierBytes);
  for (const [at, chunk] of chunks.entries()) hashes.set(nodeCrypto.sha256(chunk), at * identifierBytes);
  return { bytes, lengths: chunks.map(({ length }) => length), hashes };
}

/** The thread that asked has handed its bytes over. */
function encodeAndDrop(input: JoinedRecords): EncodedRecords {
  const encoded = encodeRecords(apart(input));
  giveBack(input.bytes);
  return encoded;
}

function apart({ bytes, hashes, lengths }: JoinedRecords): { hash: Hash; bytes: Uint8Array }[] {
  let taken = 0;
  return lengths.map((length, at) => {
    taken += length;
    return {
      hash: hashes.subarray(at * identifierBytes, (at + 1) * identifierBytes) as Uint8Array as Hash,
      bytes: bytes.subarray(taken - length, taken),
    };
  });
}
