import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../../src/core/bytes.ts';
import { decodeUplink, type Uplink, UplinkMemory } from '../../../../src/instruments/chirpstack/uplink.ts';
import { TopicMappings } from '../../../../src/instruments/mqtt/topic-mapping.ts';

/** An uplink event as ChirpStack 4 documents it, shortened. */
const event = {
  deduplicationId: '3ac7e3c4-4401-4b8d-9386-a5c902f9202d',
  time: '2026-06-01T10:00:00.123456+00:00',
  deviceInfo: {
    tenantId: '52f14cd4-c6f1-4fbd-8f87-4025e1d49242',
    applicationName: 'Snow',
    deviceProfileName: 'Depth',
    deviceName: 'ridge-7',
    devEui: '0101010101010101',
  },
  devAddr: '00189440',
  adr: true,
  dr: 1,
  fCnt: 18,
  fPort: 2,
  confirmed: false,
  data: 'qg==',
  object: { depth: 1.25, battery: { volts: 3.61, low: false }, status: 'ok', list: [1], none: null },
  rxInfo: [{ gatewayId: '0016c001f153a14c', rssi: -48, snr: 9, location: { latitude: 61.5 } }],
};

const decode = (value: unknown, fields?: Parameters<typeof decodeUplink>[1]) =>
  decodeUplink(utf8(typeof value === 'string' ? value : JSON.stringify(value)), fields);
const uplink = (value: unknown): Uplink => {
  const decoded = decode(value);
  return decoded.ok ? decoded.value : expect.fail();
};

describe('an uplink of ChirpStack', () => {
  it('is a record of its device, numbered by the frame counter', () => {
    expect(uplink(event)).toMatchObject({
      deviceEui: '0101010101010101',
      deviceAddress: '00189440',
      frameCount: 18,
      decoded: {
        table: {
          station: 'ridge-7',
          table: 'port 2',
          model: 'Depth',
          serial: '0101010101010101',
          attributes: { application: 'Snow' },
          format: 'chirpstack',
        },
        records: [
          { recordNumber: 18, stamp: { localUs: 1_780_308_000_123_456, offsetMinutes: 0 }, cells: ['false', '3.61', '1.25', 'ok'] },
        ],
      },
    });
    expect(uplink(event).decoded.table.fields.map(({ name, kind }) => [name, kind])).toEqual([
      ['battery.low', 'boolean'],
      ['battery.volts', 'number'],
      ['depth', 'number'],
      ['status', 'text'],
    ]);
  });

  it('may be read by declared fields', () => {
    const decoded = decode(event, [{ name: 'Depth', pointer: '/depth', unit: 'm', missing: ['1.25'] }]);
    expect(decoded).toMatchObject({
      value: { decoded: { table: { fields: [{ name: 'Depth', unit: 'm' }] }, records: [{ cells: [null] }] } },
    });
  });

  it('has frame 0 where the counter is left out, as the server does with zeros, and no name where there is none', () => {
    const { fCnt: _, fPort: __, ...rest } = event;
    expect(uplink({ ...rest, deviceInfo: { devEui: '0101010101010101' } })).toMatchObject({
      frameCount: 0,
      decoded: { table: { station: '0101010101010101', table: 'uplink' } },
    });
  });

  it.each<[string, unknown, string]>([
    ['no JSON', '{', 'CHIRPSTACK_MALFORMED'],
    ['no object', '[]', 'CHIRPSTACK_MALFORMED'],
    ['no device', { ...event, deviceInfo: {} }, 'CHIRPSTACK_MALFORMED'],
    ['no time', { ...event, time: 'noon' }, 'CHIRPSTACK_MALFORMED'],
    ['a bad counter', { ...event, fCnt: -1 }, 'CHIRPSTACK_MALFORMED'],
    ['nothing decoded', { ...event, object: undefined }, 'CHIRPSTACK_UNDECODED'],
    ['nothing in it', { ...event, object: {} }, 'CHIRPSTACK_MALFORMED'],
  ])('with %s is refused by name', (_, value, code) => {
    expect(decode(value)).toMatchObject({ ok: false, fault: { code } });
  });

  it('cut at any byte is refused', () => {
    const text = JSON.stringify(event);
    for (let length = 0; length < text.length; length++) expect(decode(text.slice(0, length)).ok).toBe(false);
  });
});

describe('copies of an uplink', () => {
  const copy = { ...event, deduplicationId: 'other', time: '2026-06-01T10:00:03Z', rxInfo: [] };

  it('that came through other gateways are known', () => {
    const memory = new UplinkMemory();
    expect(memory.has(uplink(event))).toBe(false);
    memory.note(uplink(event));
    expect(memory.has(uplink(copy))).toBe(true);
  });

  it.each([
    ['another device', { ...copy, deviceInfo: { devEui: '0202020202020202' } }],
    ['another frame', { ...copy, fCnt: 19 }],
    ['a frame after joining again', { ...copy, devAddr: '00189441' }],
    ['the same count days later', { ...copy, time: '2026-06-03T10:00:00Z' }],
  ])('are not %s', (_, value) => {
    const memory = new UplinkMemory();
    memory.note(uplink(event));
    expect(memory.has(uplink(value))).toBe(false);
  });

  it('are remembered for a while, not for ever', () => {
    const memory = new UplinkMemory();
    memory.note(uplink(event));
    for (let frame = 100; frame < 100 + 4096; frame++) memory.note({ ...uplink(event), frameCount: frame });
    expect(memory.has(uplink(event))).toBe(false);
    expect(memory.has({ ...uplink(event), frameCount: 101 })).toBe(true);
  });

  it('are acknowledged without being stored, once the first is durable', () => {
    const mappings = new TopicMappings([{ kind: 'chirpstack', topic: 'application/+/device/+/event/up' }]);
    const message = (value: unknown) => ({
      topic: 'application/1/device/01/event/up',
      payload: utf8(JSON.stringify(value)),
      isRetained: false,
    });
    const first = mappings.understand(message(event), 0);
    expect(mappings.understand(message(copy), 0)).toBeDefined();
    first?.stored();
    expect(mappings.understand(message(copy), 0)).toBeUndefined();
    expect(mappings.understand(message('broken'), 0)?.stored()).toBeUndefined();
  });
});
