import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A line that an agent wrote. */
export interface AgentLine {
  readonly ready?: { readonly id: string; readonly name: string };
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean };
  readonly event?: { readonly type: string; readonly [field: string]: unknown };
}

const main = fileURLToPath(new URL('../../src/agent/main.ts', import.meta.url));

/** An agent as a process of its own, spoken to over its standard streams. */
export class AgentProcess {
  /** Everything it wrote so far. */
  readonly lines: AgentLine[] = [];
  /** Resolves when it has ended and everything it wrote is here. */
  readonly ended: Promise<{ readonly status: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #stderr = '';
  #nextId = 1;
  #hasEnded = false;

  constructor(...parameters: readonly string[]) {
    const child = spawn(process.execPath, [main, ...parameters], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as AgentLine);
      this.#look();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // A child that has ended takes no more input, and whoever writes to it will see that it has ended.
    child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      child.once('close', (status, signal) => {
        this.#hasEnded = true;
        this.#look();
        resolve({ status, signal });
      });
    });
  }

  /** What it wrote on standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** The first line that fits, now or later. Rejects when the agent ended without one. */
  line(fits: (line: AgentLine) => boolean): Promise<AgentLine> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.lines.find(fits);
        if (found === undefined && !this.#hasEnded) return;
        this.#waiting.delete(look);
        if (found !== undefined) resolve(found);
        else
          reject(new Error(`the agent ended without the line that was waited for; it said: ${JSON.stringify(this.lines)} ${this.#stderr}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  async ready(): Promise<{ readonly id: string; readonly name: string }> {
    return (await this.line((line) => line.ready !== undefined)).ready as { id: string; name: string };
  }

  /** The first event of a type, now or later, for which `fits` holds. */
  event(type: string, fits: (event: Record<string, unknown>) => boolean = () => true): Promise<AgentLine> {
    return this.line(({ event }) => event?.type === type && fits(event));
  }

  /** Writes a line as it is. */
  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The answer to a request. */
  ask(method: string, params?: unknown): Promise<AgentLine> {
    const id = this.#nextId++;
    this.write(JSON.stringify({ id, method, ...(params === undefined ? {} : { params }) }));
    return this.line((line) => line.id === id);
  }

  /** The result of a request. Rejects when the answer is an error. */
  async result(method: string, params?: unknown): Promise<unknown> {
    const answer = await this.ask(method, params);
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.code}: ${answer.error.message}`);
    return answer.result;
  }

  closeInput(): void {
    this.#child.stdin?.end();
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<{ readonly status: number | null; readonly signal: string | null }> {
    this.#child.kill(signal);
    return this.ended;
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
