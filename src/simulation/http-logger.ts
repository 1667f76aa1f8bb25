import { concatBytes, utf8, utf8Text } from '../core/bytes.ts';
import { civilTime } from '../formats/civil-time.ts';
import type { Cell, FieldDefinition } from '../formats/record-stream.ts';
import type { InstrumentTransport } from '../instruments/driver.ts';

/**
 * A Campbell logger's web server that exists only here: ring memory, tables, a clock, an account, and the manners of real ones: connections closed after an answer or cut within it, answers in chunks,
 * answers that stop at a number of records.
 *
 * It is written from the maker's description of the interface. Bytes of requests go into a connection, bytes of answers come out.
 */

/** One record of a table; its number is counted by the logger. */
export interface HttpLoggerRecord {
  /** Microseconds from 1970 on the logger's calendar. */
  readonly localUs: number;
  readonly cells: readonly Cell[];
}

/** What the logger is like. */
export interface HttpLoggerOptions {
  readonly station?: string;
  /** Without it everybody may read. */
  readonly account?: { readonly username: string; readonly password: string };
  /** Records in one answer at most; default 1000. */
  readonly answerRecordsMax?: number;
  /** Whether connections stay open behind an answer; default true. */
  readonly keepsOpen?: boolean;
  /** Whether bodies come in chunks; default false. */
  readonly chunks?: boolean;
}

interface LoggerTable {
  readonly fields: readonly FieldDefinition[];
  readonly capacityRecords: number;
  records: (HttpLoggerRecord & { readonly number: number })[];
  nextNumber: number;
}

/** What a connection answers to bytes. */
export interface HttpLoggerReply {
  readonly bytes: Uint8Array;
  /** The logger closes the connection behind the bytes. */
  readonly closes: boolean;
}

const nothing: HttpLoggerReply = { bytes: new Uint8Array(0), closes: false };
const typeByKind = { number: 'xsd:float', text: 'xsd:string', time: 'xsd:dateTime', boolean: 'xsd:boolean' } as const;

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function timeText(localUs: number, separator: string): string {
  const { year, month, day, hour, minute, second } = civilTime(localUs);
  return `${year}-${two(month)}-${two(day)}${separator}${two(hour)}:${two(minute)}:${two(second)}`;
}

/** The logger. Its connections are independent of each other. */
export class HttpLogger {
  readonly #options: HttpLoggerOptions;
  readonly #tables = new Map<string, LoggerTable>();
  /** Name of the program; another one is another revision of every table. */
  program = 'CPU:weather.CR6';
  /** Microseconds from 1970 that its clock shows. */
  clockUs = 0;
  /** Queries that were answered, oldest first, as they stood in the request. */
  readonly queries: string[] = [];
  /** Bytes of the next answer after which the connection breaks. */
  breakAfterBytes: number | undefined;

  constructor(options: HttpLoggerOptions = {}) {
    this.#options = options;
  }

  /** Adds or replaces a table, empty, as a new program does. */
  define(name: string, fields: readonly FieldDefinition[], capacityRecords: number): void {
    this.#tables.set(name, { fields, capacityRecords, records: [], nextNumber: 0 });
  }

  /** Stores a record; the oldest one goes when the ring is full. Returns its number. */
  append(name: string, record: HttpLoggerRecord): number {
    const table = this.#tables.get(name);
    if (table === undefined) return -1;
    const number = table.nextNumber++;
    table.records.push({ ...record, number });
    if (table.records.length > table.capacityRecords) table.records.shift();
    return number;
  }

  /** A connection: feed it what the client sends. */
  connection(): { push(bytes: Uint8Array): HttpLoggerReply } {
    let pending: Uint8Array = new Uint8Array(0);
    return {
      push: (bytes) => {
        pending = concatBytes(pending, bytes);
        const text = utf8Text(pending) ?? '';
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return nothing;
        pending = pending.subarray(utf8(text.slice(0, end + 4)).length);
        return this.#reply(text.slice(0, end));
      },
    };
  }

