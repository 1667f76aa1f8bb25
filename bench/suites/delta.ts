import { utf8 } from '../../src/core/bytes.ts';
import type { FieldNodeOptions } from '../../src/node/field-node.ts';
import { type DeltaPattern, deltaPatterns, type FilePair } from '../delta-patterns.ts';
import { measureRsync, measureXdelta } from '../delta-peers.ts';
import { passedOverSockets } from '../delta-sockets.ts';
import { filePath, folder, NodePair, type Passed } from '../delta-world.ts';
import { atMost, type BenchResult, figure } from '../result.ts';

/**
 * What one change to an 80 MB file costs on the wire, both ways, from the publishing until the follower's receipt is back and both nodes are at rest.
 *
 * A figure is of the bytes inside the session: what UDP carries, with the packets' own headers and seals, acknowledgements, repetitions, log entries, requests and receipts, and without handshakes. The headers
 * of UDP and IP (28 bytes a packet) are in the figure beside it.
 *
 * A change may cost 1.10 times what the design's prototype needed for its delta alone, and 400 bytes. The files here are generated and not the prototype's: where `xdelta3 -9`, if it is installed, needs less for the
 * generated pair than the prototype did for its own, that is what counts. For scattered edits it is xdelta3's figure in any case, and for what cannot be compressed the number of changed bytes.
 */

const fileBytes = 80e6;
const shareMax = 1.1;
const allowanceBytes = 400;

/** Files of two equal datasets, and the bytes each way in which two nodes should find that out. */
const equalFiles = 10_000;
const equalBytesMax = 120;
/** A day of rows in `series` form, of what the same rows cost as a change of a file. */
const seriesShareMax = 0.42;
/** A segment does not depend on how many came before it: some weeks of rows will do. */
const seriesFileBytes = 4e6;
const dayOfRows = deltaPatterns.find(({ name }) => name === 'table: append 1 day') as DeltaPattern;

/** What the delta of a pattern alone should take. */
function deltaGoal(pattern: DeltaPattern, xdeltaBytes: number | undefined): number {
  if (pattern.incompressibleBytes !== undefined) return pattern.incompressibleBytes;
  const scattered = pattern.prototypeBytes > pattern.xdeltaBytes;
  return Math.min(scattered ? pattern.xdeltaBytes : pattern.prototypeBytes, xdeltaBytes ?? Number.POSITIVE_INFINITY);
}

/** The publisher's file is overwritten in place. What it held is then a copy in the publisher's packs, or, with `baseCopiesBytesMax` 0, gone from there. */
async function passedInWorld({ base, target }: FilePair, options: FieldNodeOptions): Promise<Passed> {
  const pair = await NodePair.open(1, 'files', options);
  await pair.publish(filePath, base);
  await pair.narrow();
  return pair.measure(() => pair.publish(filePath, target));
}

async function measurePattern(
  pattern: DeltaPattern,
): Promise<{ readonly results: BenchResult[]; readonly passed: Passed; readonly pair: FilePair }> {
  const pair = pattern.make(fileBytes);
  const xdelta = measureXdelta(pair.base, pair.target)?.bytes;
  const rsync = measureRsync(pair.base, pair.target);
  const passed = await passedInWorld(pair, {});
  const lost = await passedInWorld(pair, { baseCopiesBytesMax: 0 });
  const results = [
    atMost(pattern.name, passed.bytes, 'B', shareMax * deltaGoal(pattern, xdelta) + allowanceBytes),
    figure(`  with UDP and IP headers (${passed.packets} packets)`, passed.onLinkBytes, 'B'),
    figure(`  where the publisher has lost the old bytes (${lost.packets} packets)`, lost.bytes, 'B'),
    ...(xdelta === undefined ? [] : [figure('  xdelta3 -9, the delta alone', xdelta, 'B')]),
    ...(rsync === undefined ? [] : [figure('  rsync -z, both ways', rsync, 'B')]),
  ];
  return { results, passed, pair };
}

/** Two nodes with 10,000 equal files meet again. */
async function measureEquality(): Promise<BenchResult[]> {
  const pair = await NodePair.open(2, 'files');
  const files = pair.publisher.directory(folder);
  for (let i = 1; i < equalFiles; i++) files.put(`plots/${i % 100}/${i}.csv`, utf8(`${i},${i * i}\n`));
  await pair.publish(filePath, utf8('0,0\n'));
  const met = await pair.meetAgain();
  return [
    atMost(`${equalFiles} equal files, from the node that dials`, met.up, 'B', equalBytesMax),
    atMost(`${equalFiles} equal files, to it`, met.down, 'B', equalBytesMax),
  ];
}

/** A day of rows that a logger appends to its table, as observations: what passes when it is read again. */
async function measureSeries(): Promise<Passed> {
  const { base, target } = dayOfRows.make(seriesFileBytes);
  const pair = await NodePair.open(3, 'series');
  await pair.ingest(filePath, base);
  await pair.narrow();
  return pair.measure(() => pair.ingest(filePath, target));
}

/** Every pattern, and what else the design asks of differences. */
export async function run(): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  for (const [index, pattern] of deltaPatterns.entries()) {
    const measured = await measurePattern(pattern);
    results.push(...measured.results);
    if (index === 0) {
      const { bytes, packets } = await passedOverSockets(measured.pair.base, measured.pair.target);
      results.push(figure(`  over real sockets (${packets} packets)`, bytes, 'B'));
    }
    if (pattern === dayOfRows) {
      const asRows = await measureSeries();
      results.push(figure('  the same day in series form', asRows.bytes, 'B'));
      results.push(atMost('  series form / change of the file', asRows.bytes / measured.passed.bytes, 'ratio', seriesShareMax));
    }
  }
  results.push(...(await measureEquality()));
  return results;
}
