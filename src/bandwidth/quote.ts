/**
 * What an exchange will cost on a link, before anything of it is sent: from the bytes that have to travel, the overhead of packets around them, and what is known of the link.
 *
 * Three figures stand for each quantity: the expected one, and the least and the most that it is between with the stated confidence. The bounds widen with what had to be estimated: contents of which
 * only samples were encoded, losses, a rate measured a few times only.
 */

/** A quantity that is not known exactly. */
export interface Estimate {
  readonly least: number;
  readonly expected: number;
  readonly most: number;
}

/** What a link is like, as far as costs go. */
export interface QuotedLink {
  /** Bytes a second towards the peer, all headers counted. */
  readonly rateBytesPerSecond: number;
  readonly rttMs: number;
  /** Share of packets lost, 0 to below 1. Default 0. */
  readonly lossRatio?: number;
  /** How far these figures can be relied on, 0 to 1. Default 1. */
  readonly confidence?: number;
}

/** What has to travel. */
export interface QuotedLoad {
  /** Bytes of entries and messages, which are known exactly. */
  readonly messageBytes: number;
  /** Bytes of contents as they travel, as far as they were encoded for the quote. */
  readonly exactBytes: number;
  /** Bytes of contents that were only estimated from samples. */
  readonly estimatedBytes: number;
  /** Bytes of contents that will come the other way, before any coding. */
  readonly wantedBytes: number;
  /** Contents that will be asked for, both ways. */
  readonly contents: number;
  /** A session has to be established first. */
  readonly needsHandshake: boolean;
}

/** What it costs. */
export interface Cost {
  /** Bytes on the link in each direction, all headers counted. */
  readonly sentBytes: Estimate;
  readonly receivedBytes: Estimate;
  readonly durationMs: Estimate;
  /** How probable it is that all three are within their bounds, 0 to 1, if the link stays as it is. */
  readonly confidence: number;
}

/** Headers and seal of a packet and the header of a frame: UDP over IPv4 28, transport header 8, tag 16, frame 10. */
const packetOverheadBytes = 62;
const packetBytesMax = 1228;
const packetBytesMin = 668;
/** A packet takes about so long on a slow link. */
const packetMs = 250;
/** An acknowledgement, and how many packets one is for. */
const ackBytes = 75;
const packetsPerAck: Estimate = { least: 64, expected: 6, most: 1 };
/** A handshake and what two nodes say to each other before anything else, each way: digests, vectors. An old session may turn out to be alive still. */
const handshakeBytes: Estimate = { least: 0, expected: 450, most: 1800 };
/** Asking for a content, or the receipt for it. */
const askBytes: Estimate = { least: 40, expected: 200, most: 600 };
const roundTrips: Estimate = { least: 1, expected: 5, most: 14 };
const exactSpread = 0.08;
const estimatedSpread = 0.35;
/** What content that is not here to be sampled may be compressed to. */
const wantedRatio: Estimate = { least: 0, expected: 0.5, most: 1.02 };
/** How much less than its rate a link carries, on the way up and while it is shared with answers. */
const utilisation: Estimate = { least: 1, expected: 0.88, most: 0.6 };

const bounds = ['least', 'expected', 'most'] as const;

/** The cost of an exchange. */
export function costOf(load: QuotedLoad, link: QuotedLink): Cost {
  const rate = link.rateBytesPerSecond;
  const delivered = 1 - Math.min(0.9, link.lossRatio ?? 0);
  const packetBytes = Math.min(packetBytesMax, Math.max(packetBytesMin, (rate * packetMs) / 1000));
  const packetsOf = (bytes: number): number => bytes / (packetBytes - packetOverheadBytes);
  const spread = { least: -1, expected: 0, most: 1 };
  const cost = { sentBytes: { ...nothing }, receivedBytes: { ...nothing }, durationMs: { ...nothing } };
  for (const bound of bounds) {
    const exact = (load.messageBytes + load.exactBytes) * (1 + spread[bound] * exactSpread);
    const content = exact + load.estimatedBytes * (1 + spread[bound] * estimatedSpread);
    const asking = load.contents * askBytes[bound] + (load.needsHandshake ? handshakeBytes[bound] : 0);
    const wanted = load.wantedBytes * wantedRatio[bound];
    const outPackets = packetsOf(content);
    const inPackets = packetsOf(wanted);
    // Of losses between none and twice the usual.
    const repeated = 1 + (1 / delivered - 1) * (spread[bound] + 1);
    const sent = (content + outPackets * packetOverheadBytes) * repeated + asking + (inPackets / packetsPerAck[bound]) * ackBytes;
    const received = (wanted + inPackets * packetOverheadBytes) * repeated + asking + (outPackets / packetsPerAck[bound]) * ackBytes;
    cost.sentBytes[bound] = Math.round(sent);
    cost.receivedBytes[bound] = Math.round(received);
    // Both directions at once at best, one after the other at worst.
    const bytes = bound === 'most' ? sent + received : Math.max(sent, received);
    cost.durationMs[bound] = Math.round((bytes / (rate * utilisation[bound])) * 1000 + link.rttMs * roundTrips[bound]);
  }
  const estimatedShare =
    (load.estimatedBytes + load.wantedBytes) / Math.max(1, load.messageBytes + load.exactBytes + load.estimatedBytes + load.wantedBytes);
  return { ...cost, confidence: (link.confidence ?? 1) * (0.95 - 0.15 * estimatedShare) };
}

const nothing = { least: 0, expected: 0, most: 0 };
