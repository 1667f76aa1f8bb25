import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { type CircuitCell, circuitReasons, decodeCell, encodeCell } from '../../../src/mesh/circuit-wire.ts';
import { CircuitNet, type EndView, nameOf } from '../../unit/mesh/circuit-net.ts';

const size = 6;
const links = [
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 4],
  [4, 5],
  [0, 2],
  [3, 5],
] as const;

type Step =
  | { readonly do: 'open'; readonly from: number; readonly to: number }
  | { readonly do: 'write'; readonly end: number; readonly bytes: number }
  | { readonly do: 'close'; readonly end: number }
  | { readonly do: 'poll' | 'deliver' | 'cut' | 'connect'; readonly link: number; readonly back: boolean; readonly times: number }
  | { readonly do: 'run'; readonly rounds: number }
  | { readonly do: 'room'; readonly bytes: number }
  | { readonly do: 'pass'; readonly ms: number };

const node = fc.nat({ max: size - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), from: node, to: node }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('write' as const), end: fc.nat({ max: 20 }), bytes: fc.integer({ min: 1, max: 100_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), end: fc.nat({ max: 20 }) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom('poll' as const, 'deliver' as const),
      link: fc.nat({ max: links.length - 1 }),
      back: fc.boolean(),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'connect' as const),
      link: fc.nat({ max: links.length - 1 }),
      back: fc.constant(false),
      times: fc.constant(1),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('run' as const), rounds: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('room' as const), bytes: fc.constantFrom(0, 300, 1500, 8192) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
);

/** The bytes written to each end, each of which says how many came before it and by whom it was written. */
class Writers {
  readonly #written = new Map<EndView, number>();

  write(net: CircuitNet, end: EndView, bytes: number): void {
    const from = this.of(end);
    if (
      net
        .machine(end.node)
        .states()
        .every(({ circuit }) => circuit !== end.circuit)
    )
      return;
    net.machine(end.node).write(
      end.circuit,
      Uint8Array.from({ length: bytes }, (_, index) => byteAt(end, from + index)),
      net.now,
    );
    this.#written.set(end, from + bytes);
  }

  of(end: EndView): number {
    return this.#written.get(end) ?? 0;
  }
}

function byteAt({ node: at, circuit }: EndView, position: number): number {
  return (position * 7 + at * 31 + circuit * 13) % 251;
}

/** What came must be the beginning of what somebody wrote who is not this end. */
function comesFromOneWriter(net: CircuitNet, end: EndView, writers: Writers): boolean {
  if (end.received.length === 0) return true;
  return net.ends.some(
    (other) =>
      other !== end && writers.of(other) >= end.received.length && end.received.every((byte, index) => byte === byteAt(other, index)),
  );
}

