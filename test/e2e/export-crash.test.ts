import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { type Dataset, File, ready } from 'h5wasm/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runUntilKilled } from './crash-child.ts';

const writer = new URL('./export-writer.ts', import.meta.url);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-export-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** The values of the column `version` of a finished export. */
async function versionsIn(path: string): Promise<number[]> {
  if (path.endsWith('.gpkg')) {
    const database = new DatabaseSync(path, { readOnly: true });
    const rows = database.prepare('SELECT version FROM Lake_Fast').all();
    database.close();
    return rows.map((row) => row.version as number);
  }
  await ready;
  const file = new File(path, 'r');
  const versions = Array.from((file.get('version') as Dataset).value as Float64Array);
  file.close();
  return versions;
}

describe.each(['nc', 'gpkg'])('an export to .%s', (format) => {
  it('that is killed leaves one whole version, at least the last it spoke of, under the target name', async () => {
    const path = join(directory, `lake.${format}`);
    let version = 1;
    for (const lines of [1, 2]) {
      const said = await runUntilKilled(writer, [format, path, String(version)], lines);
      const versions = await versionsIn(path);
      expect(versions).toHaveLength(20_000);
      expect(new Set(versions).size).toBe(1);
      version = versions[0] as number;
      expect(version).toBeGreaterThanOrEqual(Number(said.at(-1)));
      // What is left of the killed one hides from file trees and is not mistaken for an export.
      for (const name of await readdir(directory)) expect(name).toMatch(/^(lake\.(nc|gpkg)|\.godwit-[0-9a-f]{16}\.part)$/);
    }
  });
});

// A limit on the size of files makes a write fail in the middle on any machine, as a full disk does.
describe.skipIf(process.platform === 'win32').each([
  ['nc', 'DISK_FULL'],
  ['gpkg', 'EXPORT_FAILED'],
])('an export to .%s whose disk takes no more', (format, code) => {
  it(`fails with ${code}, and the old file stays alone and whole`, async () => {
    const path = join(directory, `lake.${format}`);
    await writeFile(path, 'old');
    const limited = 'ulimit -f 200; exec "$0" "$@"';
    const { stdout } = spawnSync('sh', ['-c', limited, process.execPath, fileURLToPath(writer), format, path, '1'], { encoding: 'utf8' });
    expect(stdout.trim()).toBe(code);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(directory)).toEqual([`lake.${format}`]);
  });
});
