import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { type CircuitCell, decodeCell, encodeCell } from '../../../src/mesh/circuit-wire.ts';
import { CircuitNet, type EndView, nameOf } from './circuit-net.ts';

function opened(view: EndView | undefined): EndView {
  if (view === undefined) throw new Error('the circuit should have been opened');
  return view;
}

/** The other end of the only circuit at a node. */
function endAt(net: CircuitNet, node: number): EndView {
  return opened(net.ends.find((each) => each.node === node));
}

function cells(wire: readonly Uint8Array[]): CircuitCell[] {
  return wire.map((bytes) => {
    const cell = decodeCell(bytes);
    if (!cell.ok) throw new Error(cell.fault.message);
    return cell.value;
  });
}

const theirs = { number: 0, isSpeakers: true } as const;
const ours = { number: 0, isSpeakers: false } as const;

describe('a circuit', () => {
  it('carries bytes both ways in order over eight hops, and not over nine', () => {
    for (const [size, reason] of [
      [9, undefined],
      [10, 'too-far'],
    ] as const) {
      const net = CircuitNet.row(size);
      const near = opened(net.open(0, size - 1));
      net.settle();
      expect([near.opened, near.closed]).toEqual([reason === undefined, reason]);
      if (reason !== undefined) continue;
      const bytes = seededRandom(1).bytes(300_000);
      net.machine(0).write(near.circuit, bytes, net.now);
      const far = endAt(net, size - 1);
      net.machine(size - 1).write(far.circuit, bytes.subarray(0, 1000), net.now);
      net.settle();
      expect(far.received).toEqual([...bytes]);
      expect(near.received).toEqual([...bytes.subarray(0, 1000)]);
    }
  });

  it('leads by way of the members that are named', () => {
    const net = new CircuitNet(4);
    for (const [a, b] of [
      [0, 1],
      [1, 3],
      [0, 2],
      [2, 3],
    ] as const)
      net.connect(a, b);
    net.open(0, 3, 2);
    net.settle();
    expect(net.machine(2).states()).toMatchObject([{ role: 'relayed', isOpen: true, hops: [0, 3] }]);
    expect(net.machine(1).states()).toEqual([]);
  });

  it('ends at both ends when a hop breaks, and no relay keeps a label of it', () => {
    const net = CircuitNet.row(5);
    const near = opened(net.open(0, 4));
    net.settle();
    net.machine(0).write(near.circuit, new Uint8Array(200_000), net.now);
    for (let step = 0; step < 20; step++) net.poll(0);
    net.cut(2, 3);
    net.settle();
    expect([near.closed, endAt(net, 4).closed]).toEqual(['lost', 'lost']);
    for (const [index, machine] of net.machines.entries()) {
      expect(machine.states()).toEqual([]);
      expect([machine.labels(index - 1), machine.labels(index + 1)]).toEqual([0, 0]);
      expect(machine.nextDeadline()).toBeUndefined();
    }
  });

  it('that its owner closes brings what was written before', () => {
    const net = CircuitNet.row(4);
    const near = opened(net.open(0, 3));
    net.settle();
    const bytes = seededRandom(2).bytes(150_000);
    net.machine(0).write(near.circuit, bytes, net.now);
    net.machine(0).close(near.circuit, net.now);
    net.settle();
    const far = endAt(net, 3);
    expect(far.received).toEqual([...bytes]);
    expect(far.closed).toBe('done');
    expect(near.closed).toBeUndefined();
  });

  it('that a silent neighbour is on ends at once, and the neighbour is told when it is heard again', () => {
    const net = CircuitNet.row(3);
    const near = opened(net.open(0, 2));
    net.settle();
    net.roomBytes = 0;
    net.machine(1).lose(2, net.now);
    net.roomBytes = 8192;
    net.settle();
    expect([near.closed, endAt(net, 2).closed]).toEqual(['lost', 'lost']);
  });

  it('that nobody takes is given up after a minute, on every node that waited for it', () => {
    const net = CircuitNet.row(4);
    const near = opened(net.open(0, 3));
    while (net.poll(0) || net.deliver(0, 1) || net.poll(1) || net.deliver(1, 2));
    expect(net.machine(1).nextDeadline()).toMatchObject({ at: 60_000 });
    // Node 2 is switched off without a word.
    net.now = 60_000 as MonotonicMs;
    for (const index of [0, 1]) net.machine(index).wake(net.now);
    expect([net.poll(0), near.closed]).toEqual([true, 'timeout']);
    expect(net.machine(1).states()).toEqual([]);
  });

  it('does not run in circles: eight hops end it, and nobody sends it back to where it came from', () => {
    const net = new CircuitNet(3);
    for (const [a, b] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const)
      net.connect(a, b);
    net.detour = (at) => (at + 1) % 3;
    const circling = opened(
      net.machine(0).open(1, [nameOf(9)], net.now) === undefined
        ? undefined
        : net.view(0, net.machine(0).states()[0]?.circuit ?? (0 as never)),
    );
    net.settle();
    expect(circling.closed).toBe('too-far');
    net.detour = (at) => (at === 0 ? 1 : 0);
    const bouncing = opened(net.open(0, 9));
    net.settle();
    expect(bouncing.closed).toBe('no-route');
    for (const machine of net.machines) expect(machine.states()).toEqual([]);
  });

  it('of a guest leads to the member that its pass names and nowhere else, one at a time', () => {
    const net = new CircuitNet(4);
    net.connect(1, 2);
    net.connect(1, 3);
    net.connect(0, 1, 2);
    // It asks for node 3.
    const first = opened(net.open(0, 3));
    const second = opened(net.open(0, 3));
    net.settle();
    expect([first.opened, second.closed]).toEqual([true, 'busy']);
    expect(net.machine(2).states()).toHaveLength(1);
    expect(net.machine(3).states()).toEqual([]);
    net.machine(0).close(first.circuit, net.now);
    net.settle();
    expect(opened(net.open(0, 3)).closed).toBeUndefined();
  });

  it('without members is taken only from a guest', () => {
    const net = CircuitNet.row(3);
    const circuit = net.machine(0).open(1, [], net.now);
    net.settle();
    expect(net.view(0, circuit as never).closed).toBe('no-route');
  });
});

