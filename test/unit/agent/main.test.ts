import { writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { temporaryPath } from './temporary-nodes.ts';

const { argv, exitCode } = process;
const signals = ['SIGINT', 'SIGTERM'] as const;

afterEach(() => {
  vi.restoreAllMocks();
  process.argv = argv;
  process.exitCode = exitCode;
});

/** Runs the program's entry in this process, with standard input at its end, and gives its exit status and what it wrote. */
async function run(...parameters: readonly string[]) {
  const written = { stdout: '', stderr: '' };
  const input = new PassThrough();
  const output = new PassThrough();
  output.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text;
  });
  input.end();
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as unknown as typeof process.stdin);
  vi.spyOn(process, 'stdout', 'get').mockReturnValue(output as unknown as typeof process.stdout);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.stderr += String(text);
    return true;
  });
  const listenersBefore = signals.map((signal) => new Set(process.listeners(signal)));
  process.argv = [...argv.slice(0, 2), ...parameters];
  vi.resetModules();
  await import('../../../src/agent/main.ts');
  for (const [index, signal] of signals.entries()) {
    for (const listener of process.listeners(signal)) if (!listenersBefore[index]?.has(listener)) process.off(signal, listener);
  }
  return { status: process.exitCode, ...written };
}

describe('the command line', () => {
  it('opens the node in the directory under the name', async () => {
    const directory = temporaryPath('node');
    const { status, stdout, stderr } = await run(directory, '--name', 'hut', '--stdin-bound');
    expect([status, stderr]).toEqual([0, '']);
    const first = JSON.parse(stdout);
    expect(first).toEqual({ ready: { id: expect.stringMatching(/^[0-9a-f]{64}$/), name: 'hut' } });
    const again = await run(directory, '--stdin-bound');
    expect(JSON.parse(again.stdout)).toEqual({ ready: { id: first.ready.id, name: `node-${first.ready.id.slice(0, 8)}` } });
  });

  it.each([[[]], [['one', 'two']]])('says how it is written when there is not one directory: %j', async (parameters) => {
    const { status, stdout, stderr } = await run(...parameters);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^usage: godwit DIRECTORY/);
  });

  it('names an option that it does not know', async () => {
    const { status, stderr } = await run('somewhere', '--fast');
    expect(status).toBe(1);
    expect(stderr).toMatch(/--fast.*\nusage: /);
  });

  it('says with its code why the node cannot be opened', async () => {
    const file = temporaryPath('file');
    writeFileSync(file, '');
    const { status, stdout, stderr } = await run(file);
    expect([status, stdout]).toEqual([1, '']);
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'DIRECTORY_UNWRITABLE', message: expect.stringContaining(file), retryable: false },
    });
  });
});
