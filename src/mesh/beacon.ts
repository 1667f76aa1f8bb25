import { concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import type { Crypto } from '../ports/crypto.ts';

/**
 * A beacon: "a node of our team is here", readable by members and by nobody else.
 *
 * It is sealed with a key that follows from the team's secret, under a fresh random nonce each time. A member that can open it knows that another member made it, and which one; to everybody else two
 * beacons have nothing in common but that they are Godwit's: neither team nor node can be told, nor whether two came from the same one. There is no epoch in it, because clocks in the field are wrong
 * by years. A replayed beacon opens, too: it is an idea of where somebody may be and no more, and whoever acts on it proves the peer's identity in the handshake.
 *
 * Form, 47 bytes: `Gw` (2), version 1 (1), nonce (12), sealed [short name of the node (8), four ports, 2 bytes each, big-endian: UDP over IPv4, UDP over IPv6, TCP over IPv4, TCP over IPv6; 0: does
 * not listen] (16) and its tag (16). ChaCha20-Poly1305 with the first three bytes as associated data.
 */

/** Length of every beacon. */
export const beaconBytes = 47;
const header = Uint8Array.of(0x47, 0x77, 1);
const nonceBytes = 12;
const nameBytes = 8;

/** Ports a node listens at, 0 for none. */
export interface BeaconPorts {
  readonly udp4: number;
  readonly udp6: number;
  readonly tcp4: number;
  readonly tcp6: number;
}

/** What a beacon says. */
export interface Beacon extends BeaconPorts {
  /** First 8 bytes of the node's identifier. */
  readonly node: Uint8Array;
}

/** The key of a team's beacons, from the team's secret. */
export function beaconKey(crypto: Crypto, teamSecret: Uint8Array): Uint8Array {
  return crypto.hmacSha256(teamSecret, utf8('godwit beacon 1'));
}

/** Makes a beacon. `nonce`: 12 random bytes, not used before. */
export function sealBeacon(crypto: Crypto, key: Uint8Array, nonce: Uint8Array, { node, udp4, udp6, tcp4, tcp6 }: Beacon): Uint8Array {
  const plain = new Uint8Array(nameBytes + 8);
  plain.set(node.subarray(0, nameBytes));
  const view = new DataView(plain.buffer);
  for (const [index, port] of [udp4, udp6, tcp4, tcp6].entries()) view.setUint16(nameBytes + 2 * index, port);
  return concatBytes(header, nonce, crypto.chachaPolySeal(key, nonce, header, plain));
}

/** What a beacon says, or `undefined` when it is none, or another team's. */
export function openBeacon(crypto: Crypto, key: Uint8Array, bytes: Uint8Array): Beacon | undefined {
  if (bytes.length !== beaconBytes || !equalBytes(bytes.subarray(0, header.length), header)) return undefined;
  const plain = crypto.chachaPolyOpen(key, beaconNonce(bytes), header, bytes.subarray(header.length + nonceBytes));
  if (plain === undefined) return undefined;
  const view = new DataView(plain.buffer, plain.byteOffset, plain.length);
  const port = (index: number): number => view.getUint16(nameBytes + 2 * index);
  return { node: plain.slice(0, nameBytes), udp4: port(0), udp6: port(1), tcp4: port(2), tcp6: port(3) };
}

/** The nonce of a beacon: tells its repetitions from others. */
export function beaconNonce(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(header.length, header.length + nonceBytes);
}
