import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import { catalogContract } from './catalog-suite.ts';

const directory = mkdtempSync(join(tmpdir(), 'godwit-catalog-'));
let files = 0;
afterAll(() => rmSync(directory, { recursive: true }));

catalogContract('SQLite in a file', () => openSqliteCatalog(join(directory, `${files++}.db`)));
catalogContract('SQLite in memory', () => openSqliteCatalog(':memory:'));
