import { concatBytes } from '../../core/bytes.ts';
import { type Fault, failure, type Outcome } from '../../core/outcome.ts';
import {
  applicationTypes,
  type CollectSelection,
  decodeClockAnswer,
  decodeStatisticsAnswer,
  decodeUploadAnswer,
  encodeClockCommand,
  encodeCollectCommand,
  encodeStatisticsCommand,
  encodeUploadCommand,
  type ProgrammingStatistics,
  responseCodeOf,
  responseCodes,
} from './application-messages.ts';
import { decodeCollectAnswer, decodeWholeRecord, type PakbusRecord, type RecordLayout, type RecordRun } from './collect-answer.ts';
import { controlTypes, decodeHello, encodeHello, type Hello } from './control-messages.ts';
import { framed } from './framing.ts';
import { type ProtocolNumber, protocols } from './packet.ts';
import type { PakbusTime } from './pakbus-time.ts';
import { definitionsBytesMax } from './table-definitions.ts';

/**
 * What can be asked of a logger, each as a small machine: a first command, and for every answer either the next command or the result.
 *
 * A procedure knows nothing of addresses, numbers, time limits and repetitions; those are the client's. All of them only read, so a command that is repeated does no harm.
 */

/** A command to be sent. */
export interface Command {
  readonly protocol: ProtocolNumber;
  readonly type: number;
  readonly body: Uint8Array;
}

/** What an answer leads to. */
export type Step<Result> =
  | { readonly type: 'done'; readonly result: Result }
  | { readonly type: 'continue'; readonly command: Command }
  /** The answer is not the one waited for: an earlier one that came late, or, with a fault, bytes that make no sense. The time limit goes on. */
  | { readonly type: 'ignore'; readonly fault?: Fault }
  | { readonly type: 'fail'; readonly fault: Fault };

/** An answer, as a procedure gets it. */
export interface Answer {
  readonly body: Uint8Array;
  /** The packet it came in, unquoted, header and nullifier included. */
  readonly packet: Uint8Array;
  /** Milliseconds since its command was last sent. */
  readonly elapsedMs: number;
}

/** One thing asked of a logger. Used once. */
export interface Procedure<Result> {
  readonly command: Command;
  /** Whether all commands of the procedure have one transaction number: newer loggers want that for the pieces of a file. */
  readonly isOneTransaction: boolean;
  accept(answer: Answer): Step<Result>;
}

function ignored<Result>(fault: Fault): Step<Result> {
  return { type: 'ignore', fault };
}

/** The fault that a response code other than zero stands for. */
function refusal(code: number, what: string): Fault {
  switch (code) {
    case responseCodes.denied:
      return failure('INSTRUMENT_REFUSED', 'caller', `the logger's security does not allow ${what}`).fault;
    case responseCodes.noResources:
      return failure('INSTRUMENT_BUSY', 'instrument', `the logger has no memory left for ${what}`).fault;
    case responseCodes.tableChanged:
      return failure('TABLE_CHANGED', 'instrument', `the logger's table definitions are no longer those of ${what}`).fault;
    case responseCodes.noSuchFile:
      return failure('INSTRUMENT_FILE_MISSING', 'instrument', `the logger has nothing for ${what}`).fault;
    default:
      return failure('INSTRUMENT_REFUSED', 'instrument', `the logger answers ${what} with code ${code}`).fault;
  }
}

/** A procedure's step for a BMP5 answer: `accept` sees only answers whose response code is zero and that decode. */
function stepFor<Decoded, Result>(
  answer: Answer,
  what: string,
  decode: (body: Uint8Array) => Outcome<Decoded>,
  accept: (decoded: Decoded) => Step<Result>,
): Step<Result> {
  const code = responseCodeOf(answer.body);
  if (!code.ok) return ignored(code.fault);
  if (code.value !== responseCodes.ok) return { type: 'fail', fault: refusal(code.value, what) };
  const decoded = decode(answer.body);
  return decoded.ok ? accept(decoded.value) : ignored(decoded.fault);
}

function application(type: number, body: Uint8Array): Command {
  return { protocol: protocols.application, type, body };
}

/** Says hello; results in the logger's own. */
export function helloProcedure(own: Hello): Procedure<Hello> {
  return {
    command: { protocol: protocols.control, type: controlTypes.hello, body: encodeHello(own) },
    isOneTransaction: false,
    accept(answer) {
      const hello = decodeHello(answer.body);
      return hello.ok ? { type: 'done', result: hello.value } : ignored(hello.fault);
    },
  };
}

/** The logger's clock, and how long it took to ask, in milliseconds. */
export interface ClockReading {
  readonly time: PakbusTime;
  readonly roundTripMs: number;
}

/** Reads the logger's clock. */
export function clockProcedure(securityCode: number): Procedure<ClockReading> {
  return {
    command: application(applicationTypes.clock, encodeClockCommand(securityCode)),
    isOneTransaction: false,
    accept: (answer) =>
      stepFor(answer, 'the clock', decodeClockAnswer, (time) => ({ type: 'done', result: { time, roundTripMs: answer.elapsedMs } })),
  };
}

