/**
 * Manifests: the content of a file as a Merkle tree of chunk references.
 *
 * Content is named by `{root, sizeBytes, depth}`. At depth 0 the root is the SHA-256 of the content itself, a single chunk (or nothing at all). Deeper, the root is the SHA-256 of a *node* of
 * level `depth`, whose children are nodes of the level below, down to level 1, whose children are chunks. Because the depth is part of the name, and a node says its level, nothing can be
 * taken for something else: a chunk that holds the bytes of a node is never read as one.
 *
 * A node's bytes are
 *
 *     node  = header child{1,1024}
 *     header = one byte: format version (1) in the high half, level (1..10) in the low half
 *     child = hash (32 bytes) length (varint)
 *
 * where `length` is the bytes of content below that child. Which children share a node is decided by their hashes alone: a node ends behind the first child, not counting the 15 first ones, whose
 * hash begins with a zero byte, and after 1024 at most (256 + 15 on average). So an edit changes one node a level, or two, and the same list of chunks always has the same root.
 */

import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type Hash, identifierBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** A piece of content: a chunk, or everything below a manifest node. */
export interface ChunkRef {
  /** SHA-256 of the chunk's bytes (of the node's bytes, for a child of a node above level 1). */
  readonly hash: Hash;
  /** Bytes of content, at least 1. */
  readonly lengthBytes: number;
}

/** The name of a file's content: two equal ones stand for the same bytes, cut at the same places. */
export interface ContentRef {
  /** Hash of the top node, or of the content itself at depth 0. */
  readonly root: Hash;
  readonly sizeBytes: number;
  /** Levels of nodes above the chunks, 0..10. */
  readonly depth: number;
}

/** An encoded node and its name. */
export interface ManifestNode {
  readonly hash: Hash;
  readonly bytes: Uint8Array;
  /** 1 for nodes whose children are chunks. */
  readonly level: number;
}

/** Version of the node format, in the high half of a node's first byte. */
const manifestVersion = 1;
/** 16^10 chunks of 16 KiB, the smallest there are, exceed 2^53 bytes. */
const depthMax = 10;
const childrenMin = 16;
const childrenMax = 1024;

type Sha256 = Pick<Crypto, 'sha256'>;

/** The name of content that is one chunk, or empty. */
export function singleChunkContent(hash: Hash, sizeBytes: number): ContentRef {
  return { root: hash, sizeBytes, depth: 0 };
}

/** True when both name the same content. */
export function equalContent(a: ContentRef, b: ContentRef): boolean {
  return a.sizeBytes === b.sizeBytes && a.depth === b.depth && equalBytes(a.root, b.root);
}

interface OpenNode {
  /** Children of the node that is being filled. */
  children: ChunkRef[];
  /** Children that this level has seen, closed nodes included. */
  seen: number;
}

/** Builds the manifest of a stream of chunks, in memory for one open node a level (at most 36 KiB each), whatever the file's size. */
export class ManifestBuilder {
  readonly #crypto: Sha256;
  /** `#open[n]` gathers the children of the next node of level `n + 1`. */
  readonly #open: OpenNode[] = [{ children: [], seen: 0 }];
  #finished: ManifestNode[] = [];
  #sizeBytes = 0;

  constructor(crypto: Sha256) {
    this.#crypto = crypto;
  }

  /** Takes the next chunk of the content. */
  add(chunk: ChunkRef): void {
    this.#sizeBytes += chunk.lengthBytes;
    this.#addChild(0, chunk);
  }

  /** Hands over the nodes that are complete and forgets them, children before parents. */
  drain(): ManifestNode[] {
    const nodes = this.#finished;
    this.#finished = [];
    return nodes;
  }

