import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type SegmentBatch, type SegmentRow, segmentLimits } from '../../../src/observations/segment-batch.ts';
import { decodeSegment, encodeSegment } from '../../../src/observations/segment-codec.ts';
import { zstdCompressor } from '../../../src/runtime/zstd-compressor.ts';

const noonUs = 1_777_636_800_000_000;
const minuteUs = 60_000_000;

function batch(cells: readonly (readonly (string | null)[])[], extra: (row: number) => Partial<SegmentRow> = () => ({})): SegmentBatch {
  return {
    fieldCount: cells[0]?.length ?? 0,
    rows: cells.map((rowCells, row) => ({ timeUs: noonUs + row * minuteUs, cells: [...rowCells], ...extra(row) })),
  };
}

function roundTrip(value: SegmentBatch): SegmentBatch {
  const outcome = decodeSegment(encodeSegment(value, zstdCompressor), zstdCompressor);
  if (!outcome.ok) throw new Error(outcome.fault.message);
  return outcome.value;
}

/** A day of minutes from a weather station: ten channels that drift, scatter and rest, each with its usual number of decimals. */
function weatherDay(rows: number): string[][] {
  const random = seededRandom(7);
  const gauss = () => Array.from({ length: 12 }, () => random.float()).reduce((sum, value) => sum + value, -6);
  let [air, humidity, wind, direction, pressure, soil] = [12, 60, 3, 200, 1013, 8];
  return Array.from({ length: rows }, (_, row) => {
    const sun = Math.max(0, Math.sin(((row / 60 - 6) / 12) * Math.PI));
    air += (8 + 10 * sun - air) * 0.02 + gauss() * 0.08;
    humidity += (80 - 30 * sun - humidity) * 0.02 + gauss() * 0.4;
    wind += (3 - wind) * 0.05 + gauss() * 0.4;
    direction = (direction + 360 + gauss() * 12) % 360;
    pressure += gauss() * 0.03;
    soil += (air - soil) * 0.002 + gauss() * 0.005;
    return [
      (12.5 + sun + gauss() * 0.01).toFixed(2),
      (air + 3).toFixed(2),
      air.toFixed(2),
      Math.min(100, humidity).toFixed(1),
      Math.abs(wind).toFixed(3),
      direction.toFixed(1),
      pressure.toFixed(2),
      (sun * 900 * (0.8 + 0.2 * random.float())).toFixed(1),
      random.below(50) === 0 ? '0.2' : '0.0',
      soil.toFixed(3),
    ];
  });
}

