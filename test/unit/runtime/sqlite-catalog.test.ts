import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const things = {
  component: 'things',
  steps: ['CREATE TABLE things (id INTEGER PRIMARY KEY, bytes BLOB) STRICT; CREATE INDEX by_bytes ON things (bytes)'],
};

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-catalog-'));
  path = join(directory, 'catalog.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

function thrownBy(work: () => unknown): GodwitError {
  try {
    work();
  } catch (error) {
    if (error instanceof GodwitError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A closed catalog with this many rows of 500 pseudo-random bytes. */
function fill(rows: number): void {
  const random = seededRandom(1);
  const catalog = openSqliteCatalog(path);
  catalog.migrate(things);
  catalog.transaction(() => {
    for (let id = 0; id < rows; id++) catalog.run('INSERT INTO things VALUES (?, ?)', id, random.bytes(500));
  });
  catalog.close();
}

function countThings(catalog: Catalog): number {
  return catalog.all('SELECT id, bytes FROM things').length;
}

describe('opening a catalog', () => {
  it('makes the directories that are missing', () => {
    path = join(directory, 'a', 'b', 'catalog.db');
    openSqliteCatalog(path).close();
    expect(existsSync(path)).toBe(true);
  });

  it('finds what was committed before it was closed, and leaves no log behind', () => {
    fill(10);
    expect(existsSync(`${path}-wal`)).toBe(false);
    const catalog = openSqliteCatalog(path);
    expect(countThings(catalog)).toBe(10);
    catalog.close();
  });

  it('syncs every commit and keeps others out', () => {
    const catalog = openSqliteCatalog(path);
    expect(catalog.get('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' });
    expect(catalog.get('PRAGMA synchronous')).toEqual({ synchronous: 2 });
    expect(catalog.get('PRAGMA locking_mode')).toEqual({ locking_mode: 'exclusive' });
    catalog.close();
  });

  it('names a directory that cannot be made', () => {
    writeFileSync(join(directory, 'file'), '');
    expect(thrownBy(() => openSqliteCatalog(join(directory, 'file', 'catalog.db')))).toMatchObject({
      code: 'DIRECTORY_UNWRITABLE',
      retryable: false,
    });
  });

  it('names a path that is a directory', () => {
    mkdirSync(path);
    expect(thrownBy(() => openSqliteCatalog(path))).toMatchObject({ code: 'DIRECTORY_UNWRITABLE', retryable: false });
  });

  it('refuses the layout of a newer version', () => {
    fill(1);
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 2');
    database.close();
    expect(thrownBy(() => openSqliteCatalog(path)).code).toBe('CATALOG_NEWER');
  });

  it('refuses another program’s database and does not touch it', () => {
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE theirs (x)');
    database.close();
    const before = readFileSync(path);
    expect(thrownBy(() => openSqliteCatalog(path)).code).toBe('CATALOG_DAMAGED');
    expect(readFileSync(path)).toEqual(before);
  });
});

describe('a damaged catalog', () => {
  it('is named when the file is no database', () => {
    writeFileSync(path, 'no database at all, but long enough for a header '.repeat(10));
    expect(thrownBy(() => openSqliteCatalog(path))).toMatchObject({ code: 'CATALOG_DAMAGED', retryable: false });
  });

  it.each([100, 4096, 40_960, 400_000])('is named when the file was cut to %d bytes', (length) => {
    fill(1000);
    truncateSync(path, length);
    expect(thrownBy(() => openSqliteCatalog(path)).code).toBe('CATALOG_DAMAGED');
  });

  it('is named when pages of it were overwritten', () => {
    fill(1000);
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 8192, 12_288);
    writeFileSync(path, bytes);
    expect(thrownBy(() => openSqliteCatalog(path)).code).toBe('CATALOG_DAMAGED');
  });

  it('is named at the statement that meets the damage, when that happens while it is open', () => {
    // More than is kept in memory.
    fill(100_000);
    const catalog = openSqliteCatalog(path);
    const file = openSync(path, 'r+');
    writeSync(file, new Uint8Array(statSync(path).size - 4096).fill(0x5a), 0, null, 4096);
    closeSync(file);
    expect(thrownBy(() => countThings(catalog)).code).toBe('CATALOG_DAMAGED');
    catalog.close();
  });

  it('lets go of the file it refused', () => {
    writeFileSync(path, 'not a database'.repeat(100));
    thrownBy(() => openSqliteCatalog(path));
    rmSync(path);
    openSqliteCatalog(path).close();
  });
});

describe('a full disk', () => {
  it('undoes the transaction, refuses what follows in it, and leaves the catalog usable', () => {
    fill(10);
    const catalog = openSqliteCatalog(path);
    const pages = catalog.get<{ page_count: number }>('PRAGMA page_count')!.page_count;
    catalog.run(`PRAGMA max_page_count = ${pages + 20}`);
    const add = (id: number, bytes: number) => catalog.run('INSERT INTO things VALUES (?, zeroblob(?))', id, bytes);

    const reason = thrownBy(() =>
      catalog.transaction(() => {
        add(100, 10);
        expect(thrownBy(() => add(101, 1_000_000)).code).toBe('DISK_FULL');
        // SQLite may have given up the whole transaction by now; what follows must not be committed on its own.
        try {
          add(102, 10);
        } catch {}
        throw new GodwitError('GIVEN_UP', 'the work gives up');
      }),
    );
    expect(['DISK_FULL', 'GIVEN_UP']).toContain(reason.code);
    expect(countThings(catalog)).toBe(10);
    catalog.transaction(() => add(103, 10));
    expect(countThings(catalog)).toBe(11);
    catalog.close();
  });

  it('is a retryable failure', () => {
    const catalog = openSqliteCatalog(path);
    catalog.migrate(things);
    catalog.run('PRAGMA max_page_count = 10');
    expect(thrownBy(() => catalog.run('INSERT INTO things VALUES (1, zeroblob(1000000))'))).toMatchObject({
      code: 'DISK_FULL',
      retryable: true,
    });
    catalog.close();
  });
});

describe('a transaction that SQLite itself rolled back', () => {
  it('takes no further statement and fails as a whole, even when its work ignores the error', () => {
    const catalog = openSqliteCatalog(path);
    catalog.migrate(things);
    catalog.migrate({
      component: 'trap',
      steps: ["CREATE TRIGGER trap BEFORE INSERT ON things WHEN new.id = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END"],
    });
    const add = (id: number) => catalog.run('INSERT INTO things (id) VALUES (?)', id);
    expect(() =>
      catalog.transaction(() => {
        add(1);
        catalog.transaction(() => {
          expect(() => add(13)).toThrow('thirteen');
        });
      }),
    ).toThrow('thirteen');
    expect(() =>
      catalog.transaction(() => {
        expect(() => add(13)).toThrow('thirteen');
        expect(() => add(2)).toThrow('thirteen');
        expect(() => catalog.all('SELECT * FROM things')).toThrow('thirteen');
      }),
    ).toThrow('thirteen');
    expect(countThings(catalog)).toBe(0);
    catalog.transaction(() => add(3));
    expect(countThings(catalog)).toBe(1);
    catalog.close();
  });
});

describe('prepared statements', () => {
  it('work beyond the number that is kept', () => {
    const catalog = openSqliteCatalog(':memory:');
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 300; i++) expect(catalog.get(`SELECT ? + ${i} AS sum`, 1)).toEqual({ sum: i + 1 });
    }
    catalog.close();
  });
});

describe('the lock', () => {
  const module = new URL('../../../src/runtime/sqlite-catalog.ts', import.meta.url).href;
  const holder = `
    import { openSqliteCatalog } from ${JSON.stringify(module)};
    const catalog = openSqliteCatalog(process.argv[1]);
    catalog.migrate(${JSON.stringify(things)});
    catalog.transaction(() => catalog.run('INSERT INTO things (id) VALUES (1)'));
    console.log('held');
    setInterval(() => {}, 1e9);`;

  it('keeps another process out and ends with the process that held it, killed or not', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', holder, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      expect(thrownBy(() => openSqliteCatalog(path))).toMatchObject({ code: 'CATALOG_LOCKED', retryable: true });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const catalog = openSqliteCatalog(path);
    expect(countThings(catalog)).toBe(1);
    catalog.close();
  });

  it('keeps the same process from opening the catalog twice', () => {
    const catalog = openSqliteCatalog(path);
    expect(thrownBy(() => openSqliteCatalog(path)).code).toBe('CATALOG_LOCKED');
    catalog.close();
    openSqliteCatalog(path).close();
  });
});
