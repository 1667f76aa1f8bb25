import type { MonotonicMs } from '../../core/time.ts';
import type { FileStat } from '../../ports/file-tree.ts';

/**
 * Files that others put into a directory: which of them are whole.
 *
 * Nothing says when an upload by FTP or a copy over a network share has ended. A file counts as whole when its size, times and place on the disk have been the same for a while, as seen by this node on
 * its own monotonic clock: the file's times are another computer's, and may be anything. Names under which programs upload before they rename are left alone.
 */

/** Endings and beginnings of names that programs give to what they have not finished. */
const temporaryName =
  /(?:^[.~])|(?:\.(?:tmp|temp|part|partial|filepart|crdownload|download|upload|uploading|swp|in\.\w+|writing)$)|(?:~$)/i;

/** True for a name of something unfinished. */
export function isTemporaryName(path: string): boolean {
  return temporaryName.test(path.slice(path.lastIndexOf('/') + 1));
}

interface Seen {
  readonly state: string;
  readonly sinceMs: MonotonicMs;
  readonly settled: boolean;
}

/** Watches the files of one directory. A restart forgets everything, and waits again. */
export class Arrivals {
  readonly #settleMs: number;
  #seenByPath: ReadonlyMap<string, Seen> = new Map();

  /** @param settleMs milliseconds for which a file must have been the same */
  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  /**
   * The files that have become whole since the last look, in the order given. A file that changes later is another arrival.
   *
   * @param files all files of the directory
   */
  look(files: readonly FileStat[], now: MonotonicMs): FileStat[] {
    const next = new Map<string, Seen>();
    const whole = files.filter((file) => {
      if (file.kind !== 'file' || isTemporaryName(file.path)) return false;
      const state = `${file.sizeBytes} ${file.mtimeNs} ${file.inode}`;
      const before = this.#seenByPath.get(file.path);
      const same = before?.state === state ? before : { state, sinceMs: now, settled: false };
      const isDue = !same.settled && now - same.sinceMs >= this.#settleMs;
      next.set(file.path, { ...same, settled: same.settled || isDue });
      return isDue;
    });
    this.#seenByPath = next;
    return whole;
  }

  /** What was found whole could not be read: it is found again at the next look. */
  again(path: string): void {
    const seen = this.#seenByPath.get(path);
    if (seen !== undefined) this.#seenByPath = new Map(this.#seenByPath).set(path, { ...seen, settled: false });
  }
}
