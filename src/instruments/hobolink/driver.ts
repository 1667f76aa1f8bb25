import * as v from 'valibot';
import { utf8 } from '../../core/bytes.ts';
import { GodwitError } from '../../core/errors.ts';
import type { Outcome } from '../../core/outcome.ts';
import { civilTime, secondUs } from '../../formats/civil-time.ts';
import { parseIsoStamp } from '../../formats/generic-csv/iso-stamp.ts';
import type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentClock,
  InstrumentIdentity,
  InstrumentTable,
  InstrumentTimer,
} from '../driver.ts';
import { HttpClient } from '../http/http-client.ts';
import type { HttpResponse } from '../http/http-message.ts';
import { decodeObservations, decodeToken, type HobolinkUnits, type ObservationAnswer } from './observations.ts';

/**
 * The driver for Onset's HOBOlink web services, version 3: what RX and MicroRX stations have uploaded, at `https://webservice.hobolink.com`.
 *
 * It needs the internet, so nothing uses it unless a duty says so, and where there is none a run ends at once and is repeated later. The service can remember what an account has fetched; that pointer
 * moves even when the answer is lost on the way, so it is not used: the node asks for spans of time and keeps its own cursor, which stands behind the latest observation that is durable. What a
 * logger uploads later than something newer is therefore not fetched.
 *
 * A logger is one table to collect, and its sensors are tables of their own in the dataset, since they come and go and log at intervals of their own.
 */

/** Which logger of which account. Plain data. */
export interface HobolinkConfiguration {
  /** Credentials that Onset gives to an account for its web services. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Number of the account, as its profile page shows it. */
  readonly userId: string;
  /** Serial number of the logger. */
  readonly logger: string;
  /** The first observations wanted, where there is no cursor yet: a date or time in UTC, as `2026-06-01`. */
  readonly from: string;
  /** Default `si`. */
  readonly units?: HobolinkUnits;
  /** Milliseconds of silence after which an answer is given up; default 60,000. */
  readonly silenceMs?: number;
}

const host = 'webservice.hobolink.com';
const bodyBytesMax = 64 * 1024 * 1024;
const defaultSilenceMs = 60_000;
/** Seconds of one question, and the least that is asked for when the service has more than it gives at once. */
const spanSecondsMax = 7 * 24 * 3600;
const spanSecondsMin = 60;
/** Observations may be stamped ahead of this node's clock. */
const aheadSeconds = 24 * 3600;
/** Names the way in which records are counted, should it ever change. */
const revision = 'hobolink-3';

function unwrap<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw GodwitError.from(outcome.fault, { retryable: true });
  return outcome.value;
}