  #reply(head: string): HttpLoggerReply {
    const { account, chunks = false, keepsOpen = true } = this.#options;
    const [, target = ''] = /^GET (\S+) HTTP\/1\.1/.exec(head) ?? [];
    const expected = account && `Basic ${utf8(`${account.username}:${account.password}`).toBase64()}`;
    const [, given] = /^Authorization: (.*)$/im.exec(head) ?? [];
    const isAllowed = expected === undefined || given?.trim() === expected;
    const body = isAllowed ? this.#answer(target) : undefined;
    const status = body === undefined ? (isAllowed ? '404 Not Found' : '401 Unauthorized') : '200 OK';
    const content = utf8(body ?? status);
    const framing = chunks ? 'Transfer-Encoding: chunked' : `Content-Length: ${content.length}`;
    const lines = [`HTTP/1.1 ${status}`, 'Server: simulated', `Connection: ${keepsOpen ? 'keep-alive' : 'close'}`, framing, '', ''];
    const answer = concatBytes(utf8(lines.join('\r\n')), chunks ? inChunks(content) : content);
    const cut = this.breakAfterBytes;
    this.breakAfterBytes = undefined;
    return cut === undefined ? { bytes: answer, closes: !keepsOpen } : { bytes: answer.subarray(0, cut), closes: true };
  }

  #answer(target: string): string | undefined {
    const query = new Map(
      target
        .slice(target.indexOf('?') + 1)
        .split('&')
        .map((part) => part.split('=', 2).map(decodeURIComponent) as [string, string]),
    );
    this.queries.push(target);
    const command = query.get('command');
    if (command === 'BrowseSymbols') {
      const symbols = [...this.#tables.keys()].map((name) => ({
        name,
        uri: `dl:${name}`,
        type: 6,
        is_enabled: true,
        is_read_only: false,
        can_expand: true,
      }));
      return JSON.stringify({ symbols: [{ name: 'Settings', uri: 'dl:Settings', type: 8 }, ...symbols] });
    }
    if (command === 'ClockCheck')
      return JSON.stringify({ outcome: 1, time: timeText(this.clockUs, 'T'), description: 'The clock was checked' });
    const name = (query.get('uri') ?? '').replace(/^.*[:.]/, '');
    const table = this.#tables.get(name);
    if (command !== 'DataQuery' || table === undefined) return undefined;
    const chosen = this.#choose(table, query.get('mode') ?? '', query.get('p1') ?? '', query.get('p2') ?? '');
    const max = this.#options.answerRecordsMax ?? 1000;
    const records = chosen.slice(0, max);
    return query.get('format') === 'toa5' ? this.#toa5(name, table, records) : this.#json(name, table, records, chosen.length > max);
  }

  #choose(table: LoggerTable, mode: string, p1: string, p2: string): LoggerTable['records'] {
    const { records } = table;
    const number = Number(p1);
    switch (mode) {
      case 'most-recent':
        return records.slice(-number);
      case 'since-record': {
        const from = records.findIndex((record) => record.number === number);
        // What is not there any more, or not yet, is answered with everything.
        return from < 0 ? records : records.slice(from);
      }
      case 'backfill':
        return records.filter(({ localUs }) => localUs > this.clockUs - number * 1_000_000);
      case 'since-time':
        return records.filter(({ localUs }) => timeText(localUs, 'T') >= p1);
      default:
        return records.filter(({ localUs }) => timeText(localUs, 'T') >= p1 && timeText(localUs, 'T') < p2);
    }
  }

  /** Changes with anything in the table's definition. */
  #signature(table: LoggerTable): number {
    let signature = 0xaaaa;
    for (const byte of utf8(JSON.stringify(table.fields))) signature = (signature * 31 + byte) & 0xffff;
    return signature;
  }

  #json(name: string, table: LoggerTable, records: LoggerTable['records'], more: boolean): string {
    const environment = {
      station_name: this.#options.station ?? 'Godwit Weir',
      table_name: name,
      model: 'CR6',
      serial_no: '1844',
      os_version: 'CR6.Std.12',
      prog_name: this.program,
    };
    const fields = table.fields.map(({ name: field, unit, processing, kind }) => ({
      name: field,
      type: typeByKind[kind],
      units: unit,
      process: processing,
      settable: false,
    }));
    const head = JSON.stringify({ transaction: 0, signature: this.#signature(table), environment, fields });
    // Values keep their digits, which numbers of JavaScript would not.
    const data = records.map(
      ({ number, localUs, cells }) => `{"time":"${timeText(localUs, 'T')}","no":${number},"vals":[${cells.map(jsonCell).join(',')}]}`,
    );
    return `{"head":${head},"data":${data.length === 0 ? 'null' : `[${data.join(',')}]`}${more ? ',"more":true' : ''}}`;
  }

  #toa5(name: string, table: LoggerTable, records: LoggerTable['records']): string {
    const quoted = (texts: readonly string[]) => texts.map((text) => `"${text}"`).join(',');
    const lines = [
      quoted([
        'TOA5',
        this.#options.station ?? 'Godwit Weir',
        'CR6',
        '1844',
        'CR6.Std.12',
        this.program,
        String(this.#signature(table)),
        name,
      ]),
      quoted(['TIMESTAMP', 'RECORD', ...table.fields.map((field) => field.name)]),
      quoted(['TS', 'RN', ...table.fields.map((field) => field.unit)]),
      quoted(['', '', ...table.fields.map((field) => field.processing)]),
      ...records.map(({ number, localUs, cells }) => [`"${timeText(localUs, ' ')}"`, number, ...cells.map((cell) => cell ?? '')].join(',')),
    ];
    return `${lines.join('\r\n')}\r\n`;
  }
}

function jsonCell(cell: Cell): string {
  return cell !== null && /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(cell) ? cell : JSON.stringify(cell ?? '');
}

function inChunks(content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += 100) {
    const piece = content.subarray(at, at + 100);
    parts.push(utf8(`${piece.length.toString(16)}\r\n`), piece, utf8('\r\n'));
  }
  return concatBytes(...parts, utf8('0\r\n\r\n'));
}

/** A transport to a simulated logger: connects anew when it is read again, as the runtime's does, and delivers answers in pieces of `pieceBytes`. */
export function httpLoggerTransport(logger: HttpLogger, pieceBytes = 500): InstrumentTransport {
  let isClosed = false;
  let connection = logger.connection();
  let waiting: Uint8Array[] = [];
  let hasEnded = false;
  let wake = (): void => undefined;
  return {
    read() {
      connection = logger.connection();
      waiting = [];
      hasEnded = isClosed;
      return {
        [Symbol.asyncIterator]: () => ({
          async next() {
            while (waiting.length === 0 && !hasEnded) {
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
            }
            const bytes = waiting.shift();
            return bytes === undefined ? { done: true, value: undefined } : { done: false, value: bytes };
          },
          async return() {
            hasEnded = true;
            wake();
            return { done: true, value: undefined };
          },
        }),
      };
    },
    async write(bytes) {
      if (hasEnded) return;
      const reply = connection.push(bytes);
      for (let at = 0; at < reply.bytes.length; at += pieceBytes) waiting.push(reply.bytes.subarray(at, at + pieceBytes));
      hasEnded = reply.closes;
      wake();
    },
    async close() {
      isClosed = true;
      hasEnded = true;
      wake();
    },
  };
}
