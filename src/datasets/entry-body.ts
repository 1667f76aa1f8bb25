import * as v from 'valibot';
import { equalBytes, fromHex, utf8 } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { GodwitError } from '../core/errors.ts';
import { type Hash, identifier, identifierBytes, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { ClockQuality } from '../core/time.ts';
import { isTreePath } from '../core/tree-path.ts';
import type { HybridInstant } from './hybrid-clock.ts';
import type { Dot } from './log-entry.ts';
import type { ContentRef } from './manifest.ts';

/**
 * What a log entry says. The body is deterministic CBOR:
 *
 *     [kind, wall ms, counter, clock quality, payload]            or, with a position,
 *     [kind, wall ms, counter, clock quality, payload, [latitude, longitude, altitude m or null, accuracy m or null]]
 *
 * Where more is said of a position than its first four members, four others follow them, each of which may be null: vertical accuracy m, datum, how it was found, µs since 1970 UTC when it was found.
 *
 * Kind 1, a revision of files, has the list of changes as payload; every other kind's payload belongs to the component that defined it and is carried here as opaque CBOR bytes, so
 * that a node relays kinds it does not know.
 *
 * A change is `[path, superseded, kind, content…]`:
 *
 *     file     [path, superseded, 0, root (32), size, depth, mtime s, mtime ns, mode, attributes?]
 *     symlink  [path, superseded, 1, target, mtime s, mtime ns]
 *     removal  [path, superseded, 2]
 *
 * `superseded` lists the heads that the author saw and replaces: a number is an entry of the author's own log, `[node (32), number]` one of another's. A path comes once in an entry. Empty
 * content has the root of empty content, and content of depth 0 is at most one chunk long. Numbers are integers up to 2^53 - 1.
 */

/** What kind of payload an entry carries. The numbers are the wire's. */
export const entryKinds = { membership: 0, files: 1, table: 2, segment: 3, gap: 4, tag: 5, order: 6, fork: 7 } as const;
/** Name of the kind of an entry's payload. */
export type EntryKind = keyof typeof entryKinds;

const qualities: readonly ClockQuality[] = ['unknown', 'rtc', 'ntp', 'gnss'];

/** Where something was. */
export interface Position {
  /** Degrees, -90 to 90, north positive. */
  readonly latitude: number;
  /** Degrees, -180 to 180, east positive. */
  readonly longitude: number;
  readonly altitudeM?: number;
  /** Radius of 68 % confidence, metres; of a receiver's fix its own estimate, whatever confidence it means. */
  readonly accuracyM?: number;
  /** The same of the altitude, up and down. */
  readonly verticalAccuracyM?: number;
  /** Geodetic datum; absent means WGS 84. */
  readonly datum?: string;
  /** How it was found: `survey`, `map`, `gnss`… */
  readonly method?: string;
  /** When it was found, microseconds since 1970 UTC: a fix may be older than what is written with it. */
  readonly instantUs?: number;
}

/** What every entry says about itself. */
export interface EntryHeader {
  readonly instant: HybridInstant;
  readonly clockQuality: ClockQuality;
  readonly position?: Position;
}

/** Free metadata of a file: MIME type, instrument provenance, and what users add. Keys are sorted; values are kept byte for byte. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One change to one path of a dataset. */
export type FileChange = {
  /** Path inside the dataset, `/` between names, NFC is not applied: the bytes are the author's. */
  readonly path: string;
  /** Heads this change replaces. Empty for a new path. */
  readonly superseded: readonly Dot[];
} & FileState;

/** What a path holds after a change. */
export type FileState =
  | {
      readonly kind: 'file';
      readonly content: ContentRef;
      readonly mtimeNs: bigint;
      readonly mode: number;
      readonly attributes?: Attributes;
    }
  | { readonly kind: 'symlink'; readonly target: string; readonly mtimeNs: bigint }
  | { readonly kind: 'removal' };

/** A decoded body. */
export type EntryBody = EntryHeader &
  (
    | { readonly kind: 'files'; readonly changes: readonly FileChange[] }
    | { readonly kind: Exclude<EntryKind, 'files'>; readonly payload: CborValue }
  );

const uint = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash32 = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.length === identifierBytes),
);
const finite = v.pipe(v.number(), v.finite());
const accuracy = v.nullable(v.pipe(finite, v.minValue(0)));
const place = [
  v.pipe(finite, v.minValue(-90), v.maxValue(90)),
  v.pipe(finite, v.minValue(-180), v.maxValue(180)),
  v.nullable(finite),
  accuracy,
] as const;
const placeText = v.nullable(
  v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(64),
    v.check((text) => text.isWellFormed()),
  ),
);
const positionShape = v.union([
  v.strictTuple(place),
  v.strictTuple([...place, accuracy, placeText, placeText, v.nullable(v.pipe(v.number(), v.safeInteger()))]),
]);
const pathShape = v.pipe(v.string(), v.check(isDatasetPath));
const supersededShape = v.pipe(
  v.array(v.union([v.pipe(uint, v.minValue(1)), v.strictTuple([hash32, v.pipe(uint, v.minValue(1))])])),
  v.maxLength(limits.headsPerEntryMax),
);
const nanoseconds = v.pipe(uint, v.maxValue(999_999_999));
const seconds = v.pipe(v.number(), v.safeInteger());
const fileFields = [
  pathShape,
  supersededShape,
  v.literal(0),
  hash32,
  uint,
  v.pipe(uint, v.maxValue(10)),
  seconds,
  nanoseconds,
  v.pipe(uint, v.maxValue(0o7777)),
] as const;
const targetShape = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(4096),
  v.check((target) => !target.includes('\0') && target.isWellFormed()),
);
const changeShape = v.union([
  v.pipe(
    v.strictTuple([...fileFields]),
    v.check(([, , , root, sizeBytes, depth]) => isPlausibleContent(root, sizeBytes, depth)),
  ),
  v.pipe(
    v.strictTuple([...fileFields, v.custom<Attributes>(areAttributes)]),
    v.check(([, , , root, sizeBytes, depth]) => isPlausibleContent(root, sizeBytes, depth)),
  ),
  v.strictTuple([pathShape, supersededShape, v.literal(1), targetShape, seconds, nanoseconds]),
  v.strictTuple([pathShape, supersededShape, v.literal(2)]),
]);
const headerShape = [uint, uint, uint, v.pipe(uint, v.maxValue(qualities.length - 1)), v.unknown()] as const;
const bodyShape = v.union([v.strictTuple([...headerShape, positionShape]), v.strictTuple([...headerShape])]);
// One path twice would mean two states under one name of a revision.
const changesShape = v.pipe(
  v.array(changeShape),
  v.minLength(1),
  v.maxLength(limits.changesPerRevisionMax),
  v.check((changes) => new Set(changes.map(([path]) => path)).size === changes.length),
);

