import { beforeEach, describe, expect, it } from 'vitest';
import type { TeamId } from '../../../src/core/identifiers.ts';
import type { Fault } from '../../../src/core/outcome.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { LogStore } from '../../../src/datasets/log.ts';
import { openIdentity } from '../../../src/node/identity.ts';
import { Joining, type JoiningOutput } from '../../../src/node/joining.ts';
import { Membership } from '../../../src/node/membership.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import type { SessionId } from '../../../src/session/endpoint.ts';

const at = (ms: number) => ms as MonotonicMs;
const secret = new Uint8Array(32).fill(3);
const handshakeHash = new Uint8Array(32).fill(4);
const silence: Fault = { code: 'HANDSHAKE_TIMEOUT', blame: 'peer', message: 'nobody' };
const addresses = ['udp://a:1', 'tcp://b:1'];

let seeds = 0;
const entropy = { bytes: (length: number) => nodeCrypto.sha256(Uint8Array.of(++seeds)).slice(0, length) };

function computer() {
  const catalog = openSqliteCatalog(':memory:');
  const identity = openIdentity(catalog, nodeCrypto, entropy);
  return { identity, membership: new Membership(catalog, nodeCrypto, new LogStore(catalog, nodeCrypto)) };
}

let base: ReturnType<typeof computer>;
let ridge: ReturnType<typeof computer>;
let joining: Joining;
let invite: { team: TeamId; secret: Uint8Array; addresses: readonly string[] };

function outputs(): JoiningOutput[] {
  return Array.from({ length: 20 }, () => joining.poll()).filter((each) => each !== undefined);
}

/** Brings joining to the point where the inviting node has answered the handshake, with the key it has or another. */
function answered(session: number, remoteStatic = base.identity.channelKey.publicKey): void {
  const due = joining.nextDeadline();
  if (due !== undefined) joining.wake(due.at);
  joining.connecting(session as SessionId);
  joining.handleEstablished(session as SessionId, handshakeHash, remoteStatic, at(due?.at ?? 0));
  outputs();
}

const welcome = (team = base) => ({
  type: 'welcome' as const,
  founding: team.membership.founding as Uint8Array,
  secret,
  member: base.identity.node,
});

beforeEach(() => {
  base = computer();
  ridge = computer();
  const founder = { name: 'T', nodeName: 'base', identity: base.identity, nonce: new Uint8Array(16), secret, createdMs: 0 };
  base.membership.found(founder);
  invite = { team: base.membership.team as TeamId, secret: new Uint8Array(16), addresses };
  joining = new Joining({ ...ridge, nodeName: () => 'ridge', crypto: nodeCrypto });
  joining.start(invite, at(0));
});

describe('joining', () => {
  it('tries the addresses in turn with growing pauses, and reports after each round', () => {
    joining.wake(at(0));
    expect(outputs()).toMatchObject([{ type: 'connect', path: 'udp://a:1', kind: 'datagram' }]);
    joining.connecting(1 as SessionId);
    joining.handleClosed(1 as SessionId, silence, at(10));
    expect(outputs()).toEqual([]);
    expect(joining.nextDeadline()).toMatchObject({ at: 1010 });
    joining.wake(at(1010));
    expect(outputs()).toEqual([{ type: 'dial', address: 'tcp://b:1' }]);
    expect(joining.handleDialFailed('tcp://elsewhere:1', 'no', at(1020))).toBe(false);
    expect(joining.handleDialFailed('tcp://b:1', 'refused', at(1020))).toBe(true);
    const fault = { code: 'DIAL_FAILED', blame: 'peer', message: 'refused' };
    expect(outputs()).toEqual([{ type: 'report', event: { type: 'joining', attempt: 1, fault } }]);
    joining.hint(at(1500));
    expect(joining.nextDeadline()).toMatchObject({ at: 1500 });
  });

  it('says nothing to a node that is known not to be the member it claims to be', () => {
    answered(1, ridge.identity.channelKey.publicKey);
    joining.handleWelcome(1 as SessionId, welcome());
    expect(outputs()).toMatchObject([
      { type: 'close', session: 1 },
      { type: 'forget', peer: base.identity.node },
      { type: 'report', event: { type: 'join-failed', fault: { code: 'INVITER_INVALID' } } },
    ]);
    expect([ridge.membership.team, ridge.membership.secret, joining.nextDeadline()]).toEqual([undefined, undefined, undefined]);
  });

  it('does not adopt another team than the invite names', () => {
    const other = computer();
    other.membership.found({ name: 'U', nodeName: 'x', identity: other.identity, nonce: new Uint8Array(16), secret, createdMs: 0 });
    answered(1);
    joining.handleWelcome(1 as SessionId, welcome(other));
    expect(outputs()).toMatchObject([
      { type: 'close', session: 1 },
      { type: 'report', event: { type: 'join-failed', fault: { code: 'FOUNDING_INVALID' } } },
    ]);
    expect(ridge.membership.team).toBeUndefined();
  });

  it('ends with the reason of a refusal, and takes none from another session', () => {
    answered(1);
    const refusal = { type: 'refused', code: 'INVITE_USED', message: 'used' } as const;
    joining.handleRefused(2 as SessionId, refusal);
    expect(outputs()).toEqual([]);
    joining.handleRefused(1 as SessionId, refusal);
    expect(outputs()).toMatchObject([
      { type: 'close' },
      { type: 'report', event: { type: 'join-failed', fault: { code: 'INVITE_USED' } } },
    ]);
  });

  it('asks again when the session ends between the welcome and the log that confirms it', () => {
    answered(1);
    joining.handleWelcome(1 as SessionId, welcome());
    expect(outputs()).toMatchObject([{ type: 'begin', session: 1, peer: base.identity.node, addresses }]);
    joining.handleClosed(1 as SessionId, silence, at(5));
    expect([joining.owns(1 as SessionId), joining.nextDeadline()]).toMatchObject([false, { at: 1005 }]);
  });

  it('doubts every half a minute that the inviting node is still there, until nothing more is to come of it', () => {
    answered(1);
    joining.handleWelcome(1 as SessionId, welcome());
    outputs();
    expect(joining.nextDeadline()).toMatchObject({ at: 30_000 });
    for (const now of [10_000, 30_000, 31_000, 60_000]) joining.wake(at(now));
    expect(outputs()).toEqual([
      { type: 'doubt', session: 1 },
      { type: 'doubt', session: 1 },
    ]);
    joining.handleClosed(1 as SessionId, silence, at(60_000));
    expect(joining.nextDeadline()).toMatchObject({ at: 61_000, reason: 'try to join again' });
  });

  it('gives up what a former invite began when another is used', () => {
    answered(1);
    joining.start({ ...invite, addresses: [] }, at(9));
    joining.wake(at(9));
    expect(outputs()).toMatchObject([
      { type: 'close', session: 1 },
      { type: 'report', event: { type: 'join-failed', fault: { code: 'INVITE_WITHOUT_ADDRESS' } } },
    ]);
  });

  it('proves itself to nobody it did not dial, and cannot be stopped when it is not under way', () => {
    joining.handleEstablished(5 as SessionId, handshakeHash, secret, at(0));
    joining.handleWelcome(5 as SessionId, welcome());
    joining.stop(silence);
    outputs();
    joining.stop(silence);
    expect(outputs()).toEqual([]);
  });
});
