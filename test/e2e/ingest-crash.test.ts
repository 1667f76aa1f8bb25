import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openNode } from '../../src/index.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import { runUntilKilled } from './crash-child.ts';

const writer = new URL('./ingest-writer.ts', import.meta.url);
const rows = 60_000;

it('a node that is killed while it reads a file loses no row and has none twice', { timeout: 120_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-ingest-'));
  try {
    const card = join(directory, 'card');
    mkdirSync(card);
    const firstLocalUs = Date.UTC(2026, 0, 1) * 1000;
    const logger = { station: 'S', table: 'T', firstLocalUs, intervalUs: 60_000_000, rows, firstRecord: 0, seed: 1, withHeader: true };
    await writeFile(join(card, 'met.dat'), toa5Text(logger));
    const home = join(directory, 'node');
    for (const lines of [3, 11, 23, 40]) await runUntilKilled(writer, [home, card], lines);
    const node = await openNode({ directory: home });
    try {
      const { id } = node.dataset('met');
      await node.ingest(id, card, { profile: { utcOffsetMinutes: 0 } });
      const [table] = node.tables(id);
      expect(table?.rows).toBe(rows);
      let expected = 0;
      if (table !== undefined) for (const row of node.rows(id, table.revision.id)) if (row.recordNumber === expected) expected++;
      expect(expected).toBe(rows);
      expect([...node.ingestCounts(id).values()]).toEqual([{ read: rows, stored: rows, duplicate: 0, quarantined: 0 }]);
      // The archive has every byte once, too: what is derived from it is the same again.
      const [again] = await node.series.reprocess(id, { reason: 'to compare', profile: { utcOffsetMinutes: 0 } });
      expect(again).toMatchObject({ read: rows, stored: rows, duplicate: 0, quarantined: 0 });
    } finally {
      await node.close();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});