describe('a relay', () => {
  it('takes as many circuits as it is told, half of them from one neighbour', () => {
    const net = CircuitNet.row(3, { circuits: 40, bytesPerMinute: 1e9 });
    const views: EndView[] = [];
    for (let count = 0; count < 30; count++) {
      views.push(opened(net.open(0, 2)));
      net.pass(1000);
    }
    expect(views.filter(({ closed }) => closed === 'busy')).toHaveLength(10);
    expect(net.machine(1).states()).toHaveLength(20);
    net.machine(1).setLimits({ circuits: 0, bytesPerMinute: 1e9 });
    const late = opened(net.open(2, 0));
    net.settle();
    expect(late.closed).toBe('busy');
    // Those that lead through it already go on.
    net.machine(0).write(opened(views[0]).circuit, new Uint8Array(10), net.now);
    net.settle();
    expect(net.ends.some(({ node, received }) => node === 2 && received.length === 10)).toBe(true);
  });

  it('passes on so many bytes a minute of each circuit, holds no more than a window, and lets others by', () => {
    const net = CircuitNet.row(3, { circuits: 4, bytesPerMinute: 60_000 });
    const [busy, calm] = [opened(net.open(0, 2)), opened(net.open(0, 2))];
    net.settle();
    const far = net.ends.filter(({ node }) => node === 2);
    net.machine(0).write(busy.circuit, new Uint8Array(1_000_000), net.now);
    let before = 0;
    for (let minute = 0; minute < 5; minute++) {
      net.pass(60_000);
      net.check();
      const total = opened(far[0]).received.length;
      expect(total - before).toBeLessThanOrEqual(60_000 * (minute === 0 ? 1.125 : 1) + 4096);
      expect(total - before).toBeGreaterThan(50_000);
      before = total;
    }
    net.machine(0).write(calm.circuit, new Uint8Array(500), net.now);
    net.settle();
    expect(opened(far[1]).received).toHaveLength(500);
  });

  it('lets circuits take turns, so that one that floods delays another by a cell or two', () => {
    const net = CircuitNet.row(3);
    net.roomBytes = 4500;
    const [flood, calm] = [opened(net.open(0, 2)), opened(net.open(0, 2))];
    net.settle();
    const [, calmFar] = net.ends.filter(({ node }) => node === 2);
    net.machine(0).write(flood.circuit, new Uint8Array(1_000_000), net.now);
    // One cell crosses the link behind the relay at a time.
    for (let step = 0; step < 4; step++) {
      while (net.poll(0) || net.deliver(0, 1) || net.deliver(1, 0) || net.poll(1));
      net.deliver(1, 2);
      while (net.poll(2) || net.deliver(2, 1));
    }
    net.machine(0).write(calm.circuit, new Uint8Array(100), net.now);
    let crossed = 0;
    while (opened(calmFar).received.length === 0 && crossed < 10) {
      while (net.poll(0) || net.deliver(0, 1) || net.deliver(1, 0) || net.poll(1));
      net.deliver(1, 2);
      crossed++;
      while (net.poll(2) || net.deliver(2, 1));
    }
    expect(crossed).toBeLessThanOrEqual(3);
  });

  it('holds cells of a byte each without taking more memory than they say', () => {
    const net = CircuitNet.row(3);
    const view = opened(net.open(0, 2));
    net.settle();
    net.roomBytes = 0;
    const label = { number: 0, isSpeakers: true };
    for (let count = 0; count < 3000; count++)
      expect(net.machine(1).receive(0, encodeCell({ type: 'data', label, bytes: Uint8Array.of(count % 251) }), net.now).ok).toBe(true);
    net.roomBytes = 8192;
    net.poll(1);
    const [first] = cells(net.wire(1, 2));
    expect(first?.type === 'data' && first.bytes.length).toBe(3000);
    expect(view.closed).toBeUndefined();
  });
});

