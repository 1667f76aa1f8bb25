import { opendir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { GodwitError } from '../core/errors.ts';
import { identifierBytes } from '../core/identifiers.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { Sighting } from '../ports/file-tree.ts';
import type { CutSegment, SegmentCutter } from '../ports/segment-cutter.ts';
import { type Lane, listDisk, type WholeFiles } from './disk-survey.ts';
import type { DiskWork, EncodedRecords, JoinedRecords } from './disk-work.ts';
import { mergeListings } from './merged-listing.ts';
import type { WorkAnswer, WorkRequest, WorkRequests } from './work-handler.ts';

/**
 * Threads that look at files, read them and compress while the node's own thread goes on answering its links.
 *
 * A thread is started when there is work and none is idle, up to the pool's number, and ends when it has been idle for a while, so a node that has nothing to publish has none. It keeps the process alive
 * only while it works. When one dies (out of memory, say), what it was asked fails with `STORAGE_FAILED`, which is worth another attempt, and the next request starts another.
 */

const idleMsMax = 5000;
/** Pages of a listing that are asked for ahead. */
const pagesAhead = 3;
/** Threads that list one tree: it is the system's calls that take the time, and they hinder each other beyond a few. */
const listingLanesMax = 2;
/** Names in a directory without others below it that are looked at without a thread: a drop folder, a card. */
const namesListedHere = 64;

/** Whether a directory has a few names and no directory below it. No more of them are looked at than that takes: there may be a million. */
async function hasFewFiles(directory: string): Promise<boolean> {
  let names = 0;
  for await (const name of await opendir(directory)) if (++names > namesListedHere || name.isDirectory()) return false;
  return true;
}

/** As many as there are processors besides the one that the node's own thread has; two on two processors, as that thread has little to do while they work. */
export function defaultWorkers(): number {
  const processors = availableParallelism();
  return processors <= 2 ? processors : processors - 1;
}

interface Waiting {
  readonly resolve: (output: never) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread with what it has been asked. */
class WorkerThread {
  readonly #worker: Worker;
  readonly #waitingById = new Map<number, Waiting>();
  readonly #onEnd: (thread: WorkerThread) => void;
  #nextId = 0;
  #ended: GodwitError | undefined;
  #isEnding = false;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(onEnd: (thread: WorkerThread) => void) {
    this.#onEnd = onEnd;

    // From source the modules end in `.ts`, once built in `.js`.
    const url = import.meta.url.endsWith('.ts')
      ? new URL('./worker-thread.ts', import.meta.url)
      : new URL('./worker-thread.js', import.meta.url);
    this.#worker = new Worker(url, { name: 'godwit', execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkAnswer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(undefined));
  }

  /** How much it has been asked and not answered. */
  get load(): number {
    return this.#waitingById.size;
  }

  ask<Name extends keyof WorkRequests>(
    name: Name,
    input: WorkRequests[Name]['input'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<WorkRequests[Name]['output']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const request = { id: this.#nextId++, name, input } as WorkRequest;
      this.#waitingById.set(request.id, { resolve, reject });
      clearTimeout(this.#idleTimer);
      this.#worker.ref();
      this.#worker.postMessage(request, transfer);
    });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
  }

  #settle(answer: WorkAnswer): void {
    const waiting = this.#waitingById.get(answer.id);
    this.#waitingById.delete(answer.id);
    // Until a thread has ended it keeps the process alive: whoever waits for that would wait for ever where nothing else is left to do.
    if (this.#waitingById.size === 0 && !this.#isEnding) {
      this.#worker.unref();
      this.#idleTimer = setTimeout(() => {
        // Taken out at once, so that nobody asks it between.
        this.#onEnd(this);
        void this.end();
      }, idleMsMax).unref();
    }
    if ('error' in answer)
      waiting?.reject(Object.assign(new Error(answer.error.message), answer.error.code === undefined ? {} : { code: answer.error.code }));
    else waiting?.resolve(answer.output as never);
  }

  #fail(cause: unknown): void {
    clearTimeout(this.#idleTimer);
    this.#onEnd(this);
    this.#ended ??= new GodwitError(
      'STORAGE_FAILED',
      'A thread that was reading or compressing files ended; it is worth another attempt.',
      {
        retryable: true,
        cause,
      },
    );
    for (const { reject } of this.#waitingById.values()) reject(this.#ended);
    this.#waitingById.clear();
  }
}

