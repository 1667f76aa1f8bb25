import * as v from 'valibot';
import { type DatasetId, isIdentifierText, type NodeId } from '../core/identifiers.ts';
import type { FieldNode } from '../node/field-node.ts';

/**
 * What a request of the agent is made of: the shape of its parameters, and the call of `FieldNode` that it stands for. The tables of requests are written with it.
 */

/** One request. Its result may be a promise, and is made plain JSON by whoever performs it. */
export interface Request<S extends v.GenericSchema> {
  readonly parameters: S;
  run(node: FieldNode, parameters: v.InferOutput<S>): unknown;
}

/** Requests by their names. */
export type RequestTable = Readonly<Record<string, Request<v.GenericSchema>>>;

/** A request whose parameters have this shape. */
export function request<S extends v.GenericSchema>(
  parameters: S,
  run: (node: FieldNode, parameters: v.InferOutput<S>) => unknown,
): Request<v.GenericSchema> {
  return { parameters, run: (node, value) => run(node, value as v.InferOutput<S>) };
}

/** No parameters. */
export const nothing = v.optional(v.object({}));
/** Any text. */
export const text = v.string();
/** A member, 64 hexadecimal digits. */
export const nodeId = v.pipe(
  text,
  v.check(isIdentifierText, 'Expected 64 lower-case hexadecimal digits'),
  v.transform((digits) => digits as NodeId),
);
/** A dataset alone, by name or identifier. */
export const dataset = v.object({ dataset: text });
/** How urgent something is. */
export const priority = v.picklist(['emergency', 'critical', 'normal', 'bulk']);
/** A revision, or an order, by the log entry that brought it. */
export const entry = v.object({ author: nodeId, sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(1)) });

/** The dataset of this name or identifier. @throws GodwitError `DATASET_UNKNOWN` */
export function idOf(node: FieldNode, nameOrId: string): DatasetId {
  return node.dataset(nameOrId).id;
}

/** The members that are there: for options that may be left out and not be undefined. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