describe('a neighbour that means harm', () => {
  const relay = (): CircuitNet => {
    const net = CircuitNet.row(3);
    net.open(0, 2);
    net.settle();
    return net;
  };

  it('cannot send more than its credit, nor anything before the circuit is accepted', () => {
    const net = relay();
    const window = limits.circuitWindowBytes;
    net.roomBytes = 0;
    const full = encodeCell({ type: 'data', label: theirs, bytes: new Uint8Array(limits.circuitCellBytesMax) });
    for (let sent = 0; sent < window; sent += limits.circuitCellBytesMax) expect(net.machine(1).receive(0, full, net.now).ok).toBe(true);
    expect(net.machine(1).receive(0, full, net.now)).toMatchObject({ ok: false, fault: { code: 'CIRCUIT_OVERRUN', blame: 'peer' } });

    const early = CircuitNet.row(3);
    const open = encodeCell({ type: 'open', label: theirs, hopsLeft: 7, creditBytes: 100, members: [nameOf(2)] });
    expect(early.machine(1).receive(0, open, early.now).ok).toBe(true);
    expect(early.machine(1).receive(0, full, early.now)).toMatchObject({ fault: { code: 'CIRCUIT_OVERRUN' } });
  });

  it('reaches with guessed labels nobody but itself', () => {
    const net = relay();
    const random = seededRandom(4);
    for (let count = 0; count < 2000; count++) {
      const label = { number: 1 + random.below(2 ** 20), isSpeakers: random.below(2) === 0 };
      const cell = (
        [
          { type: 'data', label, bytes: random.bytes(10) },
          { type: 'close', label, reason: 'done' },
          { type: 'accept', label, creditBytes: 5 },
          { type: 'credit', label, creditBytes: 5 },
        ] as const
      )[random.below(4)] as CircuitCell;
      // A stranger to the circuit, on a session of its own.
      net.machine(1).receive(2, encodeCell(cell), net.now);
    }
    net.settle();
    expect(net.machine(1).states()).toMatchObject([{ isOpen: true }]);
    expect(endAt(net, 0).closed).toBeUndefined();
    expect(net.machine(1).poll()).toBeUndefined();
  });

  it('cannot take a label twice, accept what it opened, or accept again for more credit', () => {
    const net = relay();
    const open = encodeCell({ type: 'open', label: theirs, hopsLeft: 7, creditBytes: 100, members: [nameOf(2)] });
    expect(net.machine(1).receive(0, open, net.now)).toMatchObject({ fault: { code: 'CIRCUIT_MALFORMED' } });
    const early = CircuitNet.row(3);
    early.machine(1).receive(0, open, early.now);
    early.machine(1).receive(0, encodeCell({ type: 'accept', label: theirs, creditBytes: 5 }), early.now);
    expect(early.machine(1).states()).toMatchObject([{ isOpen: false }]);
    early.machine(1).receive(2, encodeCell({ type: 'accept', label: ours, creditBytes: 5 }), early.now);
    early.machine(1).receive(2, encodeCell({ type: 'accept', label: ours, creditBytes: 2 ** 20 }), early.now);
    const data = encodeCell({ type: 'data', label: theirs, bytes: new Uint8Array(300) });
    early.machine(1).receive(0, data, early.now);
    early.settle();
    expect(early.machine(1).states()).toMatchObject([{ waitingBytes: 300 }]);
  });

  it('opens no more than sixteen circuits in a burst and one more each second, and is owed a bounded number of answers', () => {
    const net = CircuitNet.row(3, { circuits: 200, bytesPerMinute: 1e9 });
    net.roomBytes = 0;
    for (let number = 0; number < 5000; number++) {
      const open = encodeCell({ type: 'open', label: { number, isSpeakers: true }, hopsLeft: 7, creditBytes: 100, members: [nameOf(2)] });
      expect(net.machine(1).receive(0, open, net.now).ok).toBe(true);
    }
    expect(net.machine(1).states()).toHaveLength(16);
    net.roomBytes = 1e6;
    while (net.poll(1));
    expect(net.wire(1, 0).length).toBeLessThanOrEqual(64);
    expect(net.wire(1, 2)).toHaveLength(16);
    net.now = 2500 as MonotonicMs;
    for (let number = 5000; number < 5010; number++) {
      const open = encodeCell({ type: 'open', label: { number, isSpeakers: true }, hopsLeft: 7, creditBytes: 100, members: [nameOf(2)] });
      net.machine(1).receive(0, open, net.now);
    }
    expect(net.machine(1).states()).toHaveLength(18);
  });

  it('that sends no cell at all, but bytes, is told so and changes nothing', () => {
    const net = relay();
    const random = seededRandom(5);
    for (let count = 0; count < 500; count++) net.machine(1).receive(0, random.bytes(random.below(40)), net.now);
    expect(net.machine(1).receive(0, Uint8Array.of(0x83, 9, 0, 0), net.now)).toMatchObject({
      fault: { code: 'CIRCUIT_MALFORMED', blame: 'peer' },
    });
    expect(net.machine(1).receive(9, Uint8Array.of(1), net.now).ok).toBe(true);
  });
});

