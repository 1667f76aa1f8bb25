import * as v from 'valibot';
import type { CborValue } from '../core/cbor.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { SignedEntry } from './log-entry.ts';

/**
 * What an author says who has written anew what a branch of its log says: whoever holds that branch may give it up for the log, and loses nothing.
 *
 * Payload of an entry of kind `fork`: `[after, name of the branch (16), from, to, as]`. The branch departs behind entry `after`; its name is the beginning of the signature of its first entry; its entries
 * `from` to `to` stand, in order, from `as` on in the log that this statement is in.
 */

/** One statement. */
export interface ForkStatement {
  readonly after: number;
  readonly branch: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly as: number;
}

const nameBytes = 16;
const position = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const shape = v.strictTuple([
  v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  v.pipe(
    v.instance(Uint8Array),
    v.check((name) => name.length === nameBytes),
  ),
  position,
  position,
  position,
]);

/** The name of the branch that begins with this entry. */
export function branchName({ signature }: SignedEntry): Uint8Array {
  return signature.slice(0, nameBytes);
}

/** The payload of an entry that says this. */
export function encodeForkStatement({ after, branch, from, to, as }: ForkStatement): CborValue {
  return [after, branch, from, to, as];
}

/** The statement in a payload. Fails with `ENTRY_MALFORMED` (peer). */
export function decodeForkStatement(payload: CborValue): Outcome<ForkStatement> {
  const shaped = v.safeParse(shape, payload);
  if (!shaped.success) return failure('ENTRY_MALFORMED', 'peer', 'a statement about a forked log is not of its format');
  const [after, branch, from, to, as] = shaped.output;
  return from <= after || to < from
    ? failure('ENTRY_MALFORMED', 'peer', 'a statement about a forked log names entries that its branch cannot have')
    : success({ after, branch, from, to, as });
}
