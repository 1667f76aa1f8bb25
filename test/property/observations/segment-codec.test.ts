import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SegmentBatch, SegmentRow } from '../../../src/observations/segment-batch.ts';
import { decodeSegment, encodeSegment } from '../../../src/observations/segment-codec.ts';
import { zstdCompressor } from '../../../src/runtime/zstd-compressor.ts';

const decimal = fc
  .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.nat({ max: 4 }))
  .map(([value, digits]) => (value / 10 ** digits).toFixed(digits));
const shortest = fc.tuple(fc.integer({ min: -9999, max: 9999 }), fc.nat({ max: 3 })).map(([value, digits]) => String(value / 10 ** digits));
const numberLike = fc.string({ unit: fc.constantFrom(...'0123456789.-+e'), maxLength: 18 });
const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
const cell = fc.oneof(
  { weight: 4, arbitrary: decimal },
  { weight: 4, arbitrary: shortest },
  { weight: 2, arbitrary: numberLike },
  { weight: 1, arbitrary: text },
  { weight: 2, arbitrary: fc.constantFrom(null, 'NAN', '-9999', '') },
);

/** A column has one kind of cell, with strangers now and then, as in a real table. */
const column = (rows: number) =>
  fc
    .tuple(fc.constantFrom(decimal, shortest, numberLike, cell), fc.nat())
    .chain(([kind]) =>
      fc.array(fc.oneof({ weight: 9, arbitrary: kind }, { weight: 1, arbitrary: cell }), { minLength: rows, maxLength: rows }),
    );

const batches: fc.Arbitrary<SegmentBatch> = fc
  .record({ rows: fc.nat({ max: 30 }), fields: fc.nat({ max: 5 }) })
  .chain(({ rows, fields }) =>
    fc.record({
      fieldCount: fc.constant(fields),
      columns: fc
        .array(fc.integer({ min: 0, max: 1 }), { minLength: fields, maxLength: fields })
        .chain((kinds) => fc.tuple(...kinds.map(() => column(rows)))),
      times: fc.array(
        fc.oneof(
          fc.maxSafeInteger(),
          fc.integer({ min: 0, max: 1000 }).map((minute) => minute * 60_000_000),
        ),
        {
          minLength: rows,
          maxLength: rows,
        },
      ),
      records: fc.array(fc.option(fc.oneof(fc.maxSafeInteger(), fc.nat({ max: 99 })), { nil: undefined }), {
        minLength: rows,
        maxLength: rows,
      }),
      flags: fc.array(fc.option(fc.uint8Array({ minLength: fields, maxLength: fields }), { nil: undefined }), {
        minLength: rows,
        maxLength: rows,
      }),
    }),
  )
  .map(({ fieldCount, columns, times, records, flags }) => ({
    fieldCount,
    rows: times.map((timeUs, row): SegmentRow => {
      const recordNumber = records[row];
      const rowFlags = flags[row];
      return {
        timeUs,
        ...(recordNumber !== undefined && { recordNumber }),
        cells: columns.map((cells) => (cells as (string | null)[])[row] as string | null),
        ...(rowFlags !== undefined && { flags: rowFlags }),
      };
    }),
  }));

it('any batch comes back from its segment exactly as it was', () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const outcome = decodeSegment(encodeSegment(batch, zstdCompressor, 3), zstdCompressor);
      expect(outcome).toEqual({ ok: true, value: batch });
    }),
    { numRuns: 600 },
  );
});

it('any bytes decode to a batch that can be encoded, or to an outcome that says why not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const outcome = decodeSegment(Uint8Array.of(1, ...bytes), zstdCompressor);
      if (!outcome.ok || outcome.value.rows.length > 2000) return;
      const again = decodeSegment(encodeSegment(outcome.value, zstdCompressor, 3), zstdCompressor);
      expect(again).toEqual(outcome);
    }),
    { numRuns: 600 },
  );
});
