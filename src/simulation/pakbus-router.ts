import { type Deadline, earliest, type Moment } from '../core/time.ts';
import {
  answerBit,
  controlTypes,
  decodeMessage,
  deliveryFailures,
  encodeDeliveryFailure,
  encodeHello,
  encodeMessage,
} from '../instruments/pakbus/control-messages.ts';
import { Deframer, framed } from '../instruments/pakbus/framing.ts';
import {
  decodePacket,
  encodePacket,
  expectMore,
  linkStatePacket,
  linkStates,
  messagePacket,
  type PakbusPacket,
  type PakbusPayload,
  protocols,
} from '../instruments/pakbus/packet.ts';
import { encodeRoutes, encodeSettingsAnswer, routesSetting } from '../instruments/pakbus/settings.ts';
import type { PakbusLogger, PakbusLoggerInput, PakbusLoggerOutput } from './pakbus-logger.ts';

/**
 * A PakBus router that exists only here: a logger or radio on the line that passes packets on to loggers behind it, as BMP5 Transparent Commands 1.3 has it. The ends of the way stay in the second half of the header; the
 * first half names the neighbours of each link, and the hop count says how many routers a packet has passed. Packets to nobody come back as delivery failures, and to neighbours that never said hello nothing is passed.
 */

const hello = { isRouter: true, hopMetric: 1, verifyIntervalSeconds: 300 } as const;
const hopsMax = 15;
const link = { linkState: linkStates.ready, expectMore: expectMore.neutral } as const;

/** The router with the loggers behind it, driven as a logger is. */
export class PakbusRouter {
  readonly #address: number;
  readonly #loggerByAddress: ReadonlyMap<number, PakbusLogger>;
  readonly #deframer = new Deframer();
  readonly #behind = new Map<number, Deframer>();
  readonly #neighbours = new Set<number>();
  readonly #outputs: PakbusLoggerOutput[] = [];

  constructor(address: number, loggerByAddress: ReadonlyMap<number, PakbusLogger>) {
    this.#address = address;
    this.#loggerByAddress = loggerByAddress;
    for (const logger of loggerByAddress.keys()) this.#behind.set(logger, new Deframer());
  }

  handle(input: PakbusLoggerInput, now: Moment): void {
    if (input.type === 'bytes') for (const packet of this.#deframer.push(input.bytes)) this.#receive(packet, now);
    else for (const logger of this.#loggerByAddress.values()) logger.handle(input, now);
    this.#takeFromLoggers();
  }

  poll(): PakbusLoggerOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(now: Moment): Deadline | undefined {
    let deadline: Deadline | undefined;
    for (const logger of this.#loggerByAddress.values()) deadline = earliest(deadline, logger.nextDeadline(now));
    return deadline;
  }

  #receive(bytes: Uint8Array, now: Moment): void {
    const decoded = decodePacket(bytes);
    if (!decoded.ok || decoded.value.physicalDestination !== this.#address) return;
    const { payload, linkState, physicalSource } = decoded.value;
    if (payload === undefined) {
      if (linkState === linkStates.ring) this.#send(linkStatePacket({ from: this.#address, to: physicalSource }, linkStates.ready));
    } else if (payload.destination === this.#address) this.#answer(payload);
    else this.#passOn(decoded.value, payload, now);
  }

  /** A router is told hello and bye, and asked for its routes; nothing else is for it. */
  #answer({ source, protocol, message }: PakbusPayload): void {
    const found = decodeMessage(message);
    if (!found.ok || protocol !== protocols.control) return;
    const { type, transaction } = found.value;
    if (type === controlTypes.bye) this.#neighbours.delete(source);
    if (type === controlTypes.hello) this.#neighbours.add(source);
    else if (type !== controlTypes.settings) return;
    const body = type === controlTypes.hello ? encodeHello(hello) : encodeSettingsAnswer(routesSetting, this.#routes());
    const answer = encodeMessage({ type: type | answerBit, transaction, body });
    this.#send(messagePacket({ from: this.#address, to: source }, link, protocols.control, answer));
  }

  /** Whoever said hello, and the loggers behind it. */
  #routes(): Uint8Array {
    const routes = [...this.#neighbours].map((address) => ({ port: 1, viaAddress: address, address, responseTimeMs: 5000 }));
    for (const address of this.#loggerByAddress.keys()) routes.push({ port: 2, viaAddress: address, address, responseTimeMs: 6000 });
    return encodeRoutes(routes);
  }

  #passOn(packet: PakbusPacket, payload: PakbusPayload, now: Moment): void {
    const logger = this.#loggerByAddress.get(payload.destination);
    if (logger === undefined || payload.hopCount >= hopsMax) {
      const { protocol, destination, source, message } = payload;
      const code = deliveryFailures.destinationUnreachable;
      const body = encodeDeliveryFailure({ code, protocol, destination, source, messageStart: message.subarray(0, 8) });
      const failed = encodeMessage({ type: controlTypes.deliveryFailure, transaction: 0, body });
      this.#send(messagePacket({ from: this.#address, to: source }, link, protocols.control, failed));
      return;
    }
    const passed = this.#towards(payload.destination, packet, payload);
    logger.handle({ type: 'bytes', bytes: framed(encodePacket(passed)) }, now);
  }

  #takeFromLoggers(): void {
    for (const [address, logger] of this.#loggerByAddress) {
      for (let output = logger.poll(); output !== undefined; output = logger.poll()) {
        for (const bytes of this.#behind.get(address)?.push(output.bytes) ?? []) {
          const decoded = decodePacket(bytes);
          const payload = decoded.ok ? decoded.value.payload : undefined;
          if (decoded.ok && payload !== undefined && this.#neighbours.has(payload.destination))
            this.#send(this.#towards(payload.destination, decoded.value, payload));
        }
      }
    }
  }

  /** The packet on the next link: other neighbours, the same ends. The state of a link is that link's own. */
  #towards(neighbour: number, packet: PakbusPacket, payload: PakbusPayload): PakbusPacket {
    const hopCount = payload.hopCount + 1;
    return { ...packet, ...link, physicalDestination: neighbour, physicalSource: this.#address, payload: { ...payload, hopCount } };
  }

  #send(packet: PakbusPacket): void {
    this.#outputs.push({ type: 'send', bytes: framed(encodePacket(packet)) });
  }
}
