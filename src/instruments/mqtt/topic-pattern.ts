import { failure, type Outcome, success } from '../../core/outcome.ts';

/**
 * Topic patterns: topic filters of MQTT in which a level may have a name in braces, so that a topic says which station, table or field a message is about: `weather/{station}/+/{field}`.
 *
 * Source: OASIS, MQTT 3.1.1, section 4.7 (topic names and filters).
 */

/** What a level of a topic can name. */
export type TopicPart = 'station' | 'table' | 'field';

type Level = { readonly text: string } | { readonly part: TopicPart } | 'any' | 'rest';

/** A pattern, understood. */
export interface TopicPattern {
  /** The filter to subscribe to. */
  readonly filter: string;
  readonly levels: readonly Level[];
}

const topicBytesMax = 1024;

/** The pattern that a text writes. Fails with `TOPIC_MALFORMED`: a part named twice or unknown, `#` before the end, or wildcards within a level. */
export function parseTopicPattern(text: string): Outcome<TopicPattern> {
  const malformed = (why: string) => failure('TOPIC_MALFORMED', 'caller', `"${text}" is no topic pattern: ${why}`);
  if (text === '' || text.length > topicBytesMax || text.includes('\0')) return malformed('it is empty or too long');
  const levels: Level[] = [];
  const parts = new Set<string>();
  const texts = text.split('/');
  for (const [index, level] of texts.entries()) {
    const [, part] = /^\{(station|table|field)\}$/.exec(level) ?? [];
    if (part !== undefined) {
      if (parts.has(part)) return malformed(`{${part}} stands in it twice`);
      parts.add(part);
      levels.push({ part: part as TopicPart });
    } else if (level === '+') levels.push('any');
    else if (level === '#' && index === texts.length - 1) levels.push('rest');
    else if (/[+#{}]/.test(level)) return malformed(`a level cannot be "${level}"`);
    else levels.push({ text: level });
  }
  const filter = levels
    .map((level) => (level === 'rest' ? '#' : typeof level === 'object' && 'text' in level ? level.text : '+'))
    .join('/');
  return success({ filter, levels });
}

/** The parts that a topic names, or `undefined` when it does not match. */
export function matchTopic({ levels }: TopicPattern, topic: string): Partial<Record<TopicPart, string>> | undefined {
  const texts = topic.split('/');
  // Topics of the broker itself are meant only when they are named.
  if (topic.startsWith('$') && !(typeof levels[0] === 'object' && 'text' in levels[0])) return undefined;
  const found: Partial<Record<TopicPart, string>> = {};
  for (const [index, level] of levels.entries()) {
    if (level === 'rest') return found;
    const text = texts[index];
    if (text === undefined) return undefined;
    if (level === 'any') continue;
    if ('text' in level) {
      if (level.text !== text) return undefined;
    } else found[level.part] = text;
  }
  return texts.length === levels.length ? found : undefined;
}