/** Reads what the logger says of its operating system and program. */
export function statisticsProcedure(securityCode: number): Procedure<ProgrammingStatistics> {
  return {
    command: application(applicationTypes.statistics, encodeStatisticsCommand(securityCode)),
    isOneTransaction: false,
    accept: (answer) => stepFor(answer, 'the programming statistics', decodeStatisticsAnswer, (result) => ({ type: 'done', result })),
  };
}

/** Bytes of a file asked for at once: fits every logger's packets, the small ones' too. */
const pieceBytes = 512;

/**
 * Reads a file. A logger may send shorter pieces than asked for, so the file ends only where a piece is empty. The command behind a short piece lets the logger close the file, as
 * there will probably be nothing more. `PAKBUS_FILE_TOO_LONG` beyond `definitionsBytesMax`.
 */
export function uploadProcedure(fileName: string, securityCode: number): Procedure<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  const command = (isLast: boolean) =>
    application(applicationTypes.upload, encodeUploadCommand({ securityCode, fileName, isLast, offset, length: pieceBytes }));
  return {
    command: command(false),
    isOneTransaction: true,
    accept: (answer) =>
      stepFor(answer, `file ${fileName}`, decodeUploadAnswer, (piece): Step<Uint8Array> => {
        if (piece.offset !== offset) return { type: 'ignore' };
        if (piece.bytes.length === 0) return { type: 'done', result: concatBytes(...pieces) };
        offset += piece.bytes.length;
        pieces.push(piece.bytes);
        if (offset > definitionsBytesMax) {
          return { type: 'fail', fault: failure('PAKBUS_FILE_TOO_LONG', 'instrument', `file ${fileName} does not end`).fault };
        }
        return { type: 'continue', command: command(piece.bytes.length < pieceBytes) };
      }),
  };
}

/** Records collected by one command. */
export interface Collection {
  /** Ascending; a run ends where record numbers are skipped. */
  readonly runs: readonly RecordRun[];
  /** Whether asking on may bring more. */
  readonly hasMore: boolean;
  /** The packets they came in, framed and quoted as they were on the wire, one behind the other. */
  readonly frames: Uint8Array;
}

/** Bytes of one record in pieces that are accepted. */
const recordBytesMax = 1024 * 1024;

/** Collects records of a table. A record that does not fit into a packet is asked for piece by piece. */
export function collectProcedure(layout: RecordLayout, selection: CollectSelection, securityCode: number): Procedure<Collection> {
  const { number: tableNumber, signature: tableSignature, name } = layout.table;
  const command = (wanted: CollectSelection) =>
    application(
      applicationTypes.collect,
      encodeCollectCommand({ securityCode, tableNumber, tableSignature, selection: wanted, fieldNumbers: layout.fieldNumbers }),
    );
  const frames: Uint8Array[] = [];
  /** The record being put together, once a piece of one has come. */
  let partial: { readonly record: number; readonly bytes: Uint8Array } | undefined;

  function finished(runs: readonly (readonly PakbusRecord[])[], hasMore: boolean): Step<Collection> {
    return { type: 'done', result: { runs, hasMore, frames: concatBytes(...frames) } };
  }

  function addPiece(record: number, bytes: Uint8Array): Step<Collection> {
    const whole = concatBytes(partial?.bytes ?? new Uint8Array(0), bytes);
    const decoded = decodeWholeRecord(whole, layout, record);
    if (!decoded.ok) return { type: 'fail', fault: decoded.fault };
    // What the flag says behind a piece is not documented; asking once more is always right.
    if (decoded.value !== undefined) return finished([[decoded.value]], true);
    if (bytes.length === 0 || whole.length > recordBytesMax) {
      return { type: 'fail', fault: failure('PAKBUS_MALFORMED', 'instrument', `record ${record} of table ${name} has no end`).fault };
    }
    partial = { record, bytes: whole };
    return { type: 'continue', command: command({ type: 'partial-record', record, byteOffset: whole.length }) };
  }

  return {
    command: command(selection),
    isOneTransaction: false,
    accept: (answer) =>
      stepFor(
        answer,
        `table ${name}`,
        (body) => decodeCollectAnswer(body, layout),
        ({ runs, piece, hasMore }): Step<Collection> => {
          const isContinuation = piece?.record === (partial?.record ?? piece?.record) && piece?.byteOffset === (partial?.bytes.length ?? 0);
          if (piece === undefined ? partial !== undefined : !isContinuation) return { type: 'ignore' };
          frames.push(framed(answer.packet));
          // Whole records go first; the piece behind them will be asked for again, from its beginning.
          if (piece === undefined || runs.length > 0) return finished(runs, hasMore || piece !== undefined);
          return addPiece(piece.record, piece.bytes);
        },
      ),
  };
}