describe('circuits under any order of events', () => {
  it('bring what was written, in order and to one end only, hold no more than a window a direction, and leave no label behind', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const net = new CircuitNet(size, { circuits: 6, bytesPerMinute: 2_000_000 });
        const writers = new Writers();
        for (const [a, b] of links) net.connect(a, b);
        for (const each of steps) {
          if (each.do === 'open') {
            if (each.from !== each.to) net.open(each.from, each.to);
          } else if (each.do === 'write' || each.do === 'close') {
            const end = net.ends[each.end % Math.max(1, net.ends.length)];
            if (end === undefined || !end.opened) continue;
            if (each.do === 'write') writers.write(net, end, each.bytes);
            else net.machine(end.node).close(end.circuit, net.now);
          } else if (each.do === 'room') net.roomBytes = each.bytes;
          else if (each.do === 'run') {
            for (let round = 0; round < each.rounds; round++)
              for (const [a, b] of links)
                for (const [from, to] of [
                  [a, b],
                  [b, a],
                ] as const) {
                  net.poll(from);
                  net.deliver(from, to);
                }
          } else if (each.do === 'pass') {
            net.now = (net.now + each.ms) as MonotonicMs;
            for (const machine of net.machines) machine.wake(net.now);
          } else {
            const [first, second] = links[each.link] as readonly [number, number];
            const [from, to] = each.back ? [second, first] : [first, second];
            if (each.do === 'cut') net.cut(from, to);
            else if (each.do === 'connect') {
              if (!net.isUp(from, to)) net.connect(from, to);
            } else
              for (let time = 0; time < each.times; time++)
                if (each.do === 'poll') net.poll(from);
                else net.deliver(from, to);
          }
          net.check();
        }
        net.roomBytes = 8192;
        net.pass(600_000);
        net.check();
        for (const end of net.ends) expect(comesFromOneWriter(net, end, writers)).toBe(true);
        // Whoever is still open has brought everything.
        for (const end of net.ends) {
          const written = writers.of(end);
          const stands = net
            .machine(end.node)
            .states()
            .some(({ circuit }) => circuit === end.circuit);
          if (!stands || written === 0) continue;
          expect(
            net.ends.some(
              (other) => other !== end && other.received.length === written && other.received.every((byte, at) => byte === byteAt(end, at)),
            ),
          ).toBe(true);
        }
        for (const end of net.ends) if (end.closed === undefined) net.machine(end.node).close(end.circuit, net.now);
        net.pass(120_000);
        for (const [index, machine] of net.machines.entries()) {
          expect(machine.states()).toEqual([]);
          for (let other = 0; other < size; other++) expect(machine.labels(other), `${index} with ${other}`).toBe(0);
          expect(machine.nextDeadline()).toBeUndefined();
        }
      }),
      { numRuns: 60, seed: 8 },
    );
  });

  it('share a link evenly, whatever each of them has to send', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 8 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 600, max: 9000 }),
        (flows, floods, room) => {
          const net = new CircuitNet(2 + flows);
          // Every opener has a link of its own to the relay, node 0; all share the one to node 1.
          net.connect(0, 1);
          for (let flow = 0; flow < flows; flow++) net.connect(2 + flow, 0);
          const views = Array.from({ length: flows }, (_, flow) => net.open(2 + flow, 1) as EndView);
          net.settle();
          const far = net.ends.filter((end) => end.node === 1);
          for (const [flow, view] of views.entries())
            for (let count = 0; count < (flow < floods ? 8 : 2); count++)
              net.machine(view.node).write(view.circuit, new Uint8Array(60_000), net.now);
          net.roomBytes = room;
          const shared = 40 * flows;
          for (let crossed = 0; crossed < shared; crossed++) {
            for (let busy = true; busy; ) {
              busy = false;
              for (let index = 0; index < 2 + flows; index++) while (net.poll(index)) busy = true;
              for (let flow = 0; flow < flows; flow++) while (net.deliver(2 + flow, 0) || net.deliver(0, 2 + flow)) busy = true;
              while (net.deliver(1, 0)) busy = true;
            }
            net.deliver(0, 1);
          }
          const shares = far.map(({ received }) => received.length);
          expect(Math.min(...shares)).toBeGreaterThan(0.6 * Math.max(...shares));
        },
      ),
      { numRuns: 30, seed: 9 },
    );
  });
});

const label = fc.record({ number: fc.nat({ max: 2 ** 31 }), isSpeakers: fc.boolean() });
const creditBytes = fc.nat({ max: 2 ** 24 });
const cell: fc.Arbitrary<CircuitCell> = fc.oneof(
  fc.record({
    type: fc.constant('open' as const),
    label: fc.record({ number: fc.nat({ max: 2 ** 31 }), isSpeakers: fc.constant(true) }),
    hopsLeft: fc.nat({ max: 7 }),
    creditBytes,
    members: fc.array(fc.nat({ max: 1000 }).map(nameOf), { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant('accept' as const), label, creditBytes }),
  fc.record({ type: fc.constant('credit' as const), label, creditBytes }),
  fc.record({ type: fc.constant('data' as const), label, bytes: fc.uint8Array({ minLength: 1, maxLength: limits.circuitCellBytesMax }) }),
  fc.record({ type: fc.constant('close' as const), label, reason: fc.constantFrom(...circuitReasons) }),
);

describe('cells on the wire', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(cell, (each) => {
        expect(decodeCell(encodeCell(each))).toEqual({ ok: true, value: each });
      }),
    );
  });

  it('that were changed or are no cells never throw', () => {
    fc.assert(
      fc.property(cell, fc.nat(), fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 60 }), (each, at, byte, noise) => {
        const bytes = encodeCell(each);
        bytes[at % bytes.length] = byte;
        for (const hostile of [bytes, noise]) {
          const outcome = decodeCell(hostile);
          if (!outcome.ok) expect(['CIRCUIT_MALFORMED', 'CBOR_MALFORMED']).toContain(outcome.fault.code);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
