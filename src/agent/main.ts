#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { GodwitError } from '../core/errors.ts';
import { giveHeapRoom, keepHeapSmall } from './heap-flags.ts';

const usage = 'usage: godwit DIRECTORY [--name NAME] [--metered INTERFACE]... [--stdin-bound]';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      metered: { type: 'string', multiple: true, default: [] },
      'stdin-bound': { type: 'boolean', default: false },
    },
  });
  const [directory] = positionals;
  if (directory === undefined || positionals.length > 1) {
    process.stderr.write(`${usage}\n`);
    return 2;
  }
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  keepHeapSmall();
  const [{ openNode }, { runAgent }] = await Promise.all([import('../open-node.ts'), import('./agent.ts')]);
  giveHeapRoom();
  const { name, metered: meteredInterfaces } = values;
  const node = await openNode({ directory, meteredInterfaces, ...(name === undefined ? {} : { name }) });
  await runAgent(node, process.stdin, process.stdout, { stdinBound: values['stdin-bound'], signal: ending.signal });
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof GodwitError)
    process.stderr.write(`${JSON.stringify({ error: { code: error.code, message: error.message, retryable: error.retryable } })}\n`);
  else if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    process.stderr.write(`${error.message}\n${usage}\n`);
  else throw error;
  process.exitCode = 1;
}
