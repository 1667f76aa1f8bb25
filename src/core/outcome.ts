/**
 * What decoding foreign bytes ends in. Remote input and instrument bytes never throw: a decoder returns an outcome, and a failed one says whose fault it was.
 */

/**
 * Whose fault a failure is:
 * `peer` sent what the protocol forbids, `incompatible` speaks another version, `instrument` produced unusable bytes, `local` is this node's own disk, memory or setting, and
 * `caller` passed something the API does not take.
 */
export type Blame = 'peer' | 'incompatible' | 'instrument' | 'local' | 'caller';

/** Why something failed. `code` is stable and documented in `docs/errors.md`; `message` is one sentence for a person. */
export interface Fault {
  readonly code: string;
  readonly blame: Blame;
  readonly message: string;
}

/** A value, or the reason there is none. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

/** A successful outcome. */
export function success<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

/** A failed outcome. */
export function failure(code: string, blame: Blame, message: string): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { code, blame, message } };
}
