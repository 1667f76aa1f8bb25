import { toHex, utf8 } from '../core/bytes.ts';
import type { Crypto, IncrementalHash } from '../ports/crypto.ts';

/** Lines kept for people. */
const linesMax = 4000;
/** Lines that are hashed together. */
const pendingMax = 256;

/**
 * Everything that happened in a world, as one hash: each line says when, where, what. Two runs with the same hash sent the same packets at the same instants and reported the same events.
 * The latest lines are kept, so that a run that went wrong can be read.
 */
export class Trace {
  readonly #hash: IncrementalHash;
  readonly #lines: string[] = [];
  #pending: string[] = [];
  #count = 0;

  constructor(crypto: Pick<Crypto, 'createSha256'>) {
    this.#hash = crypto.createSha256();
  }

  /** Notes one thing. `atMs` is virtual time in milliseconds. */
  add(atMs: number, where: string, what: string): void {
    const line = `${atMs} ${where} ${what}`;
    this.#pending.push(line);
    if (this.#pending.length >= pendingMax) this.#hashPending();
    this.#count++;
    this.#lines.push(line);
    if (this.#lines.length > 2 * linesMax) this.#lines.splice(0, linesMax);
  }

  /** How many things happened. */
  get count(): number {
    return this.#count;
  }

  /** The last `count` lines, at most `linesMax`, oldest first. */
  latest(count: number): readonly string[] {
    return this.#lines.slice(-Math.min(count, linesMax));
  }

  /** 64 hexadecimal digits. Ends the trace: nothing can be added behind it. */
  digest(): string {
    this.#hashPending();
    return toHex(this.#hash.digest());
  }

  #hashPending(): void {
    this.#hash.update(utf8(this.#pending.map((line) => `${line}\n`).join('')));
    this.#pending = [];
  }
}
