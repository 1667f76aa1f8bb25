import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/**
 * Starts a program of this folder in a process of its own, lets it say `lines` lines, and kills it (SIGKILL: no handler, no flush) in the middle of what it does next. Returns what it said;
 * that may be more lines than asked for, as it does not wait.
 *
 * @throws Error when the program ends by itself
 */
export async function runUntilKilled(program: URL, parameters: readonly string[], lines: number): Promise<string[]> {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(process.execPath, [fileURLToPath(program), ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (said.length === lines) child.kill('SIGKILL');
  }
  const [, signal] = await exit;
  if (signal !== 'SIGKILL') throw new Error(`the program ended by itself (${signal}) after ${said.length} lines`);
  return said;
}
