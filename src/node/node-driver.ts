import { giveBack } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Moment } from '../core/time.ts';
import { CodecSelector } from './codec-selector.ts';
import type { ContentTasks } from './content-tasks.ts';
import type { Engine } from './engine.ts';
import type { EngineTask, TaskResult } from './engine-task.ts';
import type { NodeEvent } from './node-event.ts';
import type { Platform } from './platform.ts';

/** Failures of our own storage in the middle of a turn: what the machines have in memory is then ahead of what is durable. */
const storageCodes: ReadonlySet<string> = new Set(['DISK_FULL', 'STORAGE_FAILED', 'CATALOG_DAMAGED', 'DIRECTORY_UNWRITABLE']);

function endsNode(error: unknown): boolean {
  return !(error instanceof GodwitError) || storageCodes.has(error.code);
}

function nodeStopped(cause: unknown): GodwitError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GodwitError(
    'NODE_STOPPED',
    `The node stopped, with nothing lost, because it could not write its catalog: ${reason}; mend that and open it again.`,
    {
      retryable: true,
      cause,
    },
  );
}

/** A task that has ended. */
interface Done {
  readonly token: number;
  readonly result: TaskResult;
  /** Writes to the catalog what belongs to the result. */
  readonly note: (() => void) | undefined;
}

/**
 * Drives an engine with a platform: hands it what the links and tasks bring, carries out what it puts out, and wakes it when its deadline has come. Everything happens in the order in which it was
 * decided, on one thread.
 */
export class NodeDriver {
  readonly #engine: Engine;
  readonly #platform: Pick<Platform, 'clock' | 'timers' | 'links' | 'power' | 'discovery'>;
  readonly #tasks: ContentTasks;
  readonly #codecs: CodecSelector;
  readonly #onEvent: (event: NodeEvent) => void;
  readonly #onCrash: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();
  #done: Done[] = [];
  #timer: { readonly at: number; cancel(): void } | undefined;
  #draining = false;
  /** Commands under way, one inside the other. */
  #commands = 0;
  #closed = false;
  #stopped: unknown;

  constructor(
    engine: Engine,
    platform: Pick<Platform, 'clock' | 'timers' | 'links' | 'power' | 'discovery'>,
    tasks: ContentTasks,
    handlers: { readonly onEvent: (event: NodeEvent) => void; readonly onCrash: (error: unknown) => void },
  ) {
    this.#engine = engine;
    this.#platform = platform;
    this.#tasks = tasks;
    this.#codecs = new CodecSelector(tasks, platform.power);
    this.#onEvent = handlers.onEvent;
    this.#onCrash = handlers.onCrash;
  }

