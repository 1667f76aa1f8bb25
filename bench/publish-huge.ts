import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../src/core/random.ts';
import { ContentStore } from '../src/datasets/content-store.ts';
import type { FileReader, FileStat } from '../src/ports/file-tree.ts';
import { nodeCrypto } from '../src/runtime/node-crypto.ts';
import { openPackStore } from '../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../src/runtime/sqlite-catalog.ts';
import { WorkerPool } from '../src/runtime/worker-pool.ts';

/**
 * Publishes a huge file, of as many bytes as its argument says, in a process that does nothing else, and prints what it needed.
 */

const readBytes = 1024 * 1024;

/** What was needed. */
export interface HugeFileFigures {
  /** Greatest resident memory, up to the end and up to a quarter of the file. */
  readonly residentBytes: number;
  readonly residentBytesAtQuarter: number;
  /** What stays on the disk beside the file itself. */
  readonly storedBytes: number;
}

/** A file whose bytes are made when they are read: no two blocks of it are equal. `onRead` is told how far it was read. */
function endlessFile(sizeBytes: number, onRead: (offset: number) => void): { readonly stat: FileStat; readonly reader: FileReader } {
  const block = seededRandom(2).bytes(readBytes);
  const stat: FileStat = { path: 'huge.bin', kind: 'file', sizeBytes, mtimeNs: 0n, ctimeNs: 0n, inode: 1n, mode: 0o644 };
  const read = async (offset: number, length: number, into?: Uint8Array) => {
    onRead(offset);
    const bytes = into?.subarray(0, Math.min(length, readBytes)) ?? new Uint8Array(Math.min(length, readBytes));
    bytes.set(block.subarray(0, bytes.length));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 8 <= bytes.length; at += 4096) view.setFloat64(at, offset + at);
    return bytes;
  };
  return { stat, reader: { read, stat: async () => stat, close: async () => {} } };
}

async function publishHugeFile(sizeBytes: number): Promise<HugeFileFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  try {
    const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
    const packs = await openPackStore(directory);
    // Sampled, because what the system calls the greatest of a process includes what its parent had when it was started.
    let residentBytes = 0;
    let residentBytesAtQuarter = 0;
    const sample = (offset: number) => {
      residentBytes = Math.max(residentBytes, process.memoryUsage.rss());
      if (offset <= sizeBytes / 4) residentBytesAtQuarter = residentBytes;
    };
    const { stat, reader } = endlessFile(sizeBytes, sample);
    const workers = new WorkerPool();
    await new ContentStore(catalog, packs, nodeCrypto, workers).addFile('tree', reader, stat);
    await workers.close();
    await packs.close();
    catalog.close();
    sample(sizeBytes);
    return { residentBytes, residentBytesAtQuarter, storedBytes: bytesBelow(directory) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function bytesBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

console.log(JSON.stringify(await publishHugeFile(Number(process.argv[2]))));
