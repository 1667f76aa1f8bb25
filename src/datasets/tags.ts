import * as v from 'valibot';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierBytes, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { ClockQuality } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { EntryHeader } from './entry-body.ts';
import { compareInstants, type HybridInstant } from './hybrid-clock.ts';
import type { Dot, EntrySet } from './log-entry.ts';
import { type LogRange, VersionVector } from './version-vector.ts';

/**
 * Tags: names for versions of a dataset, the same for the whole team.
 *
 * A version is a version vector: how much of each author's log belongs to it. What stood at a path in that version follows from the revision graph, so a tag of 200,000 files is a few bytes, and it
 * says the same wherever it arrives, in whatever order. Every node keeps what it holds of a tagged version.
 *
 * Tags are entries of the dataset's logs, and so signed. Two nodes that give one name at the same time both keep their tag; whoever asks by name gets the earlier one. Payload of an entry of kind
 * `tag`: `["set", name, vector, [author (32), first, last, …]?]`, the vector as in `version-vector.ts` and behind it entries that do not belong to the version all the same, or
 * `["remove", author (32), sequence]`, which names the entry that set the tag. Entries are left out where the tag was set on a branch of a log that was written anew behind another (`node/renamed-entries.ts`).
 */

/** The tables of tags. */
export const tagSchema: Schema = {
  component: 'tags',
  steps: [
    `CREATE TABLE tag (
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       name TEXT NOT NULL,
       vector BLOB NOT NULL,
       wall_ms INTEGER NOT NULL,
       counter INTEGER NOT NULL,
       clock_quality TEXT NOT NULL,
       PRIMARY KEY (dataset, author, sequence)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tag_removed (
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       PRIMARY KEY (dataset, author, sequence)
     ) STRICT, WITHOUT ROWID;`,
    'ALTER TABLE tag ADD COLUMN left_out BLOB;',
  ],
};

/** Tags of one author in one dataset at a time; what is set beyond is not kept. */
export const tagsPerAuthorMax = 4096;
/** Ranges of entries that a version leaves out. */
const leftOutMax = 256;

/** A named version of a dataset. */
export interface Tag extends Dot {
  readonly name: string;
  readonly version: VersionVector;
  /** Entries that do not belong to the version although its vector covers them; absent where there are none. */
  readonly without?: readonly LogRange[];
  readonly instant: HybridInstant;
  readonly clockQuality: ClockQuality;
}

/** What an entry does to the tags. */
export type TagOperation =
  | { readonly type: 'set'; readonly name: string; readonly version: VersionVector; readonly without?: readonly LogRange[] }
  | { readonly type: 'remove'; readonly tag: Dot };

const nameShape = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const rangesShape = v.pipe(
  v.array(v.union([v.instance(Uint8Array), v.pipe(v.number(), v.safeInteger(), v.minValue(1))])),
  v.maxLength(3 * leftOutMax),
);
const setShape = v.union([
  v.strictTuple([v.literal('set'), nameShape, v.array(v.unknown())]),
  v.strictTuple([v.literal('set'), nameShape, v.array(v.unknown()), rangesShape]),
]);
const removeShape = v.strictTuple([
  v.literal('remove'),
  v.pipe(
    v.instance(Uint8Array),
    v.check((bytes) => bytes.length === identifierBytes),
  ),
  v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
]);

/** True for what may be the name of a tag: 1 to 256 UTF-16 units of well-formed text. */
export function isTagName(text: string): boolean {
  return v.is(nameShape, text) && text.isWellFormed();
}

/** The payload of an entry. */
export function encodeTagOperation(operation: TagOperation): CborValue {
  if (operation.type === 'set')
    return [
      'set',
      operation.name,
      operation.version.toCbor(),
      ...(operation.without === undefined ? [] : [rangesToCbor(operation.without)]),
    ];
  return ['remove', identifierToBytes(operation.tag.author), operation.tag.sequence];
}

/** What a payload says. `TAG_MALFORMED` (peer) when it is neither of the two, or as `VersionVector.fromCbor` fails. */
export function decodeTagOperation(payload: CborValue): Outcome<TagOperation> {
  const set = v.safeParse(setShape, payload);
  if (set.success) {
    const [type, name, vector, ranges] = set.output;
    const version = VersionVector.fromCbor(vector);
    if (!version.ok) return version;
    const without = ranges && rangesFrom(ranges);
    if (without?.length === 0) return failure('TAG_MALFORMED', 'peer', 'what a tagged version leaves out is not of its format');
    return success({ type, name, version: version.value, ...(without === undefined ? {} : { without }) });
  }
  const remove = v.safeParse(removeShape, payload);
  if (!remove.success) return failure('TAG_MALFORMED', 'peer', 'an entry about a tag is not of this format');
  const [type, author, sequence] = remove.output;
  return success({ type, tag: { author: identifier<NodeId>(author), sequence } });
}

function rangesToCbor(ranges: readonly LogRange[]): CborValue[] {
  return ranges.slice(0, leftOutMax).flatMap(({ node, from, to }): CborValue[] => [identifierToBytes(node), from, to]);
}

/** Ranges in their wire form, or none when that is malformed: a version that leaves nothing out does not say so. */
function rangesFrom(items: readonly unknown[]): LogRange[] {
  const ranges: LogRange[] = [];
  for (let at = 0; at < items.length; at += 3) {
    const [author, from, to] = items.slice(at, at + 3);
    if (!(author instanceof Uint8Array) || author.length !== identifierBytes) return [];
    if (typeof from !== 'number' || typeof to !== 'number' || to < from) return [];
    ranges.push({ node: identifier<NodeId>(author), from, to });
  }
  return ranges;
}

