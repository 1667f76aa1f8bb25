/**
 * One row of the table of changes: what it costs between two nodes, and what established programs need for the same pair of files. Run as a worker, this file measures the rows that it is given by name
 * and posts each as it is done: some minutes of one processor each.
 */

import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { utf8 } from '../src/core/bytes.ts';
import type { FieldNodeOptions } from '../src/node/field-node.ts';
import { type DeltaPattern, deltaPatterns, type FilePair } from './delta-patterns.ts';
import { measureRsync, measureXdelta } from './delta-peers.ts';
import { passedOverSockets } from './delta-sockets.ts';
import { filePath, folder, NodePair, type Passed } from './delta-world.ts';
import { atMost, type BenchResult, figure } from './result.ts';

const fileBytes = 80e6;
const shareMax = 1.1;
const allowanceBytes = 400;

/** Files of two equal datasets, and the bytes each way in which two nodes should find that out. */
const equalFiles = 10_000;
const equalBytesMax = 120;
/** A day of rows in `series` form, of what the same rows cost as a change of a file. */
const seriesShareMax = 0.42;
/** How much of the file before appended rows serves as dictionary: the chunk that is replaced, and its neighbourhood. */
const dictionaryBytes = 512 * 1024;
/** A segment does not depend on how many came before it: some weeks of rows will do. */
const seriesFileBytes = 4e6;

/** Rows that belong together, because they come from the same files: each list is for one processor. */
export const lanes: readonly (readonly string[])[] = [
  deltaPatterns.map(({ name }) => name).filter((name) => !name.startsWith('HDF5')),
  [...deltaPatterns.map(({ name }) => name).filter((name) => name.startsWith('HDF5')), 'equal files'],
];

/** The order in which rows are shown. */
export const rowNames: readonly string[] = [...deltaPatterns.map(({ name }) => name), 'equal files'];

/** What a worker posts. */
export interface MeasuredRow {
  readonly name: string;
  readonly results: readonly BenchResult[];
}

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

async function measurePattern(pattern: DeltaPattern): Promise<BenchResult[]> {
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
  if (pattern.name === 'table: append 1 row') {
    const { bytes, packets } = await passedOverSockets(pair.base, pair.target);
    results.push(figure(`  over real sockets (${packets} packets)`, bytes, 'B'));
  }
  if (pattern.name === 'table: append 1 day') {
    const asRows = await measureSeries(pattern);
    results.push(figure('  the same day in series form', asRows.bytes, 'B'));
    // What the target was set against is the delta of the design, of which these rows hold a third in information: beside a codec that models a table's columns in a file, too, nothing could reach it.
    results.push(figure('  series form / change of the file', asRows.bytes / passed.bytes, 'ratio'));
    const designed = designedDeltaBytes(pair);
    results.push(figure('  the rows by zstd -19, the file before them as dictionary', designed, 'B'));
    results.push(atMost('  series form / that', asRows.bytes / designed, 'ratio', seriesShareMax));
  }
  return results;
}

/** The delta of the design's section 6 for what is appended. */
function designedDeltaBytes({ base, target }: FilePair): number {
  const dictionary = base.subarray(-dictionaryBytes);
  return zstdCompressSync(target.subarray(base.length), { dictionary, params: { [constants.ZSTD_c_compressionLevel]: 19 } }).length;
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
async function measureSeries(dayOfRows: DeltaPattern): Promise<Passed> {
  const { base, target } = dayOfRows.make(seriesFileBytes);
  const pair = await NodePair.open(3, 'series');
  await pair.ingest(filePath, base);
  await pair.narrow();
  return pair.measure(() => pair.ingest(filePath, target));
}

async function measureRow(name: string): Promise<MeasuredRow> {
  const pattern = deltaPatterns.find((each) => each.name === name);
  return { name, results: pattern === undefined ? await measureEquality() : await measurePattern(pattern) };
}

if (!isMainThread) for (const name of workerData as readonly string[]) parentPort?.postMessage(await measureRow(name));
