import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import type { Hash } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import { runUntilKilled } from './crash-child.ts';

const writer = new URL('./pack-store-writer.ts', import.meta.url);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-crash-'));
});
afterEach(() => rm(directory, { recursive: true }));

interface PlaceRow {
  hash: Hash;
  pack: number;
  start: number;
  bytes: number;
}

/** Opens what a killed process left, as a node does: the packs are cut behind what the catalog names. Then every named chunk is read. */
async function recover(): Promise<{ named: Set<string>; tornBytes: number }> {
  const catalog = openSqliteCatalog(join(directory, 'catalog.db'));
  const store = await openPackStore(directory);
  try {
    const rows = catalog.all<PlaceRow>('SELECT * FROM places');
    let tornBytes = 0;
    for (const { pack, lengthBytes } of await store.packs()) {
      const end = Math.max(8, ...rows.filter((row) => row.pack === pack).map((row) => row.start + row.bytes));
      expect(lengthBytes).toBeGreaterThanOrEqual(end);
      tornBytes += lengthBytes - end;
      await store.truncateAfter(pack, end);
      expect(await store.packs()).toContainEqual({ pack, lengthBytes: end });
    }
    for (const { hash, pack, start, bytes } of rows) {
      expect(await store.read({ pack, offset: start, recordBytes: bytes }, hash), `${toHex(hash)} at ${start}`).toBeDefined();
    }
    return { named: new Set(rows.map(({ hash }) => toHex(hash))), tornBytes };
  } finally {
    await store.close();
    catalog.close();
  }
}

describe('a process that is killed while it stores chunks', () => {
  it('has stored every chunk it said it had, again and again in the same directory', async () => {
    const random = seededRandom(20_240_601);
    const acknowledged = new Set<string>();
    let tornBytes = 0;
    for (let round = 0; round < 8; round++) {
      for (const hash of await runUntilKilled(writer, [directory, String(random.uint32())], 1 + random.below(60))) acknowledged.add(hash);
      const found = await recover();
      tornBytes += found.tornBytes;
      for (const hash of acknowledged) expect(found.named, hash).toContain(hash);
    }
    expect(acknowledged.size).toBeGreaterThan(100);
    // Not always, but in eight kills some append is always under way, or the test would not test what it says.
    expect(tornBytes).toBeGreaterThan(0);
  });

  it('leaves a torn record that is dropped on opening', async () => {
    await runUntilKilled(writer, [directory, '1'], 5);
    await recover();
    const pack = join(directory, 'packs', '000001.pack');
    const whole = await readFile(pack);
    await appendFile(pack, whole.subarray(8, 8 + 40));
    expect((await recover()).tornBytes).toBe(40);
    expect(await readFile(pack)).toEqual(whole);
  });
});
