import * as v from 'valibot';
import { GodwitError } from '../../core/errors.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { TableDefinition } from '../../formats/record-stream.ts';
import type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentClock,
  InstrumentIdentity,
  InstrumentTable,
  InstrumentTimer,
  NumberedRecord,
} from '../driver.ts';
import { HttpClient } from '../http/http-client.ts';
import { basicAuthorization } from '../http/http-message.ts';
import { type DataAnswer, decodeClock, decodeJsonData, decodeTableNames, decodeToa5Data, sameColumns } from './logger-answers.ts';

/**
 * The driver for the web server of Campbell Scientific loggers (CR800, CR1000, CR3000, CR6, CR300, CR1000X) and of LoggerNet, over an address `http://host` or `https://host`.
 *
 * It reads: tables, clock, records. It never sets the clock, sends programs or changes values, so an account with read-only access is enough.
 *
 * Records are collected by their numbers. The newest record of a table is asked for first; what lies between the cursor and it is fetched from the cursor on, so no record is fetched twice and one new
 * record, the usual case, costs one answer. A record number that is gone from the ring memory makes the logger answer from its oldest record: the hole becomes a gap.
 */

/** Which records a table's first collection begins with, where there is no cursor yet. */
export type FirstRecords =
  /** All that the logger holds. */
  | { readonly mode: 'oldest' }
  /** The newest `records`, 1 or more. */
  | { readonly mode: 'most-recent'; readonly records: number }
  /** Those of the last `seconds`, by the logger's clock. */
  | { readonly mode: 'backfill'; readonly seconds: number }
  /** Those from one time (included) to another (not included; open without it), `YYYY-MM-DDThh:mm:ss` by the logger's clock. */
  | { readonly mode: 'date-range'; readonly from: string; readonly to?: string };

/** How to reach and ask a logger. Plain data. */
export interface CampbellHttpConfiguration {
  /** Name for the header `Host`; default `logger`, which loggers do not look at. Needed in front of LoggerNet with several sites. */
  readonly host?: string;
  /** Account with at least read-only access. Over `http://` name and password travel in the clear. */
  readonly username?: string;
  readonly password?: string;
  /** Path of the interface; default `/`. Some CR6 want `/csapi/`, LoggerNet the folder of the site. */
  readonly path?: string;
  /** What stands before a table's name: default `dl:`, the logger itself; `Server:STATION.` for a station of LoggerNet. */
  readonly source?: string;
  /** In which form records are fetched and archived: default `json`. `toa5` keeps the bytes as the maker's own programs would save them. */
  readonly format?: 'json' | 'toa5';
  /** Default `oldest`. */
  readonly first?: FirstRecords;
  /** Milliseconds of silence after which an answer is given up; default 20,000. */
  readonly silenceMs?: number;
}

/** Bytes of one answer at most. */
const bodyBytesMax = 32 * 1024 * 1024;
const defaultSilenceMs = 20_000;
const stamp = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$/));

interface Definition {
  readonly table: InstrumentTable;
  readonly found: TableDefinition;
}

/** A table's newest record, with the answer it came in. */
interface Newest {
  readonly record: NumberedRecord;
  readonly raw: Uint8Array;
}

function unwrap<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw GodwitError.from(outcome.fault, { retryable: true });
  return outcome.value;
}

/** The table's revision: the signature of its definition and the program's name, for a new program may count records anew in a table that looks the same. */
function revisionOf({ attributes, fields }: TableDefinition): string {
  return [attributes.signature, attributes.program, fields.length].join(' ');
}

function malformed(message: string): GodwitError {
  return new GodwitError('HTTP_LOGGER_MALFORMED', message, { retryable: true });
}

function ascends(records: readonly NumberedRecord[]): boolean {
  return records.every(({ recordNumber }, index) => index === 0 || recordNumber > (records[index - 1]?.recordNumber ?? 0));
}

/** @param next the record that was asked for first; `undefined` in a table's first collection, where nothing can be missing */
function batchOf(table: InstrumentTable, records: readonly NumberedRecord[], raw: Uint8Array, next: number | undefined): CollectedBatch {
  const from = records[0]?.recordNumber ?? 0;
  const last = records.at(-1)?.recordNumber ?? 0;
  return {
    table,
    records,
    raw,
    ...(next !== undefined && from > next ? { missing: { from: next, to: from } } : {}),
    cursor: { revision: table.revision, nextRecord: last + 1 },
  };
}

