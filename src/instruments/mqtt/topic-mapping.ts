import * as v from 'valibot';
import { GodwitError } from '../../core/errors.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { csijsonFormat } from '../../formats/csijson/csijson-format.ts';
import { parseJson } from '../../formats/csijson/json-value.ts';
import { decodeText } from '../../formats/csv-row.ts';
import type { LocalStamp, RecordFormat } from '../../formats/record-stream.ts';
import { decodeUplink, UplinkMemory } from '../chirpstack/uplink.ts';
import { decodeCampbellGeojson } from './campbell-geojson.ts';
import { cellOf, cellsOf, fieldMappingShape, fieldOf, pointerShape } from './field-mapping.ts';
import { scalarText, valueAt } from './json-pointer.ts';
import type { FeedMessage } from './message-feed.ts';
import { type DecodedMessage, messageFormat } from './message-format.ts';
import { parseMessageTime } from './message-time.ts';
import { matchTopic, parseTopicPattern, type TopicPart, type TopicPattern } from './topic-pattern.ts';

/**
 * What the messages of a topic mean, declared as data.
 *
 * - `campbell`: what Campbell loggers publish, CSIJSON or CSI GeoJSON.
 * - `chirpstack`: uplinks of ChirpStack 4.
 * - `object`: a JSON object with a value for each declared field.
 * - `value`: the payload is one number or text, and the topic says what it is.
 *
 * A time that a message does not carry is the time it came, which is not known of a message that the broker kept from earlier.
 */

const topic = v.pipe(v.string(), v.maxLength(1024));
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const station = v.optional(name);
const table = v.optional(name);

/** A `TopicMapping` in data of foreign origin. */
export const topicMappingShape = v.variant('kind', [
  v.strictObject({ kind: v.literal('campbell'), topic }),
  v.strictObject({
    kind: v.literal('chirpstack'),
    topic,
    fields: v.optional(v.pipe(v.array(fieldMappingShape), v.minLength(1), v.maxLength(4096))),
  }),
  v.strictObject({
    kind: v.literal('object'),
    topic,
    station,
    table,
    fields: v.pipe(v.array(fieldMappingShape), v.minLength(1), v.maxLength(4096)),
    time: v.optional(v.strictObject({ pointer: pointerShape, form: v.picklist(['iso', 'unix-seconds', 'unix-milliseconds']) })),
  }),
  v.strictObject({
    kind: v.literal('value'),
    topic,
    station,
    table,
    field: v.optional(name),
    unit: v.optional(v.pipe(v.string(), v.maxLength(64))),
    valueKind: v.optional(v.picklist(['number', 'text', 'boolean'])),
    missing: v.optional(v.pipe(v.array(v.string()), v.maxLength(32))),
  }),
]);

/** What the messages of one topic pattern mean. Station, table and field are those the mapping names, else those of the topic's levels. */
export type TopicMapping = v.InferOutput<typeof topicMappingShape>;

/** A message whose meaning is known. */
export interface UnderstoodMessage {
  /** What counts and quarantine call the source. */
  readonly source: string;
  /** Reads the payload. */
  readonly format: RecordFormat;
  /** Says that the message is durable. */
  readonly stored: () => void;
}

interface Rule {
  readonly mapping: TopicMapping;
  readonly pattern: TopicPattern;
}

/** Finds out what messages mean. The first mapping whose pattern matches counts. */
export class TopicMappings {
  readonly #rules: readonly Rule[];
  readonly #uplinks = new UplinkMemory();

