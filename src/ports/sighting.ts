import type { FileKind, FileStat, Sighting, UnusableEntry } from './file-tree.ts';

/**
 * What a survey of a directory says of one name, as a text.
 *
 * A tree is surveyed again and again and hardly ever anything in it has changed. Texts are what can be compared at once, kept in a row of the catalog, and passed between threads by the thousand; only what
 * differs is taken apart. The text is
 *
 *     kind size mtime ctime inode mode            for a file (times in nanoseconds since 1970 UTC, sizes in bytes, all decimal), and
 *     kind size mtime ctime inode mode target     for a link, or
 *     unusable code message                       for what cannot be published.
 */

const ofFile = /^(file|symlink) (\d+) (-?\d+) (-?\d+) (\d+) (\d+)(?: (.*))?$/s;

/** The text of what the platform says of a file. */
export function seenText({ kind, sizeBytes, mtimeNs, ctimeNs, inode, mode, target }: FileStat): string {
  const text = `${kind} ${sizeBytes} ${mtimeNs} ${ctimeNs} ${inode} ${mode}`;
  return target === undefined ? text : `${text} ${target}`;
}

/** The text of what cannot be published. */
export function unusableText(code: string, message: string): string {
  return `unusable ${code} ${message}`;
}

/** What a walk tells, as a sighting. */
export function toSighting(entry: FileStat | UnusableEntry): Sighting {
  return { path: entry.path, seen: entry.kind === 'unusable' ? unusableText(entry.code, entry.message) : seenText(entry) };
}

/** What a sighting says. Its text must be one of those above. */
export function fromSighting({ path, seen }: Sighting): FileStat | UnusableEntry {
  const match = ofFile.exec(seen);
  if (match === null) {
    const [, code = '', ...words] = seen.split(' ');
    return { path, kind: 'unusable', code, message: words.join(' ') };
  }
  const [, kind, size, mtime, ctime, inode, mode, target] = match as unknown as [
    string,
    FileKind,
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  return {
    path,
    kind,
    sizeBytes: Number(size),
    mtimeNs: BigInt(mtime),
    ctimeNs: BigInt(ctime),
    inode: BigInt(inode),
    mode: Number(mode),
    ...(target === undefined ? {} : { target }),
  };
}
