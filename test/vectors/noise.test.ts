import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import type { KeyPair } from '../../src/ports/crypto.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { systemEntropy } from '../../src/runtime/system-entropy.ts';
import { NoiseHandshake, type NoiseOptions, type NoisePattern, noiseNonce } from '../../src/session/noise.ts';

/**
 * The vectors that the cacophony and snow projects publish for the suite 25519_ChaChaPoly_SHA256. Those for AESGCM in the same file are left out: the product has no second cipher.
 */
interface NoiseVector {
  readonly protocol_name: string;
  readonly source: string;
  readonly init_prologue: string;
  readonly resp_prologue: string;
  readonly init_psks?: readonly string[];
  readonly resp_psks?: readonly string[];
  readonly init_static?: string;
  readonly resp_static?: string;
  readonly init_remote_static?: string;
  readonly resp_remote_static?: string;
  readonly init_ephemeral?: string;
  readonly resp_ephemeral?: string;
  readonly handshake_hash?: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const file = new URL('../../../shared/vectors/noise.json', import.meta.url);
const isThere = existsSync(file);
if (!isThere && process.env.CI !== 'true')
  process.emitWarning('skipped: the published Noise vectors (shared/vectors/noise.json) are not on this machine');
const published: readonly NoiseVector[] = isThere ? JSON.parse(readFileSync(file, 'utf8')).vectors : [];
const suite = /^Noise_(\w+)_25519_ChaChaPoly_SHA256$/;

function keyPair(secretKey: string | undefined): KeyPair | undefined {
  return secretKey === undefined ? undefined : nodeCrypto.x25519KeyPair(fromHex(secretKey));
}

function handshakeEnd(vector: NoiseVector, role: 'initiator' | 'responder'): NoiseHandshake {
  const side = role === 'initiator' ? 'init' : 'resp';
  const remoteStatic = vector[`${side}_remote_static`];
  const psk = vector[`${side}_psks`]?.[0];
  const localStatic = keyPair(vector[`${side}_static`]);
  const ephemeral = keyPair(vector[`${side}_ephemeral`]);
  const options: NoiseOptions = {
    pattern: suite.exec(vector.protocol_name)?.[1] as NoisePattern,
    role,
    prologue: fromHex(vector[`${side}_prologue`]),
    ...(localStatic && { localStatic }),
    ...(ephemeral && { ephemeral }),
    ...(remoteStatic !== undefined && { remoteStatic: fromHex(remoteStatic) }),
    ...(psk !== undefined && { psk: fromHex(psk) }),
  };
  return new NoiseHandshake(options, nodeCrypto, systemEntropy);
}

function replay(vector: NoiseVector): void {
  const initiator = handshakeEnd(vector, 'initiator');
  const responder = handshakeEnd(vector, 'responder');
  const messages = vector.messages.map(({ payload, ciphertext }) => ({ payload: fromHex(payload), ciphertext }));

  let index = 0;
  for (; !initiator.finished; index++) {
    const [writer, reader] = index % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const { payload, ciphertext } = messages[index]!;
    const message = writer.writeMessage(payload);
    expect(toHex(message)).toBe(ciphertext);
    expect(reader.readMessage(message)).toEqual({ ok: true, value: payload });
  }
  expect(responder.finished).toBe(true);
  expect(toHex(responder.handshakeHash)).toBe(toHex(initiator.handshakeHash));
  if (vector.handshake_hash !== undefined) expect(toHex(initiator.handshakeHash)).toBe(vector.handshake_hash);

  // Transport messages go by turns, or all one way after a one-message pattern.
  const isOneWay = index === 1;
  const ends = [initiator, responder].map((end) => ({ ...end.split(), sent: 0 }));
  const nothing = new Uint8Array(0);
  for (; index < messages.length; index++) {
    const from = ends[isOneWay ? 0 : index % 2]!;
    const to = ends[isOneWay ? 1 : 1 - (index % 2)]!;
    const { payload, ciphertext } = messages[index]!;
    const nonce = noiseNonce(from.sent++);
    expect(toHex(nodeCrypto.chachaPolySeal(from.sendKey, nonce, nothing, payload))).toBe(ciphertext);
    expect(nodeCrypto.chachaPolyOpen(to.receiveKey, nonce, nothing, fromHex(ciphertext))).toEqual(payload);
  }
}

describe('published Noise vectors', () => {
  test.skipIf(!isThere && process.env.CI !== 'true')('cover every pattern the product uses', () => {
    const names = published.map((vector) => vector.protocol_name);
    for (const pattern of ['IKpsk1', 'XXpsk3', 'X']) expect(names).toContain(`Noise_${pattern}_25519_ChaChaPoly_SHA256`);
  });

  for (const vector of published.filter(({ protocol_name }) => suite.test(protocol_name))) {
    test(`${vector.protocol_name} of ${vector.source}`, () => replay(vector));
  }
});
