import { invariant } from '../../core/assert.ts';
import { concatBytes } from '../../core/bytes.ts';
import { type Fault, failure, type Outcome, success } from '../../core/outcome.ts';
import { type Deadline, later, type MonotonicMs } from '../../core/time.ts';
import { applicationTypes, decodePleaseWait } from './application-messages.ts';
import {
  answerBit,
  controlTypes,
  decodeDeliveryFailure,
  decodeHello,
  decodeMessage,
  deliveryFailures,
  encodeDeliveryFailure,
  encodeHello,
  encodeMessage,
  hopMetricDurationMs,
  type PakbusMessage,
} from './control-messages.ts';
import { Deframer, framed, wakeUpBytes } from './framing.ts';
import {
  broadcastAddress,
  decodePacket,
  encodePacket,
  expectMore,
  linkStatePacket,
  linkStates,
  messagePacket,
  type PakbusPayload,
  type ProtocolNumber,
  protocols,
} from './packet.ts';
import type { Command, Procedure } from './procedures.ts';

/**
 * One end of a PakBus conversation with one logger: transactions, time limits, repetition, and the courtesies that a logger expects.
 *
 * **After every call of `handle`, call `poll` until it returns `undefined`, write what it says, and call `handle` with `due` at `nextDeadline`.**
 *
 * One procedure runs at a time. Each of its commands is a transaction with a number of its own; a command that stays unanswered is sent again under the same number, so that an answer
 * that was merely late still counts, and an answer to a finished transaction is recognised and dropped. The logger may ask for patience (*please wait*), which moves the time limit.
 * Until the logger has been heard, and again after silence, commands go out with the link state *ring* behind a run of delimiters that wakes a sleeping port.
 *
 * A logger whose address is not known is found by a hello request to everybody, which is of use only where one logger is on the line.
 *
 * A logger that is not on this link is reached by way of one that is and routes: packets go to the router's physical address, and what the router says of the way (it greets, it cannot deliver) is heard too.
 */

/** How the client speaks. */
export interface PakbusClientOptions {
  /** The logger's PakBus address, 1 to 4094. Without it, the first logger that answers a hello request is the one. */
  readonly address?: number;
  /** PakBus address of the router on this link by way of which the logger is reached. */
  readonly routerAddress?: number;
  /** This end's address. */
  readonly ownAddress: number;
  /** Milliseconds an answer may take. A logger that says in its hello that the way is slower is given what it says. */
  readonly responseTimeoutMs: number;
}

/** What the client is told. */
export type PakbusClientInput =
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  /** Begin a procedure, with the logger or the router. Not before the last one ended. */
  | { readonly type: 'begin'; readonly procedure: Procedure<unknown>; readonly withRouter?: boolean }
  /** Say goodbye: the logger need not keep the link. Nothing is answered. */
  | { readonly type: 'bye' }
  /** The deadline has come. Too early does no harm. */
  | { readonly type: 'due' };

/** What the client wants done. */
export type PakbusClientOutput =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  /** The procedure ended, with its result or the reason there is none. */
  | { readonly type: 'ended'; readonly outcome: Outcome<unknown> };

interface Transaction {
  readonly procedure: Procedure<unknown>;
  /** Absent while the logger's address is being asked for. */
  readonly command: Command | undefined;
  /** Whom it is with; absent while nobody knows. */
  readonly to: number | undefined;
  readonly number: number;
  attempts: number;
  waits: number;
  sentAt: MonotonicMs;
  expiresAt: MonotonicMs;
  /** Why an answer with the right number was not used; more telling than "no answer". */
  lastFault: Fault | undefined;
}

