import * as v from 'valibot';
import { toHex } from '../core/bytes.ts';
import { type CborValue, encodeCbor } from '../core/cbor.ts';
import { type Hash, identifierBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { FieldDefinition, TableDefinition } from '../formats/record-stream.ts';
import type { Crypto } from '../ports/crypto.ts';

/**
 * Table revisions: what a station's table looked like when its records were made.
 *
 * A revision is named by the SHA-256 of its definition, so two people who read the same logger name it alike and their records meet. A changed logger program makes another revision, beside
 * the old one and linked to it by station and table name.
 *
 *     definition = CBOR [station identifier, format, table, model, serial, [[name, unit, processing, kind, sensor serial or null], …], signature text]
 *
 * What was derived again from archived bytes, because a parser or a site profile was wrong, has an eighth member, [identifier of the revision it stands for, reason], and so is a revision
 * beside the first one, alike on every node that derives it for the same reason.
 *
 * What may differ between two readings of one logger without changing a record (station name, position, header details) stands beside the definition in the log entry, not in it.
 */
export interface TableRevision {
  /** SHA-256 of the definition. */
  readonly id: Hash;
  /** The station as its owner names it; constant over years and loggers. */
  readonly stationId: string;
  readonly stationName: string;
  readonly format: string;
  readonly table: string;
  readonly model: string;
  readonly serial: string;
  readonly fields: readonly FieldDefinition[];
  /** Details as found, by the names the format documents. `signature`, the running program's, is part of the definition where there is one. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Microseconds between records; absent for event tables and where nobody knows. */
  readonly intervalUs?: number;
  /** Where the station stands. A survey is never overwritten by a fix. */
  readonly position?: StationPosition;
  /** Absent for what was read first. */
  readonly derivation?: Derivation;
}

/** Where a station stands, and how that is known. */
export interface StationPosition {
  /** Degrees north. */
  readonly latitude: number;
  /** Degrees east. */
  readonly longitude: number;
  readonly altitudeM?: number;
  /** How it was found: `survey`, `map`, `gnss`… */
  readonly method: string;
  /** Geodetic datum; absent means WGS 84. */
  readonly datum?: string;
  /** Horizontal accuracy as the source states it, metres. */
  readonly accuracyM?: number;
  /** When it was found, microseconds since 1970 UTC. */
  readonly instantUs?: number;
}

/** Why a table was derived again from archived bytes. */
export interface Derivation {
  /** The revision whose rows it replaces for readers; that one stays. */
  readonly from: Hash;
  readonly reason: string;
}

const text = v.pipe(v.string(), v.maxLength(4096));
const finite = v.pipe(v.number(), v.finite());
const kinds = ['number', 'text', 'time', 'boolean'] as const;
const fieldShape = v.strictTuple([text, text, text, v.picklist(kinds), v.nullable(text)]);
const hash = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.length === identifierBytes),
);
const firstMembers = [text, text, text, text, text, v.pipe(v.array(fieldShape), v.maxLength(limits.fieldsPerTableMax)), text] as const;
const definitionShape = v.union([v.strictTuple(firstMembers), v.strictTuple([...firstMembers, v.strictTuple([hash, text])])]);
const placeMembers = [
  v.pipe(finite, v.minValue(-90), v.maxValue(90)),
  v.pipe(finite, v.minValue(-180), v.maxValue(180)),
  v.nullable(finite),
  text,
] as const;
const integer = v.pipe(v.number(), v.safeInteger());
const payloadShape = v.strictTuple([
  definitionShape,
  text,
  v.record(text, text),
  v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1))),
  v.nullable(
    v.union([
      v.strictTuple(placeMembers),
      v.strictTuple([...placeMembers, v.nullable(text), v.nullable(v.pipe(finite, v.minValue(0))), v.nullable(integer)]),
    ]),
  ),
]);

/** Attribute that belongs to a revision's identity: another program makes another revision. */
const signatureAttribute = 'signature';

/** The revision of a table as a reader found it, at a station. */
export function tableRevision(
  found: TableDefinition,
  site: Pick<TableRevision, 'stationId' | 'stationName' | 'position' | 'intervalUs' | 'derivation'>,
  crypto: Crypto,
): TableRevision {
  const { format, table, model, serial, fields, attributes } = found;
  const unnamed = { ...site, format, table, model, serial, fields, attributes };
  return { ...unnamed, id: crypto.sha256(encodeCbor(definitionOf(unnamed))) as Hash };
}

