/** One segment file on a medium. */
export interface MediumFile {
  /** Its name as the medium has it: eight letters or digits and `.gwb`, in either case. */
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * A removable medium: a flat folder of segment files (`session/bundle-segment.ts`), which somebody may pull out at any time, write-protect or fill with other things.
 *
 * An implementation MUST have a whole file durable under its name before `write` resolves, and MUST leave no part of one under that name whatever happens meanwhile. Every method rejects with
 * `STORAGE_FAILED` (retryable) when the medium is gone; the caller gives up then, and whoever asked calls again with the medium back in its place.
 */
export interface BundleMedium {
  /** The segment files, in any order; none where there is no folder yet. Files of other names are left out. */
  list(): Promise<readonly MediumFile[]>;
  /** Up to `lengthBytes` bytes from `offset` on; fewer at the end of the file. Places that cannot be read come back as zeros, and are found out by whoever decrypts them. */
  read(name: string, offset: number, lengthBytes: number): Promise<Uint8Array>;
  /** Writes a new file as one step. Rejects with `DISK_FULL` or `DIRECTORY_UNWRITABLE` besides; then there is no such file. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file; one that is not there is no error. Rejects with `DIRECTORY_UNWRITABLE` besides. */
  remove(name: string): Promise<void>;
  /** Bytes that may still be written; `Infinity` where that is not known. */
  freeBytes(): Promise<number>;
}
