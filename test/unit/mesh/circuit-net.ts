import { expect } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import type { CircuitReason } from '../../../src/mesh/circuit-wire.ts';
import { type CircuitId, Circuits, type RelayLimits } from '../../../src/mesh/circuits.ts';

/** The name of node number `index`. */
export function nameOf(index: number): ShortName {
  return index.toString(16).padStart(16, '0') as ShortName;
}

/** A circuit as one of its ends sees it. */
export interface EndView {
  readonly node: number;
  readonly circuit: CircuitId;
  opened: boolean;
  received: number[];
  closed: CircuitReason | undefined;
}

/** Nodes that do nothing but circuits. A hop is the number of the neighbour, and its cells come in order, one at a time, when they are delivered. Routes are the shortest ways over links that are up. */
export class CircuitNet {
  readonly machines: Circuits<number>[] = [];
  readonly ends: EndView[] = [];
  now = 0 as MonotonicMs;
  /** Bytes of cells that a link takes. */
  roomBytes = 8192;
  /** Where members are looked for instead of by the shortest way. */
  detour: ((at: number, member: number) => number | undefined) | undefined;
  readonly #links = new Set<string>();
  readonly #wires = new Map<string, Uint8Array[]>();

  constructor(size: number, relay: RelayLimits = { circuits: 32, bytesPerMinute: 1e9 }) {
    for (let index = 0; index < size; index++)
      this.machines.push(
        new Circuits<number>(
          {
            self: nameOf(index),
            roomBytes: (hop) => this.roomBytes - this.wire(index, hop).reduce((sum, cell) => sum + cell.length, 0),
            hopTo: (member) => this.#hop(index, Number.parseInt(member, 16)),
          },
          relay,
        ),
      );
  }

  /** Nodes in a row. */
  static row(size: number, relay?: RelayLimits): CircuitNet {
    const net = new CircuitNet(size, relay);
    for (let index = 1; index < size; index++) net.connect(index - 1, index);
    return net;
  }

  machine(index: number): Circuits<number> {
    return this.machines[index] as Circuits<number>;
  }

  /** Cells on their way. */
  wire(from: number, to: number): Uint8Array[] {
    const key = `${from} ${to}`;
    const wire = this.#wires.get(key) ?? [];
    this.#wires.set(key, wire);
    return wire;
  }

  isUp(a: number, b: number): boolean {
    return this.#links.has(`${a} ${b}`);
  }

  /** The session between two is there. `guestOf`: `a` is no member at `b`. */
  connect(a: number, b: number, guestOf?: number): void {
    this.#links.add(`${a} ${b}`).add(`${b} ${a}`);
    this.machine(a).begin(b, this.now);
    this.machine(b).begin(a, this.now, guestOf === undefined ? undefined : nameOf(guestOf));
  }

  /** The session between two is gone, with what was on its way. */
  cut(a: number, b: number): void {
    this.#links.delete(`${a} ${b}`);
    this.#links.delete(`${b} ${a}`);
    this.wire(a, b).length = 0;
    this.wire(b, a).length = 0;
    this.machine(a).end(b, this.now);
    this.machine(b).end(a, this.now);
  }

  /** Opens a circuit by the best hop. */
  open(from: number, to: number, ...via: number[]): EndView | undefined {
    const hop = this.#hop(from, via[0] ?? to);
    const circuit = hop === undefined ? undefined : this.machine(from).open(hop, [...via, to].map(nameOf), this.now);
    return circuit === undefined ? undefined : this.view(from, circuit);
  }

  view(node: number, circuit: CircuitId): EndView {
    const known = this.ends.find((each) => each.node === node && each.circuit === circuit);
    if (known !== undefined) return known;
    const end: EndView = { node, circuit, opened: false, received: [], closed: undefined };
    this.ends.push(end);
    return end;
  }

  /** Takes the next output of a node. False when it has none. */
  poll(index: number): boolean {
    const output = this.machine(index).poll();
    if (output === undefined) return false;
    if (output.type === 'cell') {
      if (this.isUp(index, output.hop)) this.wire(index, output.hop).push(output.bytes);
      return true;
    }
    const view = this.view(index, output.circuit);
    if (output.type === 'bytes') view.received.push(...output.bytes);
    else if (output.type === 'closed') view.closed = output.reason;
    else view.opened = true;
    return true;
  }

  /** Brings the next cell of a link to its end. False when there is none. */
  deliver(from: number, to: number): boolean {
    const cell = this.wire(from, to).shift();
    if (cell === undefined) return false;
    expect(this.machine(to).receive(from, cell, this.now).ok).toBe(true);
    return true;
  }

  /** Lets everything happen that can, without time passing. */
  settle(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (let index = 0; index < this.machines.length; index++) while (this.poll(index)) busy = true;
      for (const key of this.#links) {
        const [from, to] = key.split(' ').map(Number) as [number, number];
        while (this.deliver(from, to)) busy = true;
      }
    }
  }

  /** Lets time pass up to the deadlines of machines. */
  pass(durationMs: number): void {
    const end = this.now + durationMs;
    for (;;) {
      this.settle();
      const next = Math.min(end, ...this.machines.map((machine) => machine.nextDeadline()?.at ?? end));
      this.now = Math.max(this.now, next) as MonotonicMs;
      for (const machine of this.machines) machine.wake(this.now);
      this.settle();
      if (this.now >= end) return;
    }
  }

  /** What must hold at any instant. */
  check(): void {
    for (const machine of this.machines)
      for (const { role, waitingBytes } of machine.states())
        if (role === 'relayed') expect(waitingBytes).toBeLessThanOrEqual(limits.circuitWindowBytes);
  }

  #hop(from: number, to: number): number | undefined {
    if (this.detour !== undefined) return this.detour(from, to);
    const before = new Map<number, number>([[to, to]]);
    const open = [to];
    for (let node = open.shift(); node !== undefined; node = open.shift()) {
      if (node === from) return before.get(from);
      for (let next = 0; next < this.machines.length; next++)
        if (this.isUp(node, next) && !before.has(next)) {
          before.set(next, node);
          open.push(next);
        }
    }
    return undefined;
  }
}
