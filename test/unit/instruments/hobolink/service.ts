import { utf8, utf8Text } from '../../../../src/core/bytes.ts';
import type { InstrumentTransport } from '../../../../src/instruments/driver.ts';
import type { HobolinkConfiguration } from '../../../../src/instruments/hobolink/driver.ts';

/** An observation that the service holds. */
export interface Observation {
  readonly second: number;
  readonly sensor?: string;
  readonly value?: number | null;
  readonly kind?: number;
  readonly logger?: string;
}

/** 2026-06-01T00:00:00Z. */
export const june = 1_780_272_000;
/** Seconds. */
export const day = 24 * 3600;

/** As the service writes it. */
export function observation({ second, sensor = '1-1', value = 1.5, kind = 1, logger = '20622331' }: Observation): Record<string, unknown> {
  return {
    logger_sn: logger,
    sensor_sn: sensor,
    timestamp: `${new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ')}Z`,
    data_type_id: String(kind),
    si_value: value,
    si_unit: '°C',
    us_value: value === null ? null : value * 1.8 + 32,
    us_unit: '°F',
    scaled_value: 0,
    scaled_unit: null,
    sensor_measurement_type: 'Temperature',
  };
}

/** A service with these observations that speaks HTTP over a transport, a connection a request. */
export class Service implements InstrumentTransport {
  readonly observations: Observation[] = [];
  readonly requests: string[] = [];
  answersMax = 100;
  tokens = 0;
  /** Statuses of the next answers to questions for data. */
  readonly statuses: number[] = [];
  body: string | undefined;
  #arrived = Promise.withResolvers<Uint8Array>();

  read(): AsyncIterable<Uint8Array> {
    this.#arrived = Promise.withResolvers();
    const { promise } = this.#arrived;
    return (async function* () {
      yield await promise;
    })();
  }

  async write(bytes: Uint8Array): Promise<void> {
    const text = utf8Text(bytes) ?? '';
    this.requests.push(text);
    const [status, body] = this.#answer(text);
    const content = utf8(body);
    this.#arrived.resolve(
      new Uint8Array([...utf8(`HTTP/1.1 ${status} X\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n`), ...content]),
    );
  }

  async close(): Promise<void> {
    this.#arrived.resolve(new Uint8Array(0));
  }

  #answer(text: string): [number, string] {
    if (text.startsWith('POST /ws/auth/token '))
      return [200, JSON.stringify({ access_token: `t${++this.tokens}`, token_type: 'bearer', expires_in: 600 })];
    const status = this.statuses.shift() ?? 200;
    const query = new URL(text.split(' ')[1] ?? '', 'https://x').searchParams;
    const second = (name: string) => Date.parse(`${query.get(name)?.replace(' ', 'T')}Z`) / 1000;
    const found = this.observations.filter((each) => each.second >= second('start_date_time') && each.second <= second('end_date_time'));
    const list = found.slice(0, this.answersMax).map(observation);
    return [status, this.body ?? JSON.stringify({ max_results: found.length > this.answersMax, message: '', observation_list: list })];
  }
}

/** Of an account that the service takes. */
export const configuration: HobolinkConfiguration = {
  clientId: 'field team',
  clientSecret: 's&cret',
  userId: '7451',
  logger: '20622331',
  from: '2026-06-01',
};