/** Log payload of a revision. */
export function encodeTableRevision(revision: TableRevision): CborValue {
  const { position } = revision;
  return [
    definitionOf(revision),
    revision.stationName,
    revision.attributes,
    revision.intervalUs ?? null,
    position === undefined ? null : placeOf(position),
  ];
}

/** Four members are enough for a place of which nothing more is said. */
function placeOf({ latitude, longitude, altitudeM, method, datum, accuracyM, instantUs }: StationPosition): CborValue {
  const short = [latitude, longitude, altitudeM ?? null, method];
  const isShort = datum === undefined && accuracyM === undefined && instantUs === undefined;
  return isShort ? short : [...short, datum ?? null, accuracyM ?? null, instantUs ?? null];
}

/**
 * Of two definitions of one revision, the one that all nodes hold in the end, whichever they heard of first: the better known position, of two alike the later, then the greater bytes. Positive
 * when `a` is that one.
 */
export function compareDefinitions(a: TableRevision, b: TableRevision): number {
  const better = comparePositions(a.position, b.position);
  if (better !== 0) return better;
  const [mine, others] = [toHex(encodeCbor(encodeTableRevision(a))), toHex(encodeCbor(encodeTableRevision(b)))];
  return mine < others ? -1 : Number(mine > others);
}

/** Positive when `a` is better known than `b`: a survey before what somebody said, that before a receiver's fix, that before nothing; of two alike the later. */
export function comparePositions(a: StationPosition | undefined, b: StationPosition | undefined): number {
  return rankOf(a) - rankOf(b) || (a?.instantUs ?? 0) - (b?.instantUs ?? 0);
}

const fixMethods: ReadonlySet<string> = new Set(['fix', 'gnss', 'gps', 'gpsd', 'nmea']);

/** True when a receiver measured it, by what says how a position was found. */
export function isFix(method: string): boolean {
  return fixMethods.has(method.toLowerCase());
}

function rankOf(position: StationPosition | undefined): number {
  if (position === undefined) return 0;
  if (isFix(position.method)) return 1;
  return position.method.toLowerCase() === 'survey' ? 3 : 2;
}

/** The revision in a log payload of foreign origin. `TABLE_MALFORMED` (peer) when it is not one. */
export function decodeTableRevision(payload: CborValue, crypto: Crypto): Outcome<TableRevision> {
  const shaped = v.safeParse(payloadShape, payload);
  if (!shaped.success) return failure('TABLE_MALFORMED', 'peer', 'a table definition is not of this format');
  const [definition, stationName, attributes, intervalUs, place] = shaped.output;
  const [stationId, format, table, model, serial, fields, , derivation] = definition;
  return success({
    id: crypto.sha256(encodeCbor(definition)) as Hash,
    stationId,
    stationName,
    format,
    table,
    model,
    serial,
    fields: fields.map(([name, unit, processing, kind, sensorSerial]) => ({
      name,
      unit,
      processing,
      kind,
      ...(sensorSerial === null ? {} : { sensorSerial }),
    })),
    attributes,
    ...(intervalUs === null ? {} : { intervalUs }),
    ...(place === null ? {} : { position: positionOf(place) }),
    ...(derivation === undefined ? {} : { derivation: { from: derivation[0] as Hash, reason: derivation[1] } }),
  });
}

function positionOf(place: NonNullable<v.InferOutput<typeof payloadShape>[4]>): StationPosition {
  const [latitude, longitude, altitudeM, method, datum = null, accuracyM = null, instantUs = null] = place;
  return {
    latitude,
    longitude,
    ...(altitudeM === null ? {} : { altitudeM }),
    method,
    ...(datum === null ? {} : { datum }),
    ...(accuracyM === null ? {} : { accuracyM }),
    ...(instantUs === null ? {} : { instantUs }),
  };
}

function definitionOf(revision: Omit<TableRevision, 'id'>): CborValue {
  const fields = revision.fields.map((field) => [field.name, field.unit, field.processing, field.kind, field.sensorSerial ?? null]);
  return [
    revision.stationId,
    revision.format,
    revision.table,
    revision.model,
    revision.serial,
    fields,
    revision.attributes[signatureAttribute] ?? '',
    ...(revision.derivation === undefined ? [] : [[revision.derivation.from, revision.derivation.reason]]),
  ];
}
