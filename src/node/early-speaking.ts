import type { EarlySpeaker } from '../session/early-data.ts';
import { decodeMessage, encodeMessage, type Message } from '../session/messages.ts';
import { Encounter, type EncounterStores } from './encounter.ts';

/**
 * What a member is asked and answered within the handshake: the beginning of the encounter, so that both know what differs when the session stands, and the first answers come a round trip earlier.
 *
 * Whoever asks may be a recording. So an answer is looked up by an encounter that goes no further; the one of the session begins behind what was said, and looks again.
 */
export function earlySpeaker(stores: EncounterStores): EarlySpeaker {
  const meet = (remoteStatic: Uint8Array, speak: (encounter: Encounter) => Message[]): Uint8Array[] => {
    const member = stores.membership.memberByKey(remoteStatic);
    return member === undefined ? [] : speak(new Encounter(stores, member.node)).map(encodeMessage);
  };
  return {
    question: (remoteStatic) => meet(remoteStatic, (encounter) => encounter.earlyQuestion()),
    answer: (remoteStatic, question) => meet(remoteStatic, (encounter) => encounter.earlyAnswer(messagesOf(question))),
  };
}

/** The messages in these bytes. What is not understood is left out. */
export function messagesOf(encoded: readonly Uint8Array[]): Message[] {
  return encoded.flatMap((bytes) => {
    const decoded = decodeMessage(bytes);
    return decoded.ok ? [decoded.value] : [];
  });
}
