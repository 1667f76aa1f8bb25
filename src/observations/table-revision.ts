import * as v from 'valibot';
import { type CborValue, encodeCbor } from '../core/cbor.ts';
import type { Hash } from '../core/identifiers.ts';
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
  /** Where the station stands, WGS 84; never overwritten by a fix. */
  readonly position?: { readonly latitude: number; readonly longitude: number; readonly altitudeM?: number; readonly method: string };
}

const text = v.pipe(v.string(), v.maxLength(4096));
const finite = v.pipe(v.number(), v.finite());
const kinds = ['number', 'text', 'time', 'boolean'] as const;
const fieldShape = v.strictTuple([text, text, text, v.picklist(kinds), v.nullable(text)]);
const definitionShape = v.strictTuple([
  text,
  text,
  text,
  text,
  text,
  v.pipe(v.array(fieldShape), v.maxLength(limits.fieldsPerTableMax)),
  text,
]);
const payloadShape = v.strictTuple([
  definitionShape,
  text,
  v.record(text, text),
  v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1))),
  v.nullable(
    v.strictTuple([
      v.pipe(finite, v.minValue(-90), v.maxValue(90)),
      v.pipe(finite, v.minValue(-180), v.maxValue(180)),
      v.nullable(finite),
      text,
    ]),
  ),
]);

/** Attribute that belongs to a revision's identity: another program makes another revision. */
const signatureAttribute = 'signature';

/** The revision of a table as a reader found it, at a station. */
export function tableRevision(
  found: TableDefinition,
  site: Pick<TableRevision, 'stationId' | 'stationName' | 'position' | 'intervalUs'>,
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
    position === undefined ? null : [position.latitude, position.longitude, position.altitudeM ?? null, position.method],
  ];
}

/** The revision in a log payload of foreign origin. `TABLE_MALFORMED` (peer) when it is not one. */
export function decodeTableRevision(payload: CborValue, crypto: Crypto): Outcome<TableRevision> {
  const shaped = v.safeParse(payloadShape, payload);
  if (!shaped.success) return failure('TABLE_MALFORMED', 'peer', 'a table definition is not of this format');
  const [definition, stationName, attributes, intervalUs, place] = shaped.output;
  const [stationId, format, table, model, serial, fields] = definition;
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
    ...(place === null
      ? {}
      : { position: { latitude: place[0], longitude: place[1], ...(place[2] === null ? {} : { altitudeM: place[2] }), method: place[3] } }),
  });
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
  ];
}
