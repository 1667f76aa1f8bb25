import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const agentMain = fileURLToPath(new URL('../src/agent/main.ts', import.meta.url));

/** A request that the agent refused. */
export class RequestRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** An agent that dies this often is not being killed; it is broken. */
const startsMax = 10;

/** A line that the agent printed. */
interface AgentMessage {
  readonly ready?: unknown;
  readonly event?: Record<string, unknown>;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Waiting {
  readonly line: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One `godwit` agent as an operating-system process, kept running as a service manager would: when it dies it is started again in its directory, and requests that were under way are put
 * again. All requests of the demonstration may be put twice.
 */
export class AgentProcess {
  readonly name: string;
  readonly #directory: string;
  readonly #waitingById = new Map<number, Waiting>();
  readonly #onEvent: (event: Record<string, unknown>) => void;
  #child: ChildProcess;
  #isReady = false;
  #readyWaiters: (() => void)[] = [];
  #nextId = 1;
  #starts = 0;
  #closing = false;

  constructor(name: string, directory: string, onEvent: (event: Record<string, unknown>) => void) {
    this.name = name;
    this.#directory = directory;
    this.#onEvent = onEvent;
    this.#child = this.#start();
  }

  /** How often the process was started. */
  get starts(): number {
    return this.#starts;
  }

  /** Resolves when the agent takes requests, however often it was killed before. */
  async ready(): Promise<void> {
    if (!this.#isReady) await new Promise<void>((resolve) => this.#readyWaiters.push(resolve));
  }

  /** Puts a request. Rejects with `RequestRefused` when the agent says no. */
  request<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
    const id = this.#nextId++;
    const line = `${JSON.stringify({ id, method, params })}\n`;
    return new Promise<T>((resolve, reject) => {
      this.#waitingById.set(id, { line, resolve: resolve as (result: unknown) => void, reject });
      this.#child.stdin?.write(line);
    });
  }

  /** Kills the process without warning, as a power cut would. It is started again at once. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends the process in order. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
  }

  #start(): ChildProcess {
    this.#starts++;
    this.#isReady = false;
    const child = spawn(process.execPath, [agentMain, this.#directory, '--name', this.name, '--stdin-bound'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // A process that was just killed cannot be written to; its requests are put again to the next one.
    child.stdin?.on('error', () => {});
    createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }).on('line', (line) => {
      const message = JSON.parse(line) as AgentMessage;
      if (message.ready !== undefined) this.#becameReady();
      else if (message.event !== undefined) this.#onEvent(message.event);
      else if (message.id !== undefined) this.#answer(message.id, message.result, message.error);
    });
    child.once('exit', () => {
      if (this.#closing) return;
      if (this.#starts >= startsMax) {
        for (const { reject } of this.#waitingById.values()) reject(new Error(`${this.name} died ${this.#starts} times`));
        this.#waitingById.clear();
        return;
      }
      this.#child = this.#start();
      for (const { line } of this.#waitingById.values()) this.#child.stdin?.write(line);
    });
    return child;
  }

  #becameReady(): void {
    this.#isReady = true;
    for (const resolve of this.#readyWaiters) resolve();
    this.#readyWaiters = [];
  }

  #answer(id: number, result: unknown, error: { code: string; message: string } | undefined): void {
    const waiting = this.#waitingById.get(id);
    this.#waitingById.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new RequestRefused(error.code, error.message));
  }
}
