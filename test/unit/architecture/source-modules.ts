import { globSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A module of `src`: its path from there, with `/`, and its text. */
export interface SourceModule {
  readonly path: string;
  readonly text: string;
}

const sourceDirectory = fileURLToPath(new URL('../../../src/', import.meta.url));

/** Every module of `src`, in the order of paths. Ambient declarations are none. */
export function sourceModules(): SourceModule[] {
  return globSync('**/*.ts', { cwd: sourceDirectory })
    .filter((path) => !path.endsWith('.d.ts'))
    .sort()
    .map((path) => ({ path: path.split(sep).join('/'), text: readFileSync(`${sourceDirectory}${path}`, 'utf8') }));
}
