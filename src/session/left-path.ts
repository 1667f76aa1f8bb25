import type { MonotonicMs } from '../core/time.ts';

/**
 * The way that a session was on before, so that it is not drawn to and fro.
 *
 * An end that left a way on purpose is not drawn back by what was under way there. An end that follows its peer does not go back to where it came from at once, or, where it is the end that may, does so once: two ends
 * with two sockets each, or one end whose peer has two and answers from the one that was asked, would follow each other round for ever otherwise.
 */
export class LeftPath {
  #path: string | undefined;
  #at = 0 as MonotonicMs;
  #mayReturn = false;

  /** This end leaves a way on purpose. `undefined` when there was none. */
  leave(path: string | undefined, now: MonotonicMs): void {
    this.#path = path;
    this.#at = now;
    this.#mayReturn = false;
  }

  /** True when the session is not to go there, `graceMs` after it left. */
  refuses(path: string, graceMs: number, now: MonotonicMs): boolean {
    return this.#isReturn(path, graceMs, now) && !this.#mayReturn;
  }

  /** The session follows its peer from one way to another. `mayReturn`: back again at once, if this is not such a return itself. */
  follow(from: string, to: string, mayReturn: boolean, graceMs: number, now: MonotonicMs): void {
    const returns = this.#isReturn(to, graceMs, now);
    this.leave(from, now);
    this.#mayReturn = mayReturn && !returns;
  }

  #isReturn(path: string, graceMs: number, now: MonotonicMs): boolean {
    return path === this.#path && now - this.#at < graceMs;
  }
}