/** SHA-256 of nothing (FIPS 180-4), the root of every empty file. */
const emptyRoot = fromHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

/** What a content reference must look like for anybody ever to hold it: nothing but the empty content is complete without a byte having arrived. */
function isPlausibleContent(root: Uint8Array, sizeBytes: number, depth: number): boolean {
  if (sizeBytes === 0) return depth === 0 && equalBytes(root, emptyRoot);
  return depth > 0 || sizeBytes <= limits.chunkBytesMax;
}

/**
 * True for a path that may stand in a dataset: relative, no empty, `.` or `..` names, no NUL, no backslash, at most `limits.pathBytesMax` bytes in UTF-8. What a platform cannot store
 * under such a path is the checkout's to solve; here it is only kept from leaving the tree.
 */
export function isDatasetPath(path: string): boolean {
  return isTreePath(path) && !path.includes('\\') && utf8(path).length <= limits.pathBytesMax;
}

/** True for metadata that an entry may carry: an object whose names have at most 256 and whose texts at most 65,536 UTF-16 code units, numbers finite. */
export function areAttributes(value: unknown): value is Attributes {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) return false;
  return Object.entries(value).every(([name, each]) => {
    if (name.length > 256 || !name.isWellFormed()) return false;
    if (typeof each === 'string') return each.length <= 65_536 && each.isWellFormed();
    return typeof each === 'boolean' || (typeof each === 'number' && Number.isFinite(each));
  });
}

/** An upper bound of the bytes that a change takes in an entry, cheap to work out: what a publication adds up before it begins another entry. */
export function changeBytesMax(change: FileChange): number {
  // A UTF-16 code unit is at most three bytes of UTF-8; a dot of another author is at most 46 bytes; all fixed fields together are below 128.
  let bytes = 128 + change.path.length * 3 + change.superseded.length * 46;
  if (change.kind === 'symlink') bytes += change.target.length * 3;
  if (change.kind === 'file' && change.attributes !== undefined) {
    for (const [name, value] of Object.entries(change.attributes))
      bytes += 16 + name.length * 3 + (typeof value === 'string' ? value.length * 3 : 0);
  }
  return bytes;
}

/** True for a position that an entry may carry. */
export function isPosition(position: Position): boolean {
  return v.is(positionShape, placeOf(position));
}

/**
 * Bytes of a body, ready to be signed. `author` is the node whose log it goes into: its own dots are written short.
 *
 * @throws GodwitError `CHANGE_UNSUPPORTED` for changes that every other node would refuse: nothing of that kind may be signed, or it would be lost on the others without a word
 */
export function encodeEntryBody(body: EntryBody, author: NodeId): Uint8Array {
  const payload = body.kind === 'files' ? body.changes.map((change) => encodeChange(change, author)) : body.payload;
  if (body.kind === 'files' && !v.is(changesShape, payload)) {
    throw new GodwitError(
      'CHANGE_UNSUPPORTED',
      'A change names a path, a link target, metadata or a number of replaced revisions that no entry can carry.',
    );
  }
  const items: CborValue[] = [
    entryKinds[body.kind],
    body.instant.wallMs,
    body.instant.counter,
    qualities.indexOf(body.clockQuality),
    payload,
  ];
  const { position } = body;
  if (position !== undefined) items.push(placeOf(position));
  return encodeCbor(items);
}

