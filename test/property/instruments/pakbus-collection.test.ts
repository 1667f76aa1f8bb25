import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { CollectCursor, CollectedRecord } from '../../../src/instruments/driver.ts';
import { pakbusDriver } from '../../../src/instruments/pakbus/driver.ts';
import { pakbusTimeAt } from '../../../src/instruments/pakbus/pakbus-time.ts';
import { PakbusLogger, type SimulatedTable, simulatedField } from '../../../src/simulation/pakbus-logger.ts';
import { drain, momentAt, startWallMs, VirtualLine } from '../../unit/instruments/pakbus/virtual-line.ts';

/**
 * Whatever a ring memory holds and whatever the line does, every record that is still there when it is asked for is collected once, in order, with its own values and time, and every
 * number that is not is stated as missing.
 */

const ratio = fc.double({ min: 0, max: 0.25, noNaN: true });
const faults = fc.record({ dropRatio: ratio, duplicateRatio: ratio, waitRatio: ratio, damageRatio: ratio });
/** One visit: records stored since the last one, in groups with record numbers and times left out between them. */
const visit = fc.array(fc.record({ skipped: fc.nat(3), records: fc.integer({ min: 0, max: 25 }), pauseSeconds: fc.nat(2) }), {
  maxLength: 4,
});
const scenario = fc.record({
  seed: fc.nat(0xffff_ffff),
  faults,
  isPeriodic: fc.boolean(),
  capacityRecords: fc.integer({ min: 1, max: 60 }),
  packetBytesMax: fc.integer({ min: 64, max: 1010 }),
  elements: fc.integer({ min: 1, max: 30 }),
  futureRecords: fc.constantFrom('nothing' as const, 'oldest' as const),
  visits: fc.array(visit, { minLength: 1, maxLength: 3 }),
});

interface Stored {
  readonly number: number;
  readonly localUs: number;
  readonly cells: readonly string[];
}

test('every record that is there is collected exactly once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async ({ seed, isPeriodic, capacityRecords, elements, visits, ...line }) => {
      const table: SimulatedTable = {
        name: 'Data',
        capacityRecords,
        timeTypeCode: 14,
        timeIntoInterval: { seconds: 0, nanoseconds: 0 },
        interval: { seconds: isPeriodic ? 1 : 0, nanoseconds: 0 },
        fields: [simulatedField('V', 'Int4', { elements }), simulatedField('S', 'ASCIIZ')],
      };
      const { faults: lineFaults, packetBytesMax, futureRecords } = line;
      const logger = new PakbusLogger(
        {
          address: 1,
          random: seededRandom(seed),
          program: { name: 'p', tables: [table] },
          faults: lineFaults,
          packetBytesMax,
          futureRecords,
        },
        momentAt(0),
      );
      const virtual = new VirtualLine(logger);
      const random = seededRandom(seed + 1);
      const ring: Stored[] = [];
      const collected: CollectedRecord[] = [];
      const missing: number[] = [];
      const expected: Stored[] = [];
      let number = 0;
      let seconds = 0;
      let cursor: CollectCursor | undefined;
      for (const groups of visits) {
        for (const { skipped, records, pauseSeconds } of groups) {
          logger.skip('Data', skipped);
          number += skipped;
          seconds += pauseSeconds;
          for (let i = 0; i < records; i++) {
            const values = Array.from({ length: elements }, () => random.uint32() | 0);
            const text = 's'.repeat(1 + random.below(20));
            const localUs = (startWallMs + seconds * 1000) * 1000;
            logger.append('Data', pakbusTimeAt(localUs), [...values, text]);
            ring.push({ number, localUs, cells: [...values.map(String), text] });
            number += 1;
            seconds += 1;
          }
        }
        ring.splice(0, Math.max(0, ring.length - capacityRecords));
        const next = cursor?.nextRecord ?? 0;
        expected.push(...ring.filter((record) => record.number >= next));
        // Each try stands for a visit that may fail on a line this bad; what it yielded counts, and the next goes on behind it.
        for (let isDone = false; !isDone; ) {
          try {
            const session = await virtual.until(pakbusDriver.open({ address: 1 }, virtual, virtual, new AbortController().signal));
            const batches = session.collect('Data', cursor)[Symbol.asyncIterator]();
            for (let step = await virtual.until(batches.next()); step.done !== true; step = await virtual.until(batches.next())) {
              const batch = step.value;
              collected.push(...batch.records);
              for (let gone = batch.missing?.from ?? 0; gone < (batch.missing?.to ?? 0); gone++) missing.push(gone);
              cursor = batch.cursor;
            }
            await virtual.until(session.close());
            isDone = true;
          } catch (error) {
            expect(error).toMatchObject({ code: 'INSTRUMENT_TIMEOUT', retryable: true });
          }
          virtual.reopen();
        }
      }
      expect(collected.map(({ recordNumber, stamp, cells }) => ({ number: recordNumber, localUs: stamp.localUs, cells }))).toEqual(
        expected,
      );
      const first = expected[0]?.number ?? 0;
      const gone = Array.from({ length: (cursor?.nextRecord ?? first) - first }, (_, i) => first + i).filter(
        (candidate) => !expected.some((record) => record.number === candidate),
      );
      expect(missing).toEqual(gone);
    }),
    { numRuns: 120 },
  );
});

test('a conversation is the same for the same seed', async () => {
  const run = async () => {
    const random = seededRandom(9);
    const table: SimulatedTable = {
      name: 'Data',
      capacityRecords: 500,
      timeTypeCode: 14,
      timeIntoInterval: { seconds: 0, nanoseconds: 0 },
      interval: { seconds: 1, nanoseconds: 0 },
      fields: [simulatedField('V', 'IEEE4B')],
    };
    const badLine = { dropRatio: 0.1, duplicateRatio: 0.2, waitRatio: 0.2, damageRatio: 0.1 };
    const logger = new PakbusLogger({ address: 1, random, program: { name: 'p', tables: [table] }, faults: badLine }, momentAt(0));
    for (let i = 0; i < 500; i++) logger.append('Data', pakbusTimeAt((startWallMs + i * 1000) * 1000), [i / 3]);
    const line = new VirtualLine(logger);
    const session = await line.until(pakbusDriver.open({ address: 1 }, line, line, new AbortController().signal));
    const batches = await drain(line, session.collect('Data'));
    return [batches.length, line.bytesToClient, line.bytesToLogger, line.monotonicMs()];
  };
  expect(await run()).toEqual(await run());
});
