import type { LinkShape } from '../src/runtime/link-direction.ts';
import { type LinkRelay, openLinkRelay } from '../src/runtime/link-relay.ts';
import type { LinkModel } from '../src/simulation/virtual-link.ts';
import { saturate } from '../test/simulation/session-load.ts';
import { dial, sessionPair } from '../test/simulation/session-pair.ts';
import { SocketEnd } from './links-ends.ts';

/**
 * What a session makes of a link: over real sockets through the relay, and the same link in virtual time.
 */

/** One link and what is asked of it. */
export interface LinkRow {
  readonly name: string;
  readonly rateBitsPerSecond: number;
  readonly rttMs: number;
  readonly loss?: number;
  readonly burst?: NonNullable<LinkShape['burst']>;
  readonly seconds: number;
  /** Share of the rate. */
  readonly target: number;
}

/** Both ways' queue as the relay has it by default: a fifth of a second, or 16 packets. */
const queueMs = 200;
const queueBytesMin = 16 * 1500;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function shapeOf({ rateBitsPerSecond, rttMs, loss, burst }: LinkRow): LinkShape {
  return { rateBitsPerSecond, delayMs: rttMs / 2, ...(loss === undefined ? {} : { loss }), ...(burst === undefined ? {} : { burst }) };
}

function modelOf({ rateBitsPerSecond, rttMs, loss, burst }: LinkRow): LinkModel {
  const rateBytesPerSecond = rateBitsPerSecond / 8;
  return {
    rateBytesPerSecond,
    delayMs: rttMs / 2,
    queueBytes: Math.max(queueBytesMin, (rateBytesPerSecond * queueMs) / 1000),
    ...(loss === undefined ? {} : { lossRatio: loss }),
    ...(burst === undefined ? {} : { burstLoss: { toBad: burst.enter, toGood: burst.leave, lossInBad: burst.loss } }),
  };
}

/** Two ends, and the relay between them. */
export class SocketPair {
  readonly a = new SocketEnd();
  readonly b = new SocketEnd();
  relay!: LinkRelay;

  /** Opens a link of this shape. */
  async open(shape: LinkShape, scheme: 'udp' | 'tcp' = 'udp'): Promise<void> {
    const { address } = await this.b.links.listen(`${scheme}://127.0.0.1:0`);
    this.relay = await openLinkRelay({ ...shape, listen: `${scheme}://127.0.0.1:0`, target: address, seed: 1 });
  }

  /** Dials, and resolves when the session stands at the dialling end. */
  async establish(): Promise<void> {
    const before = this.a.react;
    const established = new Promise<void>((resolve) => {
      this.a.react = (output) => {
        before(output);
        if (output.type === 'established') resolve();
      };
    });
    await this.a.dial(this.b, this.relay.address);
    await established;
  }

  async close(): Promise<void> {
    await Promise.all([this.a.close(), this.b.close()]);
    await this.relay.close();
  }
}

/** Application bytes that arrived, as a share of the link's rate, over real sockets. */
export async function socketGoodput(row: LinkRow): Promise<number> {
  const pair = new SocketPair();
  await pair.open(shapeOf(row));
  try {
    let received = 0;
    pair.b.react = (output) => {
      if (output.type === 'data') received += output.bytes.length;
    };
    pair.a.saturate();
    await pair.establish();
    await pause(row.seconds * 1000);
    return received / ((row.rateBitsPerSecond / 8) * row.seconds);
  } finally {
    await pair.close();
  }
}

/** The same in virtual time. */
export function simulatedGoodput(row: LinkRow): number {
  const pair = sessionPair(1, 'datagram', modelOf(row));
  const meter = saturate(pair);
  dial(pair, 'datagram');
  while (meter.establishedAtMs === 0) pair.agenda.runUntil(pair.agenda.now.monotonicMs + 10);
  pair.agenda.runUntil(meter.establishedAtMs + row.seconds * 1000);
  return meter.received / ((row.rateBitsPerSecond / 8) * row.seconds);
}

/** Seconds from dialling until a message of these bytes is there, as a share of what the link's rate alone would take, over sockets. */
export async function socketMessageShare(row: LinkRow, bytes: number): Promise<number> {
  const pair = new SocketPair();
  await pair.open(shapeOf(row));
  try {
    const arrived = new Promise<void>((resolve) => {
      pair.b.react = (output) => {
        if (output.type === 'message') resolve();
      };
    });
    const begun = performance.now();
    await pair.establish();
    pair.a.say('normal', new Uint8Array(bytes));
    await arrived;
    return bytes / (row.rateBitsPerSecond / 8) / ((performance.now() - begun) / 1000);
  } finally {
    await pair.close();
  }
}

/** The same in virtual time. */
export function simulatedMessageShare(row: LinkRow, bytes: number): number {
  const pair = sessionPair(1, 'datagram', modelOf(row));
  let arrivedAt = 0;
  pair.b.react = (output) => {
    if (output.type === 'message') arrivedAt = pair.agenda.now.monotonicMs;
  };
  const session = dial(pair, 'datagram');
  pair.a.endpoint.sendMessage(session, 'normal', new Uint8Array(bytes), pair.agenda.now);
  pair.wires.pump(pair.a);
  while (arrivedAt === 0) pair.agenda.runUntil(pair.agenda.now.monotonicMs + 100);
  return bytes / (row.rateBitsPerSecond / 8) / (arrivedAt / 1000);
}
