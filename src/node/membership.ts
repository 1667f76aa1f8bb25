import * as v from 'valibot';
import { concatBytes, equalBytes, toHex, utf8 } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierToBytes, type NodeId, type TeamId } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { decodeEntryBody } from '../datasets/entry-body.ts';
import { compareInstants, type HybridInstant } from '../datasets/hybrid-clock.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type Identity, verifyBinding } from './identity.ts';
import { globLengthMax } from './path-glob.ts';

/**
 * The team: who belongs to it, in which role, and which datasets it has.
 *
 * It begins with a founding statement, signed by its founder; the team's identifier is the statement's hash. Everything after that is an operation in the team's own log, which is a dataset like
 * any other (its identifier is the team's): replicated, signed, gap-free. The members are computed from the log by applying operations in the order of their instants, each only if its author may
 * do so at that point, again and again until nothing changes; so every node that has the same logs sees the same team.
 *
 * The team's secret is the pre-shared key of every session between members. It is handed over when a node joins and never stands in the log.
 *
 * Founding statement: CBOR [statement, signature (64)], statement = CBOR [1, name, founder (32), channel key (32), binding (64), founder's name, created ms, nonce (16)].
 * Operations (payload of entries of kind `membership`): ["member", node (32), channel key (32), binding (64), role, name] and ["dataset", id (32), name, kind, class, conflict policy], and
 * ["conflicts", dataset (32), [[pattern, conflict policy], …]], which replaces the dataset's rules by these, and ["pass", tag (8), key (32), expires ms], by which any member may let one who has an invite of
 * the author through to the author.
 */

/** What a node may do: admit others and everything below; write; read; carry what it cannot read. */
export type Role = 'coordinator' | 'member' | 'reader' | 'carrier';
const roles: readonly Role[] = ['coordinator', 'member', 'reader', 'carrier'];

/** What a dataset holds. */
export type DatasetKind = 'files' | 'series';

/** How conflicting edits of one file are ended: three-way merge where the format allows it, the later one, both side by side, or not without a person. */
export type ConflictPolicy = 'merge' | 'latest' | 'keep-both' | 'ask';
const policies: readonly ConflictPolicy[] = ['merge', 'latest', 'keep-both', 'ask'];

/** A policy for the paths of a dataset that match a pattern (`path-glob.ts`). */
export interface ConflictRule {
  readonly glob: string;
  readonly policy: ConflictPolicy;
}

/** Rules of one dataset. */
export const conflictRulesMax = 256;

/** A node of the team. */
export interface Member {
  readonly node: NodeId;
  readonly name: string;
  readonly role: Role;
  /** X25519 public key of its sessions. */
  readonly channelKey: Uint8Array;
}

/** A dataset of the team. */
export interface DatasetDefinition {
  readonly id: DatasetId;
  readonly name: string;
  readonly kind: DatasetKind;
  readonly priority: PriorityClass;
  readonly conflictPolicy: ConflictPolicy;
  /** Exceptions to the policy; the first that matches a path counts. */
  readonly conflictRules: readonly ConflictRule[];
  readonly creator: NodeId;
}

/** An operation on the team. */
export type MembershipOperation =
  | {
      readonly type: 'member';
      readonly node: NodeId;
      readonly channelKey: Uint8Array;
      readonly binding: Uint8Array;
      readonly role: Role;
      readonly name: string;
    }
  | {
      readonly type: 'dataset';
      readonly id: DatasetId;
      readonly name: string;
      readonly kind: DatasetKind;
      readonly priority: PriorityClass;
      readonly conflictPolicy: ConflictPolicy;
    }
  | { readonly type: 'conflicts'; readonly id: DatasetId; readonly rules: readonly ConflictRule[] }
  | { readonly type: 'pass'; readonly tag: Uint8Array; readonly key: Uint8Array; readonly expiresMs: number };

/** What lets one who is no member yet through to the coordinator that invited it, and nowhere else. */
export interface Pass {
  readonly coordinator: NodeId;
  /** 32 bytes, the pre-shared key of the handshake with whoever lets it through. */
  readonly key: Uint8Array;
  readonly expiresMs: number;
}

const schema: Schema = {
  component: 'team',
  steps: [
    `CREATE TABLE team (id INTEGER PRIMARY KEY CHECK (id = 1), team BLOB NOT NULL, founding BLOB NOT NULL, secret BLOB NOT NULL) STRICT;
     CREATE TABLE invite (
       tag BLOB PRIMARY KEY,
       secret BLOB NOT NULL,
       psk BLOB NOT NULL,
       role TEXT NOT NULL,
       expires_ms INTEGER NOT NULL,
       used_by BLOB
     ) STRICT, WITHOUT ROWID;`,
  ],
};

