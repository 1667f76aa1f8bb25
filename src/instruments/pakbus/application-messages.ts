import { failure, type Outcome, success } from '../../core/outcome.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { PakbusTime } from './pakbus-time.ts';

/**
 * BMP5, the messages that read a logger: bodies of commands and of their answers.
 *
 * Every command begins with the security code, every answer with a response code. Only what reads is here: the clock is asked with an adjustment of zero, and nothing sends programs, sets
 * values or controls files.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.3.
 */

/** Types of BMP5 messages. */
export const applicationTypes = { collect: 0x09, clock: 0x17, statistics: 0x18, upload: 0x1d, pleaseWait: 0xa1 } as const;

/** Response codes that mean the same in every answer that can have them. */
export const responseCodes = { ok: 0, denied: 1, noResources: 2, tableChanged: 7, noSuchFile: 13 } as const;

function tooShort(what: string) {
  return failure('PAKBUS_MALFORMED', 'instrument', `${what} is too short`);
}

/** The security code that a command's body begins with, 0 to 65535; the codec's other half of `encode…` functions that take one. */
export function securityCodeOf(body: Uint8Array): number {
  return new ByteReader(body).uint16();
}

/** The answer to every command begins with this code; what follows it exists only when the code is zero. */
export function responseCodeOf(body: Uint8Array): Outcome<number> {
  const reader = new ByteReader(body);
  const code = reader.uint8();
  return reader.overrun ? tooShort('an answer') : success(code);
}

/** A notice that the answer will take longer. */
export interface PleaseWait {
  /** Type of the command that is being worked on. */
  readonly commandType: number;
  readonly waitSeconds: number;
}

/** Body of a please-wait message. */
export function encodePleaseWait(wait: PleaseWait): Uint8Array {
  return new ByteWriter().uint8(wait.commandType).uint16(wait.waitSeconds).finish();
}

/** The please-wait in a body. */
export function decodePleaseWait(body: Uint8Array): Outcome<PleaseWait> {
  const reader = new ByteReader(body);
  const wait = { commandType: reader.uint8(), waitSeconds: reader.uint16() };
  return reader.overrun ? tooShort('a please-wait message') : success(wait);
}

/** Body of a clock command that reads and adjusts nothing. */
export function encodeClockCommand(securityCode: number): Uint8Array {
  return new ByteWriter().uint16(securityCode).uint32(0).uint32(0).finish();
}

/** Body of a clock answer. */
export function encodeClockAnswer(time: PakbusTime): Uint8Array {
  return new ByteWriter().uint8(responseCodes.ok).uint32(time.seconds).uint32(time.nanoseconds).finish();
}

/** The logger's time in a clock answer whose response code is zero. */
export function decodeClockAnswer(body: Uint8Array): Outcome<PakbusTime> {
  const reader = new ByteReader(body);
  reader.uint8();
  const time = { seconds: reader.int32(), nanoseconds: reader.int32() };
  return reader.overrun ? tooShort('a clock answer') : success(time);
}

/** What a logger says of its operating system and its program. */
export interface ProgrammingStatistics {
  readonly operatingSystem: string;
  readonly operatingSystemSignature: number;
  readonly serialNumber: string;
  /** Program that is started when the power comes on. */
  readonly powerUpProgram: string;
  /** 0 no program, 1 running, 2 compiling or failed… as the logger counts. */
  readonly compileState: number;
  readonly programName: string;
  readonly programSignature: number;
  readonly compileTime: PakbusTime;
  readonly compileResult: string;
}

/** Body of a get-programming-statistics command. */
export function encodeStatisticsCommand(securityCode: number): Uint8Array {
  return new ByteWriter().uint16(securityCode).finish();
}

/** Body of a programming-statistics answer. */
export function encodeStatisticsAnswer(statistics: ProgrammingStatistics): Uint8Array {
  return new ByteWriter()
    .uint8(responseCodes.ok)
    .zeroTerminatedText(statistics.operatingSystem)
    .uint16(statistics.operatingSystemSignature)
    .zeroTerminatedText(statistics.serialNumber)
    .zeroTerminatedText(statistics.powerUpProgram)
    .uint8(statistics.compileState)
    .zeroTerminatedText(statistics.programName)
    .uint16(statistics.programSignature)
    .uint32(statistics.compileTime.seconds)
    .uint32(statistics.compileTime.nanoseconds)
    .zeroTerminatedText(statistics.compileResult)
    .finish();
}

/** The statistics in an answer whose response code is zero. */
export function decodeStatisticsAnswer(body: Uint8Array): Outcome<ProgrammingStatistics> {
  const reader = new ByteReader(body);
  reader.uint8();
  const statistics = {
    operatingSystem: reader.zeroTerminatedText(),
    operatingSystemSignature: reader.uint16(),
    serialNumber: reader.zeroTerminatedText(),
    powerUpProgram: reader.zeroTerminatedText(),
    compileState: reader.uint8(),
    programName: reader.zeroTerminatedText(),
    programSignature: reader.uint16(),
    compileTime: { seconds: reader.int32(), nanoseconds: reader.int32() },
    compileResult: reader.zeroTerminatedText(),
  };
  return reader.overrun ? tooShort('a programming statistics answer') : success(statistics);
}

/** A request for a piece of a file. */
export interface UploadCommand {
  readonly securityCode: number;
  readonly fileName: string;
  /** Whether the logger may close the file behind this piece. */
  readonly isLast: boolean;
  readonly offset: number;
  /** Bytes wanted. */
  readonly length: number;
}

