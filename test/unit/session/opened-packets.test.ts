import { describe, expect, it } from 'vitest';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { OpenedPackets } from '../../../src/session/opened-packets.ts';

const [key, nonce, header] = [new Uint8Array(32).fill(1), new Uint8Array(12), new Uint8Array(3)];

describe('what was opened of packets', () => {
  it('is there until it is given back, and empty then, where it is long', () => {
    const opened = new OpenedPackets();
    const crypto = opened.remembering(nodeCrypto);
    const open = (length: number) =>
      crypto.chachaPolyOpen(key, nonce, header, nodeCrypto.chachaPolySeal(key, nonce, header, new Uint8Array(length).fill(7)));
    const [long, short] = [open(60_000), open(100)];
    expect(long?.every((byte) => byte === 7)).toBe(true);
    opened.giveBack();
    expect([long?.length, short?.length]).toEqual([0, 100]);
    opened.giveBack();
  });

  it('is nothing where a packet is not authentic', () => {
    const opened = new OpenedPackets();
    expect(opened.remembering(nodeCrypto).chachaPolyOpen(key, nonce, header, new Uint8Array(50_000))).toBeUndefined();
    opened.giveBack();
  });
});
