import { SocketPair } from './links-rows.ts';

/**
 * What a session does at particular moments, over real sockets through the relay: when it begins, idles, is urgent, and when the link goes.
 */

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes on the link both ways, all headers counted, from dialling to the first message's delivery; and those of a minute of idleness afterwards. */
export async function handshakeAndIdleBytes(): Promise<{ readonly handshakeBytes: number; readonly idleBytes: number }> {
  const pair = new SocketPair();
  await pair.open({ rateBitsPerSecond: 1e6, delayMs: 50 });
  try {
    const bytes = () => pair.relay.counts().forward.bytes + pair.relay.counts().backward.bytes;
    const arrived = new Promise<number>((resolve) => {
      pair.b.react = (output) => {
        if (output.type === 'message') resolve(bytes());
      };
    });
    await pair.establish();
    pair.a.say('normal', new Uint8Array(1));
    const handshakeBytes = await arrived;
    await pause(2000);
    const before = bytes();
    await pause(60_000);
    return { handshakeBytes, idleBytes: bytes() - before };
  } finally {
    await pair.close();
  }
}

/** Delays of 200-byte critical messages, two a second, behind saturating bulk, and the share of the link that the bulk kept. */
export async function urgency(
  rateBitsPerSecond: number,
  rttMs: number,
  count: number,
): Promise<{ readonly medianMs: number; readonly maxMs: number; readonly bulk: number }> {
  const pair = new SocketPair();
  await pair.open({ rateBitsPerSecond, delayMs: rttMs / 2 });
  try {
    let received = 0;
    const sentAt: number[] = [];
    const delaysMs: number[] = [];
    pair.b.react = (output) => {
      if (output.type === 'data') received += output.bytes.length;
      else if (output.type === 'message') delaysMs.push(performance.now() - (sentAt[output.bytes[0] ?? 0] ?? 0));
    };
    pair.a.saturate();
    await pair.establish();
    await pause(5000);
    const begun = performance.now();
    const before = received;
    for (let i = 0; i < count; i++) {
      sentAt.push(performance.now());
      pair.a.say('critical', new Uint8Array(200).fill(i));
      await pause(500 + ((i * 37) % 60));
    }
    const bulk = (received - before) / ((rateBitsPerSecond / 8000) * (performance.now() - begun));
    await pause(2000);
    delaysMs.sort((x, y) => x - y);
    return {
      medianMs: delaysMs[delaysMs.length >> 1] ?? Infinity,
      maxMs: delaysMs.length === count ? (delaysMs.at(-1) ?? Infinity) : Infinity,
      bulk,
    };
  } finally {
    await pair.close();
  }
}

/** How long after a cut under way the session says that the peer is gone, and how long after the link's return bulk data arrives again. */
export async function outage(
  rateBitsPerSecond: number,
  rttMs: number,
  seconds: number,
): Promise<{ readonly noticedMs: number; readonly flowsMs: number }> {
  const pair = new SocketPair();
  await pair.open({ rateBitsPerSecond, delayMs: rttMs / 2 });
  try {
    let suspendedAt = Infinity;
    let restoredAt = Infinity;
    let flowsAt = Infinity;
    pair.b.react = (output) => {
      if (output.type === 'data' && performance.now() > restoredAt) flowsAt = Math.min(flowsAt, performance.now());
    };
    pair.a.react = (output) => {
      if (output.type === 'suspended') suspendedAt = Math.min(suspendedAt, performance.now());
    };
    pair.a.saturate();
    await pair.establish();
    await pause(5000);
    const cutAt = performance.now();
    pair.relay.cut();
    await pause(seconds * 1000);
    pair.relay.restore();
    restoredAt = performance.now();
    await pause(4 * rttMs + 5000);
    return { noticedMs: suspendedAt - cutAt, flowsMs: flowsAt - restoredAt };
  } finally {
    await pair.close();
  }
}

/** A link that falls from one rate to a much lower one under way: seconds of the new rate that are put on it in the first ten seconds, beyond what it carries in them; and its share of the old rate 5 to 10 s after its return. */
export async function collapse(
  rateBitsPerSecond: number,
  lowBitsPerSecond: number,
  rttMs: number,
): Promise<{ readonly floodSeconds: number; readonly recovered: number }> {
  const pair = new SocketPair();
  await pair.open({ rateBitsPerSecond, delayMs: rttMs / 2 });
  try {
    let received = 0;
    pair.b.react = (output) => {
      if (output.type === 'data') received += output.bytes.length;
    };
    pair.a.saturate();
    await pair.establish();
    await pause(5000);
    const entered = pair.relay.counts().forward.bytes;
    pair.relay.set({ rateBitsPerSecond: lowBitsPerSecond, delayMs: rttMs / 2 });
    await pause(10_000);
    const floodSeconds = (pair.relay.counts().forward.bytes - entered) / (lowBitsPerSecond / 8) - 10;
    await pause(10_000);
    pair.relay.set({ rateBitsPerSecond, delayMs: rttMs / 2 });
    await pause(5000);
    const before = received;
    await pause(5000);
    return { floodSeconds, recovered: (received - before) / ((rateBitsPerSecond / 8) * 5) };
  } finally {
    await pair.close();
  }
}
