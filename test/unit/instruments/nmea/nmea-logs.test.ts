import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MonotonicMs } from '../../../../src/core/time.ts';
import { isoInstant } from '../../../../src/formats/series-table.ts';
import { nmeaDriver } from '../../../../src/instruments/nmea/driver.ts';
import { drain, VirtualInstrument } from '../virtual-instrument.ts';

/**
 * Logs of real receivers and sounders through the driver, as if they were heard now: what each comes to is written in `nmea-logs.snapshot`, by table: how many rows, which columns with which units, and the first and the
 * last stamp in UTC. What says no date has the day of this node's clock, and what says no time its time.
 */

const samples = new URL('../../../../../shared/samples/nmea/', import.meta.url);
const skip = !existsSync(samples) && process.env.CI !== 'true';
if (skip) console.warn('Real NMEA logs are not heard: the folder of samples is not beside the repository.');

/** An instrument that says a whole log after a second, and nothing else. */
function speaker(log: Uint8Array): VirtualInstrument {
  const outputs: { readonly bytes: Uint8Array }[] = [];
  let hasSpoken = false;
  return new VirtualInstrument({
    handle({ type }) {
      if (type !== 'due' || hasSpoken) return;
      hasSpoken = true;
      outputs.push({ bytes: log });
    },
    poll: () => outputs.shift(),
    nextDeadline: () => (hasSpoken ? undefined : { at: 1000 as MonotonicMs, reason: 'speak' }),
  });
}

test.skipIf(skip)('every real log comes to what is written of it', async () => {
  const outcomes: Record<string, unknown> = {};
  for (const name of readdirSync(samples).sort()) {
    const line = speaker(new Uint8Array(readFileSync(new URL(name, samples))));
    const session = await line.until(nmeaDriver.open({ listenMs: 5000 }, line, line, new AbortController().signal));
    const found: Record<string, unknown> = {};
    for (const { name: table, fields } of await line.until(session.tables())) {
      const records = (await drain(line, session.collect(table))).flatMap((batch) => batch.records);
      const stampsUs = records.map(({ stamp }) => stamp.localUs - (stamp.offsetMinutes ?? 0) * 60_000_000);
      found[table] = {
        rows: records.length,
        columns: fields.map((field) => (field.unit === '' ? field.name : `${field.name} [${field.unit}]`)).join(', '),
        first: isoInstant(Math.min(...stampsUs), 3),
        last: isoInstant(Math.max(...stampsUs), 3),
      };
    }
    outcomes[name] = found;
    await line.until(session.close());
  }
  await expect(`${JSON.stringify(outcomes, null, 1)}\n`).toMatchFileSnapshot('./nmea-logs.snapshot');
});
