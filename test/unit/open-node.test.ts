import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openNode } from '../../src/open-node.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-open-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

test('A directory in which something stands in the way opens as soon as that is gone, without another process', async () => {
  writeFileSync(join(directory, 'packs'), 'a file where the packs should be');
  await expect(openNode({ directory })).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });

  rmSync(join(directory, 'packs'));
  const node = await openNode({ directory, name: 'ridge' });
  await node.close();
});
