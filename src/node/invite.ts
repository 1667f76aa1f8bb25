import { toHex, utf8 } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import { identifier, identifierToBytes, type TeamId } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';

/**
 * An invite: everything a new node needs to join, as one line of text.
 *
 *     godwit1: base64url( CBOR [team (32), secret (16), [address, …]] || first 4 bytes of SHA-256 of that )
 *
 * The check bytes catch a code that was copied short. Whoever has the code can join until it is used or expires, so it is passed on like a key.
 */
export interface Invite {
  readonly team: TeamId;
  /** 16 random bytes; the pre-shared key of the joining handshake is derived from it. */
  readonly secret: Uint8Array;
  /** Where the inviting node can be reached: `udp://host:port` or `tcp://host:port`, best first; `via:` before the address of another member, which lets the newcomer through to it. */
  readonly addresses: readonly string[];
}

const prefix = 'godwit1:';
const secretBytes = 16;
const checkBytes = 4;
const addressesMax = 8;

type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** The code of an invite, with its first eight addresses. */
export function encodeInvite(invite: Invite, sha256: Sha256): string {
  const body = encodeCbor([identifierToBytes(invite.team), invite.secret, invite.addresses.slice(0, addressesMax)]);
  const check = sha256(body).slice(0, checkBytes);
  const bytes = new Uint8Array(body.length + checkBytes);
  bytes.set(body);
  bytes.set(check, body.length);
  return prefix + bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** The invite of a code. `INVITE_MALFORMED` (caller) when it is not one, was cut short, or was changed. White space around and inside is ignored. */
export function decodeInvite(code: string, sha256: Sha256): Outcome<Invite> {
  const malformed = failure(
    'INVITE_MALFORMED',
    'caller',
    'This is not a complete invite code; copy the whole line that begins with "godwit1:".',
  );
  const text = code.replace(/\s+/g, '');
  if (!text.startsWith(prefix)) return malformed;
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(text.slice(prefix.length), { alphabet: 'base64url' });
  } catch {
    return malformed;
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - checkBytes));
  if (toHex(sha256(body).slice(0, checkBytes)) !== toHex(bytes.subarray(body.length))) return malformed;
  const decoded = decodeCbor(body);
  if (!decoded.ok || !Array.isArray(decoded.value) || decoded.value.length !== 3) return malformed;
  const [team, secret, addresses] = decoded.value as [unknown, unknown, unknown];
  if (!(team instanceof Uint8Array) || team.length !== 32 || !(secret instanceof Uint8Array) || secret.length !== secretBytes)
    return malformed;
  if (!Array.isArray(addresses) || addresses.length > addressesMax || !addresses.every((each): each is string => typeof each === 'string'))
    return malformed;
  return success({ team: identifier<TeamId>(team), secret, addresses });
}

const pskDomain = utf8('godwit invite psk');
const tagDomain = utf8('godwit invite tag');
const passKeyDomain = utf8('godwit pass psk');
const passTagDomain = utf8('godwit pass tag');

/** The 32-byte pre-shared key and the 8-byte tag that an invite's secret stands for. The tag goes in the clear and tells the inviting node which invite is being used. */
export function inviteKeys(
  secret: Uint8Array,
  hmac: (key: Uint8Array, bytes: Uint8Array) => Uint8Array,
): { readonly psk: Uint8Array; readonly tag: Uint8Array } {
  return { psk: hmac(secret, pskDomain), tag: hmac(secret, tagDomain).slice(0, 8) };
}

/** The key and the tag by which members let whoever has an invite through to the coordinator that made it. They follow from the invite's secret, and it does not follow from them. */
export function passKeys(
  secret: Uint8Array,
  hmac: (key: Uint8Array, bytes: Uint8Array) => Uint8Array,
): { readonly key: Uint8Array; readonly tag: Uint8Array } {
  return { key: hmac(secret, passKeyDomain), tag: hmac(secret, passTagDomain).slice(0, 8) };
}
