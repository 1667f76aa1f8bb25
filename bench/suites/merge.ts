import { utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { mergeThreeWay } from '../../src/datasets/merge/merge-three-way.ts';
import { type BenchResult, figure } from '../result.ts';

/**
 * What it takes to merge two people's edits of one file: a table of 100,000 rows, and a GeoJSON of 5 MB. Both change other cells of the same records, and each appends some.
 */

const rowCount = 100_000;
const featureCount = 30_000;
/** Each side changes one record in so many. */
const editedEvery = 100;
const appended = 100;
const rounds = 3;

/** One record with a value of either side's: `a` is the left one's to change, `b` the right one's. */
type RecordText = (index: number, a: number, b: number) => string;
type Wrap = (records: readonly string[]) => string;

const tableRow: RecordText = (index, a, b) => {
  const time = new Date(Date.UTC(2024, 0, 1) + index * 60_000).toISOString().slice(0, 19).replace('T', ' ');
  return `"${time}",${index},${a.toFixed(2)},${b.toFixed(2)},12.61\r\n`;
};
const table: Wrap = (records) =>
  [
    '"TOA5","Station","CR1000X","1234","CR1000X.Std.06.00","CPU:met.CR1X","5678","Minute"\r\n',
    '"TIMESTAMP","RECORD","AirTC","RH","BattV"\r\n"TS","RN","Deg C","%","Volts"\r\n"","","Avg","Avg","Smp"\r\n',
    ...records,
  ].join('');

const feature: RecordText = (index, a, b) =>
  JSON.stringify({
    type: 'Feature',
    id: index,
    geometry: { type: 'Point', coordinates: [8 + index / 1e5, 61 + index / 1e5] },
    properties: { plot: index, height: Number(a.toFixed(2)), cover: Number(b.toFixed(2)), species: 'Betula nana' },
  });
const geoJson: Wrap = (records) => `{"type":"FeatureCollection","features":[\n${records.join(',\n')}\n]}\n`;

interface Sides {
  readonly base: Uint8Array;
  readonly left: Uint8Array;
  readonly right: Uint8Array;
}

/** The common version and both edited ones. */
function sidesOf(count: number, record: RecordText, wrap: Wrap): Sides {
  const random = seededRandom(1);
  const values = Array.from({ length: count }, () => [random.float() * 100, random.float() * 100] as const);
  const version = (side: 'base' | 'left' | 'right') => {
    const more = side === 'base' ? 0 : appended;
    const records = Array.from({ length: count + more }, (_, index) => {
      const [a, b] = values[index] ?? [1, 2];
      const isEdited = side !== 'base' && index < count && index % editedEvery === 0;
      return record(index, isEdited && side === 'left' ? a + 1 : a, isEdited && side === 'right' ? b + 1 : b);
    });
    return utf8(wrap(records));
  };
  return { base: version('base'), left: version('left'), right: version('right') };
}

function measure(name: string, path: string, count: number, sides: Sides): BenchResult[] {
  const seconds: number[] = [];
  let memoryBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const before = process.memoryUsage().rss;
    const began = performance.now();
    const merged = mergeThreeWay({ ...sides, path });
    seconds.push((performance.now() - began) / 1000);
    memoryBytes = Math.max(memoryBytes, process.memoryUsage().rss - before);
    if (merged.outcome !== 'merged') throw new Error(`${name} was not merged: ${merged.outcome}`);
  }
  const best = Math.min(...seconds);
  return [
    figure(`${name}, ${(sides.base.length / 1e6).toFixed(1)} MB`, best, 's'),
    figure('  records merged', count / best, '1/s'),
    figure('  resident memory more than before', memoryBytes / 1e6, 'MB'),
  ];
}

/** Merges both kinds of file. */
export async function run(): Promise<BenchResult[]> {
  return [
    ...measure('table of 100,000 rows', 'minute.dat', rowCount, sidesOf(rowCount, tableRow, table)),
    ...measure('GeoJSON', 'plots.geojson', featureCount, sidesOf(featureCount, feature, geoJson)),
  ];
}