describe('a segment', () => {
  it('gives back every cell digit for digit, however the number was written', () => {
    const odd = [
      '-0.50',
      '1e-5',
      'NAN',
      '007',
      '+1',
      '-0',
      '-0.0',
      '.5',
      '-.5',
      '5.',
      '.',
      '-',
      '',
      ' 1',
      '1 ',
      '1.2.3',
      'Infinity',
      '0x10',
      '1,5',
    ];
    const large = ['999999999999999', '0.000000000000001', '1234567890123456', '123456789.1234567', '99999999999999999999'];
    const text = ['µS/cm', '"quoted"', 'two\nlines', '🜁', '\u0000'];
    const cells = [...odd, ...large, ...text, null].map((cell) => [cell, '13.20', cell]);
    expect(roundTrip(batch(cells))).toEqual(batch(cells));
  });

  it.each([
    ['always two decimals', ['13.20', '13.25', '-0.50', '0.00', '-13.00']],
    ['no needless zeros', ['13.2', '13.25', '-0.5', '0', '-13', '120']],
    ['at least one decimal', ['13.2', '13.25', '-0.5', '0.0', '-13.0', '120.0']],
    ['no zero before the point', ['.2', '-.25', '0', '13.5', '-1', '.125']],
    ['four significant digits', ['0.096', '9.99', '10.01', '150.6', '1234', '-5939', '6999', '0', '12340', '123400']],
    ['seven significant digits', ['0.2789899', '92.34164', '-18753000', '0.0001234567']],
  ])('keeps numbers with %s', (_, column) => {
    expect(roundTrip(batch(column.map((cell) => [cell])))).toEqual(batch(column.map((cell) => [cell])));
  });

  it('keeps record numbers and flags, in the rows that have them', () => {
    const cells = weatherDay(40);
    const value = batch(cells, (row) => ({
      ...(row % 7 !== 0 && { recordNumber: row < 20 ? 1000 + row : row }),
      ...(row % 5 !== 0 && { flags: Uint8Array.from({ length: 10 }, (_, field) => (row === 11 ? 9 : field === 3 ? 255 : 1)) }),
    }));
    expect(roundTrip(value)).toEqual(value);
  });

  it('keeps times of any spacing, from microseconds to years, backwards and beyond exact differences', () => {
    const times = [
      noonUs,
      noonUs + 1,
      noonUs - 3_600_000_000,
      -1,
      0,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      Number.MAX_SAFE_INTEGER,
      5,
    ];
    const value: SegmentBatch = { fieldCount: 0, rows: times.map((timeUs) => ({ timeUs, cells: [], recordNumber: timeUs })) };
    expect(roundTrip(value)).toEqual(value);
  });

  it('may be empty, or have no fields', () => {
    expect(roundTrip({ rows: [], fieldCount: 3 })).toEqual({ rows: [], fieldCount: 3 });
    expect(roundTrip(batch([[], []]))).toEqual(batch([[], []]));
  });

  it('does not let a no-value number spoil the column around it', () => {
    const plain = weatherDay(200).map((row) => [row[2] as string]);
    const gappy = plain.map((row, index) => (index % 3 === 0 ? ['-9999'] : row));
    const size = (cells: string[][]) => encodeSegment(batch(cells), zstdCompressor).length;
    expect(roundTrip(batch(gappy))).toEqual(batch(gappy));
    expect(size(gappy)).toBeLessThan(size(plain) + 60);
  });

  it('sees columns that move together', () => {
    const random = seededRandom(3);
    const cells = Array.from({ length: 300 }, () => {
      const value = random.below(100_000);
      return [(value / 100).toFixed(2), ((value + random.below(3)) / 100).toFixed(2)];
    });
    const size = (rows: string[][]) => encodeSegment(batch(rows), zstdCompressor).length;
    expect(size(cells)).toBeLessThan(1.25 * size(cells.map(([first]) => [first as string])));
    expect(roundTrip(batch(cells))).toEqual(batch(cells));
  });

  it('packs long texts with the compressor and tiny ones without', () => {
    const cells = Array.from({ length: 50 }, (_, row) => [`station reported condition number ${row} at the gate`]);
    expect(roundTrip(batch(cells))).toEqual(batch(cells));
    expect(encodeSegment(batch(cells), zstdCompressor).length).toBeLessThan(300);
    expect(encodeSegment(batch([['NAN']]), zstdCompressor).length).toBeLessThan(20);
  });

  it('costs at most 60 bytes for one row of ten readings', () => {
    const value = batch(weatherDay(1), () => ({ recordNumber: 184_467 }));
    expect(encodeSegment(value, zstdCompressor).length).toBeLessThanOrEqual(60);
  });

  it('costs at most 0.42 of the compressed text for a day of minutes', () => {
    const cells = weatherDay(1440);
    const value = batch(cells, (row) => ({ recordNumber: 20_000 + row }));
    const stamp = (row: number) => `2026-05-01 ${String(Math.floor(row / 60)).padStart(2, '0')}:${String(row % 60).padStart(2, '0')}:00`;
    const text = cells.map((row, index) => `"${stamp(index)}",${20_000 + index},${row.join(',')}\r\n`).join('');
    const ratio =
      encodeSegment(value, zstdCompressor).length / zstdCompressor.compress(new TextEncoder().encode(text), { level: 19 }).length;
    expect(ratio).toBeLessThan(0.42);
    expect(roundTrip(value)).toEqual(value);
  });

  it('has the bytes it has always had', () => {
    // Written by the first version. Nodes in the field hold such bytes: a change here is a new version, not a new expectation.
    const value = batch(
      [
        ['12.50', 'NAN', null],
        ['12.53', 'NAN', '1'],
        ['12.49', 'ok', '2'],
      ],
      (row) => ({ recordNumber: 7 + row }),
    );
    expect(toHex(encodeSegment(value, zstdCompressor))).toBe('41054e414e6f6b795cf0286c198b627d404e3cd7678628b05df7d39e3de0087799');
  });

  it('stops the program when it is given what is no batch', () => {
    const row = { timeUs: 0, cells: ['1'] };
    const encode =
      (rows: SegmentRow[], fieldCount = 1) =>
      () =>
        encodeSegment({ rows, fieldCount }, zstdCompressor);
    expect(encode([{ ...row, cells: [] }])).toThrow('a cell and a flag for each field');
    expect(encode([{ ...row, flags: new Uint8Array(2) }])).toThrow('a cell and a flag for each field');
    expect(encode([{ ...row, timeUs: 0.5 }])).toThrow('safe integers');
    expect(encode([{ ...row, recordNumber: 2 ** 53 }])).toThrow('safe integers');
    expect(encode([{ ...row, cells: ['\ud800'] }])).toThrow('well-formed');
    expect(encode(new Array(segmentLimits.rowsMax + 1).fill(row))).toThrow('within its limits');
    expect(encode(new Array(2000).fill({ timeUs: 0, cells: new Array(2000).fill(null) }), 2000)).toThrow('no more cells');
  });
});

