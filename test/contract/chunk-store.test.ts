import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { type DiskWork, workInline } from '../../src/runtime/disk-work.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { WorkerPool } from '../../src/runtime/worker-pool.ts';
import { DiskFaults } from '../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../src/simulation/memory-chunk-store.ts';
import { type ChunkStoreSubject, chunkStoreContract } from './chunk-store-suite.ts';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

chunkStoreContract('pack files', () => packFiles(workInline));
chunkStoreContract('pack files, encoded by other threads', () => packFiles(pool));

async function packFiles(work: DiskWork): Promise<ChunkStoreSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-packs-'));
  let store = await openPackStore(directory, work);
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openPackStore(directory, work);
    },
    async damage({ pack, offset, recordBytes }) {
      const file = await open(join(directory, 'packs', `${String(pack).padStart(6, '0')}.pack`), 'r+');
      const middle = offset + Math.floor((48 + recordBytes) / 2);
      const byte = new Uint8Array(1);
      await file.read(byte, 0, 1, middle);
      await file.write(Uint8Array.of(byte[0]! ^ 16), 0, 1, middle);
      await file.close();
    },
    async dispose() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

chunkStoreContract('memory', async (): Promise<ChunkStoreSubject> => {
  let store = new MemoryChunkStore({ sha256: nodeCrypto.sha256, faults: new DiskFaults(seededRandom(1)) });
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = store.reopen();
    },
    async damage(place) {
      store.rot(place);
    },
    dispose: () => store.close(),
  };
});