/** How often a command is sent before the logger counts as silent. */
const attemptsMax = 4;
/** The longest single wait that a logger can ask for (BMP5 Transparent Commands, 2.3.1), and how many of them are granted for one command. */
const waitSecondsMax = 30;
const waitsMax = 60;
/** Transaction numbers go from 1 to this. */
const transactionMax = 255;
/** A peer on the same link asks for a sign of life this much sooner than it gives up (PakBus Networking Guide, hello exchange). */
const verifyIntervalDivisor = 2.5;
/** Bytes of a message that a delivery failure repeats. */
const failedMessageBytes = 8;
/** Hop metric and interval that this end states: a wired or network path, and half an hour of silence allowed. */
export const ownHello = { isRouter: false, hopMetric: 2, verifyIntervalSeconds: 1800 } as const;

/** The machine; see the head of this module for how to drive it. */
export class PakbusClient {
  readonly #options: PakbusClientOptions;
  readonly #deframer = new Deframer();
  readonly #outputs: PakbusClientOutput[] = [];
  #address: number | undefined;
  #responseTimeoutMs: number;
  #isLinkUp = false;
  #active: Transaction | undefined;
  #lastNumber: number | undefined;
  #packetsDamaged = 0;

  constructor(options: PakbusClientOptions) {
    this.#options = options;
    this.#address = options.address;
    this.#responseTimeoutMs = options.responseTimeoutMs;
  }

  /** Packets and runs of bytes that could not be used so far: a measure of the line. */
  get packetsDamaged(): number {
    return this.#packetsDamaged + this.#deframer.framesDropped;
  }

  /** The logger's address, once it is known. */
  get address(): number | undefined {
    return this.#address;
  }

  handle(input: PakbusClientInput, now: MonotonicMs): void {
    switch (input.type) {
      case 'bytes':
        for (const packet of this.#deframer.push(input.bytes)) this.#receive(packet, now);
        return;
      case 'begin':
        invariant(this.#active === undefined, 'a PakBus procedure begins while another one runs');
        this.#start(input.procedure, input.withRouter === true ? this.#options.routerAddress : this.#address, this.#nextNumber(now), now);
        return;
      case 'bye':
        this.#sayBye();
        return;
      case 'due':
        this.#expire(now);
        return;
    }
  }

  /** What to do next, until `undefined`. */
  poll(): PakbusClientOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Deadline | undefined {
    return this.#active === undefined ? undefined : { at: this.#active.expiresAt, reason: 'answer of the logger' };
  }

  /** Numbers go round; where they begin differs from session to session, so that answers to an earlier one are not taken for answers to this. */
  #nextNumber(now: MonotonicMs): number {
    this.#lastNumber = ((this.#lastNumber ?? Math.floor(now) % transactionMax) % transactionMax) + 1;
    return this.#lastNumber;
  }

  #start(procedure: Procedure<unknown>, to: number | undefined, number: number, now: MonotonicMs, next = procedure.command): void {
    const command = to === undefined ? undefined : next;
    this.#active = { procedure, command, to, number, attempts: 0, waits: 0, sentAt: now, expiresAt: now, lastFault: undefined };
    this.#transmit(this.#active, now);
  }

  #transmit(transaction: Transaction, now: MonotonicMs): void {
    transaction.attempts += 1;
    transaction.sentAt = now;
    transaction.expiresAt = later(now, this.#responseTimeoutMs);
    const { command, number, to } = transaction;
    if (command === undefined) {
      const request = { type: controlTypes.helloRequest, transaction: 0, body: new Uint8Array(0) };
      this.#sendMessage(broadcastAddress, protocols.control, request);
    } else this.#sendMessage(to, command.protocol, { type: command.type, transaction: number, body: command.body });
  }

  #sendMessage(to: number | undefined, protocol: ProtocolNumber, message: PakbusMessage): void {
    if (to === undefined) return;
    const link = this.#isLinkUp
      ? { linkState: linkStates.ready, expectMore: expectMore.neutral }
      : { linkState: linkStates.ring, expectMore: expectMore.more };
    const packet = messagePacket(this.#routeTo(to), link, protocol, encodeMessage(message));
    const frame = framed(encodePacket(packet));
    this.#outputs.push({ type: 'send', bytes: this.#isLinkUp ? frame : concatBytes(wakeUpBytes, frame) });
  }

