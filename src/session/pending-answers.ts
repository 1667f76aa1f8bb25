import { limits } from '../core/limits.ts';
import { type Deadline, later, type MonotonicMs } from '../core/time.ts';
import { type Answer, handshakeMsMax } from './handshakes.ts';
import type { LedgerAccount, PathKind } from './ledger.ts';
import type { ConnectionId } from './packets.ts';
import type { Path } from './session-path.ts';

/**
 * Handshakes that this node has answered and whose initiators have not yet shown that they understood the answer; and how many strangers are still listened to.
 *
 * A first message costs the node that reads it a few Diffie-Hellman operations, whoever sent it, so only so many are read in a second. An answer is kept for as long as an initiator goes on asking: the same question gets the
 * same answer, which is what makes a repetition, and a replay, harmless.
 */

/** An answered handshake whose initiator has not yet shown that it understood the answer. */
export interface PendingAnswer {
  readonly answer: Answer;
  /** Hash of the first message, which tells its repetitions from others. */
  readonly hello: string;
  readonly path: Path;
  readonly kind: PathKind;
  readonly at: MonotonicMs;
  readonly account: LedgerAccount;
  replies: number;
}

/** The answered handshakes of one endpoint, oldest first. */
export class PendingAnswers {
  readonly #answerByConnection = new Map<ConnectionId, PendingAnswer>();
  readonly #connectionByHello = new Map<string, ConnectionId>();
  /** Handshakes of strangers that may still be looked at, and since when the allowance has been growing. */
  #strangers: number = limits.handshakesPerSecondMax;
  #strangersAt = 0 as MonotonicMs;

  get(connectionId: ConnectionId): PendingAnswer | undefined {
    return this.#answerByConnection.get(connectionId);
  }

  /** The answer that was given to this first message before. */
  toHello(hello: string): PendingAnswer | undefined {
    return this.get(this.#connectionByHello.get(hello) ?? -1);
  }

  /** Keeps an answer; the oldest makes room for it. */
  add(connectionId: ConnectionId, pending: PendingAnswer): void {
    if (this.#answerByConnection.size >= limits.pendingHandshakesMax)
      for (const oldest of this.#answerByConnection.keys()) {
        this.forget(oldest);
        break;
      }
    this.#answerByConnection.set(connectionId, pending);
    this.#connectionByHello.set(pending.hello, connectionId);
  }

  forget(connectionId: ConnectionId): void {
    const pending = this.#answerByConnection.get(connectionId);
    if (pending === undefined) return;
    this.#answerByConnection.delete(connectionId);
    this.#connectionByHello.delete(pending.hello);
  }

  /** Forgets the answers whose initiators have given up by now. */
  expire(now: MonotonicMs): void {
    for (const [connectionId, pending] of this.#answerByConnection) {
      if (later(pending.at, handshakeMsMax) > now) break;
      this.forget(connectionId);
    }
  }

  /** When the oldest answer is forgotten. */
  nextDeadline(): Deadline | undefined {
    for (const pending of this.#answerByConnection.values()) return { at: later(pending.at, handshakeMsMax), reason: 'handshake' };
    return undefined;
  }

  /** Whether one more first message may be read. */
  admitStranger(now: MonotonicMs): boolean {
    const grown = ((now - this.#strangersAt) / 1000) * limits.handshakesPerSecondMax;
    this.#strangers = Math.min(limits.handshakesPerSecondMax, this.#strangers + grown);
    this.#strangersAt = now;
    if (this.#strangers < 1) return false;
    this.#strangers--;
    return true;
  }
}
