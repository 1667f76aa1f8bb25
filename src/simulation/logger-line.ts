import type { InstrumentTransport } from '../instruments/driver.ts';
import type { PakbusLogger } from './pakbus-logger.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/** Any simulated instrument. */
type SimulatedInstrument = Pick<PakbusLogger, 'handle' | 'poll' | 'nextDeadline'>;

const latencyMs = 40;

/** A cable from a simulated computer to a simulated instrument, in the world's time. */
export class LoggerLine implements InstrumentTransport {
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #logger: SimulatedInstrument;
  #arrived: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(world: World, node: SimulatedNode, logger: SimulatedInstrument) {
    this.#world = world;
    this.#node = node;
    this.#logger = logger;
  }

  async *read(): AsyncIterable<Uint8Array> {
    while (!this.#closed) {
      for (let bytes = this.#arrived.shift(); bytes !== undefined; bytes = this.#arrived.shift()) yield bytes;
      if (!this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#world.at(this.#world.nowMs + latencyMs, () => this.#tell({ type: 'bytes', bytes }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
  }

  #tell(input: Parameters<PakbusLogger['handle']>[0]): void {
    const now = this.#node.clock.now();
    this.#logger.handle(input, now);
    for (let output = this.#logger.poll(); output !== undefined; output = this.#logger.poll()) {
      const { bytes } = output;
      this.#world.at(this.#world.nowMs + latencyMs, () => {
        this.#arrived.push(bytes);
        this.#wake?.();
      });
    }
    const next = this.#logger.nextDeadline(now);
    if (next !== undefined) this.#world.at(Math.max(next.at, this.#world.nowMs), () => this.#tell({ type: 'due' }));
  }
}
