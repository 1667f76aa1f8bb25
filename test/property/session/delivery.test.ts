import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../../src/core/bytes.ts';
import { type PriorityClass, priorityClasses } from '../../../src/core/priority.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { PathKind } from '../../../src/session/ledger.ts';
import type { LinkModel } from '../../../src/simulation/virtual-link.ts';
import { dial, type SessionPair, sessionPair, type TestEnd } from '../../simulation/session-pair.ts';

/** What one end sends: messages by class, and transfers. */
interface Load {
  readonly messages: readonly { readonly priority: PriorityClass; readonly bytes: Uint8Array }[];
  readonly transfers: readonly { readonly priority: PriorityClass; readonly bytes: Uint8Array }[];
}

const classes = fc.constantFrom(...priorityClasses);
const load = (messages: number, transferBytes: number) =>
  fc.record({
    seed: fc.nat(),
    messages: fc.array(fc.record({ priority: classes, length: fc.oneof(fc.nat(300), fc.nat(20_000)) }), { maxLength: messages }),
    transfers: fc.array(fc.record({ priority: classes, length: fc.nat(transferBytes) }), { maxLength: 3 }),
  });

const linkModel: fc.Arbitrary<LinkModel> = fc.record(
  {
    rateBytesPerSecond: fc.constantFrom(2_000, 20_000, 200_000, 2_000_000),
    delayMs: fc.constantFrom(0, 5, 50, 400),
    jitterMs: fc.constantFrom(0, 3, 40),
    reorders: fc.boolean(),
    lossRatio: fc.constantFrom(0, 0.02, 0.2),
    burstLoss: fc.constantFrom({ toBad: 0.02, toGood: 0.2, lossInBad: 0.9 }, { toBad: 0, toGood: 1, lossInBad: 0 }),
    duplicateRatio: fc.constantFrom(0, 0.1),
    queueBytes: fc.constantFrom(4_000, 64_000),
    outages: fc.constantFrom(
      [],
      [{ fromMs: 700, untilMs: 2_500 }],
      [
        { fromMs: 0, untilMs: 3_000 },
        { fromMs: 6_000, untilMs: 30_000 },
      ],
    ),
  },
  { requiredKeys: ['delayMs', 'rateBytesPerSecond'] },
);

const streamModel: fc.Arbitrary<LinkModel> = fc.record({
  rateBytesPerSecond: fc.constantFrom(2_000, 200_000, 50_000_000),
  delayMs: fc.constantFrom(0, 5, 400),
  jitterMs: fc.constantFrom(0, 20),
  outages: fc.constantFrom([], [{ fromMs: 700, untilMs: 2_500 }], [{ fromMs: 2_000, untilMs: 40_000 }]),
  holds: fc.constant(true),
});

/** A further path, when to move there, and whether the one before is cut first. */
const hop = fc.record({
  kind: fc.constantFrom('datagram' as const, 'stream' as const),
  afterMs: fc.integer({ min: 100, max: 8_000 }),
  cuts: fc.boolean(),
});

function realise(plan: {
  seed: number;
  messages: { priority: PriorityClass; length: number }[];
  transfers: { priority: PriorityClass; length: number }[];
}): Load {
  const random = seededRandom(plan.seed);
  const fill = ({ priority, length }: { priority: PriorityClass; length: number }) => ({ priority, bytes: random.bytes(length) });
  return { messages: plan.messages.map(fill), transfers: plan.transfers.map(fill) };
}

/** Sends everything at once as far as there is room, the rest when there is room again. */
function send(pair: SessionPair, end: TestEnd, kind: PathKind, what: Load): void {
  const offsets = what.transfers.map(() => 0);
  const done = what.transfers.map(() => false);
  const pushData = () => {
    const session = end.session;
    if (session === undefined) return;
    what.transfers.forEach(({ priority, bytes }, transfer) => {
      while (!done[transfer]) {
        const length = Math.min(end.endpoint.maxDataBytes(session), bytes.length - offsets[transfer]!);
        if (end.endpoint.roomBytes(session, priority) < length) return;
        const offset = offsets[transfer]!;
        const last = offset + length === bytes.length;
        if (
          !end.endpoint.sendData(
            session,
            priority,
            { transfer, offset, bytes: bytes.subarray(offset, offset + length), last },
            pair.agenda.now,
          )
        )
          return;
        offsets[transfer] = offset + length;
        done[transfer] = last;
      }
    });
  };
  end.react = (output) => {
    if (output.type === 'established') {
      for (const { priority, bytes } of what.messages) end.endpoint.sendMessage(output.session, priority, bytes, pair.agenda.now);
    }
    // A handshake gives up after two minutes; whoever wants a session dials again.
    if (output.type === 'closed' && output.fault.code === 'HANDSHAKE_TIMEOUT') dial(pair, kind);
    if (output.type === 'established' || output.type === 'writable' || output.type === 'resumed') pushData();
  };
}

