import { failure, type Outcome, success } from '../../core/outcome.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * PakCtrl, the messages by which PakBus nodes know each other.
 *
 * Every message begins with its type and a transaction number; an answer has the type of its command with the top bit set, and the same number. The functions here make and read the
 * *bodies* behind these two bytes, except where a message has no fixed place in a transaction.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.2.
 */

/** Types of PakCtrl messages. */
export const controlTypes = { hello: 0x09, bye: 0x0d, helloRequest: 0x0e, settings: 0x0f, deliveryFailure: 0x81 } as const;

/** The bit that makes an answer of a command's type. */
export const answerBit = 0x80;

/** Type and transaction number, with the body behind them. */
export interface PakbusMessage {
  readonly type: number;
  /** 1 to 255, chosen by who asks; 0 where nothing is to be answered. */
  readonly transaction: number;
  readonly body: Uint8Array;
}

/** The message's bytes. */
export function encodeMessage(message: PakbusMessage): Uint8Array {
  return new ByteWriter().uint8(message.type).uint8(message.transaction).bytes(message.body).finish();
}

/** The message in these bytes. The body is not copied. */
export function decodeMessage(bytes: Uint8Array): Outcome<PakbusMessage> {
  const reader = new ByteReader(bytes);
  const type = reader.uint8();
  const transaction = reader.uint8();
  if (reader.overrun) return failure('PAKBUS_MALFORMED', 'instrument', `a message of ${bytes.length} bytes has no type and number`);
  return success({ type, transaction, body: reader.rest() });
}

/** How slow the way to a node may be, as a code, with the time it stands for in milliseconds. */
const hopMetricMs = [200, 1000, 5000, 10_000, 20_000, 60_000, 300_000, 1_800_000];

/** The longest a message may be under way for a hop metric (0 to 7; anything larger counts as 7), in milliseconds. */
export function hopMetricDurationMs(hopMetric: number): number {
  return hopMetricMs[Math.min(hopMetric, hopMetricMs.length - 1)] ?? 0;
}

/** The body of a hello, and of its answer. */
export interface Hello {
  readonly isRouter: boolean;
  /** 0 (200 ms) to 7 (30 minutes). */
  readonly hopMetric: number;
  /** Seconds without a message after which the sender will ask whether the other is still there. */
  readonly verifyIntervalSeconds: number;
}

/** Body of a hello or of its answer. */
export function encodeHello(hello: Hello): Uint8Array {
  return new ByteWriter()
    .uint8(hello.isRouter ? 1 : 0)
    .uint8(hello.hopMetric)
    .uint16(hello.verifyIntervalSeconds)
    .finish();
}

/** The hello in a body. Bytes behind it are ignored, as later versions may add some. */
export function decodeHello(body: Uint8Array): Outcome<Hello> {
  const reader = new ByteReader(body);
  const hello = { isRouter: reader.uint8() !== 0, hopMetric: reader.uint8(), verifyIntervalSeconds: reader.uint16() };
  return reader.overrun ? failure('PAKBUS_MALFORMED', 'instrument', 'a hello is too short') : success(hello);
}

/** Why a packet was not delivered. */
export const deliveryFailures = {
  destinationUnreachable: 1,
  protocolUnreachable: 2,
  queueOverflow: 3,
  unknownCommand: 4,
  malformedMessage: 5,
  linkFailed: 6,
} as const;

/** A notice that a packet was not delivered, or not understood. */
export interface DeliveryFailure {
  /** One of `deliveryFailures`; others are kept as they came. */
  readonly code: number;
  readonly protocol: number;
  readonly destination: number;
  readonly source: number;
  /** How the failed message began: at least its type and number, where the sender had them. */
  readonly messageStart: Uint8Array;
}

/** Body of a delivery failure: the reason, the second half of the failed packet's header, and the start of its message. */
export function encodeDeliveryFailure(failed: DeliveryFailure): Uint8Array {
  return new ByteWriter()
    .uint8(failed.code)
    .uint16((failed.protocol << 12) | failed.destination)
    .uint16(failed.source)
    .bytes(failed.messageStart)
    .finish();
}

/** The delivery failure in a body. */
export function decodeDeliveryFailure(body: Uint8Array): Outcome<DeliveryFailure> {
  const reader = new ByteReader(body);
  const code = reader.uint8();
  const to = reader.uint16();
  const from = reader.uint16();
  if (reader.overrun) return failure('PAKBUS_MALFORMED', 'instrument', 'a delivery failure is too short');
  return success({ code, protocol: to >> 12, destination: to & 0xfff, source: from & 0xfff, messageStart: reader.rest() });
}