/** Disk work on threads. */
export class WorkerPool implements DiskWork, SegmentCutter {
  readonly #threadsMax: number;
  readonly #threads = new Set<WorkerThread>();
  #nextListing = 0;

  /** @param threads how many at most; default: one fewer than there are processors */
  constructor(threads: number = defaultWorkers()) {
    this.#threadsMax = threads;
  }

  /** On two threads where there are two processors, as the node's own has little to do meanwhile; a few files in one directory by this one, as a thread takes ten megabytes and longer to start than they take. */
  async *list(root: string): AsyncGenerator<string, void, void> {
    if (await hasFewFiles(root)) {
      for (const runs of listDisk(root)) yield runs.join('\0');
      return;
    }
    const lanes = Math.min(listingLanesMax, Math.max(this.#threadsMax, availableParallelism()));
    const parts = Array.from({ length: lanes }, (_, index) => this.#listLane(root, { index, of: lanes }));
    yield* mergeListings(parts);
  }

  async *#listLane(root: string, lane: Lane): AsyncGenerator<string, void, void> {
    const thread = this.#idlest(lane.of);
    const listing = this.#nextListing++;
    const ask = () => {
      const page = thread.ask('list', { listing, root, lane });
      // Looked at in its turn; until then nobody else may take its failure for one that is not looked at.
      page.catch(() => {});
      return page;
    };
    const pages = [ask()];
    let isOver = false;
    try {
      for (let next = pages.shift(); next !== undefined; next = pages.shift()) {
        const page = await next;
        if (page === undefined) {
          isOver = true;
          return;
        }
        while (pages.length < pagesAhead) pages.push(ask());
        yield page;
      }
    } finally {
      if (!isOver) await thread.ask('endList', { listing }).catch(() => {});
    }
  }

  readWhole(root: string, files: readonly Sighting[]): Promise<WholeFiles> {
    return this.#idlest().ask('readWhole', { root, files });
  }

  encode(records: readonly PackRecord[]): Promise<EncodedRecords> {
    const joined = together(records);
    return this.#idlest().ask('encode', joined, [joined.bytes.buffer, joined.hashes.buffer]);
  }

  /** One that is worked on and one that waits, for each thread. */
  get segmentsAtOnce(): number {
    return 2 * this.#threadsMax;
  }

  cut(bytes: Uint8Array<ArrayBuffer>, averageBytes: number): Promise<CutSegment> {
    return this.#idlest().ask('cut', { bytes, averageBytes }, [bytes.buffer]);
  }

  /** Ends all threads. What they were asked fails. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  /** The thread with the least to do; another one when all are busy and there may be more. */
  #idlest(threadsMax: number = this.#threadsMax): WorkerThread {
    let idlest: WorkerThread | undefined;
    for (const thread of this.#threads) if (idlest === undefined || thread.load < idlest.load) idlest = thread;
    if (idlest !== undefined && (idlest.load === 0 || this.#threads.size >= threadsMax)) return idlest;
    const started = new WorkerThread((thread) => this.#threads.delete(thread));
    this.#threads.add(started);
    return started;
  }
}

function together(records: readonly PackRecord[]): JoinedRecords {
  const lengths = records.map(({ bytes }) => bytes.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const hashes = new Uint8Array(records.length * identifierBytes);
  let filled = 0;
  for (const [at, record] of records.entries()) {
    bytes.set(record.bytes, filled);
    hashes.set(record.hash, at * identifierBytes);
    filled += record.bytes.length;
  }
  return { bytes, hashes, lengths };
}
