import type { Random } from '../core/random.ts';
import type { Platform } from '../node/platform.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { LinkDriver } from '../ports/links.ts';

/**
 * Members that do what they may and should not: they keep all keys and say well-formed things, but they repeat old packets, flood, claim to hold what they do not, or run another version of the protocol.
 *
 * All of it is put between a node and its platform, so the node itself is the real one. What a member does stops when its `conduct` is changed back; its keys and data are those of an honest node then.
 */

/** What a member does at the moment. Changed by the simulator while the node runs. */
export interface Conduct {
  /** Sends some of its old packets again, at any time later. */
  replays: boolean;
  /** Sends noise to whomever it speaks with. */
  floods: boolean;
  /** Claims so many more entries of everybody's logs than it holds. */
  claimsEntries: number;
  /** Speaks this version of the protocol over datagrams, instead of the version it has. */
  version: number | undefined;
}

/** A member that does as it should. */
export function honest(): Conduct {
  return { replays: false, floods: false, claimsEntries: 0, version: undefined };
}

const packetsKept = 64;
const noisePackets = 8;
/** Of a handshake packet, whose low four bits are its version (`session/packets.ts`). */
const longForm = 0x80;
const versionBits = 0x0f;

/** The platform of a member with this conduct. */
export function misbehaving(platform: Platform, conduct: Conduct, random: Random, ownVersion: number): Platform {
  return {
    ...platform,
    catalog: boastful(platform.catalog, conduct),
    links: importunate(platform.links, conduct, random, ownVersion),
  };
}

function importunate(links: LinkDriver, conduct: Conduct, random: Random, ownVersion: number): LinkDriver {
  const kept: { readonly path: string; readonly bytes: Uint8Array }[] = [];
  const isDatagram = (path: string): boolean => path.startsWith('udp:');
  return {
    start: (sink) =>
      links.start({
        ...sink,
        received: (path, kind, bytes) => sink.received(path, kind, kind === 'datagram' ? understood(bytes, conduct, ownVersion) : bytes),
      }),
    listen: (address) => links.listen(address),
    dial: (address) => links.dial(address),
    closePath: (path) => links.closePath(path),
    close: () => links.close(),
    transmit: (path, bytes) => {
      links.transmit(path, isDatagram(path) ? spoken(bytes, conduct) : bytes);
      if (!isDatagram(path)) return;
      if (conduct.replays) {
        kept.push({ path, bytes: bytes.slice() });
        if (kept.length > packetsKept) kept.splice(random.below(kept.length), 1);
        const old = kept[random.below(kept.length)];
        if (old !== undefined && random.below(2) === 0) links.transmit(old.path, old.bytes);
      }
      if (conduct.floods) for (let i = 0; i < noisePackets; i++) links.transmit(path, random.bytes(1 + random.below(200)));
    },
  };
}

/** Handshakes carry the version; what follows them is said in the version that was agreed. */
function spoken(bytes: Uint8Array, { version }: Conduct): Uint8Array {
  return version === undefined ? bytes : withVersion(bytes, version);
}

function understood(bytes: Uint8Array, { version }: Conduct, ownVersion: number): Uint8Array {
  if (version === undefined || ((bytes[0] ?? 0) & longForm) === 0) return bytes;
  const theirs = (bytes[0] ?? 0) & versionBits;
  return withVersion(bytes, theirs === version ? ownVersion : theirs === ownVersion ? 0 : theirs);
}

function withVersion(bytes: Uint8Array, version: number): Uint8Array {
  const first = bytes[0] ?? 0;
  if ((first & longForm) === 0) return bytes;
  const copy = bytes.slice();
  copy[0] = (first & ~versionBits) | version;
  return copy;
}

/** The catalog of a node that believes to hold more than it does: the lengths of logs are what every version vector and receipt is made of. */
function boastful(catalog: Catalog, conduct: Conduct): Catalog {
  return {
    migrate: (schema) => catalog.migrate(schema),
    run: (...parameters) => catalog.run(...parameters),
    get: <Row>(...parameters: Parameters<Catalog['get']>) => catalog.get<Row>(...parameters),
    all: <Row>(...parameters: Parameters<Catalog['all']>) => {
      const rows = catalog.all<Row>(...parameters);
      if (conduct.claimsEntries === 0 || !parameters[0].startsWith('SELECT author, length FROM log')) return rows;
      return rows.map((row) => ({ ...row, length: (row as { length: number }).length + conduct.claimsEntries }));
    },
    iterate: <Row>(...parameters: Parameters<Catalog['iterate']>) => catalog.iterate<Row>(...parameters),
    transaction: (work) => catalog.transaction(work),
    close: () => catalog.close(),
  };
}
