import { utf8, utf8Text } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { varintBytes, WireReader, type WireWriter } from './wire-bytes.ts';

/**
 * Frames, the content of a transport packet (normative; see `packets.ts` for what surrounds them). A packet holds one or more frames, one behind the other, and nothing else.
 *
 *     0x01         PING      asks for an acknowledgement
 *     0x02         ACK       newest packet number (varint), delay (varint), arrival (3 bytes), count (varint), first length (varint), then count times: gap, length (varints)
 *     0x04         ACK       the same for numbers without gaps: count and all behind first length are left out
 *     0x03         CLOSE     code (varint), reason (UTF-8, at most 256 bytes, to the end of the packet)
 *     0x05         WELCOME   class (1 byte), bytes (varint), seconds (varint)
 *     0x10 | E | c MESSAGE   offset in the stream of messages of class c (varint), length (varint) unless E, bytes
 *     0x20 | E | l DATA      position (4 bytes), transfer (varint), offset (varint), length (varint) unless E, bytes
 *
 * E is 0x04 and says that the bytes go on to the end of the packet. c is the priority class, 0 (emergency) to 3 (bulk). l is 1 when these bytes end the transfer.
 *
 * **ACK** is about packets that hold anything but ACK frames; only those are acknowledged. *Newest* is the highest such number received. *Arrival* is the receiver's clock at its
 * arrival in units of 1/16 ms, modulo 2^24: from two of them the sender learns the rate at which the path delivered what lay between, and from many how long packets queued, both untouched by the
 * way back. *Delay* is the time since that arrival, in units of 1/4 ms. The numbers received are listed downwards as in QUIC (RFC 9000 section 19.3.1): first length is the count of numbers
 * below the newest that arrived too; a gap of g means that g + 1 numbers are missing or of no interest; a length of n stands for n + 1 numbers.
 *
 * **WELCOME** says what its sender wants to come by the lane that the packet took: nothing less urgent than the class (4: nothing) while the session has another lane, and no more than so many bytes on the link within the seconds after it was
 * heard; 2^53 - 1 bytes: any number. The last one counts.
 *
 * **MESSAGE** carries a piece of a byte stream; each class has its own. The stream holds messages one behind the other, each preceded by its length as a varint. A sender keeps no more than
 * `messageWindowBytes` between the lowest byte not acknowledged and the highest one sent.
 *
 * **DATA** carries bytes at an offset of a transfer, which is a number that the two applications give a meaning to. *Position* numbers all bytes of DATA frames of a session in the order in
 * which they were first sent, the low 32 bits of it; bytes that are sent again keep theirs, whatever packets they are cut into then, so that a receiver takes every byte once. An empty DATA frame counts as one
 * byte. A sender keeps no more than `dataWindowBytes` of positions under way.
 */

/** Bytes of one class's message stream that may be under way at once. */
export const messageWindowBytes = 1024 * 1024;
/** Positions of DATA that may be under way at once. */
export const dataWindowBytes = 256 * 1024 * 1024;
/** Longest reason of a CLOSE frame in bytes of UTF-8. */
const reasonBytesMax = 256;
/** Ranges in one ACK frame that a receiver looks at. */
export const ackRangesMax = 64;

/** Ticks of an ACK frame's arrival in a millisecond. */
const arrivalTicksPerMs = 16;
/** After this many milliseconds the arrival field starts again. */
export const arrivalWrapMs = 2 ** 24 / arrivalTicksPerMs;
const delayTicksPerMs = 4;
/** No welcome is kept longer than this: five weeks, more than any budget's period. */
const welcomeSecondsMax = 35 * 86_400;

/** Consecutive packet numbers, both ends included. */
export interface PacketRange {
  readonly low: number;
  readonly high: number;
}

/** Which packets have arrived, and when the newest of them did. */
export interface AckFrame {
  readonly type: 'ack';
  /** Highest first, with gaps between them; at least one. */
  readonly ranges: readonly PacketRange[];
  /** Arrival of the newest packet on the receiver's clock, milliseconds modulo `arrivalWrapMs`. */
  readonly arrivalMs: number;
  /** Milliseconds between that arrival and the sending of this frame. */
  readonly delayMs: number;
}

