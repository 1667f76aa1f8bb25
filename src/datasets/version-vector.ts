import { compareBytes, concatBytes, toHex } from '../core/bytes.ts';
import { type CborValue, encodeCbor } from '../core/cbor.ts';
import { identifier, identifierBytes, identifierToBytes, type NodeId, type ShortName, shortNameBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { Dot } from './log-entry.ts';

/**
 * Version vectors: how much of each author's log somebody has.
 *
 * Every node writes one gap-free log per dataset, entries numbered from 1. Because a log has no gaps, one number says everything about it: "I have entries 1 to n". The vector of
 * these numbers over all authors therefore says everything a node has of a dataset, two vectors compare without looking at a single entry, and their difference is a list of
 * ranges. Vectors form a lattice: `merge` is the least upper bound, so it is commutative, associative and idempotent, and the order in which a node hears of things is no matter
 * (Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", 1983; Baquero and Preguiça, "Why Logical Clocks are Easy", 2016).
 *
 * Wire form: one CBOR array `[ids, n1, n2, …]`. `ids` is the identifiers of all authors with a non-empty log, 32 bytes each, ascending, in one byte string; then the length of each
 * log in the same order. A vector has exactly one such form, so equal vectors have equal digests. Between members the identifiers are short names, 8 bytes each.
 */

/** How one vector stands to another: the same, an earlier state of it, a later state, or each has something the other lacks. */
export type VectorOrder = 'equal' | 'before' | 'after' | 'concurrent';

/** Consecutive entries of one author's log, both ends included. */
export interface LogRange {
  readonly node: NodeId;
  readonly from: number;
  readonly to: number;
}

/** Bytes of a vector's digest. */
export const vectorDigestBytes = 16;

/** Code-unit order, which for identifiers in hexadecimal is the order of their bytes. */
function byNode(a: readonly [NodeId, number], b: readonly [NodeId, number]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

/** Node to length of its log. Immutable; authors with an empty log do not appear. */
export class VersionVector {
  /** The vector of somebody who has nothing. */
  static readonly empty = new VersionVector(new Map());

  readonly #lengthByNode: ReadonlyMap<NodeId, number>;

  private constructor(lengthByNode: ReadonlyMap<NodeId, number>) {
    this.#lengthByNode = lengthByNode;
  }

  /**
   * The vector with these log lengths, in any order; a node that comes twice counts with its longer log.
   *
   * @throws RangeError when a length is not an integer from 0 to 2^53 - 1.
   */
  static of(lengths: Iterable<readonly [NodeId, number]>): VersionVector {
    const lengthByNode = new Map<NodeId, number>();
    for (const [node, length] of lengths) {
      if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`a log cannot have ${length} entries`);
      if (length > (lengthByNode.get(node) ?? 0)) lengthByNode.set(node, length);
    }
    // Held in canonical order, so that iteration, digest and wire form need no further sorting.
    return new VersionVector(new Map([...lengthByNode].sort(byNode)));
  }

  /** Number of authors with a non-empty log. */
  get size(): number {
    return this.#lengthByNode.size;
  }

  /** Number of entries of this author's log that are covered; 0 for an author never heard of. */
  lengthOf(node: NodeId): number {
    return this.#lengthByNode.get(node) ?? 0;
  }

  /** Authors and lengths of their logs, ascending by the identifier's bytes. */
  entries(): IterableIterator<[NodeId, number]> {
    return this.#lengthByNode.entries();
  }

  /** True when this entry is covered. */
  contains(dot: Dot): boolean {
    return dot.sequence >= 1 && dot.sequence <= this.lengthOf(dot.author);
  }

  /** Whether this vector is an earlier state of `other` (`before`), a later one, the same, or neither. */
  compare(other: VersionVector): VectorOrder {
    const ahead = this.#exceeds(other);
    const behind = other.#exceeds(this);
    if (ahead) return behind ? 'concurrent' : 'after';
    return behind ? 'before' : 'equal';
  }

  #exceeds(other: VersionVector): boolean {
    for (const [node, length] of this.#lengthByNode) if (length > other.lengthOf(node)) return true;
    return false;
  }

  /** The least vector that covers both: what somebody has after receiving everything the other has. */
  merge(other: VersionVector): VersionVector {
    return VersionVector.of([...this.#lengthByNode, ...other.#lengthByNode]);
  }

  /** This vector with the author's log known at least to entry `length`. */
  advance(node: NodeId, length: number): VersionVector {
    return VersionVector.of([...this.#lengthByNode, [node, length]]);
  }

  /**
   * What is covered here and missing from `other`, ascending by author: exactly the ranges to send to somebody who has `other`. A peer that lies about its vector can make a range
   * long, never negative; the ranges are to be walked, not allocated.
   */
  missingFrom(other: VersionVector): LogRange[] {
    const ranges: LogRange[] = [];
    for (const [node, to] of this.#lengthByNode) {
      const known = other.lengthOf(node);
      if (to > known) ranges.push({ node, from: known + 1, to });
    }
    return ranges;
  }

  /** The wire form, see the head of this file. */
  toCbor(): CborValue {
    const ids = concatBytes(...[...this.#lengthByNode.keys()].map(identifierToBytes));
    return [ids, ...this.#lengthByNode.values()];
  }

  /** The form that travels between members: as `toCbor`, with short names. */
  toShortCbor(): CborValue {
    const names = concatBytes(...[...this.#lengthByNode.keys()].map((node) => identifierToBytes(node).subarray(0, shortNameBytes)));
    return [names, ...this.#lengthByNode.values()];
  }

  /**
   * The vector in a decoded CBOR value with short names. `nodeOf` gives the node of a name; what it does not know is left out and counted in `unknown`. Fails with `VECTOR_MALFORMED` and
   * `VECTOR_TOO_LARGE` (peer).
   */
  static fromShortCbor(
    value: unknown,
    nodeOf: (name: ShortName) => NodeId | undefined,
  ): Outcome<{ readonly vector: VersionVector; readonly unknown: number }> {
    const shaped = namesAndLengths(value, shortNameBytes);
    if (!shaped.ok) return shaped;
    const { names, lengths } = shaped.value;
    const known: [NodeId, number][] = [];
    for (const [index, length] of lengths.entries()) {
      const node = nodeOf(toHex(names[index] as Uint8Array) as ShortName);
      if (node !== undefined) known.push([node, length]);
    }
    return success({ vector: VersionVector.of(known), unknown: lengths.length - known.length });
  }

  /**
   * The vector in a decoded CBOR value of foreign origin. Fails with `VECTOR_MALFORMED` when the value is not the canonical form of a vector, and with `VECTOR_TOO_LARGE` when it
   * names more authors than a dataset may have; both are the peer's fault, and asking again will not help.
   */
  static fromCbor(value: unknown): Outcome<VersionVector> {
    const shaped = namesAndLengths(value, identifierBytes);
    if (!shaped.ok) return shaped;
    const { names, lengths } = shaped.value;
    return success(new VersionVector(new Map(names.map((name, index) => [identifier<NodeId>(name), lengths[index] as number]))));
  }
}

/** The names in a decoded wire form, strictly ascending, and the lengths beside them. */
function namesAndLengths(value: unknown, nameBytes: number): Outcome<{ readonly names: Uint8Array[]; readonly lengths: number[] }> {
  const malformed = (what: string) => failure('VECTOR_MALFORMED', 'peer', `version vector: ${what}`);
  if (!Array.isArray(value)) return malformed('not an array');
  const [ids, ...lengths] = value as readonly unknown[];
  if (!(ids instanceof Uint8Array) || ids.length !== lengths.length * nameBytes) return malformed('identifiers and lengths do not match');
  if (lengths.length > limits.authorsPerDatasetMax) {
    const message = `version vector: ${lengths.length} authors, at most ${limits.authorsPerDatasetMax} are allowed`;
    return failure('VECTOR_TOO_LARGE', 'peer', message);
  }
  const names: Uint8Array[] = [];
  for (const [index, length] of lengths.entries()) {
    if (!Number.isSafeInteger(length) || (length as number) < 1) return malformed('a log length is not a positive integer');
    const name = ids.subarray(index * nameBytes, (index + 1) * nameBytes);
    const previous = names.at(-1);
    if (previous !== undefined && compareBytes(previous, name) >= 0) return malformed('identifiers are not in ascending order');
    names.push(name);
  }
  return success({ names, lengths: lengths as number[] });
}

/** The first 16 bytes of the SHA-256 of the vector's wire form. Two datasets whose vectors have equal digests are the same. */
export function vectorDigest(vector: VersionVector, crypto: Crypto): Uint8Array {
  return crypto.sha256(encodeCbor(vector.toCbor())).slice(0, vectorDigestBytes);
}