  /** Ends the content. `nodes` are those not yet drained, children before parents; the root's is the last. Content of one chunk has none. */
  finish(): { content: ContentRef; nodes: ManifestNode[] } {
    let depth = 0;
    for (;;) {
      const open = this.#open[depth] as OpenNode;
      // A level that saw a single child ends there: that child is the root, and no node is made for it alone.
      if (open.seen <= 1) {
        const root = open.children[0]?.hash ?? (this.#crypto.sha256(new Uint8Array(0)) as Hash);
        return { content: { root, sizeBytes: this.#sizeBytes, depth }, nodes: this.drain() };
      }
      if (open.children.length > 0) this.#close(depth);
      depth++;
    }
  }

  #addChild(depth: number, child: ChunkRef): void {
    const open = this.#open[depth] ?? { children: [], seen: 0 };
    this.#open[depth] = open;
    open.children.push(child);
    open.seen++;
    const count = open.children.length;
    if (count === childrenMax || (count >= childrenMin && child.hash[0] === 0)) this.#close(depth);
  }

  #close(depth: number): void {
    const open = this.#open[depth] as OpenNode;
    const level = depth + 1;
    const bytes = encodeNode(open.children, level);
    const hash = this.#crypto.sha256(bytes) as Hash;
    const lengthBytes = totalBytes(open.children);
    open.children = [];
    this.#finished.push({ hash, bytes, level });
    this.#addChild(level, { hash, lengthBytes });
  }
}

function encodeNode(children: readonly ChunkRef[], level: number): Uint8Array {
  const writer = new ByteWriter();
  writer.byte((manifestVersion << 4) | level);
  for (const child of children) {
    writer.append(child.hash);
    writer.varint(child.lengthBytes);
  }
  return writer.finish().slice();
}

/** Bytes of content that these references stand for. */
export function totalBytes(refs: Iterable<ChunkRef>): number {
  let total = 0;
  for (const ref of refs) total += ref.lengthBytes;
  return total;
}

/**
 * The children of a node that is expected at this level, in order. Their hashes are views of `bytes`.
 *
 * The hash of `bytes` is the caller's to check. Fails with `MANIFEST_VERSION` (incompatible) for a newer format, and with `MANIFEST_MALFORMED` (peer) for a node of another level, no or too many
 * children, a chunk longer than `limits.chunkBytesMax`, an empty child, and bytes that are missing or left over.
 */
export function decodeManifestNode(bytes: Uint8Array, level: number): Outcome<ChunkRef[]> {
  const reader = new ByteReader(bytes);
  const header = reader.byte();
  if (header === undefined) return malformed('an empty node');
  if (header >> 4 !== manifestVersion)
    return failure('MANIFEST_VERSION', 'incompatible', `manifest format ${header >> 4} is not known here`);
  if ((header & 0xf) !== level || level > depthMax)
    return malformed(`a node of level ${header & 0xf} in the place of one of level ${level}`);
  const children: ChunkRef[] = [];
  let sizeBytes = 0;
  while (reader.remainingBytes > 0) {
    const hash = reader.take(identifierBytes) as Hash | undefined;
    const lengthBytes = reader.varint();
    if (hash === undefined || lengthBytes === undefined) return malformed('a node that ends within a child');
    if (lengthBytes === 0) return malformed('an empty child');
    if (level === 1 && lengthBytes > limits.chunkBytesMax) return malformed(`a chunk of ${lengthBytes} bytes`);
    if (children.length === childrenMax) return malformed(`a node of more than ${childrenMax} children`);
    sizeBytes += lengthBytes;
    children.push({ hash, lengthBytes });
  }
  if (children.length === 0) return malformed('a node without children');
  if (sizeBytes > Number.MAX_SAFE_INTEGER) return malformed('a node of more than 2^53 bytes');
  return success(children);
}

function malformed(what: string): { readonly ok: false; readonly fault: { code: string; blame: 'peer'; message: string } } {
  return { ok: false, fault: { code: 'MANIFEST_MALFORMED', blame: 'peer', message: `the manifest holds ${what}` } };
}

/** Finds the bytes of a node, or `undefined` when this node does not hold them. They need not be verified. */
export type LoadManifestNode = (hash: Hash, level: number) => Promise<Uint8Array | undefined> | Uint8Array | undefined;

/**
 * The children of one node: loaded, checked against its hash and its length, decoded.
 *
 * Fails with `MANIFEST_NODE_MISSING` (local), `MANIFEST_NODE_DAMAGED` (local) when the bytes have another hash, and as `decodeManifestNode` does.
 */
export async function loadChildren(
  node: ChunkRef,
  level: number,
  loadNode: LoadManifestNode,
  crypto: Sha256,
): Promise<Outcome<ChunkRef[]>> {
  const bytes = await loadNode(node.hash, level);
  if (bytes === undefined) return failure('MANIFEST_NODE_MISSING', 'local', `manifest node ${node.hash.toHex()} is not here`);
  if (!equalBytes(crypto.sha256(bytes), node.hash)) {
    return failure('MANIFEST_NODE_DAMAGED', 'local', `the stored bytes of manifest node ${node.hash.toHex()} do not have that hash`);
  }
  const children = decodeManifestNode(bytes, level);
  if (children.ok && totalBytes(children.value) !== node.lengthBytes) {
    return malformed(`a node of ${totalBytes(children.value)} bytes in the place of one of ${node.lengthBytes}`);
  }
  return children;
}

/**
 * Checks what can be known of a content reference without its nodes. Fails with `CONTENT_REF_MALFORMED` (peer) for a depth out of range, content of one chunk that is longer than a chunk may
 * be, and empty content whose root is not the hash of nothing.
 */
export function checkContentRef(content: ContentRef, crypto: Sha256): Outcome<ContentRef> {
  const { sizeBytes, depth } = content;
  const whole = Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 && Number.isInteger(depth) && depth >= 0 && depth <= depthMax;
  const single = depth > 0 || sizeBytes <= limits.chunkBytesMax;
  const empty = sizeBytes > 0 || (depth === 0 && equalBytes(content.root, crypto.sha256(new Uint8Array(0))));
  if (whole && single && empty) return success(content);
  return failure('CONTENT_REF_MALFORMED', 'peer', `no content has ${sizeBytes} bytes, depth ${depth} and that root`);
}

/**
 * The chunks of content, in order. Every node is checked against its hash, its level and its length before a chunk below it is yielded, and at most one node a level is held.
 *
 * Throws a `GodwitError` with one of the codes of `loadChildren` or `checkContentRef` in the place of the next chunk; the chunks before it are good. The caller may fetch the node that is missing
 * and begin again.
 */
export async function* readManifest(content: ContentRef, loadNode: LoadManifestNode, crypto: Sha256): AsyncGenerator<ChunkRef, void, void> {
  orThrow(checkContentRef(content, crypto));
  if (content.sizeBytes === 0) return;
  // The untaken rest of one node a level, the deepest last.
  const rests: { level: number; children: Iterator<ChunkRef> }[] = [];
  const root: ChunkRef = { hash: content.root, lengthBytes: content.sizeBytes };
  rests.push({ level: content.depth, children: [root].values() });
  for (let rest = rests.at(-1); rest !== undefined; rest = rests.at(-1)) {
    const next = rest.children.next();
    if (next.done) {
      rests.pop();
    } else if (rest.level === 0) {
      yield next.value;
    } else {
      const children = orThrow(await loadChildren(next.value, rest.level, loadNode, crypto));
      rests.push({ level: rest.level - 1, children: children.values() });
    }
  }
}

function orThrow<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw GodwitError.from(outcome.fault, { retryable: outcome.fault.code === 'MANIFEST_NODE_MISSING' });
}
