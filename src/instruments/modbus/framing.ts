import { concatBytes, equalBytes } from '../../core/bytes.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { modbusCrc } from './crc.ts';
import { answerDataBytes, answers, encodeRequest, isException, type ReadRequest } from './messages.ts';

/**
 * The frame around a Modbus message.
 *
 *     RTU  unit u8, message, CRC u16 (low byte first); frames are parted by a silence of 3.5 characters
 *     TCP  transaction u16, protocol u16 = 0, length u16 of what follows, unit u8, message
 *
 * An RTU frame does not say how long it is, and silences do not survive a USB adapter or a network. But who asked knows how long the answer is, so it is found by unit, function, length and
 * checksum, wherever in the received bytes it begins: noise in front of it and the echo of a two-wire line do no harm.
 *
 * Sources: MODBUS over Serial Line V1.02, 2.5; MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3.
 */

/** Bytes of the longest RTU frame. */
export const rtuFrameBytesMax = 256;
const mbapBytes = 7;
/** What the length field may say: unit and at least a function, at most a whole message. */
const mbapLengthMin = 2;
const mbapLengthMax = 254;

/** A message in an RTU frame. */
export function rtuFrame(unit: number, pdu: Uint8Array): Uint8Array {
  const body = concatBytes(Uint8Array.of(unit), pdu);
  const crc = modbusCrc(body);
  return concatBytes(body, Uint8Array.of(crc & 0xff, crc >>> 8));
}

/** The message in bytes that are one RTU frame to or from `unit`; `undefined` when they are not, or the checksum is wrong. */
export function rtuMessage(unit: number, frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < 4 || frame.length > rtuFrameBytesMax || frame[0] !== unit) return undefined;
  const body = frame.subarray(0, -2);
  const crc = (frame.at(-2) as number) + (frame.at(-1) as number) * 256;
  return modbusCrc(body) === crc ? body.subarray(1) : undefined;
}

/** The answer of `unit` to a request among the bytes received since, or `undefined` while there is none. */
export function findRtuAnswer(unit: number, request: ReadRequest, received: Uint8Array): Uint8Array | undefined {
  const echo = rtuFrame(unit, encodeRequest(request));
  const from = equalBytes(received.subarray(0, echo.length), echo) ? echo.length : 0;
  for (let start = from; start + 5 <= received.length; start++) {
    const functionCode = received[start + 1] as number;
    if (received[start] !== unit || !answers(request, functionCode)) continue;
    const lengthBytes = isException(functionCode) ? 5 : 5 + answerDataBytes(request);
    if (start + lengthBytes > received.length) continue;
    const pdu = rtuMessage(unit, received.subarray(start, start + lengthBytes));
    if (pdu !== undefined) return pdu;
  }
  return undefined;
}

/** One message on a TCP connection. */
export interface TcpMessage {
  /** Pairs an answer with its request. */
  readonly transaction: number;
  /** The device behind a gateway; devices that are on the network themselves ignore it. */
  readonly unit: number;
  readonly pdu: Uint8Array;
}

/** A message in a TCP frame. */
export function tcpFrame({ transaction, unit, pdu }: TcpMessage): Uint8Array {
  const length = pdu.length + 1;
  return concatBytes(Uint8Array.of(transaction >>> 8, transaction & 0xff, 0, 0, length >>> 8, length & 0xff, unit), pdu);
}

/**
 * Finds messages in a TCP stream that is cut anywhere. Holds less than one frame.
 *
 * A header that is none cannot be skipped, as nothing marks where the next one begins: `push` fails with `MODBUS_MALFORMED` from then on, and the connection has to be made anew.
 */
export class TcpDeframer {
  #held: Uint8Array = new Uint8Array(0);
  #broken = false;

  /** Adds the next bytes; returns the messages they completed. */
  push(bytes: Uint8Array): Outcome<TcpMessage[]> {
    let rest = concatBytes(this.#held, bytes);
    const messages: TcpMessage[] = [];
    while (!this.#broken && rest.length >= mbapBytes) {
      const [transactionHigh = 0, transactionLow = 0, protocolHigh, protocolLow, lengthHigh = 0, lengthLow = 0, unit = 0] = rest;
      const length = lengthHigh * 256 + lengthLow;
      this.#broken = protocolHigh !== 0 || protocolLow !== 0 || length < mbapLengthMin || length > mbapLengthMax;
      const frameBytes = mbapBytes - 1 + length;
      if (this.#broken || rest.length < frameBytes) break;
      messages.push({ transaction: transactionHigh * 256 + transactionLow, unit, pdu: rest.slice(mbapBytes, frameBytes) });
      rest = rest.subarray(frameBytes);
    }
    if (this.#broken) return failure('MODBUS_MALFORMED', 'instrument', 'what arrives is not Modbus/TCP');
    this.#held = rest;
    return success(messages);
  }
}