/** Parameters of the query for a table's first records. */
function firstQuery(first: FirstRecords): Readonly<Record<string, string>> {
  switch (first.mode) {
    case 'oldest':
      return { mode: 'since-record', p1: '0' };
    case 'most-recent':
      return { mode: first.mode, p1: String(first.records) };
    case 'backfill':
      return { mode: first.mode, p1: String(first.seconds) };
    case 'date-range':
      return first.to === undefined ? { mode: 'since-time', p1: first.from } : { mode: first.mode, p1: first.from, p2: first.to };
  }
}

class CampbellHttpSession implements DeviceSession {
  readonly #client: HttpClient;
  readonly #timer: InstrumentTimer;
  readonly #configuration: CampbellHttpConfiguration;
  readonly #definitionByName = new Map<string, Definition>();
  /** What came with the tables' definitions; each is used once, as it grows old. */
  readonly #newestByName = new Map<string, Newest | undefined>();

  constructor(client: HttpClient, timer: InstrumentTimer, configuration: CampbellHttpConfiguration) {
    this.#client = client;
    this.#timer = timer;
    this.#configuration = configuration;
  }

  async identify(): Promise<InstrumentIdentity> {
    await this.tables();
    const [found] = [...this.#definitionByName.values()].map((definition) => definition.found);
    return {
      model: found?.model ?? '',
      serial: found?.serial ?? '',
      operatingSystem: found?.attributes.operatingSystem ?? '',
      programName: found?.attributes.program ?? '',
      // The interface states signatures of tables only.
      programSignature: '',
      stationName: found?.station ?? '',
    };
  }

  async clock(): Promise<InstrumentClock> {
    const askedMs = this.#timer.monotonicMs();
    const body = await this.#get({ command: 'ClockCheck', format: 'json' });
    const uncertaintyMs = (this.#timer.monotonicMs() - askedMs) / 2;
    return { stamp: unwrap(decodeClock(body)), uncertaintyMs };
  }

  async tables(): Promise<readonly InstrumentTable[]> {
    if (this.#definitionByName.size === 0) {
      const uri = this.#source.replace(/\.$/, '');
      for (const name of unwrap(decodeTableNames(await this.#get({ command: 'BrowseSymbols', uri, format: 'json' })))) {
        const { found, newest } = await this.#askNewest(name);
        this.#definitionByName.set(name, {
          found,
          table: { name, revision: revisionOf(found), fields: found.fields, intervalUs: 0 },
        });
        this.#newestByName.set(name, newest);
      }
    }
    return [...this.#definitionByName.values()].map(({ table }) => table);
  }

  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    await this.tables();
    const definition = this.#definitionByName.get(name);
    if (definition === undefined) throw new GodwitError('TABLE_UNKNOWN', `the logger has no table ${name}`);
    const { table } = definition;
    if (cursor !== undefined && cursor.revision !== table.revision) throw changed(name);
    const newest = await this.#newest(definition);
    if (newest === undefined || newest.record.recordNumber + 1 === cursor?.nextRecord) return;
    const newestNumber = newest.record.recordNumber;
    // A table that was emptied counts from the beginning again.
    let next = cursor !== undefined && cursor.nextRecord <= newestNumber ? cursor.nextRecord : undefined;
    if (next === newestNumber && this.#configuration.format !== 'toa5') {
      yield batchOf(table, [newest.record], newest.raw, next);
      return;
    }
    const first: FirstRecords = cursor === undefined ? (this.#configuration.first ?? { mode: 'oldest' }) : { mode: 'oldest' };
    while (next === undefined || next <= newestNumber) {
      const from = next;
      const { answer, raw } = await this.#ask(
        definition,
        from === undefined ? firstQuery(first) : { mode: 'since-record', p1: String(from) },
      );
      const records = answer.records.filter(({ recordNumber }) => from === undefined || recordNumber >= from);
      const last = records.at(-1);
      // There may be none of the first records that were asked for; behind a cursor there must be some.
      if (last === undefined && from === undefined) return;
      if (last === undefined || !ascends(records)) throw malformed(`table ${name} has records that the logger does not send in order`);
      yield batchOf(table, records, raw, from);
      next = last.recordNumber + 1;
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  get #source(): string {
    return this.#configuration.source ?? 'dl:';
  }

  /** The newest record of a table; `undefined` when it has none. */
  async #newest(definition: Definition): Promise<Newest | undefined> {
    const { name } = definition.table;
    if (this.#newestByName.has(name)) {
      const known = this.#newestByName.get(name);
      this.#newestByName.delete(name);
      return known;
    }
    const { found, newest } = await this.#askNewest(name);
    if (revisionOf(found) !== definition.table.revision) throw this.#forget(name);
    return newest;
  }

  async #askNewest(name: string): Promise<{ readonly found: TableDefinition; readonly newest: Newest | undefined }> {
    const raw = await this.#get({ command: 'DataQuery', uri: this.#source + name, mode: 'most-recent', p1: '1', format: 'json' });
    const { table, records } = unwrap(decodeJsonData(raw));
    const record = records.at(-1);
    return { found: table, newest: record && { record, raw } };
  }

  /** Asks for records, in the form that is archived. */
  async #ask(
    definition: Definition,
    query: Readonly<Record<string, string>>,
  ): Promise<{ readonly answer: DataAnswer; readonly raw: Uint8Array }> {
    const { name } = definition.table;
    const format = this.#configuration.format ?? 'json';
    const raw = await this.#get({ command: 'DataQuery', uri: this.#source + name, ...query, format });
    const answer = unwrap(format === 'json' ? decodeJsonData(raw) : decodeToa5Data(raw));
    const isSame = sameColumns(answer.table.fields, definition.found.fields);
    if (!isSame || (format === 'json' && revisionOf(answer.table) !== definition.table.revision)) throw this.#forget(name);
    return { answer, raw };
  }

