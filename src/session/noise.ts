import { invariant } from '../core/assert.ts';
import { concatBytes, utf8 } from '../core/bytes.ts';
import { type Fault, failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';

/**
 * Noise handshakes (The Noise Protocol Framework, revision 34), suite 25519_ChaChaPoly_SHA256.
 *
 * A Noise pattern is a list of messages, and a message is a list of tokens: `e` and `s` send a public key, `ee`, `es`, `se` and `ss` mix a Diffie-Hellman result into the keys, `psk`
 * mixes a shared secret in. Whatever the pattern, the same few lines below carry the tokens out; the patterns themselves are data. Everything sent is hashed into `h`, which
 * authenticates each encrypted part, so that two ends that disagree about a single bit, the prologue included, cannot finish.
 *
 * The product uses `IKpsk1` between members of a team (the team's secret as pre-shared key), `XXpsk3` for joining with an invite, and `X` for sealed bundles. The others are here because
 * published vectors exist for them and they cost one line each.
 *
 * Reading a message has two steps for a responder that holds several team secrets. `beginRead` does everything up to the `psk` token; in `IKpsk1` this is all the Diffie-Hellman work, and
 * the initiator's static key is known behind it. A `fork()` for each candidate secret then needs no more than a few hashes and one decryption:
 *
 * ```ts
 * const begun = handshake.beginRead(message);
 * for (const secret of secretsSharedWith(handshake.remoteStatic)) {
 *   const attempt = handshake.fork();
 *   attempt.setPsk(secret);
 *   const payload = attempt.finishRead();
 *   if (payload.ok) return attempt;
 * }
 * ```
 */

type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk';

interface PatternShape {
  /** Whose static key the other side knows beforehand (the pre-messages; none of these patterns has an ephemeral one). */
  readonly initiatorKnown: boolean;
  readonly responderKnown: boolean;
  /** Tokens of each message, the initiator's first, then by turns. */
  readonly messages: readonly (readonly Token[])[];
}

/** Noise section 7.4 (one-way) and 7.5 (interactive). */
const shapes = {
  N: { initiatorKnown: false, responderKnown: true, messages: [['e', 'es']] },
  K: { initiatorKnown: true, responderKnown: true, messages: [['e', 'es', 'ss']] },
  X: { initiatorKnown: false, responderKnown: true, messages: [['e', 'es', 's', 'ss']] },
  NN: { initiatorKnown: false, responderKnown: false, messages: [['e'], ['e', 'ee']] },
  KK: {
    initiatorKnown: true,
    responderKnown: true,
    messages: [
      ['e', 'es', 'ss'],
      ['e', 'ee', 'se'],
    ],
  },
  IK: {
    initiatorKnown: false,
    responderKnown: true,
    messages: [
      ['e', 'es', 's', 'ss'],
      ['e', 'ee', 'se'],
    ],
  },
  XX: { initiatorKnown: false, responderKnown: false, messages: [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']] },
} as const satisfies Record<string, PatternShape>;

type BasePattern = keyof typeof shapes;

/** Name of a handshake pattern, with at most one `psk` modifier: `psk0` mixes the secret in first of all, `pskN` at the end of message N. */
export type NoisePattern = BasePattern | `${'K' | 'N' | 'X'}psk${0 | 1}` | `${'NN' | 'KK' | 'IK'}psk${0 | 1 | 2}` | `XXpsk${0 | 1 | 2 | 3}`;

/** What a handshake starts from. The pattern decides which keys are needed; a missing one is a programming error and throws. */
export interface NoiseOptions {
  readonly pattern: NoisePattern;
  readonly role: 'initiator' | 'responder';
  /** Bytes both ends must agree on without sending them, of any length: protocol name and version, say. */
  readonly prologue: Uint8Array;
  /** This end's X25519 key pair. */
  readonly localStatic?: KeyPair;
  /** The other end's X25519 public key, where the pattern has it known beforehand. 32 bytes. */
  readonly remoteStatic?: Uint8Array;
  /** The pre-shared key, 32 bytes. May also be set later, before the `psk` token is reached. */
  readonly psk?: Uint8Array;
  /** For published vectors only: an ephemeral key that is used twice gives the session away. Drawn from the entropy otherwise. */
  readonly ephemeral?: KeyPair;
}

/** Bytes of an X25519 public key, a Diffie-Hellman result, a hash, a cipher key and a pre-shared key. */
export const noiseKeyBytes = 32;
/** Bytes that encryption adds. */
export const noiseTagBytes = 16;
/** Noise section 3: no message is longer. */
export const noiseMessageBytesMax = 65_535;

const noBytes = new Uint8Array(0);
const zeroKey = new Uint8Array(noiseKeyBytes);

/** The 12-byte ChaChaPoly nonce for a counter: four zero bytes and the counter as 64 bits, little-endian (Noise section 12.3). `counter` is a safe integer, 0 or more. */
export function noiseNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  let rest = counter;
  for (let i = 4; rest > 0; i++) {
    nonce[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return nonce;
}

/** The nonce that no message ever has: counter 2^64 - 1. */
const rekeyNonce = new Uint8Array(12).fill(0xff, 4);

/**
 * REKEY (Noise section 4.2): the key that follows `key`, from which `key` cannot be computed. A `branch` above 0 (up to 255) gives a further key in the same way, under the nonce so much below that of REKEY.
 */
export function noiseRekey(crypto: Crypto, key: Uint8Array, branch = 0): Uint8Array {
  const nonce = rekeyNonce.slice();
  // The counter is little-endian.
  nonce[4] = 0xff - branch;
  return crypto.chachaPolySeal(key, nonce, noBytes, zeroKey).slice(0, noiseKeyBytes);
}

/**
 * What both ends have agreed on so far: Noise's SymmetricState (section 5.2) with its CipherState (5.1) folded in. Its arrays are replaced, never written to, so copies may share them.
 */
class SymmetricState {
  readonly #crypto: Crypto;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #cipherKey: Uint8Array | undefined;
  #counter = 0;

  constructor(crypto: Crypto, hash: Uint8Array, chainingKey: Uint8Array) {
    this.#crypto = crypto;
    this.#hash = hash;
    this.#chainingKey = chainingKey;
  }

  copy(): SymmetricState {
    const copy = new SymmetricState(this.#crypto, this.#hash, this.#chainingKey);
    copy.#cipherKey = this.#cipherKey;
    copy.#counter = this.#counter;
    return copy;
  }

  get hash(): Uint8Array {
    return this.#hash;
  }

  /** True once public keys and payloads are encrypted. */
  get hasKey(): boolean {
    return this.#cipherKey !== undefined;
  }

  /** HKDF of Noise section 4.3: RFC 5869 with the chaining key as salt and no info. Three outputs, of which a caller may leave the third. */
  #hkdf(inputKey: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
    const extracted = this.#crypto.hmacSha256(this.#chainingKey, inputKey);
    const first = this.#crypto.hmacSha256(extracted, Uint8Array.of(1));
    const second = this.#crypto.hmacSha256(extracted, concatBytes(first, Uint8Array.of(2)));
    const third = this.#crypto.hmacSha256(extracted, concatBytes(second, Uint8Array.of(3)));
    return [first, second, third];
  }

  mixHash(bytes: Uint8Array): void {
    this.#hash = this.#crypto.sha256(concatBytes(this.#hash, bytes));
  }

  mixKey(inputKey: Uint8Array): void {
    [this.#chainingKey, this.#cipherKey] = this.#hkdf(inputKey);
    this.#counter = 0;
  }

  mixKeyAndHash(inputKey: Uint8Array): void {
    const [chainingKey, hashInput, cipherKey] = this.#hkdf(inputKey);
    this.#chainingKey = chainingKey;
    this.mixHash(hashInput);
    this.#cipherKey = cipherKey;
    this.#counter = 0;
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    let sent = plaintext;
    if (this.#cipherKey !== undefined) {
      sent = this.#crypto.chachaPolySeal(this.#cipherKey, noiseNonce(this.#counter), this.#hash, plaintext);
      this.#counter++;
    }
    this.mixHash(sent);
    return sent;
  }

  /** The plaintext, or `undefined` when it is not what the other end with this state encrypted. */
  decryptAndHash(received: Uint8Array): Uint8Array | undefined {
    let plaintext: Uint8Array | undefined = received;
    if (this.#cipherKey !== undefined) {
      plaintext = this.#crypto.chachaPolyOpen(this.#cipherKey, noiseNonce(this.#counter), this.#hash, received);
      this.#counter++;
    }
    this.mixHash(received);
    return plaintext;
  }

  split(): readonly [Uint8Array, Uint8Array] {
    const [initiatorKey, responderKey] = this.#hkdf(noBytes);
    return [initiatorKey, responderKey];
  }
}

/** The messages of a pattern with its psk modifier carried out (Noise section 9.4). */
function messagesOf(base: PatternShape, pskPlace: number | undefined): readonly (readonly Token[])[] {
  return base.messages.map((tokens, index) => {
    if (pskPlace === 0 && index === 0) return ['psk', ...tokens];
    return pskPlace === index + 1 ? [...tokens, 'psk'] : tokens;
  });
}

function malformed(message: string): { readonly ok: false; readonly fault: Fault } {
  return failure('HANDSHAKE_MALFORMED', 'peer', message);
}

function refused(message: string): { readonly ok: false; readonly fault: Fault } {
  return failure('HANDSHAKE_REFUSED', 'peer', message);
}

/** A message of which a part has been read. */
interface PartialRead {
  readonly message: Uint8Array;
  /** Bytes of it that were consumed. */
  readonly offset: number;
  /** Tokens of it that were carried out. */
  readonly tokensDone: number;
}

/**
 * One end of one handshake: Noise's HandshakeState (section 5.3).
 *
 * Messages are written and read by turns until `finished`; then `split` gives the transport keys and the handshake can be dropped. Any misuse by the program (out of turn, missing key,
 * payload too long) throws; nothing that a peer sends does.
 *
 * A failed read leaves the handshake dead: nothing can be read or written any more. Where forged packets may arrive in between, read on a `fork()` and keep the fork that succeeds.
 */
export class NoiseHandshake {
  readonly #crypto: Crypto;
  readonly #entropy: Entropy;
  readonly #options: NoiseOptions;
  readonly #messages: readonly (readonly Token[])[];
  readonly #usesPsk: boolean;
  #symmetric: SymmetricState;
  #messagesDone = 0;
  #partialRead: PartialRead | undefined;
  #dead = false;
  #ephemeral: KeyPair | undefined;
  #remoteEphemeral: Uint8Array | undefined;
  #remoteStatic: Uint8Array | undefined;
  #psk: Uint8Array | undefined;

  constructor(options: NoiseOptions, crypto: Crypto, entropy: Entropy) {
    const [baseName, pskPlace] = options.pattern.split('psk') as [BasePattern, string | undefined];
    const base: PatternShape = shapes[baseName];
    this.#crypto = crypto;
    this.#entropy = entropy;
    this.#options = options;
    this.#messages = messagesOf(base, pskPlace === undefined ? undefined : Number(pskPlace));
    this.#usesPsk = pskPlace !== undefined;
    if (options.psk !== undefined) this.setPsk(options.psk);

    const protocolName = utf8(`Noise_${options.pattern}_25519_ChaChaPoly_SHA256`);
    let hash = crypto.sha256(protocolName);
    if (protocolName.length <= noiseKeyBytes) {
      hash = new Uint8Array(noiseKeyBytes);
      hash.set(protocolName);
    }
    this.#symmetric = new SymmetricState(crypto, hash, hash);
    this.#symmetric.mixHash(options.prologue);

    const isInitiator = options.role === 'initiator';
    if (isInitiator ? base.responderKnown : base.initiatorKnown) this.#remoteStatic = this.#knownStatic();
    if (base.initiatorKnown) this.#symmetric.mixHash(isInitiator ? this.#ownStatic().publicKey : this.#knownStatic());
    if (base.responderKnown) this.#symmetric.mixHash(isInitiator ? this.#knownStatic() : this.#ownStatic().publicKey);
  }

  /** Sets the pre-shared key, 32 bytes. To be called before the message that needs it is written, or before `finishRead`. */
  setPsk(psk: Uint8Array): void {
    invariant(this.#usesPsk, 'this pattern has no pre-shared key');
    invariant(psk.length === noiseKeyBytes, `a pre-shared key has ${noiseKeyBytes} bytes`);
    this.#psk = psk;
  }

  /**
   * A copy that goes its own way; costs a few hashes.
   *
   * Of all copies of a handshake at most one may go on to write: two messages written from the same state would use the same key and nonce.
   */
  fork(): NoiseHandshake {
    const copy = new NoiseHandshake(this.#options, this.#crypto, this.#entropy);
    copy.#symmetric = this.#symmetric.copy();
    copy.#messagesDone = this.#messagesDone;
    copy.#partialRead = this.#partialRead;
    copy.#dead = this.#dead;
    copy.#ephemeral = this.#ephemeral;
    copy.#remoteEphemeral = this.#remoteEphemeral;
    copy.#remoteStatic = this.#remoteStatic;
    copy.#psk = this.#psk;
    return copy;
  }

  /** The next message, with this payload in it. How well the payload is protected depends on pattern and message: see Noise section 7.7. At most 65,535 bytes in all. */
  writeMessage(payload: Uint8Array): Uint8Array {
    invariant(!this.#dead && this.#nextWriter() === this.#options.role, 'it is not this end that writes the next handshake message');
    const parts: Uint8Array[] = [];
    for (const token of this.#messages[this.#messagesDone] as readonly Token[]) {
      switch (token) {
        case 'e':
          this.#ephemeral = this.#options.ephemeral ?? this.#crypto.x25519KeyPair(this.#entropy.bytes(noiseKeyBytes));
          parts.push(this.#ephemeral.publicKey);
          this.#mixEphemeral(this.#ephemeral.publicKey);
          break;
        case 's':
          parts.push(this.#symmetric.encryptAndHash(this.#ownStatic().publicKey));
          break;
        case 'psk':
          invariant(this.#psk !== undefined, 'the pre-shared key is not set');
          this.#symmetric.mixKeyAndHash(this.#psk);
          break;
        default:
          // The peer chose the other key. If it is of low order the result counts as zeros (Noise section 12.1), and the peer alone is the worse for it; the next read refuses it.
          this.#symmetric.mixKey(this.#diffieHellman(token) ?? zeroKey);
      }
    }
    parts.push(this.#symmetric.encryptAndHash(payload));
    const message = concatBytes(...parts);
    invariant(message.length <= noiseMessageBytesMax, 'the payload does not fit into a handshake message');
    this.#messagesDone++;
    return message;
  }

  /** The payload of the other end's next message: `beginRead` and `finishRead` in one. */
  readMessage(message: Uint8Array): Outcome<Uint8Array> {
    const begun = this.beginRead(message);
    return begun.ok ? this.finishRead() : begun;
  }

  /**
   * Reads a message up to its `psk` token, or up to its payload where it has none; `finishRead` must follow. After this, `remoteStatic` is known if the message carries it. Keeps a reference
   * to `message`.
   *
   * Fails with `HANDSHAKE_MALFORMED` (too short or long), `HANDSHAKE_REFUSED` (not authentic) or, without any effect, `HANDSHAKE_OUT_OF_TURN`.
   */
  beginRead(message: Uint8Array): Outcome<void> {
    const writer = this.#nextWriter();
    if (this.#dead || writer === undefined || writer === this.#options.role || this.#partialRead !== undefined) {
      return failure('HANDSHAKE_OUT_OF_TURN', 'peer', 'no handshake message is expected from the peer now');
    }
    if (message.length > noiseMessageBytesMax) return this.#die(malformed('the handshake message is too long'));
    const tokens = this.#messages[this.#messagesDone] as readonly Token[];
    const pskAt = tokens.indexOf('psk');
    return this.#readTokens({ message, offset: 0, tokensDone: 0 }, pskAt < 0 ? tokens.length : pskAt);
  }

  /** Reads the rest of the message that `beginRead` was given. Fails like `beginRead`, and with blame `local` when the pre-shared key is needed but not set. */
  finishRead(): Outcome<Uint8Array> {
    if (this.#dead || this.#partialRead === undefined)
      return failure('HANDSHAKE_OUT_OF_TURN', 'local', 'no handshake message has been begun');
    const tokens = this.#messages[this.#messagesDone] as readonly Token[];
    const read = this.#readTokens(this.#partialRead, tokens.length);
    if (!read.ok) return read;
    const { message, offset } = this.#partialRead;
    this.#partialRead = undefined;
    const payload = this.#symmetric.decryptAndHash(message.subarray(offset));
    if (payload === undefined) return this.#die(refused('the handshake payload is not authentic'));
    this.#messagesDone++;
    return success(payload);
  }

  /** Carries out the tokens of a message before `end` and notes how far it came. */
  #readTokens(from: PartialRead, end: number): Outcome<void> {
    const { message } = from;
    const tokens = this.#messages[this.#messagesDone] as readonly Token[];
    let offset = from.offset;
    for (const token of tokens.slice(from.tokensDone, end)) {
      switch (token) {
        case 'e': {
          const key = message.slice(offset, offset + noiseKeyBytes);
          if (key.length < noiseKeyBytes) return this.#die(malformed('the handshake message ends within the ephemeral key'));
          offset += noiseKeyBytes;
          this.#remoteEphemeral = key;
          this.#mixEphemeral(key);
          break;
        }
        case 's': {
          const length = noiseKeyBytes + (this.#symmetric.hasKey ? noiseTagBytes : 0);
          const sent = message.subarray(offset, offset + length);
          if (sent.length < length) return this.#die(malformed('the handshake message ends within the static key'));
          offset += length;
          const key = this.#symmetric.decryptAndHash(sent);
          if (key === undefined) return this.#die(refused('the static key is not authentic'));
          this.#remoteStatic = key;
          break;
        }
        case 'psk':
          if (this.#psk === undefined) return this.#die(failure('HANDSHAKE_REFUSED', 'local', 'the pre-shared key is not set'));
          this.#symmetric.mixKeyAndHash(this.#psk);
          break;
        default: {
          const shared = this.#diffieHellman(token);
          if (shared === undefined) return this.#die(refused('a public key is of low order'));
          this.#symmetric.mixKey(shared);
        }
      }
    }
    this.#partialRead = { message, offset, tokensDone: end };
    return success(undefined);
  }

  /** The other end's static key, 32 bytes, once it is known. It is proven to be in use there only when the handshake is finished, or where the pattern says so earlier. */
  get remoteStatic(): Uint8Array | undefined {
    return this.#remoteStatic;
  }

  /** Hash of everything exchanged, 32 bytes: the same at both ends and different in every session, once `finished` (Noise section 11.2, channel binding). */
  get handshakeHash(): Uint8Array {
    return this.#symmetric.hash;
  }

  /** True when all messages have been exchanged. */
  get finished(): boolean {
    return this.#messagesDone === this.#messages.length;
  }

  /** The transport keys, 32 bytes each. After a one-way pattern only the initiator may send. */
  split(): { sendKey: Uint8Array; receiveKey: Uint8Array } {
    invariant(this.finished, 'the handshake is not finished');
    const [initiatorKey, responderKey] = this.#symmetric.split();
    return this.#options.role === 'initiator'
      ? { sendKey: initiatorKey, receiveKey: responderKey }
      : { sendKey: responderKey, receiveKey: initiatorKey };
  }

  #nextWriter(): 'initiator' | 'responder' | undefined {
    if (this.finished) return undefined;
    return this.#messagesDone % 2 === 0 ? 'initiator' : 'responder';
  }

  #die<F extends { readonly ok: false }>(failed: F): F {
    this.#dead = true;
    return failed;
  }

  #ownStatic(): KeyPair {
    invariant(this.#options.localStatic !== undefined, 'this pattern needs a static key pair');
    return this.#options.localStatic;
  }

  #knownStatic(): Uint8Array {
    invariant(
      this.#options.remoteStatic?.length === noiseKeyBytes,
      `this pattern needs the ${noiseKeyBytes} bytes of the remote static key`,
    );
    return this.#options.remoteStatic;
  }

  /** The first letter of the token names the initiator's key, the second the responder's. */
  #diffieHellman(token: 'ee' | 'es' | 'se' | 'ss'): Uint8Array | undefined {
    const [own, remote] = this.#options.role === 'initiator' ? [token[0], token[1]] : [token[1], token[0]];
    const ownKey = own === 'e' ? this.#ephemeral : this.#ownStatic();
    const remoteKey = remote === 'e' ? this.#remoteEphemeral : this.#remoteStatic;
    invariant(ownKey !== undefined && remoteKey !== undefined, 'a pattern names keys only after they are there');
    return this.#crypto.x25519(ownKey.secretKey, remoteKey);
  }

  /** With a pre-shared key, ephemeral keys are mixed into the key too, so that no two handshakes encrypt under the secret alone (Noise section 9.2). */
  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey);
    if (this.#usesPsk) this.#symmetric.mixKey(publicKey);
  }
}
