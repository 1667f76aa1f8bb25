import { failure, type Outcome, success } from '../../core/outcome.ts';
import { ByteReader } from './byte-reader.ts';

/**
 * The directory listing (`.DIR`), which a logger gives like any other file: a version byte, then entries up to the end.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), 2.3.3.
 */

/** One file, or one device such as `CPU:` whose size is the room left on it. */
export interface DirectoryEntry {
  /** Device and name, for example `CPU:weather.CR1`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** As the logger writes it, in its own clock time; empty for a device. */
  readonly lastUpdate: string;
  /** Attribute codes, for example 1: the running program, 2: started when the power comes on. */
  readonly attributes: readonly number[];
}

const listingVersion = 1;
const entriesMax = 65_536;

/** The entries of a listing. `PAKBUS_DIRECTORY_MALFORMED` when it has another version, ends early or does not end. */
export function decodeDirectoryListing(bytes: Uint8Array): Outcome<readonly DirectoryEntry[]> {
  const reader = new ByteReader(bytes);
  const entries: DirectoryEntry[] = [];
  let isSound = reader.uint8() === listingVersion;
  while (isSound && reader.remaining > 0) {
    const entry = { name: reader.zeroTerminatedText(), sizeBytes: reader.uint32(), lastUpdate: reader.zeroTerminatedText() };
    const attributes: number[] = [];
    for (let attribute = reader.uint8(); attribute !== 0; attribute = reader.uint8()) attributes.push(attribute);
    entries.push({ ...entry, attributes });
    isSound = !reader.overrun && entries.length < entriesMax;
  }
  return isSound ? success(entries) : failure('PAKBUS_DIRECTORY_MALFORMED', 'instrument', 'a directory listing cannot be read');
}