/** Checks that the other end got each message once, in order within its class, and each byte of each transfer once. */
function check(got: TestEnd, what: Load): void {
  for (const priority of priorityClasses) {
    const wanted = what.messages.filter((message) => message.priority === priority).map(({ bytes }) => bytes);
    const arrived = got.outputs.flatMap((output) => (output.type === 'message' && output.priority === priority ? [output.bytes] : []));
    expect(arrived.length).toBe(wanted.length);
    for (const [index, bytes] of wanted.entries()) expect(equalBytes(arrived[index]!, bytes)).toBe(true);
  }
  what.transfers.forEach(({ bytes }, transfer) => {
    const joined = new Uint8Array(bytes.length);
    let count = 0;
    let lasts = 0;
    for (const output of got.outputs) {
      if (output.type !== 'data' || output.transfer !== transfer) continue;
      joined.set(output.bytes, output.offset);
      count += output.bytes.length;
      if (output.last) lasts++;
      if (output.last) expect(output.offset + output.bytes.length).toBe(bytes.length);
    }
    expect(count).toBe(bytes.length);
    expect(lasts).toBe(1);
    expect(equalBytes(joined, bytes)).toBe(true);
  });
}

describe('sessions', () => {
  it('deliver every message and every byte exactly once over any datagram link', () => {
    fc.assert(
      fc.property(fc.nat(), linkModel, linkModel, load(12, 60_000), load(6, 20_000), (seed, there, back, planA, planB) => {
        const pair = sessionPair(seed, 'datagram', there, back);
        const [loadA, loadB] = [realise(planA), realise(planB)];
        send(pair, pair.a, 'datagram', loadA);
        send(pair, pair.b, 'datagram', loadB);
        dial(pair, 'datagram');
        expect(pair.agenda.runUntil(3_600_000)).toBe(false);
        check(pair.b, loadA);
        check(pair.a, loadB);
        expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
        expect(pair.b.endpoint.nextDeadline()).toBeUndefined();
      }),
      { numRuns: 150, seed: 4 },
    );
  });

  it('deliver every message and every byte exactly once over streams that stall', () => {
    fc.assert(
      fc.property(fc.nat(), streamModel, load(12, 400_000), load(6, 100_000), (seed, model, planA, planB) => {
        const pair = sessionPair(seed, 'stream', model);
        const [loadA, loadB] = [realise(planA), realise(planB)];
        send(pair, pair.a, 'stream', loadA);
        send(pair, pair.b, 'stream', loadB);
        dial(pair, 'stream');
        // An unused end of a stream is watched for two minutes, so there is an end to what happens.
        expect(pair.agenda.runUntil(3_600_000)).toBe(false);
        check(pair.b, loadA);
        check(pair.a, loadB);
        expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  it('deliver everything exactly once while they wander between streams and datagrams', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        linkModel,
        fc.array(hop, { minLength: 1, maxLength: 5 }),
        load(10, 200_000),
        load(6, 60_000),
        (seed, model, hops, planA, planB) => {
          const pair = sessionPair(seed, 'datagram', model);
          const [loadA, loadB] = [realise(planA), realise(planB)];
          send(pair, pair.a, 'datagram', loadA);
          send(pair, pair.b, 'datagram', loadB);
          dial(pair, 'datagram');
          let from = 'wire';
          hops.forEach(({ kind, afterMs, cuts }, index) => {
            pair.agenda.runUntil(pair.agenda.now.monotonicMs + afterMs);
            const path = `hop ${index}`;
            pair.lay(path, kind, kind === 'stream' ? { delayMs: 30, rateBytesPerSecond: 50_000 } : model);
            // Only a session can be moved; a handshake ends where it began.
            if (pair.a.session === undefined) return;
            if (cuts) pair.wires.cut(from);
            pair.a.endpoint.migrate(pair.a.session, path, kind, pair.agenda.now);
            pair.wires.pump(pair.a);
            from = path;
          });
          pair.agenda.runUntil(pair.agenda.now.monotonicMs + 7_200_000);
          check(pair.b, loadA);
          check(pair.a, loadB);
        },
      ),
      { numRuns: 100, seed: 6 },
    );
  });
});