describe('decoding a foreign segment', () => {
  const code = (bytes: Uint8Array) => {
    const outcome = decodeSegment(bytes, zstdCompressor);
    return outcome.ok ? 'ok' : outcome.fault.code;
  };
  const texts = encodeSegment(batch(Array.from({ length: 40 }, (_, row) => [`row ${row} of many rows like it`])), zstdCompressor);

  it('refuses another version, saying that it is one', () => {
    const outcome = decodeSegment(fromHex('02'), zstdCompressor);
    expect(outcome).toMatchObject({ ok: false, fault: { code: 'SEGMENT_VERSION', blame: 'incompatible' } });
    expect(code(new Uint8Array(0))).toBe('SEGMENT_VERSION');
  });

  it('refuses texts that are cut off, too long or do not unpack', () => {
    expect(code(texts)).toBe('ok');
    expect(code(texts.subarray(0, 40))).toBe('SEGMENT_MALFORMED');
    expect(code(texts.with(6, 0))).toBe('SEGMENT_MALFORMED');
    expect(code(fromHex('41ffffffff'))).toBe('SEGMENT_MALFORMED');
    expect(code(fromHex('41ffffff7f'))).toBe('SEGMENT_TOO_LARGE');
    expect(code(fromHex('c1010141'))).toBe('SEGMENT_MALFORMED');
  });

  it('refuses bytes behind the end', () => {
    const good = encodeSegment(batch([['1']]), zstdCompressor);
    expect(code(Uint8Array.of(...good, 0, 0, 0, 0, 0, 1))).toBe('SEGMENT_MALFORMED');
  });

  it('never throws, whatever the bytes say', () => {
    const random = seededRandom(99);
    const seen = new Set<string>();
    const good = [
      texts,
      encodeSegment(
        batch(weatherDay(30), (row) => ({ recordNumber: row, flags: new Uint8Array(10) })),
        zstdCompressor,
      ),
    ];
    for (let i = 0; i < 4000; i++) {
      const bytes = Uint8Array.from(i % 2 === 0 ? (good[(i >> 1) % 2] as Uint8Array) : [1, ...random.bytes(random.below(40))]);
      if (i % 2 === 0) for (let flips = 0; flips < 2; flips++) bytes[random.below(Math.min(bytes.length, 60))] = random.below(256);
      seen.add(code(bytes));
    }
    expect([...seen].sort()).toEqual(['SEGMENT_MALFORMED', 'SEGMENT_TOO_LARGE', 'SEGMENT_VERSION', 'ok']);
  });
});
