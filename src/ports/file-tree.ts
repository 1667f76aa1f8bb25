/** What a directory entry is. A symbolic link is recorded with its target and never followed. */
export type FileKind = 'file' | 'symlink';

/** What the platform says of a file. */
export interface FileStat {
  /** Path below the tree's root, separated by `/`. */
  readonly path: string;
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Modification time, nanoseconds since 1970 UTC (as far as the platform keeps them). */
  readonly mtimeNs: bigint;
  /** Change time of the inode, nanoseconds since 1970 UTC. Zero where the platform has none. */
  readonly ctimeNs: bigint;
  /** Inode number. Zero where the platform has none. */
  readonly inode: bigint;
  /** POSIX permission bits (07777). */
  readonly mode: number;
  /** Target of a symbolic link. */
  readonly target?: string;
}

/** True when both describe one file that was not written to between. */
export function isSameFile(a: FileStat, b: FileStat): boolean {
  return a.kind === b.kind && a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode;
}

/** A name the tree holds but cannot be published, with the reason (`NAME_NOT_UTF8`, `UNREADABLE`, `SPECIAL_FILE`). */
export interface UnusableEntry {
  readonly path: string;
  readonly kind: 'unusable';
  readonly code: string;
  readonly message: string;
}

/** A file, link or unusable entry as a survey sees it: `seen` is the text that `sighting.ts` makes of it. Equal texts at one path mean that nobody has touched it between. */
export interface Sighting {
  readonly path: string;
  readonly seen: string;
}

/** An open file for positioned reads. */
export interface FileReader {
  stat(): Promise<FileStat>;
  /**
   * Up to `length` bytes at `offset`; fewer only at the end of the file. The caller owns the array. With `into`, an array of at least `length` bytes, they may stand in its beginning, and the result is that.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file that is filled in any order before it stands anywhere. */
export interface PartFile {
  /** Its path until then: one that no walk lists, and where `open` reads it. */
  readonly path: string;
  /** Writes at an offset. Durable with the next `sync` that is called afterwards. Rejects with `DISK_FULL` or `STORAGE_FAILED`. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written before is on stable storage. Others may write meanwhile. Rejects with `STORAGE_FAILED`: what was written is then not to be relied on. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Decides by what stands at a path, `undefined` for nothing, whether it may be replaced or removed. Asked at the last moment, with nothing between the look and the deed, so that what a person or a
 * program saved meanwhile is not lost. Must not throw.
 */
export type MayReplace = (standing: FileStat | undefined) => boolean;

/** What a written file shall look like. */
export interface FileAttributes {
  readonly mtimeNs?: bigint;
  readonly mode?: number;
}

/**
 * A directory tree on disk, in memory, or generated. Paths are relative to its root, separated by `/`, and an implementation MUST refuse any that would leave the root.
 */
export interface FileTree {
  /** Every file and link, depth first in code-unit order of names. Directories are implied by paths. */
  walk(): AsyncIterable<FileStat | UnusableEntry>;
  /** The same as `walk`, for many files: sightings by the page, as `pageText` writes them, in the same order. */
  survey(): AsyncIterable<string>;
  /**
   * The bytes of small files, each of them exactly as it was sighted, and `undefined` for every one that is not any more or cannot be read: opening it tells why. All of them are in memory at once.
   */
  readWhole(files: readonly Sighting[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** `undefined` when there is nothing at the path. */
  stat(path: string): Promise<FileStat | undefined>;
  open(path: string): Promise<FileReader>;
  /**
   * Replaces a file as one step: writes beside it, syncs, renames, syncs the directory. After a power cut the old or the new content is there, never a mixture. Creates missing
   * directories. Each piece of `content` is used up before the next one is asked for. Rejects with `DISK_FULL`, `STORAGE_FAILED`, or `FILE_CHANGED` (retryable) when `mayReplace` says no, and then the old content stands.
   */
  write(path: string, content: AsyncIterable<Uint8Array>, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat>;
  /**
   * Begins a part: a file that will be put at `path`, and lies beside it until then, missing directories created. Its name is durable. It goes with the first walk of a later process that has not claimed it.
   * Rejects as `write` does.
   */
  beginPart(path: string): Promise<PartFile>;
  /** A part that an earlier process began stays from now on. */
  claimPart(part: string): void;
  /** Goes on with a part that was begun or claimed; `undefined` when it is gone. Rejects with `STORAGE_FAILED`, `DIRECTORY_UNWRITABLE`. */
  openPart(part: string): Promise<PartFile | undefined>;
  /** Puts a part in its place, as one step and with the promises of `write`; it is none any more. Rejects as `write` does, and with `FILE_MISSING` when the part is gone; it stays a part then. */
  placePart(part: string, path: string, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat>;
  /** Removes a part. No error when it is gone already. */
  removePart(part: string): Promise<void>;
  /** Creates or replaces a symbolic link as one step. Rejects as `write` does. */
  link(path: string, target: string, mayReplace?: MayReplace): Promise<FileStat>;
  /** Moves a file inside the tree, replacing what stands at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or link, and the directories that became empty. No error when it is gone already. Rejects with `FILE_CHANGED` (retryable) when `mayReplace` says no to what stands there. */
  remove(path: string, mayReplace?: MayReplace): Promise<void>;
}
