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
 *
 * A page of a survey is a text as well: paths and these texts in turn, with a NUL between any two, as no path and no target of a link holds one. Thousands of files that are as they were are one comparison then.
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

/** Sightings as a page, which has at least one. */
export function pageText(sightings: readonly Sighting[]): string {
  return sightings.map(({ path, seen }) => `${path}\0${seen}`).join('\0');
}

/** The sightings of a page, in their order. */
export function sightingsOf(page: string): Sighting[] {
  const texts = page.split('\0');
  const sightings: Sighting[] = [];
  for (let at = 0; at < texts.length; at += 2) sightings.push({ path: texts[at] as string, seen: texts[at + 1] as string });
  return sightings;
}

/** How many sightings a page has. */
export function sightingsIn(page: string): number {
  let separators = 0;
  for (let at = page.indexOf('\0'); at !== -1; at = page.indexOf('\0', at + 1)) separators++;
  return (separators + 1) / 2;
}

/** The path of the first sighting of a page. */
export function firstPathOf(page: string): string {
  return page.slice(0, page.indexOf('\0'));
}

/** The path of the last sighting of a page. */
export function lastPathOf(page: string): string {
  const end = page.lastIndexOf('\0');
  return page.slice(page.lastIndexOf('\0', end - 1) + 1, end);
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