  /** The program was changed under way: what is known of the tables holds no longer. */
  #forget(name: string): GodwitError {
    this.#definitionByName.clear();
    this.#newestByName.clear();
    return changed(name);
  }

  async #get(query: Readonly<Record<string, string>>): Promise<Uint8Array> {
    const { path = '/', username, password = '' } = this.#configuration;
    const parameters = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%3A', ':')}`);
    const headers = username === undefined ? {} : { Authorization: basicAuthorization(username, password) };
    const { status, body } = await this.#client.request({ method: 'GET', target: `${path}?${parameters.join('&')}`, headers });
    if (status === 200) return body;
    const isForbidden = status === 401 || status === 403;
    throw new GodwitError(isForbidden ? 'INSTRUMENT_REFUSED' : 'HTTP_STATUS', `the logger answered ${status} to ${query.command}`, {
      retryable: status >= 500 || status === 429,
    });
  }
}

function changed(name: string): GodwitError {
  return new GodwitError('TABLE_CHANGED', `the definition of table ${name} changed`, { retryable: true });
}

const configurationShape = v.strictObject({
  host: v.optional(v.pipe(v.string(), v.regex(/^[\w.:[\]-]{1,255}$/))),
  username: v.optional(v.pipe(v.string(), v.regex(/^[^:\p{Cc}]*$/u))),
  password: v.optional(v.pipe(v.string(), v.regex(/^\P{Cc}*$/u))),
  path: v.optional(v.pipe(v.string(), v.regex(/^\/[\w./~%-]*$/))),
  source: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]+:([\w.-]+\.)?$/))),
  format: v.optional(v.picklist(['json', 'toa5'])),
  first: v.optional(
    v.variant('mode', [
      v.strictObject({ mode: v.literal('oldest') }),
      v.strictObject({ mode: v.literal('most-recent'), records: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
      v.strictObject({ mode: v.literal('backfill'), seconds: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
      v.strictObject({ mode: v.literal('date-range'), from: stamp, to: v.optional(stamp) }),
    ]),
  ),
  silenceMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3_600_000))),
});

/**
 * Campbell Scientific loggers over their web server; see the head of this module.
 *
 * `open` sends nothing. Methods reject with `INSTRUMENT_REFUSED` (name or password), `HTTP_STATUS`, `HTTP_LOGGER_MALFORMED`, and what `HttpClient` documents. Retrying is the caller's: a duty does it at
 * its interval, and what was stored before stays. A batch's `raw` is the body of the answer.
 *
 * A table that was emptied and has since stored more than the cursor says cannot be told from one that went on, unless the program changed with it.
 *
 * @throws GodwitError `CONFIGURATION_INVALID`
 * @example
 * await node.collect(weather, campbellHttpDriver, { address: 'http://10.0.0.5', configuration: { username: 'reader', password }, profile: { utcOffsetMinutes: 60 } });
 */
export const campbellHttpDriver: DeviceDriver<CampbellHttpConfiguration> = {
  id: 'campbell-http',
  capabilities: new Set(['identify', 'clock', 'tables', 'collect'] as const),
  async open(configuration, transport, timer, signal) {
    const shaped = v.safeParse(configurationShape, configuration);
    if (!shaped.success) {
      await transport.close();
      const [issue] = shaped.issues;
      throw new GodwitError('CONFIGURATION_INVALID', `campbell-http: ${v.getDotPath(issue) ?? 'configuration'}: ${issue.message}`);
    }
    const { host = 'logger', silenceMs = defaultSilenceMs } = configuration;
    const client = new HttpClient(transport, timer, signal, { host, silenceMs, bodyBytesMax });
    return new CampbellHttpSession(client, timer, configuration);
  },
};