  /** @throws GodwitError `TOPIC_MALFORMED` */
  constructor(mappings: readonly TopicMapping[]) {
    this.#rules = mappings.map((mapping) => {
      const pattern = parseTopicPattern(mapping.topic);
      if (!pattern.ok) throw GodwitError.from(pattern.fault);
      return { mapping, pattern: pattern.value };
    });
  }

  /** Filters to subscribe to, each once. */
  filters(): string[] {
    return [...new Set(this.#rules.map(({ pattern }) => pattern.filter))];
  }

  /**
   * What a message means; `undefined` when no mapping is about it, or it is a copy of one that is stored: it may be acknowledged then.
   *
   * @param arrivedUs when it came, microseconds since 1970 UTC
   */
  understand(message: FeedMessage, arrivedUs: number): UnderstoodMessage | undefined {
    for (const { mapping, pattern } of this.#rules) {
      const parts = matchTopic(pattern, message.topic);
      if (parts !== undefined) return this.#read(mapping, parts, message, arrivedUs);
    }
    return undefined;
  }

  #read(
    mapping: TopicMapping,
    parts: Partial<Record<TopicPart, string>>,
    message: FeedMessage,
    arrivedUs: number,
  ): UnderstoodMessage | undefined {
    const source = `mqtt ${message.topic}`;
    const arrival: LocalStamp | undefined = message.isRetained ? undefined : { localUs: arrivedUs, offsetMinutes: 0 };
    const plain = (format: RecordFormat): UnderstoodMessage => ({ source, format, stored: () => undefined });
    switch (mapping.kind) {
      case 'campbell':
        if (csijsonFormat.sniff(message.payload.subarray(0, 4096), '') > 0) return plain(csijsonFormat);
        return plain(messageFormat('csi-geojson', (payload) => decodeCampbellGeojson(payload, parts.station ?? '', parts.table ?? '')));
      case 'chirpstack': {
        const uplink = decodeUplink(message.payload, mapping.fields);
        if (uplink.ok && this.#uplinks.has(uplink.value)) return undefined;
        return {
          source,
          format: messageFormat('chirpstack', () => (uplink.ok ? success([uplink.value.decoded]) : uplink)),
          stored: () => {
            if (uplink.ok) this.#uplinks.note(uplink.value);
          },
        };
      }
      case 'object':
        return plain(messageFormat('mqtt', (payload) => decodeObject(payload, mapping, parts, arrival)));
      case 'value':
        return plain(messageFormat('mqtt', (payload) => decodeValue(payload, mapping, parts, arrival)));
    }
  }
}

function malformed(message: string) {
  return failure('MQTT_MESSAGE_MALFORMED', 'instrument', message);
}

function withoutTime() {
  return failure(
    'MQTT_MESSAGE_WITHOUT_TIME',
    'instrument',
    'the broker kept the message from earlier, and it does not say when it was made',
  );
}

function decodeObject(
  payload: Uint8Array,
  mapping: Extract<TopicMapping, { kind: 'object' }>,
  parts: Partial<Record<TopicPart, string>>,
  arrival: LocalStamp | undefined,
): Outcome<readonly DecodedMessage[]> {
  const root = parseJson(decodeText(payload));
  if (root === undefined) return malformed('the message is no JSON');
  const { time } = mapping;
  const text = time && scalarText(valueAt(root, time.pointer));
  const stamp = time === undefined ? arrival : parseMessageTime(text ?? '', time.form);
  if (stamp === undefined) return time === undefined ? withoutTime() : malformed('the message has no readable time');
  const cells = cellsOf(root, mapping.fields);
  if (cells === undefined) return malformed('the message has none of the fields, or a value of another kind');
  const found = tableOf(mapping, parts, parts.field ?? '');
  return success([{ table: { ...found, fields: mapping.fields.map(fieldOf) }, records: [{ stamp, cells }] }]);
}

function decodeValue(
  payload: Uint8Array,
  mapping: Extract<TopicMapping, { kind: 'value' }>,
  parts: Partial<Record<TopicPart, string>>,
  arrival: LocalStamp | undefined,
): Outcome<readonly DecodedMessage[]> {
  if (arrival === undefined) return withoutTime();
  const { valueKind: kind = 'number', unit = '', missing } = mapping;
  const field = mapping.field ?? parts.field ?? 'value';
  const cell = payload.length > 65_536 ? undefined : cellOf(decodeText(payload).trim(), kind, missing);
  if (cell === undefined) return malformed('the message is no value of the field');
  const found = tableOf(mapping, parts, field);
  return success([
    { table: { ...found, fields: [{ name: field, unit, processing: '', kind }] }, records: [{ stamp: arrival, cells: [cell] }] },
  ]);
}

/** A table that topic and mapping name, without its fields. */
function tableOf(
  mapping: { readonly station?: string | undefined; readonly table?: string | undefined },
  parts: Partial<Record<TopicPart, string>>,
  fallback: string,
) {
  const name = mapping.station ?? parts.station ?? '';
  return { format: 'mqtt', station: name, table: mapping.table ?? parts.table ?? fallback, model: '', serial: '', attributes: {} };
}
