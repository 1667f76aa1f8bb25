import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/core/random.ts';
import { ChunkSplitter, chunkParametersFor } from '../../src/datasets/chunking.ts';
import { ContentStore } from '../../src/datasets/content-store.ts';
import type { FileReader, FileStat } from '../../src/ports/file-tree.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import { atLeast, type BenchResult, figure } from '../result.ts';

/**
 * How fast a large file is published, beside one thread that does nothing but cut and hash the same bytes.
 *
 * The file is generated, so that no disk is measured on the reading side; the catalog and the packs are on the real one. Both passes read it through the same port, in turn, several times, and the best
 * of each counts: other work on the machine only ever makes a pass slower.
 */

const mebibyte = 1024 * 1024;
const fileBytes = 256 * mebibyte;
const readBytes = mebibyte;
const rounds = 5;
/** Publishing keeps three quarters of what cutting and hashing alone would reach. */
const ratioTarget = 0.75;

/** A file of incompressible bytes. They are made once, before anything is measured. */
function generatedFile(seed: number): { readonly stat: FileStat; readonly reader: FileReader } {
  const content = seededRandom(seed).bytes(fileBytes);
  const stat: FileStat = { path: 'noise.bin', kind: 'file', sizeBytes: fileBytes, mtimeNs: 0n, ctimeNs: 0n, inode: 1n, mode: 0o644 };
  const reader = {
    stat: async () => stat,
    read: async (offset: number, length: number) => content.slice(offset, offset + length),
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
async function publishSeconds(reader: FileReader, stat: FileStat): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
  const packs = await openPackStore(directory);
  try {
    const store = new ContentStore(catalog, packs, nodeCrypto);
    return await secondsOf(async () => {
      await store.addFile('tree', reader, stat);
    });
  } finally {
    await packs.close();
    catalog.close();
    rmSync(directory, { recursive: true });
  }
}

/** Publishes a file of 256 MiB. */
export async function run(): Promise<BenchResult[]> {
  const { stat, reader } = generatedFile(1);
  const publishing: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await secondsOf(() => cutAndHash(reader)));
    publishing.push(await publishSeconds(reader, stat));
  }
  const rate = (seconds: readonly number[]) => fileBytes / 1e6 / Math.min(...seconds);
  return [
    figure('cut and hash alone', rate(alone), 'MB/s'),
    figure('publish', rate(publishing), 'MB/s'),
    atLeast('publish / cut and hash', rate(publishing) / rate(alone), 'ratio', ratioTarget),
  ];
}