describe('an end of circuits', () => {
  it('is given up when its owner writes more than may wait', () => {
    const net = CircuitNet.row(2);
    const view = opened(net.open(0, 1));
    net.settle();
    net.roomBytes = 0;
    const megabyte = new Uint8Array(1024 * 1024);
    for (let count = 0; count < 17; count++) net.machine(0).write(view.circuit, megabyte, net.now);
    while (net.poll(0));
    expect(view.closed).toBe('busy');
    net.machine(0).write(view.circuit, megabyte, net.now);
    // What the far end does not take for a minute is thrown away.
    net.pass(60_000);
    net.roomBytes = 8192;
    net.pass(1000);
    expect(net.machine(0).labels(1)).toBe(0);
    expect(endAt(net, 1).closed).toBe('busy');
  });

  it('has so many circuits, of which neighbours may open half', () => {
    const net = new CircuitNet(6);
    for (let other = 1; other < 6; other++) net.connect(other, 0);
    for (let other = 1; other < 6; other++) for (let count = 0; count < 10; count++) net.open(other, 0);
    net.settle();
    expect(net.machine(0).states()).toHaveLength(limits.circuitEndsMax / 2);
    for (let count = 0; count < 40; count++) {
      net.pass(1000);
      net.open(0, 1 + (count % 5));
    }
    expect(net.machine(0).states().length).toBeLessThanOrEqual(limits.circuitEndsMax);
    expect(net.machine(0).open(9, [nameOf(1)], net.now)).toBeUndefined();
  });
});
