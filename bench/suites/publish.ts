import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatasetId, identifier, type NodeId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { WallMs } from '../../src/core/time.ts';
import { ChunkSplitter, chunkParametersFor } from '../../src/datasets/chunking.ts';
import { ContentStore } from '../../src/datasets/content-store.ts';
import { type EntryBody, encodeEntryBody } from '../../src/datasets/entry-body.ts';
import { FileIndex } from '../../src/datasets/file-index.ts';
import { LogStore } from '../../src/datasets/log.ts';
import { WorkingTree } from '../../src/datasets/working-tree.ts';
import type { FileReader, FileStat } from '../../src/ports/file-tree.ts';
import type { SegmentCutter } from '../../src/ports/segment-cutter.ts';
import { openDiskFileTree } from '../../src/runtime/disk-file-tree.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import { WorkerPool } from '../../src/runtime/worker-pool.ts';
import { compiled } from '../compiled.ts';
import type { HugeFileFigures } from '../publish-huge.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * What publishing costs: a large file, a huge one, and many small ones.
 *
 * How fast a large file is published stands beside one thread that does nothing but cut and hash the same bytes. The file is generated, so that no disk is measured on the reading side; the catalog and the packs are on the real one. Both passes read it through the same port, in turn, several times, and the best
 * of each counts: other work on the machine only ever makes a pass slower.
 *
 * The memory for a huge file is that of a process that does nothing else, of the library as it is published: compiled; its bytes are made as they are read. Many small files are on the real disk, and stand beside `git add`, which also reads,
 * hashes, compresses and stores each of them (and syncs none, by its default); looking at them again, when nothing has changed, stands beside `find -newer`, which looks at each and remembers
 * nothing. Both publishing and `git add` are timed in turn, and the medians compared: the disk of a busy machine doubles either.
 */

const mebibyte = 1024 * 1024;
const fileBytes = 256 * mebibyte;
const readBytes = mebibyte;
const rounds = 3;
/** Publishing keeps three quarters of what cutting and hashing alone would reach. */
const ratioTarget = 0.75;
/** Two workers beside the node's own thread. */
const twoWorkersRatioTarget = 1.6;

const hugeFileBytes = 4e9;
const residentMegabytesTarget = 200;
const catalogShareTarget = 0.005;

const directories = 400;
const filesPerDirectory = 500;
const smallFileBytesMin = 200;
const smallFileBytesMax = 4000;
const gitRatioTarget = 1.5;
const findRatioTarget = 2;

/** A file of incompressible bytes. They are made once, before anything is measured. */
function generatedFile(seed: number): { readonly stat: FileStat; readonly reader: FileReader } {
  const content = seededRandom(seed).bytes(fileBytes);
  const stat: FileStat = { path: 'noise.bin', kind: 'file', sizeBytes: fileBytes, mtimeNs: 0n, ctimeNs: 0n, inode: 1n, mode: 0o644 };
  const reader = {
    stat: async () => stat,
    read: async (offset: number, length: number, into?: Uint8Array) => {
      const bytes = content.subarray(offset, offset + length);
      if (into === undefined) return bytes.slice();
      into.set(bytes);
      return into.subarray(0, bytes.length);
    },
    close: async () => {},
  };
  return { stat, reader };
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** Cuts and hashes, and remembers nothing. */
async function cutAndHash(reader: FileReader): Promise<void> {
  const splitter = new ChunkSplitter(chunkParametersFor(fileBytes));
  for (let offset = 0; offset < fileBytes; offset += readBytes) {
    for (const chunk of splitter.push(await reader.read(offset, readBytes))) nodeCrypto.sha256(chunk);
  }
  for (const chunk of splitter.end()) nodeCrypto.sha256(chunk);
}

/** Seconds until the file is published: durable in a new catalog and new packs. */
async function publishSeconds(reader: FileReader, stat: FileStat, cutter?: SegmentCutter): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
  const packs = await openPackStore(directory);
  try {
    const store = new ContentStore(catalog, packs, nodeCrypto, cutter);
    return await secondsOf(async () => {
      await store.addFile('tree', reader, stat);
    });
  } finally {
    await packs.close();
    catalog.close();
    rmSync(directory, { recursive: true });
  }
}

function hugeFileFigures(): BenchResult[] {
  const output = execFileSync(process.execPath, [compiled('publish-huge'), String(hugeFileBytes)], { encoding: 'utf8' });
  const { residentBytes, residentBytesAtQuarter, storedBytes } = JSON.parse(output) as HugeFileFigures;
  return [
    figure('peak resident memory, its first GB', residentBytesAtQuarter / 1e6, 'MB'),
    atMost('peak resident memory, 4 GB file', residentBytes / 1e6, 'MB', residentMegabytesTarget),
    atMost('catalog and manifest / content, 4 GB file', storedBytes / hugeFileBytes, 'ratio', catalogShareTarget),
  ];
}

