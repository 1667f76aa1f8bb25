import { GodwitError } from '../core/errors.ts';

/** Errors of exports: whatever a file format's library says comes out as one sentence with a stable code. */

/** `DISK_FULL`: the place has no room for the file, or its file system takes no file that large (4 GiB on FAT32). */
export function diskFull(path: string, cause: unknown): GodwitError {
  const advice = 'the disk is full, or takes no file that large; free some space or choose another place, and try again';
  return new GodwitError('DISK_FULL', `could not write ${path}: ${advice}`, { retryable: true, cause });
}

/** `EXPORT_FAILED` with what went wrong in a line; a `GodwitError` stays what it is. HDF5 tells its story over many lines, with the operating system's words in one of them. */
export function exportFailed(path: string, cause: unknown): GodwitError {
  if (cause instanceof GodwitError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const reason = /error message = '([^']+)'/.exec(message)?.[1] ?? message.split('\n', 1)[0];
  return new GodwitError('EXPORT_FAILED', `could not write ${path}: ${reason}`, { cause });
}

/** True when a library's message carries the C library's words for a place that has no room for the file. */
export function saysFull(message: string): boolean {
  return /No space left on device|Quota exceeded|File too large/.test(message);
}
