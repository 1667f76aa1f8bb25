import { beforeEach, describe, expect, it } from 'vitest';
import { identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { WallMs } from '../../../src/core/time.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import { Admission, joinProofBytes } from '../../../src/node/admission.ts';
import { type Identity, openIdentity } from '../../../src/node/identity.ts';
import { inviteKeys } from '../../../src/node/invite.ts';
import { Membership } from '../../../src/node/membership.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import type { SessionId } from '../../../src/session/endpoint.ts';

const session = 1 as SessionId;
const nowMs = 1_000_000 as WallMs;
const handshakeHash = new Uint8Array(32).fill(7);
const invite = { secret: new Uint8Array(16).fill(9), role: 'member', expiresMs: nowMs + 1000 } as const;
const { psk, tag } = inviteKeys(invite.secret, nodeCrypto.hmacSha256);

let seeds = 0;
const entropy = { bytes: (length: number) => nodeCrypto.sha256(Uint8Array.of(++seeds)).slice(0, length) };
const newIdentity = (): Identity => openIdentity(openSqliteCatalog(':memory:'), nodeCrypto, entropy);

/** The inviting node, one newcomer, and what the newcomer says. */
function meeting() {
  const catalog = openSqliteCatalog(':memory:');
  const identity = openIdentity(catalog, nodeCrypto, entropy);
  const membership = new Membership(catalog, nodeCrypto, new LogStore(catalog, nodeCrypto));
  membership.found({ name: 'T', nodeName: 'base', identity, nonce: new Uint8Array(16), secret: new Uint8Array(32), createdMs: 0 });
  membership.addInvite({ ...invite, psk, tag });
  const newcomer = newIdentity();
  const join = {
    type: 'join',
    node: newcomer.node,
    name: 'ridge',
    binding: newcomer.binding,
    proof: nodeCrypto.ed25519Sign(newcomer.signingKey, joinProofBytes(handshakeHash)),
  } as const;
  const admission = new Admission(identity, nodeCrypto, membership);
  const arrive = (remoteStatic: Uint8Array = newcomer.channelKey.publicKey) =>
    admission.handleEstablished(session, { handshakeHash, remoteStatic, inviteTag: tag });
  return { identity, membership, newcomer, join, admission, arrive };
}

describe('an inviting node', () => {
  let met: ReturnType<typeof meeting>;
  beforeEach(() => {
    met = meeting();
  });

  it('admits a newcomer that proves which node it is, under the key of this session', () => {
    met.arrive();
    expect(met.admission.handleJoin(session, met.join, nowMs)).toMatchObject({
      type: 'admit',
      node: met.newcomer.node,
      operation: { type: 'member', channelKey: met.newcomer.channelKey.publicKey, role: 'member', name: 'ridge' },
      welcome: { type: 'welcome', member: met.identity.node },
    });
  });

  it('refuses a node that does not vouch for the key of this session, and keeps the invite for another', () => {
    met.arrive(newIdentity().channelKey.publicKey);
    const refused = met.admission.handleJoin(session, met.join, nowMs);
    expect(refused).toMatchObject({ type: 'refuse', refusal: { code: 'JOIN_INVALID' }, fault: { code: 'JOIN_INVALID', blame: 'peer' } });
    const other = identifier<NodeId>(new Uint8Array(32).fill(1));
    expect(met.membership.redeemInvite(tag, other, nowMs)).toBe('member');
  });

  it.each([
    ['for another node', () => ({ node: newIdentity().node })],
    ['for another handshake', () => ({ proof: nodeCrypto.ed25519Sign(met.newcomer.signingKey, joinProofBytes(new Uint8Array(32))) })],
    ['for another channel key', () => ({ binding: newIdentity().binding })],
  ])('refuses a proof that was made %s', (_what, change) => {
    met.arrive();
    expect(met.admission.handleJoin(session, { ...met.join, ...change() }, nowMs)).toMatchObject({
      type: 'refuse',
      refusal: { code: 'JOIN_INVALID' },
    });
  });

  it('refuses an invite that expired while it was being used', () => {
    met.arrive();
    expect(met.admission.handleJoin(session, met.join, (nowMs + 1000) as WallMs)).toMatchObject({
      type: 'refuse',
      refusal: { code: 'INVITE_USED' },
    });
  });

  it('answers once a session, and nobody who did not come with an invite', () => {
    expect(met.admission.handleJoin(session, met.join, nowMs)).toBeUndefined();
    met.arrive();
    met.admission.handleJoin(session, met.join, nowMs);
    expect(met.admission.handleJoin(session, met.join, nowMs)).toBeUndefined();
    met.arrive();
    met.admission.handleClosed(session);
    expect(met.admission.handleJoin(session, met.join, nowMs)).toBeUndefined();
  });
});
