import { type Fault, failure } from '../core/outcome.ts';

/** Why a session ends, as the code of a CLOSE frame: done, replaced by a newer session, or the peer broke the protocol. */
export const closeCodes = { done: 0, replaced: 1, violation: 2 } as const;

/** What a peer's farewell means at this end. Codes that are not known here mean that it is done. */
export function closeFault(code: number, reason: string): Fault {
  if (code === closeCodes.replaced) return failure('SESSION_REPLACED', 'peer', 'the peer has a newer session').fault;
  if (code === closeCodes.violation) return failure('SESSION_VIOLATION', 'local', `the peer found a mistake: ${reason}`).fault;
  return failure('SESSION_CLOSED', 'peer', reason === '' ? 'the peer closed the session' : reason).fault;
}