  #routeTo(to: number): Parameters<typeof messagePacket>[0] {
    const { ownAddress: from, routerAddress: via } = this.#options;
    return { from, to, ...(via === undefined || to === broadcastAddress ? {} : { via }) };
  }

  #sayBye(): void {
    const neighbour = this.#options.routerAddress ?? this.#address;
    if (neighbour === undefined) return;
    const link = { linkState: linkStates.finished, expectMore: expectMore.last };
    const bye = encodeMessage({ type: controlTypes.bye, transaction: 0, body: new Uint8Array(0) });
    const packet = messagePacket({ from: this.#options.ownAddress, to: neighbour }, link, protocols.control, bye);
    this.#outputs.push({ type: 'send', bytes: framed(encodePacket(packet)) });
    this.#isLinkUp = false;
  }

  #expire(now: MonotonicMs): void {
    const transaction = this.#active;
    if (transaction === undefined || now < transaction.expiresAt) return;
    this.#isLinkUp = false;
    if (transaction.attempts < attemptsMax) this.#transmit(transaction, now);
    else this.#end(transaction.lastFault === undefined ? this.#silence(transaction) : { ok: false, fault: transaction.lastFault });
  }

  #silence({ to }: Transaction): Outcome<unknown> {
    const who = to === undefined ? 'no logger' : `the logger at PakBus address ${to}`;
    return failure('INSTRUMENT_TIMEOUT', 'instrument', `asked ${attemptsMax} times, ${who} gave no answer`);
  }

  #end(outcome: Outcome<unknown>): void {
    this.#active = undefined;
    this.#outputs.push({ type: 'ended', outcome });
  }

  #receive(bytes: Uint8Array, now: MonotonicMs): void {
    const packet = decodePacket(bytes);
    if (!packet.ok) {
      this.#packetsDamaged += 1;
      return;
    }
    const { linkState, physicalDestination, physicalSource, payload } = packet.value;
    const to = payload?.destination ?? physicalDestination;
    const from = payload?.source ?? physicalSource;
    const isForUs = to === this.#options.ownAddress || to === broadcastAddress;
    const isKnown = this.#address === undefined || from === this.#address || from === this.#options.routerAddress;
    if (!isForUs || !isKnown) return;
    this.#isLinkUp = linkState !== linkStates.finished && linkState !== linkStates.offLine;
    if (payload === undefined) {
      if (linkState === linkStates.ring) this.#answerRing(from);
    } else this.#receiveMessage(payload, bytes, now);
  }

  #answerRing(from: number): void {
    const packet = linkStatePacket({ from: this.#options.ownAddress, to: from }, linkStates.ready);
    this.#outputs.push({ type: 'send', bytes: framed(encodePacket(packet)) });
  }

  #receiveMessage(payload: PakbusPayload, packet: Uint8Array, now: MonotonicMs): void {
    const message = decodeMessage(payload.message);
    if (!message.ok) {
      this.#packetsDamaged += 1;
      return;
    }
    const { type } = message.value;
    const isControl = payload.protocol === protocols.control;
    if (isControl && type === controlTypes.hello) this.#answerHello(payload.source, message.value, now);
    else if (isControl && type === controlTypes.deliveryFailure) this.#takeDeliveryFailure(message.value);
    else if (isControl && type === controlTypes.bye) this.#isLinkUp = false;
    else if (!isControl && type === applicationTypes.pleaseWait) this.#takePleaseWait(message.value, now);
    else if ((type & answerBit) !== 0) this.#takeAnswer(payload, message.value, packet, now);
    // A hello request goes to everybody, and who does not care does not answer. Any other command is one that this end does not know.
    else if (!(isControl && type === controlTypes.helloRequest)) this.#refuseCommand(payload);
  }

  #answerHello(from: number, message: PakbusMessage, now: MonotonicMs): void {
    const hello = decodeHello(message.body);
    if (!hello.ok) return;
    const wasUnknown = this.#address === undefined;
    if (from !== this.#options.routerAddress) this.#address = from;
    const verifyIntervalSeconds = Math.floor(hello.value.verifyIntervalSeconds / verifyIntervalDivisor);
    const body = encodeHello({ ...ownHello, verifyIntervalSeconds });
    this.#sendMessage(from, protocols.control, { type: message.type | answerBit, transaction: message.transaction, body });
    this.#obeyHopMetric(hello.value.hopMetric);
    const waiting = this.#active;
    if (wasUnknown && waiting !== undefined) this.#start(waiting.procedure, this.#address, waiting.number, now);
  }

  /** A logger behind a slow radio says so in its hello; nobody knows better. */
  #obeyHopMetric(hopMetric: number): void {
    const answerMs = 1000;
    this.#responseTimeoutMs = Math.max(this.#options.responseTimeoutMs, answerMs + hopMetricDurationMs(hopMetric));
  }

  #takeDeliveryFailure(message: PakbusMessage): void {
    const failed = decodeDeliveryFailure(message.body);
    const transaction = this.#active;
    if (!failed.ok || transaction?.command === undefined) return;
    const start = decodeMessage(failed.value.messageStart);
    const number = start.ok ? start.value.transaction : message.transaction;
    if (number !== transaction.number) return;
    const { code } = failed.value;
    const isRefused = code === deliveryFailures.unknownCommand || code === deliveryFailures.malformedMessage;
    const fault = isRefused
      ? failure('INSTRUMENT_REFUSED', 'instrument', `the logger does not know command ${transaction.command.type}`).fault
      : failure('INSTRUMENT_UNREACHABLE', 'instrument', `a packet to the logger was not delivered, for reason ${code}`).fault;
    // A full queue or a lost way may be better when the time limit repeats the command; an unknown command stays unknown.
    if (isRefused) this.#end({ ok: false, fault });
    else transaction.lastFault = fault;
  }

  #takePleaseWait(message: PakbusMessage, now: MonotonicMs): void {
    const wait = decodePleaseWait(message.body);
    const transaction = this.#active;
    if (!wait.ok || transaction?.number !== message.transaction || transaction.command?.type !== wait.value.commandType) return;
    if (transaction.waits === waitsMax) return;
    transaction.waits += 1;
    const waitMs = Math.min(wait.value.waitSeconds, waitSecondsMax) * 1000;
    transaction.expiresAt = later(now, waitMs + this.#responseTimeoutMs);
  }

  #takeAnswer({ protocol, source }: PakbusPayload, message: PakbusMessage, packet: Uint8Array, now: MonotonicMs): void {
    const transaction = this.#active;
    const command = transaction?.command;
    if (transaction === undefined || command === undefined || protocol !== command.protocol || source !== transaction.to) return;
    if (message.type !== (command.type | answerBit) || message.transaction !== transaction.number) return;
    const hello = command.protocol === protocols.control ? decodeHello(message.body) : undefined;
    if (hello?.ok) this.#obeyHopMetric(hello.value.hopMetric);
    const step = transaction.procedure.accept({ body: message.body, packet, elapsedMs: now - transaction.sentAt });
    switch (step.type) {
      case 'done':
        this.#end(success(step.result));
        return;
      case 'continue': {
        const number = transaction.procedure.isOneTransaction ? transaction.number : this.#nextNumber(now);
        this.#start(transaction.procedure, transaction.to, number, now, step.command);
        return;
      }
      case 'ignore':
        transaction.lastFault = step.fault ?? transaction.lastFault;
        return;
      case 'fail':
        this.#end({ ok: false, fault: step.fault });
        return;
    }
  }

  #refuseCommand(payload: PakbusPayload): void {
    const body = encodeDeliveryFailure({
      code: deliveryFailures.unknownCommand,
      protocol: payload.protocol,
      destination: payload.destination,
      source: payload.source,
      messageStart: payload.message.subarray(0, failedMessageBytes),
    });
    this.#sendMessage(payload.source, protocols.control, { type: controlTypes.deliveryFailure, transaction: 0, body });
  }
}
