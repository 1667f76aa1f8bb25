import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runNode } from './run-program.ts';

/**
 * Makes `dist`: what Node runs once the package is installed, because Node strips no types below `node_modules`. JavaScript, declarations, and source maps that lead into `src`, which ships beside it.
 */

const root = fileURLToPath(new URL('../', import.meta.url));
const program = `${root}dist/agent/main.js`;

// What an earlier build left would be packed although its source is gone.
rmSync(`${root}dist`, { recursive: true, force: true });
runNode(root, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
if (!readFileSync(program, 'utf8').startsWith('#!/usr/bin/env node\n'))
  throw new Error(`${program} does not begin with the line that says what runs it`);
chmodSync(program, 0o755);
