import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { type JsonValue, parseJson } from '../../formats/csijson/json-value.ts';
import { decodeText } from '../../formats/csv-row.ts';
import type { RecordContent } from '../../formats/item-trail.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
import { scalarText } from './json-pointer.ts';
import type { DecodedMessage } from './message-format.ts';
import { parseMessageTime } from './message-time.ts';

/**
 * CSI GeoJSON, which Campbell Scientific's loggers publish: a GeoJSON feature whose properties hold names, and values by time.
 *
 * `{"type": "Feature", "geometry": …, "properties": {"loggerID", "observationNames": [name…], "observations": {time: [value…]}, "observationUnits": {name: unit}}}`; older firmware writes
 * `Properties`. The geometry is the station's as its owner typed it, not a fix, and is not looked at.
 */

const observationsMax = 4096;

function malformed(message: string) {
  return failure('GEOJSON_MALFORMED', 'instrument', message);
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value?.type === 'object' ? value.members.get(name) : undefined;
}

/**
 * The records of a message.
 *
 * @param station whom the topic names; the feature's `loggerID` comes first
 */
export function decodeCampbellGeojson(payload: Uint8Array, station: string, tableName: string): Outcome<readonly DecodedMessage[]> {
  const feature = parseJson(decodeText(payload));
  const properties = member(feature, 'properties') ?? member(feature, 'Properties');
  const names = member(properties, 'observationNames');
  const observations = member(properties, 'observations');
  if (names?.type !== 'array' || observations?.type !== 'object') return malformed('the feature has no names or no observations');
  const texts = names.items.map((name) => (name.type === 'string' ? name.text : ''));
  const count = texts.length;
  if (count === 0 || count > limits.fieldsPerTableMax || texts.includes('') || new Set(texts).size < count)
    return malformed('the names of the observations cannot be used');
  if (observations.members.size > observationsMax) return malformed('the message has too many observations');
  const units = member(properties, 'observationUnits');
  const fields = texts.map(
    (name): FieldDefinition => ({ name, unit: scalarText(member(units, name)) ?? '', processing: '', kind: 'number' }),
  );
  const records: RecordContent[] = [];
  for (const [time, values] of observations.members) {
    const stamp = parseMessageTime(time, 'iso');
    if (stamp === undefined || values.type !== 'array' || values.items.length !== count)
      return malformed('an observation has no time or not one value for each name');
    const cells: Cell[] = [];
    for (const value of values.items) {
      const scalar = value.type === 'null' ? '' : scalarText(value);
      if (scalar === undefined) return malformed('an observation has a value that is none');
      cells.push(scalar === '' ? null : scalar);
    }
    records.push({ stamp, cells });
  }
  const logger = scalarText(member(properties, 'loggerID')) ?? station;
  return success([
    { table: { format: 'csi-geojson', station: logger, table: tableName, model: '', serial: logger, attributes: {}, fields }, records },
  ]);
}
