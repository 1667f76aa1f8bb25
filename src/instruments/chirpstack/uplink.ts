import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { type JsonValue, parseJson } from '../../formats/csijson/json-value.ts';
import { decodeText } from '../../formats/csv-row.ts';
import type { Cell, LocalStamp, TableDefinition } from '../../formats/record-stream.ts';
import { cellsOf, type FieldMapping, fieldOf } from '../mqtt/field-mapping.ts';
import { scalarText, valueAt } from '../mqtt/json-pointer.ts';
import type { DecodedMessage } from '../mqtt/message-format.ts';
import { parseMessageTime } from '../mqtt/message-time.ts';

/**
 * Uplinks of LoRaWAN devices as ChirpStack 4 publishes them (topic `application/ID/device/DEVEUI/event/up`, in JSON).
 *
 * Decoding the radio payload is the network server's affair; its `object` is what is read. The frame counter is the record number. The time is that of the network server: of the sensor's own clock
 * nothing is known. Where gateways stand is not where the sensor is, so nothing of `rxInfo` becomes a position.
 *
 * Source: ChirpStack documentation, "Event types", uplink event.
 */

/** An uplink, decoded. */
export interface Uplink {
  readonly deviceEui: string;
  /** Changes with every join, after which the counter begins anew. */
  readonly deviceAddress: string;
  readonly frameCount: number;
  readonly stamp: LocalStamp;
  readonly decoded: DecodedMessage;
}

/** Leaves of an object, by pointer, in the order of their names; nothing of lists. */
function leavesOf(value: JsonValue, pointer = '', name = ''): FieldMapping[] {
  if (value.type === 'object') {
    const names = [...value.members.keys()].sort();
    return names.flatMap((each) => {
      const part = each.replaceAll('~', '~0').replaceAll('/', '~1');
      return leavesOf(value.members.get(each) as JsonValue, `${pointer}/${part}`, name === '' ? each : `${name}.${each}`);
    });
  }
  if (value.type === 'array' || value.type === 'null') return [];
  return [{ name, pointer, kind: value.type === 'string' ? 'text' : value.type }];
}

function malformed(message: string) {
  return failure('CHIRPSTACK_MALFORMED', 'instrument', message);
}

/**
 * Decodes an uplink event.
 *
 * @param fields what of `object` to take, by pointers into it; without them all that is no list, named by its path
 */
export function decodeUplink(payload: Uint8Array, fields?: readonly FieldMapping[]): Outcome<Uplink> {
  const event = parseJson(decodeText(payload));
  if (event?.type !== 'object') return malformed('the event is no JSON object');
  const text = (pointer: string) => scalarText(valueAt(event, pointer)) ?? '';
  const deviceEui = text('/deviceInfo/devEui').toLowerCase();
  const frameCount = text('/fCnt') === '' ? '0' : text('/fCnt');
  const stamp = parseMessageTime(text('/time'), 'iso');
  if (!/^[\da-f]{16}$/.test(deviceEui) || !/^\d{1,10}$/.test(frameCount) || stamp === undefined)
    return malformed('device, frame counter or time is missing');
  const object = event.members.get('object');
  if (object?.type !== 'object') return failure('CHIRPSTACK_UNDECODED', 'instrument', 'the network server did not decode the payload');
  const mappings = fields ?? leavesOf(object);
  const cells: Cell[] | undefined = cellsOf(object, mappings);
  if (cells === undefined || mappings.length > limits.fieldsPerTableMax)
    return malformed('the object has none of the fields, or a value of another kind');
  const name = text('/deviceInfo/deviceName');
  const port = text('/fPort');
  const table: TableDefinition = {
    format: 'chirpstack',
    station: name === '' ? deviceEui : name,
    table: port === '' ? 'uplink' : `port ${port}`,
    model: text('/deviceInfo/deviceProfileName'),
    serial: deviceEui,
    attributes: { application: text('/deviceInfo/applicationName') },
    fields: mappings.map(fieldOf),
  };
  const recordNumber = Number(frameCount);
  return success({
    deviceEui,
    deviceAddress: text('/devAddr'),
    frameCount: recordNumber,
    stamp,
    decoded: { table, records: [{ stamp, recordNumber, cells }] },
  });
}

/** Copies of one uplink come by several ways within this time; the same count much later is another round of the counter. */
const copiesWithinUs = 600_000_000;
const rememberedMax = 4096;

/** Remembers uplinks, so that copies which came through other gateways or servers, and carry another time, are known for what they are. */
export class UplinkMemory {
  readonly #timeByUplink = new Map<string, number>();

  /** True when the uplink, or a copy of it, was noted before. */
  has(uplink: Uplink): boolean {
    const known = this.#timeByUplink.get(nameOf(uplink));
    return known !== undefined && Math.abs(timeOf(uplink) - known) < copiesWithinUs;
  }

  /** Notes an uplink; call it when it is durable. The oldest are forgotten. */
  note(uplink: Uplink): void {
    const name = nameOf(uplink);
    this.#timeByUplink.delete(name);
    this.#timeByUplink.set(name, timeOf(uplink));
    const [oldest] = this.#timeByUplink.keys();
    if (this.#timeByUplink.size > rememberedMax && oldest !== undefined) this.#timeByUplink.delete(oldest);
  }
}

function nameOf({ deviceEui, deviceAddress, frameCount }: Uplink): string {
  return `${deviceEui} ${deviceAddress} ${frameCount}`;
}

function timeOf({ stamp }: Uplink): number {
  return stamp.localUs - (stamp.offsetMinutes ?? 0) * 60_000_000;
}
