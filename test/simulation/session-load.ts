import type { SessionPair } from './session-pair.ts';

/** What bulk traffic achieved. */
export interface BulkMeter {
  /** Bytes of transfers that B was given. */
  received: number;
  /** When A's session was established, milliseconds. */
  establishedAtMs: number;
}

const block = new Uint8Array(64 * 1024).fill(0x5a);

/** Lets A send bulk data without end, as much as its session takes, and counts what arrives at B. Call before dialling. */
export function saturate(pair: SessionPair): BulkMeter {
  const meter: BulkMeter = { received: 0, establishedAtMs: 0 };
  const { endpoint } = pair.a;
  let offset = 0;
  const fill = () => {
    const session = pair.a.session;
    if (session === undefined) return;
    for (;;) {
      const length = endpoint.maxDataBytes(session);
      if (endpoint.roomBytes(session, 'bulk') < length) return;
      endpoint.sendData(session, 'bulk', { transfer: 1, offset, bytes: block.subarray(0, length), last: false }, pair.agenda.now);
      offset += length;
    }
  };
  pair.a.react = (output) => {
    if (output.type === 'established') meter.establishedAtMs = pair.agenda.now.monotonicMs;
    if (output.type === 'established' || output.type === 'writable' || output.type === 'resumed') fill();
  };
  pair.b.react = (output) => {
    if (output.type === 'data') meter.received += output.bytes.length;
  };
  return meter;
}
