import type { NodeId } from '../core/identifiers.ts';
import type { EarlySpeaker } from '../session/early-data.ts';
import { decodeMessage, encodeMessage, type Message } from '../session/messages.ts';
import { Encounter, type EncounterStores } from './encounter.ts';

/**
 * What a member is asked and answered within the handshake: the beginning of the encounter, so that both know what differs when the session stands, and the first answers come a round trip earlier.
 *
 * A member with which a session stands, silent for now, is not asked: it has the session still, most likely, and the handshake is there in case that it has not.
 *
 * Whoever asks may be a recording. So an answer is looked up by an encounter that goes no further; the one of the session begins behind what was said, and looks again.
 */
export function earlySpeaker(stores: EncounterStores, hasSession: (member: NodeId) => boolean): EarlySpeaker {
  const memberOf = (remoteStatic: Uint8Array): NodeId | undefined => stores.membership.memberByKey(remoteStatic)?.node;
  const meet = (member: NodeId | undefined, speak: (encounter: Encounter) => Message[]): Uint8Array[] =>
    member === undefined ? [] : speak(new Encounter(stores, member)).map(encodeMessage);
  return {
    question: (remoteStatic) => {
      const member = memberOf(remoteStatic);
      return member !== undefined && hasSession(member) ? [] : meet(member, (encounter) => encounter.earlyQuestion());
    },
    answer: (remoteStatic, question) => meet(memberOf(remoteStatic), (encounter) => encounter.earlyAnswer(messagesOf(question))),
  };
}

/** The messages in these bytes. What is not understood is left out. */
export function messagesOf(encoded: readonly Uint8Array[]): Message[] {
  return encoded.flatMap((bytes) => {
    const decoded = decodeMessage(bytes);
    return decoded.ok ? [decoded.value] : [];
  });
}