/** A time as the service takes it: `2026-06-01 00:00:00`, in UTC. */
function timeText(second: number): string {
  const time = civilTime(second * secondUs);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${time.year}-${two(time.month)}-${two(time.day)} ${two(time.hour)}:${two(time.minute)}:${two(time.second)}`;
}

function form(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
}

class HobolinkSession implements DeviceSession {
  readonly #client: HttpClient;
  readonly #timer: InstrumentTimer;
  readonly #configuration: HobolinkConfiguration;
  readonly #firstSecond: number;
  #token: string | undefined;

  constructor(client: HttpClient, timer: InstrumentTimer, configuration: HobolinkConfiguration, firstSecond: number) {
    this.#client = client;
    this.#timer = timer;
    this.#configuration = configuration;
    this.#firstSecond = firstSecond;
  }

  async identify(): Promise<InstrumentIdentity> {
    const { logger } = this.#configuration;
    return { model: 'HOBOlink', serial: logger, operatingSystem: '', programName: '', programSignature: '', stationName: logger };
  }

  async clock(): Promise<InstrumentClock> {
    throw new GodwitError('INSTRUMENT_REFUSED', 'HOBOlink does not tell the clock of a logger');
  }

  async tables(): Promise<readonly InstrumentTable[]> {
    return [{ name: this.#configuration.logger, revision, fields: [], intervalUs: 0 }];
  }

  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    const { logger } = this.#configuration;
    if (name !== logger) throw new GodwitError('TABLE_UNKNOWN', `HOBOlink is asked about logger ${logger} here, not ${name}`);
    if (cursor !== undefined && cursor.revision !== revision)
      throw new GodwitError('TABLE_CHANGED', 'the cursor counts in another way than this driver does', { retryable: true });
    let durable = cursor?.nextRecord ?? this.#firstSecond;
    let from = durable;
    let spanSeconds = spanSecondsMax;
    const end = Math.floor(this.#timer.wallMs() / 1000) + aheadSeconds;
    while (from < end) {
      const to = Math.min(from + spanSeconds, end);
      const { answer, raw } = await this.#observations(from, to);
      if (answer.isCut && to - from > spanSecondsMin) {
        spanSeconds = Math.max(spanSecondsMin, Math.floor((to - from) / 2));
        continue;
      }
      if (answer.isCut)
        throw new GodwitError('HOBOLINK_MALFORMED', 'a minute holds more observations than HOBOlink gives at once', { retryable: true });
      const next = answer.lastSecond === undefined ? durable : Math.max(durable, answer.lastSecond + 1);
      for (const [index, { sensorSerial, fields, records }] of answer.series.entries()) {
        const isLast = index === answer.series.length - 1;
        // The cursor moves with the last sensor: what came before it would come again after a power cut, and be recognised.
        yield {
          table: { name: sensorSerial, revision, fields, intervalUs: 0 },
          records,
          raw,
          cursor: { revision, nextRecord: isLast ? next : durable },
        };
      }
      durable = next;
      from = to;
      spanSeconds = Math.min(spanSecondsMax, spanSeconds * 2);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Observations from one second (included) to another (not included). The service takes both ends as included. */
  async #observations(from: number, to: number): Promise<{ readonly answer: ObservationAnswer; readonly raw: Uint8Array }> {
    const { userId, logger, units = 'si' } = this.#configuration;
    const query = form({ loggers: logger, start_date_time: timeText(from), end_date_time: timeText(to - 1) });
    const target = `/ws/data/file/JSON/user/${userId}?${query}`;
    let response = await this.#get(target);
    if (response.status === 401) {
      // Tokens are good for ten minutes only.
      this.#token = undefined;
      response = await this.#get(target);
    }
    requireSuccess(response);
    return { answer: unwrap(decodeObservations(response.body, logger, units)), raw: response.body };
  }

  async #get(target: string): Promise<HttpResponse> {
    this.#token ??= await this.#newToken();
    return this.#client.request({ method: 'GET', target, headers: { Accept: 'application/json', Authorization: `Bearer ${this.#token}` } });
  }

  async #newToken(): Promise<string> {
    const { clientId, clientSecret } = this.#configuration;
    const response = await this.#client.request({
      method: 'POST',
      target: '/ws/auth/token',
      headers: { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' },
      body: utf8(form({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret })),
    });
    requireSuccess(response);
    return unwrap(decodeToken(response.body));
  }
}

function requireSuccess({ status }: HttpResponse): void {
  if (status === 200) return;
  const isForbidden = status === 400 || status === 401 || status === 403;
  throw new GodwitError(isForbidden ? 'INSTRUMENT_REFUSED' : 'HTTP_STATUS', `HOBOlink answered ${status}`, { retryable: !isForbidden });
}

const plain = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const configurationShape = v.strictObject({
  clientId: plain,
  clientSecret: plain,
  userId: v.pipe(v.string(), v.regex(/^\d{1,12}$/)),
  logger: v.pipe(v.string(), v.regex(/^[\w-]{1,32}$/)),
  from: v.pipe(
    v.string(),
    v.check((text) => parseIsoStamp(text) !== undefined, 'not a date or time'),
  ),
  units: v.optional(v.picklist(['si', 'us', 'scaled'])),
  silenceMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3_600_000))),
});

/**
 * Stations of HOBOlink; see the head of this module.
 *
 * Methods reject with `INSTRUMENT_REFUSED` (credentials, account or logger), `HTTP_STATUS` (the service is overloaded: it takes 30 questions a minute), `HOBOLINK_MALFORMED`, and what `HttpClient` documents.
 *
 * @throws GodwitError `CONFIGURATION_INVALID`
 * @example
 * await node.collect(met, hobolinkDriver, { address: 'https://webservice.hobolink.com', configuration: { clientId, clientSecret, userId: '1234', logger: '20622331', from: '2026-06-01' }, profile: { utcOffsetMinutes: 0 } });
 */
export const hobolinkDriver: DeviceDriver<HobolinkConfiguration> = {
  id: 'onset-hobolink',
  capabilities: new Set(['identify', 'tables', 'collect'] as const),
  async open(configuration, transport, timer, signal) {
    const shaped = v.safeParse(configurationShape, configuration);
    const first = shaped.success ? parseIsoStamp(shaped.output.from) : undefined;
    if (!shaped.success || first === undefined) {
      await transport.close();
      const [issue] = shaped.issues ?? [];
      throw new GodwitError(
        'CONFIGURATION_INVALID',
        `onset-hobolink: ${(issue && v.getDotPath(issue)) ?? 'configuration'}: ${issue?.message}`,
      );
    }
    const firstSecond = Math.floor(first.localUs / secondUs) - (first.offsetMinutes ?? 0) * 60;
    const client = new HttpClient(transport, timer, signal, { host, silenceMs: configuration.silenceMs ?? defaultSilenceMs, bodyBytesMax });
    return new HobolinkSession(client, timer, configuration, firstSecond);
  },
};
