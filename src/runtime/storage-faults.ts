import { GodwitError } from '../core/errors.ts';

/**
 * What the operating system says when storage fails, in the few codes a caller can act on. Every adapter that touches files reports through here, so that the same cause has the same
 * code wherever it strikes.
 */

/** What the system's codes look like; Node's own (`ERR_...`) have underscores. */
const systemCodePattern = /^E[A-Z0-9]+$/;

/** The error's system code (`ENOENT`, `ENOSPC`, ...), or `undefined` when it is none of the operating system's. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof GodwitError || !('code' in error) || typeof error.code !== 'string') return undefined;
  return systemCodePattern.test(error.code) ? error.code : undefined;
}

interface Advice {
  readonly code: string;
  readonly retryable: boolean;
  readonly advice: string;
}

const full: Advice = { code: 'DISK_FULL', retryable: true, advice: 'free some space or raise the quota, and try again' };
const unwritable: Advice = {
  code: 'DIRECTORY_UNWRITABLE',
  retryable: false,
  advice: 'give this user access to it, or choose another place',
};
const failed: Advice = { code: 'STORAGE_FAILED', retryable: true, advice: 'check the disk and its connection' };

const adviceBySystemCode: Readonly<Record<string, Advice>> = {
  ENOSPC: full,
  EDQUOT: full,
  EACCES: unwritable,
  EPERM: unwritable,
  EROFS: unwritable,
  // A file stands where a directory should be.
  ENOTDIR: unwritable,
  EEXIST: unwritable,
};

/**
 * The error to throw when storage failed: `DISK_FULL` or `STORAGE_FAILED` (both retryable), or `DIRECTORY_UNWRITABLE`. Errors that are not the operating system's come back as they are.
 *
 * @param attempted what was being done, as it continues the words "could not": `write packs/000001.pack`
 */
export function storageError(error: unknown, attempted: string): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const { code: name, retryable, advice } = adviceBySystemCode[code] ?? failed;
  return new GodwitError(name, `could not ${attempted} (${code}): ${advice}`, { retryable, cause: error });
}
