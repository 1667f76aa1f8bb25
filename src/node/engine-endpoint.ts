import type { NodeId } from '../core/identifiers.ts';
import type { Moment, WallMs } from '../core/time.ts';
import { Contacts } from '../forwarding/contacts.ts';
import { SessionEndpoint } from '../session/endpoint.ts';
import { meterOfLinks } from './circuit-keeping.ts';
import { earlySpeaker } from './early-speaking.ts';
import type { EngineParts } from './engine-parts.ts';
import type { LinkSupervision } from './link-supervision.ts';

/** The sessions of a node: whom they believe follows from its team, and what their packets cost from its links. */
export function sessionEndpoint(
  parts: EngineParts,
  links: LinkSupervision,
  wallMs: () => WallMs,
  hasSession: (peer: NodeId) => boolean,
): SessionEndpoint {
  const { identity, crypto, entropy, random, rateControl, membership } = parts;
  return new SessionEndpoint({
    localStatic: identity.channelKey,
    crypto,
    entropy,
    random: random.fork(),
    rateControl,
    meter: meterOfLinks(links.accounts),
    earlySpeaker: earlySpeaker(parts, hasSession),
    credentials: {
      memberSecrets: () => (membership.secret === undefined ? [] : [membership.secret]),
      inviteSecret: (tag) => membership.invitePsk(tag, wallMs()) ?? membership.pass(tag, wallMs())?.key,
      memberByKey: (key) => membership.memberByKey(key)?.node,
    },
  });
}

/** When members are tried: by their windows and earlier contacts, and ever more rarely. `now` is that of the present turn. */
export function contactsOf({ catalog, random, deliveries }: EngineParts, now: () => Moment): Contacts {
  return new Contacts(catalog, random.fork(), now().monotonicMs, {
    opensInMs: (peer) => deliveries.opensInMs(peer, now().wallMs),
    expectedInMs: (peer) => deliveries.expectedInMs(peer, now().wallMs),
  });
}