/**
 * The body in these bytes, from `author`'s log. `ENTRY_MALFORMED` when it breaks the format above, `ENTRY_KIND_UNKNOWN` (blame `incompatible`) for a kind of a newer version: the
 * entry is kept and relayed, only not understood.
 */
export function decodeEntryBody(bytes: Uint8Array, author: NodeId): Outcome<EntryBody> {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok) return decoded;
  const shaped = v.safeParse(bodyShape, decoded.value);
  if (!shaped.success) return failure('ENTRY_MALFORMED', 'peer', 'a log entry is not a body of this format');
  const [kindNumber, wallMs, counter, quality, payload, place] = shaped.output;
  const kind = (Object.keys(entryKinds) as EntryKind[]).find((name) => entryKinds[name] === kindNumber);
  if (kind === undefined) return failure('ENTRY_KIND_UNKNOWN', 'incompatible', `a log entry of kind ${kindNumber} needs a newer version`);
  const header: EntryHeader = {
    instant: { wallMs, counter },
    clockQuality: qualities[quality] as ClockQuality,
    ...(place === undefined ? {} : { position: positionOf(place) }),
  };
  if (kind !== 'files') return success({ ...header, kind, payload: payload as CborValue });
  const changes = v.safeParse(changesShape, payload);
  if (!changes.success) return failure('ENTRY_MALFORMED', 'peer', 'a revision lists changes that are not of this format');
  return success({ ...header, kind, changes: changes.output.map((change) => decodeChange(change, author)) });
}

/** Four members are enough for a position of which nothing more is said. */
function placeOf(position: Position): CborValue[] {
  const { latitude, longitude, altitudeM = null, accuracyM = null } = position;
  const { verticalAccuracyM = null, datum = null, method = null, instantUs = null } = position;
  const more = [verticalAccuracyM, datum, method, instantUs];
  return [latitude, longitude, altitudeM, accuracyM, ...(more.every((each) => each === null) ? [] : more)];
}

function positionOf(members: v.InferOutput<typeof positionShape>): Position {
  const [latitude, longitude, altitudeM, accuracyM, verticalAccuracyM = null, datum = null, method = null, instantUs = null] = members;
  return {
    latitude,
    longitude,
    ...(altitudeM === null ? {} : { altitudeM }),
    ...(accuracyM === null ? {} : { accuracyM }),
    ...(verticalAccuracyM === null ? {} : { verticalAccuracyM }),
    ...(datum === null ? {} : { datum }),
    ...(method === null ? {} : { method }),
    ...(instantUs === null ? {} : { instantUs }),
  };
}

function encodeChange(change: FileChange, author: NodeId): CborValue {
  const superseded = change.superseded.map((dot) => (dot.author === author ? dot.sequence : [identifierToBytes(dot.author), dot.sequence]));
  if (change.kind === 'removal') return [change.path, superseded, 2];
  const [wholeSeconds, fraction] = splitNanoseconds(change.mtimeNs);
  if (change.kind === 'symlink') return [change.path, superseded, 1, change.target, wholeSeconds, fraction];
  const { root, sizeBytes, depth } = change.content;
  const file: CborValue[] = [change.path, superseded, 0, root, sizeBytes, depth, wholeSeconds, fraction, change.mode];
  if (change.attributes !== undefined) file.push(change.attributes);
  return file;
}

function decodeChange(change: v.InferOutput<typeof changeShape>, author: NodeId): FileChange {
  const [path, dots] = change;
  const superseded = dots.map((dot) =>
    typeof dot === 'number' ? { author, sequence: dot } : { author: identifier<NodeId>(dot[0]), sequence: dot[1] },
  );
  if (change[2] === 2) return { path, superseded, kind: 'removal' };
  if (change[2] === 1) return { path, superseded, kind: 'symlink', target: change[3], mtimeNs: joinNanoseconds(change[4], change[5]) };
  const [, , , root, sizeBytes, depth, wholeSeconds, fraction, mode] = change;
  const attributes = change[9];
  const content = { root: root as Hash, sizeBytes, depth };
  return {
    path,
    superseded,
    kind: 'file',
    content,
    mtimeNs: joinNanoseconds(wholeSeconds, fraction),
    mode,
    ...(attributes === undefined ? {} : { attributes }),
  };
}

function splitNanoseconds(ns: bigint): [number, number] {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [Number((ns - fraction) / 1_000_000_000n), Number(fraction)];
}

function joinNanoseconds(wholeSeconds: number, fraction: number): bigint {
  return BigInt(wholeSeconds) * 1_000_000_000n + BigInt(fraction);
}
