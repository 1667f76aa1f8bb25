import { limits } from './limits.ts';

/**
 * True for a path that names something below the root of a tree and nothing else: relative, separated by `/`, no empty, `.` or `..` names, no NUL, text that has a UTF-8 form, at most
 * `limits.pathBytesMax` code units. Says nothing of symbolic links on the way, which only the tree itself can see, nor of what a platform can store.
 */
export function isTreePath(path: string): boolean {
  if (path.length > limits.pathBytesMax || path.includes('\0') || !path.isWellFormed()) return false;
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}
