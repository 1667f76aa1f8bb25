import * as v from 'valibot';
import { concatBytes, fromHex, toHex } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import {
  type Hash,
  identifier,
  identifierBytes,
  identifierToBytes,
  type NodeId,
  type ShortName,
  shortNameBytes,
} from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { decodeMessage, encodeMessage, type Message, objectsPerWantMax } from './messages.ts';

/**
 * The records of a bundle segment. The first byte says what a record is:
 *
 *     1 table    CBOR [exporter (32), wall ms, [addressed node (32), …], holds receipts, [name of a damaged segment, …], [row, …]]
 *                  row = [1, dataset (8), author (8), first entry, entries] or [2, content's root (32), plan id (16), groups of the plan, first group here, groups here]
 *     2 message  a message of `messages.ts`: `entries` or `receipts`
 *     3 plan     CBOR [root (32), size, depth, [base root (32), …], plan object]
 *     4 group    root (32) || plan id (16) || group (4) || the encoded group
 *
 * The table says what the other records are about, so that whoever has all of that need not read them, and whoever adds to a medium need not write it again. It is a hint: nothing is believed because a
 * table says so.
 */

/** A run of one author's entries in a segment. */
export interface EntriesRow {
  readonly type: 'entries';
  readonly dataset: ShortName;
  readonly author: ShortName;
  readonly first: number;
  readonly count: number;
}

/** A run of groups of one content in a segment. */
export interface GroupsRow {
  readonly type: 'groups';
  readonly root: Hash;
  readonly planId: Uint8Array;
  /** Groups that the plan has; a content that is made of its base alone has none. */
  readonly groups: number;
  readonly first: number;
  readonly count: number;
}

/** What a segment is about. */
export interface SegmentTable {
  readonly exporter: NodeId;
  readonly wallMs: number;
  readonly addressed: readonly NodeId[];
  readonly hasReceipts: boolean;
  /** Names of segments of the addressed nodes in which this exporter found something that cannot be read any more. */
  readonly damaged: readonly string[];
  readonly rows: readonly (EntriesRow | GroupsRow)[];
}

/** The plan that a content's groups belong to: object 0 of its transfer. */
export interface PlanRecord {
  readonly root: Hash;
  readonly sizeBytes: number;
  readonly depth: number;
  readonly bases: readonly Hash[];
  readonly planObject: Uint8Array;
}

/** One encoded group of a content. */
export interface GroupRecord {
  readonly root: Hash;
  readonly planId: Uint8Array;
  readonly group: number;
  readonly encoded: Uint8Array;
}

/** Messages that make sense on a medium. */
export type CarriedMessage = Extract<Message, { readonly type: 'entries' | 'receipts' }>;

/** A record, understood. */
export type BundleRecord =
  | { readonly type: 'table'; readonly table: SegmentTable }
  | { readonly type: 'message'; readonly message: CarriedMessage }
  | { readonly type: 'plan'; readonly plan: PlanRecord }
  | { readonly type: 'group'; readonly group: GroupRecord };

/** Bytes that a row takes in a table, at most. */
export const tableRowBytesMax = 80;
/** Bytes of a table without rows and names, apart from 34 for each addressed node. */
export const tableBytesMin = 64;
/** Names of damaged segments that are listed. */
export const damagedNamesMax = 1024;

const planIdBytes = 16;
const groupHeadBytes = 1 + identifierBytes + planIdBytes + 4;

const uint = v.pipe(v.number(), v.integer(), v.minValue(0));
const bytes = (length: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length === length),
  );
const id = bytes(identifierBytes);
const name = bytes(shortNameBytes);
const entriesShape = v.strictTuple([v.literal(1), name, name, v.pipe(uint, v.minValue(1)), uint]);
const groupCount = v.pipe(uint, v.maxValue(objectsPerWantMax));
const groupsShape = v.strictTuple([v.literal(2), id, bytes(planIdBytes), groupCount, groupCount, groupCount]);
const tableShape = v.strictTuple([
  id,
  uint,
  v.pipe(v.array(id), v.maxLength(limits.membersPerTeamMax)),
  v.boolean(),
  v.pipe(v.array(v.pipe(v.string(), v.maxLength(16))), v.maxLength(damagedNamesMax)),
  v.array(v.union([entriesShape, groupsShape])),
]);
const planShape = v.strictTuple([id, uint, v.pipe(uint, v.maxValue(16)), v.pipe(v.array(id), v.maxLength(4)), v.instance(Uint8Array)]);

