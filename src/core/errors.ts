import type { Fault } from './outcome.ts';

/**
 * The one error the public API throws.
 *
 * `code` is stable, upper-case with underscores, and has a heading in `docs/errors.md` that says what to do. `retryable` is true when the same call may succeed later
 * without anything being changed by a person.
 */
export class GodwitError extends Error {
  override readonly name = 'GodwitError';
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  /** The error for a failed outcome, for the places where an outcome leaves through a throwing API. */
  static from(fault: Fault, options: { retryable?: boolean; cause?: unknown } = {}): GodwitError {
    return new GodwitError(fault.code, fault.message, options);
  }
}