/** Text in hexadecimal digits, so that there is something to compress. */
function makeSmallFiles(root: string): void {
  const random = seededRandom(3);
  for (let directory = 0; directory < directories; directory++) {
    mkdirSync(join(root, `site${directory}`), { recursive: true });
    for (let file = 0; file < filesPerDirectory; file++) {
      const bytes = smallFileBytesMin + random.below(smallFileBytesMax - smallFileBytesMin);
      writeFileSync(join(root, `site${directory}`, `${file}.csv`), random.bytes(bytes / 2).toHex());
    }
  }
}

/** A node's dataset layer over a directory. */
async function openDataset(directory: string, root: string): Promise<{ scan: () => Promise<number>; close: () => Promise<void> }> {
  const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
  const workers = new WorkerPool();
  const packs = await openPackStore(directory, workers);
  const { publicKey, secretKey } = nodeCrypto.ed25519KeyPair(new Uint8Array(32).fill(1));
  const self = identifier<NodeId>(publicKey);
  const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
  const logs = new LogStore(catalog, nodeCrypto);
  const index = new FileIndex(catalog);
  const contents = new ContentStore(catalog, packs, nodeCrypto);
  const tree = new WorkingTree(dataset, openDiskFileTree(root, workers), catalog, contents, index);
  let published = 0;
  const scan = async () => {
    const before = published;
    for await (const batches of tree.scan(Date.now() as WallMs, { settleMs: 0 }, [])) {
      catalog.transaction(() => {
        for (const { changes, recorded } of batches) {
          const body: EntryBody = { instant: { wallMs: Date.now(), counter: published }, clockQuality: 'ntp', kind: 'files', changes };
          const entry = logs.append(dataset, self, secretKey, encodeEntryBody(body, self));
          index.apply(dataset, entry, body, changes, Date.now());
          recorded(entry);
          published += changes.length;
        }
      });
    }
    return published - before;
  };
  const close = async () => {
    await packs.close();
    catalog.close();
    await workers.close();
  };
  return { scan, close };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function smallFileFigures(): Promise<BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const root = join(directory, 'tree');
  const reference = join(directory, 'reference');
  try {
    makeSmallFiles(root);
    writeFileSync(reference, '');
    const adding: number[] = [];
    const publishing: number[] = [];
    let dataset: Awaited<ReturnType<typeof openDataset>> | undefined;
    for (let round = 0; round < rounds; round++) {
      const git = ['--git-dir', join(directory, `git${round}`), '--work-tree', root];
      execFileSync('git', [...git, 'init', '--quiet']);
      adding.push(await secondsOf(async () => void execFileSync('git', [...git, '-C', root, 'add', '.'])));
      await dataset?.close();
      dataset = await openDataset(join(directory, `node${round}`), root);
      const { scan } = dataset;
      publishing.push(
        await secondsOf(async () => {
          if ((await scan()) !== directories * filesPerDirectory) throw new Error('not every file was published');
        }),
      );
    }
    const { scan, close } = dataset as NonNullable<typeof dataset>;
    const walking: number[] = [];
    const finding: number[] = [];
    const scanning: number[] = [];
    for (let round = 0; round < rounds; round++) {
      finding.push(await secondsOf(async () => void execFileSync('find', [root, '-newer', reference])));
      walking.push(await secondsOf(async () => void (await Array.fromAsync(openDiskFileTree(root).walk(), () => 0))));
      scanning.push(
        await secondsOf(async () => {
          if ((await scan()) !== 0) throw new Error('an unchanged tree was published again');
        }),
      );
    }
    await close();
    return [
      figure('git add, 200,000 files', median(adding), 's'),
      figure('publish, 200,000 files', median(publishing), 's'),
      atMost('publish / git add', median(publishing) / median(adding), 'ratio', gitRatioTarget),
      figure('find -newer, 200,000 files', Math.min(...finding), 's'),
      figure('walk alone, 200,000 files', Math.min(...walking), 's'),
      figure('unchanged scan, 200,000 files', Math.min(...scanning), 's'),
      atMost('unchanged scan / find -newer', Math.min(...scanning) / Math.min(...finding), 'ratio', findRatioTarget),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function largeFileFigures(): Promise<BenchResult[]> {
  const { stat, reader } = generatedFile(1);
  const publishing: number[] = [];
  const withTwo: number[] = [];
  const alone: number[] = [];
  const two = new WorkerPool(2);
  for (let round = 0; round < rounds; round++) {
    alone.push(await secondsOf(() => cutAndHash(reader)));
    publishing.push(await publishSeconds(reader, stat));
    withTwo.push(await publishSeconds(reader, stat, two));
  }
  await two.close();
  const rate = (seconds: readonly number[]) => fileBytes / 1e6 / Math.min(...seconds);
  return [
    figure('cut and hash alone', rate(alone), 'MB/s'),
    figure('publish', rate(publishing), 'MB/s'),
    atLeast('publish / cut and hash', rate(publishing) / rate(alone), 'ratio', ratioTarget),
    atLeast('publish with two workers / cut and hash', rate(withTwo) / rate(alone), 'ratio', twoWorkersRatioTarget),
  ];
}

/** Publishes a file of 256 MiB, one of 4 GB, and 200,000 of up to 4 kB. */
export async function run(): Promise<BenchResult[]> {
  return [...(await largeFileFigures()), ...hugeFileFigures(), ...(await smallFileFigures())];
}
