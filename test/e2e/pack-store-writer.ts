import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../src/core/bytes.ts';
import type { Hash } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { openPackStore } from '../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';

/**
 * Stores chunks as a node does, for ever: bytes into the pack store, then their places into the catalog, then the word that they are stored (their hash, a line each). Several appends are
 * always under way. Arguments: directory, seed.
 */
const [directory, seed] = process.argv.slice(2) as [string, string];
const random = seededRandom(Number(seed));
const catalog = openSqliteCatalog(join(directory, 'catalog.db'));
catalog.migrate({
  component: 'places',
  steps: [
    'CREATE TABLE places (hash BLOB PRIMARY KEY, pack INTEGER, start INTEGER, bytes INTEGER, UNIQUE (pack, start)) STRICT, WITHOUT ROWID',
  ],
});
const store = await openPackStore(directory);

async function storeForEver(): Promise<never> {
  for (;;) {
    const records = Array.from({ length: 1 + random.below(4) }, () => {
      const bytes = random.bytes(random.below(random.below(8) === 0 ? 1_500_000 : 30_000));
      // Half of them compress.
      if (random.below(2) === 0) bytes.fill(7, bytes.length >> 2);
      return { hash: new Uint8Array(createHash('sha256').update(bytes).digest()) as Hash, bytes };
    });
    const places = await store.append(records);
    catalog.transaction(() => {
      for (const [i, { hash }] of records.entries()) {
        const { pack, offset, recordBytes } = places[i] as (typeof places)[number];
        catalog.run('INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)', hash, pack, offset, recordBytes);
      }
    });
    for (const { hash } of records) writeSync(1, `${toHex(hash)}\n`);
  }
}

await Promise.all([storeForEver(), storeForEver(), storeForEver()]);