const bytes = (length: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length === length),
  );
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
/** True for what may name a team, a node or a dataset: 1 to 256 UTF-16 units. Others refuse an operation with any other name, so it must not be signed. */
export function isProperName(text: string): boolean {
  return v.is(name, text);
}

const statementShape = v.strictTuple([
  v.literal(1),
  name,
  bytes(32),
  bytes(32),
  bytes(64),
  name,
  v.pipe(v.number(), v.integer()),
  bytes(16),
]);
const memberShape = v.strictTuple([v.literal('member'), bytes(32), bytes(32), bytes(64), v.picklist(roles), name]);
const datasetShape = v.strictTuple([
  v.literal('dataset'),
  bytes(32),
  name,
  v.picklist(['files', 'series'] as const),
  v.picklist(priorityClasses),
  v.picklist(policies),
]);
const rulesShape = v.pipe(
  v.array(v.strictTuple([v.pipe(v.string(), v.minLength(1), v.maxLength(globLengthMax)), v.picklist(policies)])),
  v.maxLength(conflictRulesMax),
);
const passShape = v.strictTuple([v.literal('pass'), bytes(8), bytes(32), v.pipe(v.number(), v.integer())]);
const conflictsShape = v.strictTuple([v.literal('conflicts'), bytes(32), rulesShape]);

/** True for rules that an operation may carry; others would refuse any other. */
export function areConflictRules(rules: readonly ConflictRule[]): boolean {
  return v.is(
    rulesShape,
    rules.map(({ glob, policy }) => [glob, policy]),
  );
}

interface Founding {
  readonly team: TeamId;
  readonly name: string;
  readonly founder: Member;
}

/** The team this node belongs to, or none yet. Synchronous; part of the caller's transaction. */
export class Membership {
  readonly #catalog: Catalog;
  readonly #crypto: Crypto;
  readonly #logs: LogStore;
  #founding: Founding | undefined;
  #secret: Uint8Array | undefined;
  #memberByNode = new Map<NodeId, Member>();
  #memberByKey = new Map<string, Member>();
  #datasetById = new Map<DatasetId, DatasetDefinition>();
  #passByTag = new Map<string, Pass>();

  constructor(catalog: Catalog, crypto: Crypto, logs: LogStore) {
    this.#catalog = catalog;
    this.#crypto = crypto;
    this.#logs = logs;
    catalog.migrate(schema);
    const row = catalog.get<{ founding: Uint8Array; secret: Uint8Array }>('SELECT founding, secret FROM team');
    if (row !== undefined) {
      const founding = readFounding(row.founding, crypto);
      if (founding.ok) {
        this.#founding = founding.value;
        this.#secret = row.secret;
        this.rebuild();
      }
    }
  }

  /** The team's identifier, once there is a team. It also names the team's log. */
  get team(): TeamId | undefined {
    return this.#founding?.team;
  }

  get teamName(): string | undefined {
    return this.#founding?.name;
  }

  /** The team's log as a dataset. */
  get logDataset(): DatasetId | undefined {
    return this.#founding?.team as DatasetId | undefined;
  }

  get secret(): Uint8Array | undefined {
    return this.#secret;
  }

  /** The founding statement, for handing on to a node that joins. */
  get founding(): Uint8Array | undefined {
    return this.#catalog.get<{ founding: Uint8Array }>('SELECT founding FROM team')?.founding;
  }

