import { rateControlFactory } from '../../src/bandwidth/rate-control.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { NodeId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import type { EarlySpeaker } from '../../src/session/early-data.ts';
import { type EndpointOutput, SessionEndpoint, type SessionId } from '../../src/session/endpoint.ts';
import type { PathKind } from '../../src/session/ledger.ts';
import { VirtualAgenda } from '../../src/simulation/virtual-agenda.ts';
import { type LinkModel, VirtualLink } from '../../src/simulation/virtual-link.ts';
import { VirtualWires, type WireEnd } from '../../src/simulation/virtual-wires.ts';

/** Two members of one team, A and B, with a seeded world between them. */

export const teamSecret = new Uint8Array(32).fill(7);
export const inviteTag = new Uint8Array(8).fill(3);
export const inviteSecret = new Uint8Array(32).fill(9);

/** An end that keeps what it was told, and lets a test react to it. */
export interface TestEnd extends WireEnd {
  readonly publicKey: Uint8Array;
  readonly outputs: EndpointOutput[];
  /** The session last established. */
  session: SessionId | undefined;
  react: (output: EndpointOutput) => void;
}

export interface SessionPair {
  readonly agenda: VirtualAgenda;
  readonly wires: VirtualWires;
  readonly a: TestEnd;
  readonly b: TestEnd;
  readonly links: readonly [VirtualLink, VirtualLink];
  /** Lays a further wire between the two. */
  lay(path: string, kind: PathKind, model: LinkModel, back?: LinkModel): readonly [VirtualLink, VirtualLink];
  /** Makes a further end with A's identity, as after a restart. */
  restartA(): TestEnd;
}

/** A pair with one wire, `path` 'wire', of this kind and model. `back` is the model from B to A, the same if absent. */
export function sessionPair(
  seed: number,
  kind: PathKind,
  model: LinkModel,
  back: LinkModel = model,
  options: { readonly knownToB?: boolean; readonly earlySpeaker?: EarlySpeaker } = {},
): SessionPair {
  const random = seededRandom(seed);
  const agenda = new VirtualAgenda();
  const wires = new VirtualWires(agenda);
  const keysA = nodeCrypto.x25519KeyPair(random.bytes(32));
  const keysB = nodeCrypto.x25519KeyPair(random.bytes(32));
  const makeEnd = (own: typeof keysA, known: readonly Uint8Array[]): TestEnd => {
    const outputs: EndpointOutput[] = [];
    const end: TestEnd = {
      publicKey: own.publicKey,
      outputs,
      session: undefined,
      react: () => {},
      endpoint: new SessionEndpoint({
        localStatic: own,
        crypto: nodeCrypto,
        entropy: random.fork(),
        random: random.fork(),
        rateControl: rateControlFactory('polite'),
        ...(options.earlySpeaker === undefined ? {} : { earlySpeaker: options.earlySpeaker }),
        credentials: {
          memberSecrets: () => [teamSecret],
          inviteSecret: (tag) => (toHex(tag) === toHex(inviteTag) ? inviteSecret : undefined),
          memberByKey: (key) => (known.some((other) => toHex(other) === toHex(key)) ? (toHex(key) as NodeId) : undefined),
        },
      }),
      onOutput(output) {
        // What arrived is good only until the endpoint is asked for more.
        if (output.type === 'data') outputs.push({ ...output, bytes: output.bytes.slice() });
        else if (output.type !== 'transmit') outputs.push(output);
        if (output.type === 'established') end.session = output.session;
        end.react(output);
      },
    };
    return end;
  };
  const a = makeEnd(keysA, [keysB.publicKey]);
  const b = makeEnd(keysB, options.knownToB === false ? [] : [keysA.publicKey]);
  const lay = (path: string, pathKind: PathKind, there: LinkModel, andBack: LinkModel = there) => {
    const links = [new VirtualLink(there, random.fork()), new VirtualLink(andBack, random.fork())] as const;
    wires.connect(path, pathKind, [a, b], links);
    return links;
  };
  const links = lay('wire', kind, model, back);
  return { agenda, wires, a, b, links, lay, restartA: () => makeEnd(keysA, [keysB.publicKey]) };
}

/** A dials B over 'wire'. */
export function dial(pair: SessionPair, kind: PathKind): SessionId {
  const session = pair.a.endpoint.connect({ path: 'wire', kind, remoteStatic: pair.b.publicKey, secret: teamSecret }, pair.agenda.now);
  pair.wires.pump(pair.a);
  return session;
}