/** A stretch of the message stream of one class. `offset` counts the bytes of that stream before it. */
export interface MessageFrame {
  readonly type: 'message';
  readonly priority: PriorityClass;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A stretch of a transfer. */
export interface DataFrame {
  readonly type: 'data';
  /** Low 32 bits. */
  readonly position: number;
  readonly transfer: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** What is welcome on a lane. */
export interface WelcomeFrame {
  readonly type: 'welcome';
  /** Index of the least urgent class, or one beyond the last. */
  readonly least: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** As the bytes of a WELCOME frame: any number. */
export const welcomeBytesMax = Number.MAX_SAFE_INTEGER;

/** One frame. Byte arrays of decoded frames are views of the packet. */
export type Frame =
  | { readonly type: 'ping' }
  | AckFrame
  | WelcomeFrame
  | { readonly type: 'close'; readonly code: number; readonly reason: string }
  | MessageFrame
  | DataFrame;

const tag = { ping: 0x01, ack: 0x02, close: 0x03, ackOne: 0x04, welcome: 0x05, message: 0x10, data: 0x20 } as const;
const toTheEnd = 0x04;

/** Bytes in front of a message piece that goes on to the end of its packet. */
export function messageHeaderBytes(offset: number): number {
  return 1 + varintBytes(offset);
}

/** Bytes in front of a data piece that goes on to the end of its packet. */
export function dataHeaderBytes(transfer: number, offset: number): number {
  return 1 + 4 + varintBytes(transfer) + varintBytes(offset);
}

/** Writes a frame that says nothing: its packet is acknowledged, and that is what it is for. */
export function writePing(writer: WireWriter): void {
  writer.uint(tag.ping, 1);
}

/** Writes as many of the ranges, the highest first, as fit into `bytesMax`. */
export function writeAck(writer: WireWriter, ack: AckFrame, bytesMax: number): void {
  const [first, ...others] = ack.ranges as [PacketRange, ...PacketRange[]];
  const delay = Math.round(ack.delayMs * delayTicksPerMs);
  // The count of the further ranges takes a byte, as there are fewer than 64.
  let used = 1 + varintBytes(first.high) + varintBytes(delay) + 3 + 1 + varintBytes(first.high - first.low);
  const pairs: number[] = [];
  let previousLow = first.low;
  for (const range of others.slice(0, ackRangesMax - 1)) {
    const gap = previousLow - range.high - 2;
    const length = range.high - range.low;
    used += varintBytes(gap) + varintBytes(length);
    if (used > Math.min(bytesMax, writer.room)) break;
    pairs.push(gap, length);
    previousLow = range.low;
  }
  writer.uint(pairs.length === 0 ? tag.ackOne : tag.ack, 1);
  writer.varint(first.high);
  writer.varint(delay);
  writer.uint(Math.round(ack.arrivalMs * arrivalTicksPerMs) % 2 ** 24, 3);
  if (pairs.length > 0) writer.varint(pairs.length / 2);
  writer.varint(first.high - first.low);
  for (const value of pairs) writer.varint(value);
}

/** Writes the frame that ends a session. A reason longer than the format allows is left out; the code says enough. */
export function writeClose(writer: WireWriter, code: number, reason: string): void {
  writer.uint(tag.close, 1);
  writer.varint(code);
  const bytes = utf8(reason);
  writer.bytes(bytes.length <= reasonBytesMax ? bytes : new Uint8Array(0));
}

/** Writes what is welcome. */
export function writeWelcome(writer: WireWriter, { least, bytes, seconds }: WelcomeFrame): void {
  writer.uint(tag.welcome, 1);
  writer.uint(least, 1);
  writer.varint(bytes);
  writer.varint(seconds);
}

/** Bytes of the longest WELCOME frame. */
export const welcomeFrameBytesMax = 2 + 8 + 8;

/** Writes a piece of a message stream; with `fillsPacket` nothing may be written behind it. */
export function writeMessage(writer: WireWriter, frame: Omit<MessageFrame, 'type'>, fillsPacket: boolean): void {
  writer.uint(tag.message | (fillsPacket ? toTheEnd : 0) | priorityClasses.indexOf(frame.priority), 1);
  writer.varint(frame.offset);
  if (!fillsPacket) writer.varint(frame.bytes.length);
  writer.bytes(frame.bytes);
}

/** Writes a piece of a transfer; with `fillsPacket` nothing may be written behind it. */
export function writeData(writer: WireWriter, frame: Omit<DataFrame, 'type'>, fillsPacket: boolean): void {
  writer.uint(tag.data | (fillsPacket ? toTheEnd : 0) | (frame.last ? 1 : 0), 1);
  writer.uint(frame.position % 2 ** 32, 4);
  writer.varint(frame.transfer);
  writer.varint(frame.offset);
  if (!fillsPacket) writer.varint(frame.bytes.length);
  writer.bytes(frame.bytes);
}

function malformed(message: string) {
  return failure('FRAME_MALFORMED', 'peer', `frame: ${message}`);
}

/** All frames of a packet. Fails with `FRAME_MALFORMED` when a single one is not understood: an authentic packet that is malformed means a broken peer. */
export function decodeFrames(plaintext: Uint8Array): Outcome<Frame[]> {
  const reader = new WireReader(plaintext);
  const frames: Frame[] = [];
  while (reader.remaining > 0) {
    const type = reader.uint(1) as number;
    let frame: Frame | undefined;
    if (type === tag.ping) frame = { type: 'ping' };
    else if (type === tag.ack || type === tag.ackOne) frame = readAck(reader, type === tag.ack);
    else if (type === tag.close) frame = readClose(reader);
    else if (type === tag.welcome) frame = readWelcome(reader);
    else if ((type & ~(toTheEnd | 3)) === tag.message) frame = readMessage(reader, type);
    else if ((type & ~(toTheEnd | 1)) === tag.data) frame = readData(reader, type);
    else return malformed(`unknown type 0x${type.toString(16)}`);
    if (frame === undefined) return malformed(`type 0x${type.toString(16)} is cut short or out of range`);
    frames.push(frame);
  }
  return frames.length > 0 ? success(frames) : malformed('none in the packet');
}

function readAck(reader: WireReader, hasGaps: boolean): AckFrame | undefined {
  const newest = reader.varint();
  const delay = reader.varint();
  const arrival = reader.uint(3);
  const count = hasGaps ? reader.varint() : 0;
  const firstLength = reader.varint();
  if (newest === undefined || delay === undefined || arrival === undefined || count === undefined || firstLength === undefined) {
    return undefined;
  }
  if (count >= ackRangesMax || firstLength > newest) return undefined;
  const ranges: PacketRange[] = [{ low: newest - firstLength, high: newest }];
  let low = newest - firstLength;
  for (let i = 0; i < count; i++) {
    const gap = reader.varint();
    const length = reader.varint();
    if (gap === undefined || length === undefined) return undefined;
    const high = low - gap - 2;
    low = high - length;
    if (low < 0) return undefined;
    ranges.push({ low, high });
  }
  return { type: 'ack', ranges, arrivalMs: arrival / arrivalTicksPerMs, delayMs: delay / delayTicksPerMs };
}

function readWelcome(reader: WireReader): WelcomeFrame | undefined {
  const least = reader.uint(1);
  const bytes = reader.varint();
  const seconds = reader.varint();
  if (least === undefined || least > priorityClasses.length || bytes === undefined || seconds === undefined) return undefined;
  return { type: 'welcome', least, bytes, seconds: Math.min(seconds, welcomeSecondsMax) };
}

function readClose(reader: WireReader): Frame | undefined {
  const code = reader.varint();
  const reason = reader.rest();
  if (code === undefined || reason.length > reasonBytesMax) return undefined;
  return { type: 'close', code, reason: utf8Text(reason) ?? '' };
}

/** The bytes of a piece, whose length is written or reaches to the end of the packet. */
function readPiece(reader: WireReader, type: number): Uint8Array | undefined {
  if ((type & toTheEnd) !== 0) return reader.rest();
  const length = reader.varint();
  return length === undefined ? undefined : reader.bytes(length);
}

function readMessage(reader: WireReader, type: number): Frame | undefined {
  const offset = reader.varint();
  if (offset === undefined) return undefined;
  const bytes = readPiece(reader, type);
  if (bytes === undefined || !Number.isSafeInteger(offset + bytes.length)) return undefined;
  return { type: 'message', priority: priorityClasses[type & 3] as PriorityClass, offset, bytes };
}

function readData(reader: WireReader, type: number): Frame | undefined {
  const position = reader.uint(4);
  const transfer = reader.varint();
  const offset = reader.varint();
  if (position === undefined || transfer === undefined || offset === undefined) return undefined;
  const bytes = readPiece(reader, type);
  if (bytes === undefined || !Number.isSafeInteger(offset + bytes.length)) return undefined;
  return { type: 'data', position, transfer, offset, bytes, last: (type & 1) === 1 };
}
