import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Programs of the benches that run as the library is published, compiled: stripping types as a program starts takes memory and time that nobody pays who installed the package.
 */

const root = fileURLToPath(new URL('../', import.meta.url));
/** Below the dependencies, so that the programs find them. */
const directory = join(root, 'node_modules/.cache/bench-programs/bench');

let isCompiled = false;

/** Where the compiled program of this name stands, with all that it uses. Compiles on the first call. */
export function compiled(name: 'ingest-node' | 'publish-huge'): string {
  if (!isCompiled) {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const ran = spawnSync(process.execPath, [compiler, '-p', 'bench/programs.tsconfig.json'], { cwd: root, stdio: ['ignore', 2, 2] });
    if (ran.status !== 0) throw new Error('the library could not be compiled');
    isCompiled = true;
  }
  return join(directory, `${name}.js`);
}
