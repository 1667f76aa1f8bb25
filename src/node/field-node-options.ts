import type { ClockQuality } from '../core/time.ts';
import type { DeviceDriver } from '../instruments/driver.ts';

/** How to open a node. */
export interface FieldNodeOptions {
  /** Name for people, shown to the team. Default `node-` and the beginning of its identifier. */
  readonly name?: string;
  /** How far this computer's clock can be trusted; recorded with everything it writes. Default `unknown`. */
  readonly clockQuality?: ClockQuality;
  /**
   * Drivers of instruments that duties may name beside the built-in ones; one with the identifier of a built-in one stands in its place. A driver should pass `driverContract` (`godwit/simulation`). Not remembered over
   * restarts: a duty whose driver is not there fails until it is.
   */
  readonly drivers?: readonly DeviceDriver<object>[];
  /** Bytes on disk that replaced versions of files may keep, from 0. More makes later changes cheaper and old versions longer available. Default 4 GiB. */
  readonly supersededBytesMax?: number;
  /**
   * Bytes on disk that copies of large attached files may take, from 0: the next change to a file that has one travels as a difference to it, also when the file was overwritten in place. Those that changed
   * last are copied. Default 4 GiB, and for `openNode` at most a tenth of what is free.
   */
  readonly baseCopiesBytesMax?: number;
  /**
   * How members are found on the networks this computer is directly on: by beacons and multicast DNS on every interface but modems and those named in `exclude`, and nothing said to outsiders about team or node.
   * `false`: not at all, and nothing is bound that was not asked for. Default for `openNode`: everywhere.
   */
  readonly discovery?: false | { readonly exclude?: readonly string[] };
}

/** What the options are unless they are given. */
export const defaultSupersededBytesMax = 4 * 1024 ** 3;
/** What the options are unless they are given. */
export const defaultBaseCopiesBytesMax = 4 * 1024 ** 3;