  /** Begins to listen to the links, and to the local networks. */
  start(): void {
    this.#platform.discovery?.start({
      interfacesChanged: (interfaces) => this.#feed((now) => this.#engine.handle({ type: 'interfaces', interfaces }, now)),
      received: (packet) => this.#feed((now) => this.#engine.handle({ type: 'overheard', packet }, now)),
    });
    this.#platform.links.start({
      received: (path, kind, bytes) => {
        this.#feed((now) => this.#engine.handle({ type: 'received', path, kind, bytes }, now));
        // Of what is sealed nothing is kept.
        giveBack(bytes);
      },
      opened: (path, address) =>
        this.#feed((now) => this.#engine.handle({ type: 'path-opened', path, ...(address === undefined ? {} : { address }) }, now)),
      closed: (path) => this.#feed((now) => this.#engine.handle({ type: 'path-closed', path }, now)),
      dialFailed: (address, message) => this.#feed((now) => this.#engine.handle({ type: 'dial-failed', address, message }, now)),
    });
    this.#drain();
  }

  /** Gives the engine a command and carries out what follows from it. Of commands inside a command nothing leaves before the outermost has ended, because only then are they durable. */
  command<T>(call: (engine: Engine, now: Moment) => T): T {
    if (this.#stopped !== undefined) throw nodeStopped(this.#stopped);
    this.#commands++;
    let result: T;
    try {
      result = call(this.#engine, this.#platform.clock.now());
    } catch (error) {
      if (endsNode(error)) this.#stop(error);
      throw error;
    } finally {
      this.#commands--;
    }
    this.#drain();
    return result;
  }

  /** How contents are compressed, and why. */
  get codecs(): CodecSelector {
    return this.#codecs;
  }

  /** The last turn: the accounts of links are written as they are. Not after a failure of the storage, nor after `close`. */
  settleAccounts(): void {
    if (this.#stopped === undefined && !this.#closed)
      this.command((engine, now) => engine.atomically(now, () => engine.links.accounts.settleAll()));
  }

  /** Ends: no input and no wake-up any more. Resolves when running tasks have ended. */
  async close(): Promise<void> {
    if (this.#stopped === undefined && !this.#closed) this.command((engine, now) => engine.atomically(now, () => engine.discovery.sleep()));
    this.#closed = true;
    this.#timer?.cancel();
    await this.#platform.discovery?.close();
    await Promise.allSettled(this.#running);
  }

  #feed(call: (now: Moment) => void): void {
    if (this.#closed) return;
    try {
      call(this.#platform.clock.now());
      this.#drain();
    } catch (error) {
      this.#stop(error);
    }
  }

  /** A turn that could not be written leaves machines that know more than the catalog. Nothing of it is said or done; the node has to be opened again. */
  #stop(error: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#closed = true;
    this.#timer?.cancel();
    while (this.#engine.poll() !== undefined);
    this.#onCrash(error);
  }

  #drain(): void {
    // A command given from within an event handler is drained by the loop that called the handler.
    if (this.#draining || this.#commands > 0 || this.#closed) return;
    this.#draining = true;
    try {
      for (let output = this.#engine.poll(); output !== undefined; output = this.#engine.poll()) {
        switch (output.type) {
          case 'transmit':
            this.#platform.links.transmit(output.path, output.bytes);
            break;
          case 'close-path':
            this.#platform.links.closePath(output.path);
            break;
          case 'dial':
            this.#platform.links.dial(output.address);
            break;
          case 'announce':
            this.#platform.discovery?.send(output.service, output.interface, output.bytes, output.to);
            break;
          case 'task':
            this.#start(output.task);
            break;
          case 'report':
            this.#onEvent(output.event);
            break;
        }
      }
    } finally {
      this.#draining = false;
    }
    this.#schedule();
  }

  #schedule(): void {
    const next = this.#engine.nextDeadline();
    if (next === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    if (this.#timer?.at === next.at) return;
    this.#timer?.cancel();
    const delayMs = Math.max(0, next.at - this.#platform.clock.now().monotonicMs);
    const timer = this.#platform.timers.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#feed((now) => this.#engine.wake(now));
    });
    this.#timer = { at: next.at, cancel: () => timer.cancel() };
  }

  #start(task: EngineTask): void {
    let note: (() => void) | undefined;
    const running = this.#run(task, (naming) => {
      note = naming;
    })
      .then((result) => this.#taskDone({ token: task.token, result, note }))
      .catch((error: unknown) => this.#stop(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Results that come together, as those of one write to the disk do, are one turn: each turn that has something to keep waits for the disk. */
  #taskDone(ended: Done): void {
    this.#done.push(ended);
    if (this.#done.length > 1) return;
    void Promise.resolve().then(() => {
      const done = this.#done;
      this.#done = [];
      this.#feed((now) =>
        this.#engine.atomically(now, () => {
          for (const { token, result, note } of done) {
            note?.();
            this.#engine.handle({ type: 'task-done', token, result }, now);
          }
        }),
      );
    });
  }

  async #run(task: EngineTask, name: (naming: () => void) => void): Promise<TaskResult> {
    switch (task.type) {
      case 'prepare': {
        const { root, sizeBytes, depth, bases } = task.task.want;
        return { type: 'prepare', transfer: await this.#tasks.prepare({ root, sizeBytes, depth }, bases, task.arriving) };
      }
      case 'encode': {
        const { transfer, group, answer, room } = task.task;
        const bounds = await this.#codecs.bounds(transfer, task.purpose);
        const beganAt = this.#platform.clock.now().monotonicMs;
        const encoded = await this.#tasks.encode(transfer, group, bounds, answer, room, 'just-hashed');
        if (encoded?.kind === 'encoded') {
          const elapsedMs = this.#platform.clock.now().monotonicMs - beganAt;
          this.#codecs.encoded(transfer, transfer.groups[group]?.targetBytes ?? 0, encoded.bytes.length, elapsedMs);
        }
        return { type: 'encode', encoded };
      }
      case 'open': {
        const { wanted, bases, planObject } = task.task;
        return { type: 'open', outcome: await this.#tasks.open(wanted, bases, planObject) };
      }
      case 'store':
        return { type: 'store', outcome: await this.#tasks.store(task.task.transfer, task.task.group, task.task.encoded, name) };
      case 'answer':
        return { type: 'answer', outcome: await this.#tasks.answer(task.task.transfer, task.task.group, task.task.query) };
      case 'finish':
        return { type: 'finish', outcome: await this.#tasks.finish(task.task.transfer, task.task.hashes) };
    }
  }
}