  /** Founds a team with this node as its coordinator. */
  found(options: {
    readonly name: string;
    readonly nodeName: string;
    readonly identity: Identity;
    readonly nonce: Uint8Array;
    readonly secret: Uint8Array;
    readonly createdMs: number;
  }): void {
    const { identity } = options;
    const statement = encodeCbor([
      1,
      options.name,
      identifierToBytes(identity.node),
      identity.channelKey.publicKey,
      identity.binding,
      options.nodeName,
      Math.floor(options.createdMs),
      options.nonce,
    ]);
    const founding = encodeCbor([statement, this.#crypto.ed25519Sign(identity.signingKey, concatBytes(foundingDomain, statement))]);
    const adopted = this.adopt(founding, options.secret, undefined);
    if (!adopted.ok) throw new Error(adopted.fault.message);
  }

  /** Takes a team's founding statement and secret, as handed over on joining. `expected` is the team that the invite named. `FOUNDING_INVALID` (peer) when it is not that team's. */
  adopt(foundingBytes: Uint8Array, secret: Uint8Array, expected: TeamId | undefined): Outcome<TeamId> {
    const founding = readFounding(foundingBytes, this.#crypto);
    if (!founding.ok) return founding;
    if (expected !== undefined && founding.value.team !== expected)
      return failure('FOUNDING_INVALID', 'peer', 'the founding statement is of another team than the invite');
    this.#catalog.run(
      'INSERT OR REPLACE INTO team (id, team, founding, secret) VALUES (1, ?, ?, ?)',
      identifierToBytes(founding.value.team),
      foundingBytes,
      secret,
    );
    this.#founding = founding.value;
    this.#secret = secret;
    this.rebuild();
    return success(founding.value.team);
  }

  /** Gives up a team that was adopted and turned out not to be what it was said to be. Entries of its log stay stored: they are signed, and say nothing without the team. */
  abandon(): void {
    this.#catalog.run('DELETE FROM team');
    this.#founding = undefined;
    this.#secret = undefined;
    this.#memberByNode = new Map();
    this.#memberByKey = new Map();
    this.#datasetById = new Map();
    this.#passByTag = new Map();
  }

  /** Computes members and datasets from the team's log again. Called whenever that log grew. */
  rebuild(): void {
    const founding = this.#founding;
    if (founding === undefined) return;
    this.#memberByNode = new Map([[founding.founder.node, founding.founder]]);
    this.#datasetById = new Map();
    this.#passByTag = new Map();
    let open = this.#operations(founding.team as unknown as DatasetId);
    for (;;) {
      const refused = open.filter((each) => !this.#applyOperation(each.author, each.operation));
      if (refused.length === open.length) break;
      open = refused;
    }
    this.#memberByKey = new Map([...this.#memberByNode.values()].map((member) => [toHex(member.channelKey), member]));
  }

  members(): Member[] {
    return [...this.#memberByNode.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  member(node: NodeId): Member | undefined {
    return this.#memberByNode.get(node);
  }

  memberByKey(channelKey: Uint8Array): Member | undefined {
    return this.#memberByKey.get(toHex(channelKey));
  }

  datasets(): DatasetDefinition[] {
    return [...this.#datasetById.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  dataset(id: DatasetId): DatasetDefinition | undefined {
    return this.#datasetById.get(id);
  }

  /** True when the node may write revisions of datasets. */
  mayWrite(node: NodeId): boolean {
    const role = this.#memberByNode.get(node)?.role;
    return role === 'coordinator' || role === 'member';
  }

  /** Remembers an invite that was handed out. */
  addInvite(invite: {
    readonly tag: Uint8Array;
    readonly psk: Uint8Array;
    readonly secret: Uint8Array;
    readonly role: Role;
    readonly expiresMs: number;
  }): void {
    this.#catalog.run(
      'INSERT INTO invite (tag, secret, psk, role, expires_ms) VALUES (?, ?, ?, ?, ?)',
      invite.tag,
      invite.secret,
      invite.psk,
      invite.role,
      Math.floor(invite.expiresMs),
    );
  }

  /** The pre-shared key of an invite that can still be used. */
  invitePsk(tag: Uint8Array, wallMs: number): Uint8Array | undefined {
    return this.#catalog.get<{ psk: Uint8Array }>('SELECT psk FROM invite WHERE tag = ? AND expires_ms > ?', tag, Math.floor(wallMs))?.psk;
  }

  /** The pass with this tag, while it counts. */
  pass(tag: Uint8Array, wallMs: number): Pass | undefined {
    const pass = this.#passByTag.get(toHex(tag));
    return pass !== undefined && pass.expiresMs > wallMs ? pass : undefined;
  }

  /** Uses up an invite for a node: the role it grants, or `undefined` when it is unknown, expired, or used by somebody else. The same node may use it again: its first answer may have been lost. */
  redeemInvite(tag: Uint8Array, node: NodeId, wallMs: number): Role | undefined {
    const row = this.#catalog.get<{ role: Role; used_by: Uint8Array | null }>(
      'SELECT role, used_by FROM invite WHERE tag = ? AND expires_ms > ?',
      tag,
      Math.floor(wallMs),
    );
    const nodeBytes = identifierToBytes(node);
    if (row === undefined || (row.used_by !== null && !equalBytes(row.used_by, nodeBytes))) return undefined;
    this.#catalog.run('UPDATE invite SET used_by = ? WHERE tag = ?', nodeBytes, tag);
    return row.role;
  }

  #operations(team: DatasetId): { author: NodeId; instant: HybridInstant; operation: MembershipOperation }[] {
    const operations: { author: NodeId; instant: HybridInstant; operation: MembershipOperation }[] = [];
    for (const [author, length] of this.#logs.lengths(team)) {
      for (const entry of this.#logs.read(team, author, 1, length, Number.MAX_SAFE_INTEGER)) {
        const body = decodeEntryBody(entry.body, author);
        if (!body.ok || body.value.kind !== 'membership') continue;
        const operation = decodeOperation(body.value.payload);
        if (operation.ok) operations.push({ author, instant: body.value.instant, operation: operation.value });
      }
    }
    return operations.sort((a, b) => compareInstants(a.instant, b.instant) || (a.author < b.author ? -1 : 1));
  }

  #applyOperation(author: NodeId, operation: MembershipOperation): boolean {
    if (operation.type === 'member') {
      if (this.#memberByNode.get(author)?.role !== 'coordinator') return false;
      if (!verifyBinding(this.#crypto, operation.node, operation.channelKey, operation.binding)) return false;
      const { node, name: memberName, role, channelKey } = operation;
      this.#memberByNode.set(node, { node, name: memberName, role, channelKey });
      return true;
    }
    if (operation.type === 'pass') {
      if (this.#memberByNode.get(author)?.role !== 'coordinator') return false;
      this.#passByTag.set(toHex(operation.tag), { coordinator: author, key: operation.key, expiresMs: operation.expiresMs });
      return true;
    }
    const known = this.#datasetById.get(operation.id);
    if (!this.mayWrite(author) || (known === undefined) === (operation.type === 'conflicts')) return false;
    if (operation.type === 'dataset') {
      const { type: _, ...definition } = operation;
      this.#datasetById.set(operation.id, { ...definition, conflictRules: [], creator: author });
    } else if (known !== undefined) this.#datasetById.set(operation.id, { ...known, conflictRules: operation.rules });
    return true;
  }
}

const foundingDomain = utf8('godwit team 1\0');

function readFounding(encoded: Uint8Array, crypto: Crypto): Outcome<Founding> {
  const invalid = failure('FOUNDING_INVALID', 'peer', 'the founding statement is malformed or not signed by its founder');
  const outer = decodeCbor(encoded);
  if (!outer.ok) return invalid;
  const sealed = v.safeParse(v.strictTuple([v.instance(Uint8Array), bytes(64)]), outer.value);
  if (!sealed.success) return invalid;
  const [statement, signature] = sealed.output;
  const inner = decodeCbor(statement);
  const shaped = inner.ok ? v.safeParse(statementShape, inner.value) : undefined;
  if (!shaped?.success) return invalid;
  const [, teamName, founderBytes, channelKey, binding, founderName] = shaped.output;
  const founder = identifier<NodeId>(founderBytes);
  if (!crypto.ed25519Verify(founderBytes, concatBytes(foundingDomain, statement), signature)) return invalid;
  if (!verifyBinding(crypto, founder, channelKey, binding)) return invalid;
  return success({
    team: identifier<TeamId>(crypto.sha256(statement)),
    name: teamName,
    founder: { node: founder, name: founderName, role: 'coordinator', channelKey },
  });
}

/** CBOR form of an operation. */
export function encodeOperation(operation: MembershipOperation): CborValue {
  if (operation.type === 'member') {
    return ['member', identifierToBytes(operation.node), operation.channelKey, operation.binding, operation.role, operation.name];
  }
  if (operation.type === 'pass') return ['pass', operation.tag, operation.key, Math.floor(operation.expiresMs)];
  if (operation.type === 'conflicts')
    return ['conflicts', identifierToBytes(operation.id), operation.rules.map(({ glob, policy }) => [glob, policy])];
  return ['dataset', identifierToBytes(operation.id), operation.name, operation.kind, operation.priority, operation.conflictPolicy];
}

function decodeOperation(payload: CborValue): Outcome<MembershipOperation> {
  const member = v.safeParse(memberShape, payload);
  if (member.success) {
    const [type, node, channelKey, binding, role, memberName] = member.output;
    return success({ type, node: identifier<NodeId>(node), channelKey, binding, role, name: memberName });
  }
  const dataset = v.safeParse(datasetShape, payload);
  if (dataset.success) {
    const [type, id, datasetName, kind, priority, conflictPolicy] = dataset.output;
    return success({ type, id: identifier<DatasetId>(id), name: datasetName, kind, priority, conflictPolicy });
  }
  const conflicts = v.safeParse(conflictsShape, payload);
  if (conflicts.success) {
    const [type, id, rules] = conflicts.output;
    return success({ type, id: identifier<DatasetId>(id), rules: rules.map(([glob, policy]) => ({ glob, policy })) });
  }
  const pass = v.safeParse(passShape, payload);
  if (pass.success) {
    const [type, tag, key, expiresMs] = pass.output;
    return success({ type, tag, key, expiresMs });
  }
  return failure('OPERATION_UNKNOWN', 'incompatible', 'a team operation of a newer version');
}
