import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { encodeCbor } from '../../../src/core/cbor.ts';
import type { TeamId } from '../../../src/core/identifiers.ts';
import { decodeInvite, encodeInvite, inviteKeys } from '../../../src/node/invite.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';

const { sha256, hmacSha256 } = nodeCrypto;
const invite = {
  team: 'c3'.repeat(32) as TeamId,
  secret: new Uint8Array(16).fill(4),
  addresses: ['udp://192.168.1.7:7077', 'tcp://[fe80::1]:7077'],
};

/** A code of anything, with the right check bytes. */
function codeOf(value: Parameters<typeof encodeCbor>[0]): string {
  const body = new Uint8Array(encodeCbor(value));
  return `godwit1:${concatBytes(body, sha256(body).slice(0, 4)).toBase64({ alphabet: 'base64url', omitPadding: true })}`;
}

describe('an invite code', () => {
  const code = encodeInvite(invite, sha256);

  it('reads as it was made, also when it was broken over lines', () => {
    expect(decodeInvite(code, sha256)).toEqual({ ok: true, value: invite });
    expect(decodeInvite(` ${code.slice(0, 30)}\n  ${code.slice(30)}\r\n`, sha256)).toEqual({ ok: true, value: invite });
  });

  it('that was cut short, or has a wrong letter, is refused', () => {
    fc.assert(
      fc.property(fc.nat(code.length - 2), fc.constantFrom('A', 'b', '_', '7'), (at, letter) => {
        expect(decodeInvite(code.slice(0, at + 1), sha256)).toMatchObject({
          ok: false,
          fault: { code: 'INVITE_MALFORMED', blame: 'caller' },
        });
        const changed = code.slice(0, at) + letter + code.slice(at + 1);
        if (changed !== code) expect(decodeInvite(changed, sha256).ok).toBe(false);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it.each([
    ['nothing', ''],
    ['something else', 'https://example.org'],
    ['no base64', 'godwit1:***'],
    ['a list of two', codeOf([new Uint8Array(32), new Uint8Array(16)])],
    ['a short team', codeOf([new Uint8Array(31), new Uint8Array(16), []])],
    ['a long secret', codeOf([new Uint8Array(32), new Uint8Array(17), []])],
    ['numbers for addresses', codeOf([new Uint8Array(32), new Uint8Array(16), [1]])],
    ['nine addresses', codeOf([new Uint8Array(32), new Uint8Array(16), Array.from({ length: 9 }, () => 'udp://a:1')])],
  ])('is refused when it is %s', (_name, text) => {
    expect(decodeInvite(text, sha256)).toMatchObject({ ok: false, fault: { code: 'INVITE_MALFORMED' } });
  });

  it('stands for a key and a tag that say nothing of each other', () => {
    const { psk, tag } = inviteKeys(invite.secret, hmacSha256);
    expect([psk.length, tag.length]).toEqual([32, 8]);
    expect(psk.slice(0, 8)).not.toEqual(tag);
    expect(inviteKeys(new Uint8Array(16).fill(5), hmacSha256).tag).not.toEqual(tag);
  });

  it('names its first eight addresses, so that a node that listens on more still makes a code that can be read', () => {
    const addresses = Array.from({ length: 9 }, (_, index) => `udp://a:${index + 1}`);
    expect(decodeInvite(encodeInvite({ ...invite, addresses }, sha256), sha256)).toMatchObject({
      ok: true,
      value: { addresses: addresses.slice(0, 8) },
    });
  });
});
