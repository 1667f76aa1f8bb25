import { spawnSync } from 'node:child_process';

/** What a program said and how it ended. */
export interface Ended {
  /** Exit code, or `null` when a signal ended it. */
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a program to its end. Throws when it cannot be started, or has not ended after five minutes. */
export function runToEnd(directory: string, program: string, ...parameters: readonly string[]): Ended {
  const { status, stdout, stderr, error } = spawnSync(program, parameters, { cwd: directory, encoding: 'utf8', timeout: 300_000 });
  if (error !== undefined) throw error;
  return { status, output: stdout, errors: stderr };
}

/** Runs a script with the Node that runs this one; what it says goes to the console. Throws when it fails. */
export function runNode(directory: string, script: string, ...parameters: readonly string[]): void {
  const { status, output, errors } = runToEnd(directory, process.execPath, script, ...parameters);
  if (status !== 0) throw new Error(`${script} ended with ${status}\n${output}${errors}`);
}