/** The entries that belong to a version: what a vector covers, but for some. */
export interface VersionEntries extends EntrySet {
  readonly version: VersionVector;
  readonly without: readonly LogRange[];
}

/** The entries that belong to a tagged version. */
export function entriesOf({ version, without = [] }: Pick<Tag, 'version' | 'without'>): VersionEntries {
  const isLeftOut = ({ author, sequence }: Dot): boolean =>
    without.some(({ node, from, to }) => node === author && from <= sequence && sequence <= to);
  return { version, without, contains: (dot) => version.contains(dot) && !isLeftOut(dot) };
}

interface TagRow {
  author: Uint8Array;
  sequence: number;
  name: string;
  vector: Uint8Array;
  left_out: Uint8Array | null;
  wall_ms: number;
  counter: number;
  clock_quality: string;
}

/** The tags of all datasets, in the catalog. Synchronous; part of the caller's transaction. */
export class TagBook {
  readonly #catalog: Catalog;
  /** Read again after every change: there are few, and a collection asks for every superseded revision. */
  readonly #tagsByDataset = new Map<DatasetId, readonly Tag[]>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(tagSchema);
  }

  /** Takes in what an entry says. Idempotent, and the same in any order of entries of different authors. Fails as `decodeTagOperation` does. */
  apply(dataset: DatasetId, dot: Dot, header: EntryHeader, payload: CborValue): Outcome<TagOperation> {
    const operation = decodeTagOperation(payload);
    if (!operation.ok) return operation;
    this.#tagsByDataset.delete(dataset);
    const key = identifierToBytes(dataset);
    if (operation.value.type === 'set') this.#set(key, dot, header, operation.value);
    else {
      const author = identifierToBytes(operation.value.tag.author);
      const { sequence } = operation.value.tag;
      this.#catalog.run('INSERT OR IGNORE INTO tag_removed VALUES (?, ?, ?)', key, author, sequence);
      this.#catalog.run('DELETE FROM tag WHERE dataset = ? AND author = ? AND sequence = ?', key, author, sequence);
    }
    return operation;
  }

  /** Takes back the tags that an author's entries behind `after` set, and that they were removed: its log is to say something else there. */
  retract(dataset: DatasetId, author: NodeId, after: number): void {
    this.#tagsByDataset.delete(dataset);
    const where = 'WHERE dataset = ? AND author = ? AND sequence > ?';
    for (const table of ['tag', 'tag_removed'])
      this.#catalog.run(`DELETE FROM ${table} ${where}`, identifierToBytes(dataset), identifierToBytes(author), after);
  }

  /** The tags of a dataset, the earliest first. */
  tags(dataset: DatasetId): readonly Tag[] {
    const known = this.#tagsByDataset.get(dataset);
    if (known !== undefined) return known;
    const tags = this.#catalog
      .all<TagRow>(
        'SELECT author, sequence, name, vector, left_out, wall_ms, counter, clock_quality FROM tag WHERE dataset = ?',
        identifierToBytes(dataset),
      )
      .flatMap(tagFromRow)
      .sort(
        (a, b) => compareInstants(a.instant, b.instant) || (a.author < b.author ? -1 : a.author > b.author ? 1 : a.sequence - b.sequence),
      );
    this.#tagsByDataset.set(dataset, tags);
    return tags;
  }

  /** The tag of this name, the earliest when several nodes gave it. */
  tag(dataset: DatasetId, name: string): Tag | undefined {
    return this.tags(dataset).find((each) => each.name === name);
  }

  #set(
    key: Uint8Array,
    { author, sequence }: Dot,
    { instant, clockQuality }: EntryHeader,
    operation: Extract<TagOperation, { readonly type: 'set' }>,
  ): void {
    const authorKey = identifierToBytes(author);
    const isRemoved = this.#catalog.get(
      'SELECT 1 FROM tag_removed WHERE dataset = ? AND author = ? AND sequence = ?',
      key,
      authorKey,
      sequence,
    );
    const count =
      this.#catalog.get<{ n: number }>('SELECT count(*) AS n FROM tag WHERE dataset = ? AND author = ?', key, authorKey)?.n ?? 0;
    if (isRemoved !== undefined || count >= tagsPerAuthorMax) return;
    this.#catalog.run(
      'INSERT OR IGNORE INTO tag (dataset, author, sequence, name, vector, left_out, wall_ms, counter, clock_quality) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      key,
      authorKey,
      sequence,
      operation.name,
      encodeCbor(operation.version.toCbor()),
      operation.without === undefined ? null : encodeCbor(rangesToCbor(operation.without)),
      instant.wallMs,
      instant.counter,
      clockQuality,
    );
  }
}

function tagFromRow(row: TagRow): Tag[] {
  const decoded = decodeCbor(row.vector);
  const version = decoded.ok ? VersionVector.fromCbor(decoded.value) : decoded;
  if (!version.ok) return [];
  const leftOut = row.left_out === null ? undefined : decodeCbor(row.left_out);
  const without = leftOut?.ok === true && Array.isArray(leftOut.value) ? rangesFrom(leftOut.value) : undefined;
  return [
    {
      author: identifier<NodeId>(row.author),
      sequence: row.sequence,
      name: row.name,
      version: version.value,
      ...(without === undefined ? {} : { without }),
      instant: { wallMs: row.wall_ms, counter: row.counter },
      clockQuality: row.clock_quality as ClockQuality,
    },
  ];
}
