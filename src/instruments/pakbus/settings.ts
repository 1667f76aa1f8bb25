import { failure, type Outcome, success } from '../../core/outcome.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { controlTypes } from './control-messages.ts';
import { protocols } from './packet.ts';
import type { Procedure } from './procedures.ts';

/**
 * Settings of a logger, of which one is read: the routes it knows, its neighbours among them. So a router says which loggers are behind it.
 *
 * A command names a range of settings. Its answer is an outcome (1: here they are), what kind of device that is, and the settings: number, length with two flags in front, bytes. Only reading is here.
 *
 * Sources: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.2.6; CR1000 manual, `PakBusRoutes`: port, neighbour by way of which, node, time of an answer.
 */

/** A node that another one knows a way to. */
export interface PakbusRoute {
  /** Number of the port of the node that was asked; 101 and more are TCP connections. */
  readonly port: number;
  /** The neighbour by way of which packets go; the node itself where it is a neighbour. */
  readonly viaAddress: number;
  /** The node. */
  readonly address: number;
  /** Milliseconds that an answer may take. */
  readonly responseTimeMs: number;
}

/** Number of the setting that lists routes. */
export const routesSetting = 0x30;
/** The outcome that settings follow. */
const settingsFollow = 1;
/** Bits of a length that are flags: read only, and cut short. */
const lengthMask = 0x3fff;
const routeBytes = 7;
const settingsMax = 1024;

/** Body of the command for one setting. */
export function encodeSettingsCommand(securityCode: number, setting: number): Uint8Array {
  return new ByteWriter().uint16(securityCode).uint16(setting).uint16(setting).finish();
}

/** The settings in the body of an answer, by number. `INSTRUMENT_REFUSED` when the logger does not tell. */
export function decodeSettingsAnswer(body: Uint8Array): Outcome<ReadonlyMap<number, Uint8Array>> {
  const reader = new ByteReader(body);
  const outcome = reader.uint8();
  if (outcome !== settingsFollow && !reader.overrun)
    return failure('INSTRUMENT_REFUSED', 'instrument', `the logger answers a question for settings with outcome ${outcome}`);
  // Kind of device, version of its settings, and whether there are more than one answer holds.
  reader.bytes(5);
  const bytesBySetting = new Map<number, Uint8Array>();
  let rest = reader.rest();
  let isCut = reader.overrun;
  while (rest.length > 0 && !isCut && bytesBySetting.size < settingsMax) {
    const setting = new ByteReader(rest);
    const number = setting.uint16();
    const bytes = setting.bytes(setting.uint16() & lengthMask);
    isCut = setting.overrun;
    bytesBySetting.set(number, bytes);
    rest = setting.rest();
  }
  return isCut ? failure('PAKBUS_MALFORMED', 'instrument', 'the settings of the logger are cut') : success(bytesBySetting);
}

/** The routes in the bytes of their setting. */
export function decodeRoutes(bytes: Uint8Array): Outcome<PakbusRoute[]> {
  if (bytes.length % routeBytes !== 0) return failure('PAKBUS_MALFORMED', 'instrument', `${bytes.length} bytes are no routes`);
  const reader = new ByteReader(bytes);
  return success(
    Array.from({ length: bytes.length / routeBytes }, () => ({
      port: reader.uint8(),
      viaAddress: reader.uint16(),
      address: reader.uint16(),
      responseTimeMs: reader.uint16(),
    })),
  );
}

/** Bytes of the setting with these routes. */
export function encodeRoutes(routes: readonly PakbusRoute[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { port, viaAddress, address, responseTimeMs } of routes)
    writer.uint8(port).uint16(viaAddress).uint16(address).uint16(responseTimeMs);
  return writer.finish();
}

/** Body of the answer with one setting, read only, as the simulated router gives it. */
export function encodeSettingsAnswer(setting: number, bytes: Uint8Array): Uint8Array {
  const device = new ByteWriter().uint8(settingsFollow).uint16(12).uint8(5).uint8(0).uint8(0);
  return device
    .uint16(setting)
    .uint16(0x4000 | bytes.length)
    .bytes(bytes)
    .finish();
}

/** Reads the routes that a logger knows. */
export function routesProcedure(securityCode: number): Procedure<PakbusRoute[]> {
  return {
    command: { protocol: protocols.control, type: controlTypes.settings, body: encodeSettingsCommand(securityCode, routesSetting) },
    isOneTransaction: false,
    accept(answer) {
      const settings = decodeSettingsAnswer(answer.body);
      if (!settings.ok) return { type: settings.fault.code === 'INSTRUMENT_REFUSED' ? 'fail' : 'ignore', fault: settings.fault };
      const routes = decodeRoutes(settings.value.get(routesSetting) ?? new Uint8Array(0));
      return routes.ok ? { type: 'done', result: routes.value } : { type: 'ignore', fault: routes.fault };
    },
  };
}
