import * as v from 'valibot';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * Rules that give contents a class: by path, author, kind, size and age. They stand in a dataset's log, so every node that moves the dataset goes by the same ones; the first rule that matches counts,
 * and where none does, the dataset's own class.
 *
 * Wire form of a rule: `[class, glob or null, author (32) or null, kind or null, least size, greatest size or null, least age ms, greatest age ms or null]`.
 */

/** A rule. Every condition that is given must hold. */
export interface PriorityRule {
  readonly priority: PriorityClass;
  /** Pattern for the path (`node/path-glob.ts`). */
  readonly glob?: string;
  /** Who wrote it. */
  readonly author?: NodeId;
  /** What the entry is. */
  readonly kind?: 'files' | 'series';
  /** Bytes of the content, both ends included. */
  readonly sizeBytesMin?: number;
  readonly sizeBytesMax?: number;
  /** How long ago it was written by its author's clock, milliseconds, both ends included. */
  readonly ageMsMin?: number;
  readonly ageMsMax?: number;
}

/** What a rule is held against. */
export interface RuleSubject {
  readonly path: string;
  readonly author: NodeId;
  readonly kind: 'files' | 'series';
  readonly sizeBytes: number;
  /** By its author's clock. */
  readonly writtenMs: number;
}

/** Rules of one dataset. */
export const priorityRulesMax = 256;
const globLengthMax = 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ruleShape = v.strictTuple([
  v.picklist(priorityClasses),
  v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(globLengthMax))),
  v.nullable(
    v.pipe(
      v.instance(Uint8Array),
      v.check((bytes) => bytes.length === 32),
    ),
  ),
  v.nullable(v.picklist(['files', 'series'] as const)),
  count,
  v.nullable(count),
  count,
  v.nullable(count),
]);

/** The shape of a list of rules in its wire form. */
export const rulesShape = v.pipe(v.array(ruleShape), v.maxLength(priorityRulesMax));

/** The wire form of rules. */
export function rulesToCbor(rules: readonly PriorityRule[]): CborValue {
  return rules.map((rule) => [
    rule.priority,
    rule.glob ?? null,
    rule.author === undefined ? null : identifierToBytes(rule.author),
    rule.kind ?? null,
    rule.sizeBytesMin ?? 0,
    rule.sizeBytesMax ?? null,
    rule.ageMsMin ?? 0,
    rule.ageMsMax ?? null,
  ]);
}

/** Rules from their wire form. */
export function rulesFromCbor(rules: v.InferOutput<typeof rulesShape>): PriorityRule[] {
  return rules.map(([priority, glob, author, kind, sizeBytesMin, sizeBytesMax, ageMsMin, ageMsMax]) => ({
    priority,
    ...(glob === null ? {} : { glob }),
    ...(author === null ? {} : { author: identifier<NodeId>(author) }),
    ...(kind === null ? {} : { kind }),
    ...(sizeBytesMin === 0 ? {} : { sizeBytesMin }),
    ...(sizeBytesMax === null ? {} : { sizeBytesMax }),
    ...(ageMsMin === 0 ? {} : { ageMsMin }),
    ...(ageMsMax === null ? {} : { ageMsMax }),
  }));
}

/** The class of the first rule that matches, or `undefined`. Ages are by this node's clock at `nowMs`; what is from the future has the age 0. */
export function classByRules(
  rules: readonly PriorityRule[],
  subject: RuleSubject,
  nowMs: number,
  matchesGlob: (glob: string, path: string) => boolean,
): PriorityClass | undefined {
  const ageMs = Math.max(0, nowMs - subject.writtenMs);
  return rules.find(
    (rule) =>
      (rule.author === undefined || rule.author === subject.author) &&
      (rule.kind === undefined || rule.kind === subject.kind) &&
      isWithin(subject.sizeBytes, rule.sizeBytesMin, rule.sizeBytesMax) &&
      isWithin(ageMs, rule.ageMsMin, rule.ageMsMax) &&
      (rule.glob === undefined || matchesGlob(rule.glob, subject.path)),
  )?.priority;
}

function isWithin(value: number, least = 0, greatest = Infinity): boolean {
  return value >= least && value <= greatest;
}

/** The tables of rules. */
export const priorityRuleSchema: Schema = {
  component: 'priority-rules',
  steps: [
    `CREATE TABLE priority_rules (
       dataset BLOB PRIMARY KEY,
       wall_ms INTEGER NOT NULL,
       counter INTEGER NOT NULL,
       author BLOB NOT NULL,
       rules BLOB NOT NULL
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** The rules of every dataset, in the catalog. Synchronous; part of the caller's transaction. */
export class PriorityRuleBook {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(priorityRuleSchema);
  }

  /** Takes rules that an entry brought. The latest by the authors' clocks stand, of equal ones those of the greater author: on every node the same, in whatever order they arrive. */
  apply(
    dataset: DatasetId,
    author: NodeId,
    instant: { readonly wallMs: number; readonly counter: number },
    rules: readonly PriorityRule[],
  ): void {
    this.#catalog.run(
      `INSERT INTO priority_rules (dataset, wall_ms, counter, author, rules) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (dataset) DO UPDATE SET wall_ms = excluded.wall_ms, counter = excluded.counter, author = excluded.author, rules = excluded.rules
       WHERE (excluded.wall_ms, excluded.counter, excluded.author) > (wall_ms, counter, author)`,
      identifierToBytes(dataset),
      instant.wallMs,
      instant.counter,
      identifierToBytes(author),
      encodeCbor(rulesToCbor(rules)),
    );
  }

  /** The rules of a dataset. */
  of(dataset: DatasetId): PriorityRule[] {
    const row = this.#catalog.get<{ rules: Uint8Array }>('SELECT rules FROM priority_rules WHERE dataset = ?', identifierToBytes(dataset));
    const decoded = row && decodeCbor(row.rules);
    const shaped = decoded?.ok ? v.safeParse(rulesShape, decoded.value) : undefined;
    return shaped?.success ? rulesFromCbor(shaped.output) : [];
  }
}