/** Body of a file-upload command. */
export function encodeUploadCommand(command: UploadCommand): Uint8Array {
  return new ByteWriter()
    .uint16(command.securityCode)
    .zeroTerminatedText(command.fileName)
    .uint8(command.isLast ? 1 : 0)
    .uint32(command.offset)
    .uint16(command.length)
    .finish();
}

/** The file-upload command in a body. */
export function decodeUploadCommand(body: Uint8Array): Outcome<UploadCommand> {
  const reader = new ByteReader(body);
  const command = {
    securityCode: reader.uint16(),
    fileName: reader.zeroTerminatedText(),
    isLast: reader.uint8() !== 0,
    offset: reader.uint32(),
    length: reader.uint16(),
  };
  return reader.overrun ? tooShort('a file upload command') : success(command);
}

/** A piece of a file. An empty one says that the file ends here. */
export interface FilePiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Body of a file-upload answer. */
export function encodeUploadAnswer(piece: FilePiece): Uint8Array {
  return new ByteWriter().uint8(responseCodes.ok).uint32(piece.offset).bytes(piece.bytes).finish();
}

/** The piece in an upload answer whose response code is zero. Its bytes are not copied. */
export function decodeUploadAnswer(body: Uint8Array): Outcome<FilePiece> {
  const reader = new ByteReader(body);
  reader.uint8();
  const offset = reader.uint32();
  return reader.overrun ? tooShort('a file upload answer') : success({ offset, bytes: reader.rest() });
}

/** Which records of a table are wanted. Record numbers are 0 to 2^32-1; ranges do not include their end. */
export type CollectSelection =
  /** Everything the table holds, oldest first. */
  | { readonly type: 'all' }
  /** From this record on; from the oldest, without a word about it, when the logger no longer has it. */
  | { readonly type: 'from-record'; readonly record: number }
  /** The newest `count` records. */
  | { readonly type: 'newest'; readonly count: number }
  | { readonly type: 'record-range'; readonly from: number; readonly to: number }
  | { readonly type: 'time-range'; readonly from: PakbusTime; readonly to: PakbusTime }
  /** One record, from a byte of it on: for records longer than a packet. */
  | { readonly type: 'partial-record'; readonly record: number; readonly byteOffset: number };

const collectModes: Readonly<Record<CollectSelection['type'], number>> = {
  all: 3,
  'from-record': 4,
  newest: 5,
  'record-range': 6,
  'time-range': 7,
  'partial-record': 8,
};

/** A request for records of one table. */
export interface CollectCommand {
  readonly securityCode: number;
  readonly tableNumber: number;
  readonly tableSignature: number;
  readonly selection: CollectSelection;
  /** Numbers of the fields wanted, from 1; none stands for all of them. */
  readonly fieldNumbers: readonly number[];
}

/** Fields of one command that are accepted; more do not fit into a packet. */
const fieldNumbersMax = 512;

function writeSelection(writer: ByteWriter, selection: CollectSelection): void {
  switch (selection.type) {
    case 'all':
      return;
    case 'from-record':
      writer.uint32(selection.record);
      return;
    case 'newest':
      writer.uint32(selection.count);
      return;
    case 'record-range':
      writer.uint32(selection.from).uint32(selection.to);
      return;
    case 'time-range':
      for (const time of [selection.from, selection.to]) writer.uint32(time.seconds).uint32(time.nanoseconds);
      return;
    case 'partial-record':
      writer.uint32(selection.record).uint32(selection.byteOffset);
      return;
  }
}

function readSelection(reader: ByteReader, mode: number): CollectSelection | undefined {
  switch (mode) {
    case collectModes.all:
      return { type: 'all' };
    case collectModes['from-record']:
      return { type: 'from-record', record: reader.uint32() };
    case collectModes.newest:
      return { type: 'newest', count: reader.uint32() };
    case collectModes['record-range']:
      return { type: 'record-range', from: reader.uint32(), to: reader.uint32() };
    case collectModes['time-range']: {
      const from = { seconds: reader.int32(), nanoseconds: reader.int32() };
      return { type: 'time-range', from, to: { seconds: reader.int32(), nanoseconds: reader.int32() } };
    }
    case collectModes['partial-record']:
      return { type: 'partial-record', record: reader.uint32(), byteOffset: reader.uint32() };
    default:
      return undefined;
  }
}

/** Body of a collect-data command. */
export function encodeCollectCommand(command: CollectCommand): Uint8Array {
  const writer = new ByteWriter()
    .uint16(command.securityCode)
    .uint8(collectModes[command.selection.type])
    .uint16(command.tableNumber)
    .uint16(command.tableSignature);
  writeSelection(writer, command.selection);
  for (const number of command.fieldNumbers) writer.uint16(number);
  return writer.uint16(0).finish();
}

/** The collect-data command in a body. Modes that no document names are malformed. */
export function decodeCollectCommand(body: Uint8Array): Outcome<CollectCommand> {
  const reader = new ByteReader(body);
  const securityCode = reader.uint16();
  const mode = reader.uint8();
  const tableNumber = reader.uint16();
  const tableSignature = reader.uint16();
  const selection = readSelection(reader, mode);
  if (selection === undefined) return failure('PAKBUS_MALFORMED', 'peer', `collect mode ${mode} does not exist`);
  const fieldNumbers: number[] = [];
  for (let number = reader.uint16(); number !== 0; number = reader.uint16()) {
    if (fieldNumbers.length === fieldNumbersMax) return failure('PAKBUS_MALFORMED', 'peer', 'a collect command names too many fields');
    fieldNumbers.push(number);
  }
  if (reader.overrun) return tooShort('a collect command');
  return success({ securityCode, tableNumber, tableSignature, selection, fieldNumbers });
}
