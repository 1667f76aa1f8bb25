import type { PositionFix } from '../../core/position-fix.ts';
import { ByteLine } from '../byte-line.ts';
import type { DeviceDriver, InstrumentIdentity, InstrumentTimer, InstrumentTransport } from '../driver.ts';
import { type HeardRecord, type ListeningConfiguration, ListeningSession, type StreamDecoder } from '../listening.ts';
import { PositionTracker } from './position-tracker.ts';
import { SentenceFinder } from './sentence.ts';
import { nearestInstant } from './sentence-fields.ts';
import { sentenceRow } from './sentence-tables.ts';

/**
 * The driver for everything that speaks NMEA 0183 by itself: satellite receivers, echo sounders, weather instruments, compasses; over a serial line (4800 8N1, or faster) or a network.
 *
 * A sentence that says the time is stamped with it, on the day that the receiver names or else that this node's clock suggests. The others are stamped with this node's clock when they arrive.
 */

/** Sentences to rows. */
class NmeaDecoder implements StreamDecoder {
  readonly #finder = new SentenceFinder();
  readonly #tracker = new PositionTracker();

  push(bytes: Uint8Array, wallMs: number): HeardRecord[] {
    return this.#finder.push(bytes).map((sentence) => {
      this.#tracker.handle(sentence, wallMs);
      const { table, fields, cells, timeOfDayUs } = sentenceRow(sentence);
      const instantUs =
        timeOfDayUs === undefined ? wallMs * 1000 : (this.#tracker.instantOf(timeOfDayUs) ?? nearestInstant(timeOfDayUs, wallMs * 1000));
      return { table, fields, cells, stamp: { localUs: Math.round(instantUs), offsetMinutes: 0 } };
    });
  }

  identity(): Partial<InstrumentIdentity> {
    return {};
  }
}

/**
 * Instruments that speak NMEA 0183; see the head of this module.
 *
 * The tables are what is heard: `GPGGA`, `SDDPT`, `WIMWV T m/s`… (`sentence-tables.ts`). `open` rejects with `CONFIGURATION_INVALID`, the transport closed. A visit during which nothing at all is heard is
 * `INSTRUMENT_TIMEOUT` (retryable); damaged sentences are left out, and are in the `raw` like everything else.
 *
 * @example
 * const session = await nmeaDriver.open({ listenMs: 10_000 }, transport, timer, signal);
 * for (const { name } of await session.tables()) for await (const batch of session.collect(name)) store(batch);
 */
export const nmeaDriver: DeviceDriver<ListeningConfiguration> = {
  id: 'nmea-0183',
  capabilities: new Set(['tables', 'collect', 'stream'] as const),
  async open(configuration, transport, timer, signal) {
    const line = new ByteLine(transport, timer, signal);
    try {
      return new ListeningSession(line, timer, new NmeaDecoder(), configuration);
    } catch (error) {
      await line.close();
      throw error;
    }
  },
};

/** Fixes of a receiver that speaks NMEA 0183, as they are made, until the connection or the signal ends. Rejects with `INSTRUMENT_DISCONNECTED` or `ABORTED`; the transport is closed then, and when the caller stops. */
export async function* nmeaPositions(
  transport: InstrumentTransport,
  timer: InstrumentTimer,
  signal: AbortSignal,
): AsyncGenerator<PositionFix, void> {
  const line = new ByteLine(transport, timer, signal);
  const finder = new SentenceFinder();
  const tracker = new PositionTracker();
  try {
    for (;;) {
      const bytes = await line.receive(Number.POSITIVE_INFINITY);
      for (const sentence of finder.push(bytes ?? new Uint8Array(0))) {
        const fix = tracker.handle(sentence, timer.wallMs());
        if (fix !== undefined) yield fix;
      }
    }
  } finally {
    await line.close();
  }
}