/** Bytes of a record. */
export function encodeRecord(record: BundleRecord): Uint8Array {
  switch (record.type) {
    case 'table':
      return concatBytes(Uint8Array.of(1), encodeCbor(tableToCbor(record.table)));
    case 'message':
      return concatBytes(Uint8Array.of(2), encodeMessage(record.message));
    case 'plan': {
      const { root, sizeBytes, depth, bases, planObject } = record.plan;
      return concatBytes(Uint8Array.of(3), encodeCbor([root, sizeBytes, depth, [...bases], planObject]));
    }
    case 'group': {
      const { root, planId, group, encoded } = record.group;
      const number = new Uint8Array(4);
      new DataView(number.buffer).setUint32(0, group);
      return concatBytes(Uint8Array.of(4), root, planId, number, encoded);
    }
  }
}

function tableToCbor({ exporter, wallMs, addressed, hasReceipts, damaged, rows }: SegmentTable): CborValue {
  const items = rows.map(
    (row): CborValue =>
      row.type === 'entries'
        ? [1, fromHex(row.dataset), fromHex(row.author), row.first, row.count]
        : [2, row.root, row.planId, row.groups, row.first, row.count],
  );
  return [identifierToBytes(exporter), Math.max(0, Math.floor(wallMs)), addressed.map(identifierToBytes), hasReceipts, [...damaged], items];
}

/** The record in these bytes. `BUNDLE_RECORD_MALFORMED` (peer) when it breaks the format above; `BUNDLE_RECORD_UNKNOWN` (incompatible) for one of a newer version. */
export function decodeRecord(encoded: Uint8Array): Outcome<BundleRecord> {
  const malformed = failure('BUNDLE_RECORD_MALFORMED', 'peer', 'a record of a bundle segment is not of its format');
  const body = encoded.subarray(1);
  switch (encoded[0]) {
    case 1: {
      const shaped = shapedCbor(tableShape, body);
      if (shaped === undefined) return malformed;
      const [exporter, wallMs, addressed, hasReceipts, damaged, rows] = shaped;
      const table = { exporter: identifier<NodeId>(exporter), wallMs, addressed: addressed.map((each) => identifier<NodeId>(each)) };
      return success({ type: 'table', table: { ...table, hasReceipts, damaged, rows: rows.map(rowFrom) } });
    }
    case 2: {
      const message = decodeMessage(body);
      if (!message.ok) return message;
      return message.value.type === 'entries' || message.value.type === 'receipts'
        ? success({ type: 'message', message: message.value })
        : malformed;
    }
    case 3: {
      const shaped = shapedCbor(planShape, body);
      if (shaped === undefined) return malformed;
      const [root, sizeBytes, depth, bases, planObject] = shaped;
      return success({ type: 'plan', plan: { root: root as Hash, sizeBytes, depth, bases: bases as Hash[], planObject } });
    }
    case 4: {
      if (encoded.length < groupHeadBytes) return malformed;
      const group = new DataView(encoded.buffer, encoded.byteOffset).getUint32(groupHeadBytes - 4);
      const root = encoded.slice(1, 1 + identifierBytes) as Hash;
      const planId = encoded.slice(1 + identifierBytes, groupHeadBytes - 4);
      return success({ type: 'group', group: { root, planId, group, encoded: encoded.subarray(groupHeadBytes) } });
    }
    default:
      return failure('BUNDLE_RECORD_UNKNOWN', 'incompatible', 'a record of a bundle segment belongs to a newer version');
  }
}

function rowFrom(row: v.InferOutput<typeof entriesShape> | v.InferOutput<typeof groupsShape>): EntriesRow | GroupsRow {
  if (row[0] === 1) {
    const [, dataset, author, first, count] = row;
    return { type: 'entries', dataset: toHex(dataset) as ShortName, author: toHex(author) as ShortName, first, count };
  }
  const [, root, planId, groups, first, count] = row;
  return { type: 'groups', root: root as Hash, planId, groups, first, count };
}

function shapedCbor<S extends v.GenericSchema>(shape: S, encoded: Uint8Array): v.InferOutput<S> | undefined {
  const decoded = decodeCbor(encoded);
  const result = decoded.ok ? v.safeParse(shape, decoded.value) : undefined;
  return result?.success ? result.output : undefined;
}
