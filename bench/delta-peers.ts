/**
 * What established programs need for the same change, where they are installed: the figures that ours stand beside.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The length of `xdelta3 -9`'s delta, and what making it took. `undefined` where the program is not installed. */
export function measureXdelta(base: Uint8Array, target: Uint8Array): { readonly bytes: number; readonly seconds: number } | undefined {
  return withPair(base, target, ({ basePath, targetPath, folder }) => {
    const deltaPath = join(folder, 'delta');
    const begun = performance.now();
    const { status } = spawnSync('xdelta3', ['-9', '-e', '-f', '-s', basePath, targetPath, deltaPath]);
    if (status !== 0) return undefined;
    return { bytes: statSync(deltaPath).size, seconds: (performance.now() - begun) / 1000 };
  });
}

/** Bytes both ways between two `rsync -z` that have the pair, everything above its transport counted. `undefined` where the program is not installed. */
export function measureRsync(base: Uint8Array, target: Uint8Array): number | undefined {
  return withPair(base, target, ({ basePath, targetPath }) => {
    const { status, stdout } = spawnSync('rsync', ['-z', '--no-whole-file', '--ignore-times', '--stats', targetPath, basePath], {
      encoding: 'utf8',
    });
    if (status !== 0) return undefined;
    const [sent, received] = ['sent', 'received'].map((way) =>
      Number(new RegExp(`Total bytes ${way}: ([0-9,]+)`).exec(stdout)?.[1]?.replaceAll(',', '')),
    );
    return sent === undefined || received === undefined || Number.isNaN(sent + received) ? undefined : sent + received;
  });
}

interface PairPaths {
  readonly folder: string;
  readonly basePath: string;
  readonly targetPath: string;
}

function withPair<T>(base: Uint8Array, target: Uint8Array, measure: (paths: PairPaths) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  try {
    const paths = { folder, basePath: join(folder, 'base'), targetPath: join(folder, 'target') };
    writeFileSync(paths.basePath, base);
    writeFileSync(paths.targetPath, target);
    return measure(paths);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
