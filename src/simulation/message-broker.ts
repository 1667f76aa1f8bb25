import type { FeedMessage, MessageFeedOptions } from '../instruments/mqtt/message-feed.ts';
import { matchTopic, parseTopicPattern, type TopicPattern } from '../instruments/mqtt/topic-pattern.ts';

/**
 * A broker that exists only here: sessions outlive connections, messages wait for whoever is away, and one that was not acknowledged comes again.
 */

interface Session {
  patterns: TopicPattern[];
  readonly waiting: FeedMessage[];
  wake: () => void;
}

/** The broker. Publish into it, and give nodes its `listen`. */
export class MessageBroker {
  readonly #sessions = new Map<string, Session>();
  readonly #retained = new Map<string, Uint8Array>();

  /** Sends a message to everybody who listens to its topic, now or when they come back. A retained one is also kept for those who begin to listen later. */
  publish(topic: string, payload: Uint8Array, retain = false): void {
    if (retain) this.#retained.set(topic, payload);
    for (const session of this.#sessions.values()) {
      if (session.patterns.some((pattern) => matchTopic(pattern, topic) !== undefined))
        session.waiting.push({ topic, payload, isRetained: false });
      session.wake();
    }
  }

  /** Messages that a client has not acknowledged. */
  waiting(clientId: string): number {
    return this.#sessions.get(clientId)?.waiting.length ?? 0;
  }

  /** As `OpenMessageFeed`. */
  async listen(
    { clientId, filters }: MessageFeedOptions,
    deliver: (message: FeedMessage) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const session = this.#sessions.get(clientId) ?? { patterns: [], waiting: [], wake: () => undefined };
    const isNew = !this.#sessions.has(clientId);
    this.#sessions.set(clientId, session);
    session.patterns = filters.flatMap((filter) => {
      const parsed = parseTopicPattern(filter);
      return parsed.ok ? [parsed.value] : [];
    });
    for (const [topic, payload] of isNew ? this.#retained : []) {
      if (session.patterns.some((pattern) => matchTopic(pattern, topic) !== undefined))
        session.waiting.push({ topic, payload, isRetained: true });
    }
    signal.addEventListener('abort', () => session.wake());
    while (!signal.aborted) {
      const [next] = session.waiting;
      if (next === undefined) {
        await new Promise<void>((resolve) => {
          session.wake = resolve;
        });
        continue;
      }
      await deliver(next);
      session.waiting.shift();
    }
  }
}
