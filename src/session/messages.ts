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
import { type PriorityClass, priorityClasses } from '../core/priority.ts';

/**
 * What two nodes say to each other, in the order of an encounter. Each message is one deterministic CBOR array that begins with its number:
 *
 *      1 frontier   [1, digest of all logs (16), digest of all receipts (4)]          equal digests: there is nothing to say
 *      2 vectors    [2, [[dataset (8), version vector or null], …]]                   sent after differing digests; null: no longer taken
 *      3 entries    [3, dataset (8), author (8), first number, [body, signature (64), …], push?]
 *                        push: the content that the one change of the one entry brings follows without being asked for, as if it had been asked for under this number
 *      4 wants      [4, [[number, root (32), size, depth, class, [base root (32), …], resume?, true?], …]]
 *                        resume = [plan id (16), [first group held, count, …], [[group, offset, prefix hash (8)], …]?]
 *                        true: the last group first, because the first ones come from somebody else; only by this plan
 *      5 lacks      [5, [number, …]]                                                  asked for, not here yet: kept in mind and answered later
 *      6 withdraws  [6, [number, …]]                                                  no longer wanted
 *      7 receipts   [7, [[node (8), dataset (8) || wall ms (6, big-endian), held vector, counter, signature (64) || marks (3 for each author of the vector), false?], …]]     false: not subscribed
 *      8 join       [8, node (32), name, binding signature (64), session signature (64)]
 *      9 welcome    [9, founding statement, team secret (32), [member (32), …]]
 *     10 refused    [10, code, sentence]
 *     11 progress   [11, number, bytes of the content stored since it was asked for]   every few MiB: opens the sender's window
 *     12 base-query  [12, number, group, question]                                   the sender lost what the group's base held, and asks for hashes of its blocks
 *     13 base-blocks [13, number, group, answer]                                     an empty answer: encode the group without a base
 *     14 routes      [14, bytes]                                                     who can be reached, in the form of mesh/route-wire.ts
 *     15 addresses   [15, [[node (8), [address, …]], …]]                             where members were reached, beyond a single link
 *     18 branch      [18, dataset (8), author (8), first number, [body, signature (64), …]]     entries of a branch of a forked log, beside the speaker's copy, on their way to its author
 *     17 heads       [17, digest of all logs of common datasets (4), [[dataset (8), hashes of the last entries of its logs (4 each)], …]]
 *                        sent once behind differing digests, when both are level; with hashes, in the order of the authors' short names, only in answer to another digest
 *     19 summary     [19, what stands for the logs of each dataset (4 each)]         in place of vectors, where there are many: answered by the vectors of those that differ
 *     20 receipt-summary [20, what stands for the receipts of each node (4 each)]    sent after differing digests, answered by
 *     21 receipt-marks   [21, how far the receipts go of each node of which they differ (18 each, `node/encounter-summary.ts`)]     and this by receipts
 *     16 circuit     [16, bytes]                                                     a cell of a circuit, in the form of mesh/circuit-wire.ts
 *     22 carrying    [22, bytes]                                                     who meets whom, and what may be carried for others, in the form of mesh/carrying-wire.ts
 *
 * A wanted content travels as data, not as messages: object 0 of want `n` is its transfer plan and object `i` its group `i - 1`; the data's transfer number is `n * 2^20 + object`.
 * Members name nodes and datasets of their team by short names (8), the author of entries and the node of a receipt by an empty one when it is the speaker itself; what is signed has the whole identifiers. Names and version vectors are resolved by whoever keeps the logs.
 */

/** Bytes that stand for the logs of a dataset, or for the receipts of a node. */
export const fingerprintBytes = 4;

/** Bytes that say how far the receipts of one node go: its name, the instant of the newest, and two that stand for them all. */
export const receiptMarkBytes = shortNameBytes + 10;

/** Bytes of a last entry's hash that are said. */
export const headHashBytes = 4;

/** Objects of one want: the plan and its groups. */
export const objectsPerWantMax = 2 ** 20;

/** The beginning of a group. */
export interface PartialGroup {
  readonly group: number;
  readonly offset: number;
  readonly prefixHash: Uint8Array;
}

/** Groups of which one want says how far they are here. */
export const partialGroupsMax = 4;

/** What a receiver already has of a wanted content. */
export interface WantResume {
  /** First 16 bytes of the SHA-256 of the plan it works by. */
  readonly planId: Uint8Array;
  /** Runs of groups that are complete: first group and count. */
  readonly held: readonly { readonly first: number; readonly count: number }[];
  /** Groups that are partly here, `partialGroupsMax` at most. The hash is of the bytes before `offset`, its first 8 bytes. */
  readonly partials?: readonly PartialGroup[];
}

/** A request for one content. */
export interface Want {
  /** Chosen by the asking side, even, never used twice in a session. */
  readonly number: number;
  readonly root: Hash;
  readonly sizeBytes: number;
  readonly depth: number;
  readonly priority: PriorityClass;
  /** Roots of contents the asking side holds and that probably share bytes, best first. */
  readonly bases: readonly Hash[];
  readonly resume?: WantResume;
  /** The last group first, and nothing by another plan than that of `resume`: the first ones come from somebody else. */
  readonly fromEnd?: true;
}

/** A signed statement of what a node holds completely: the receipt that lets others forget copies. */
export interface Receipt {
  readonly node: ShortName;
  readonly dataset: ShortName;
  /** A version vector in its short CBOR form: entries up to these numbers, contents included, are durable there. */
  readonly vector: CborValue;
  /** Of each author in the vector, in its order: how the last entry is signed. */
  readonly marks: Uint8Array;
  readonly wallMs: number;
  readonly counter: number;
  /** The node wants the dataset for itself. */
  readonly subscribed: boolean;
  readonly signature: Uint8Array;
}

/** What one node says to another in a session. The header describes each form. */
export type Message =
  | { readonly type: 'frontier'; readonly logs: Uint8Array; readonly receipts: Uint8Array }
  | { readonly type: 'vectors'; readonly vectors: readonly { readonly dataset: ShortName; readonly vector: CborValue | null }[] }
  | {
      readonly type: 'entries';
      readonly dataset: ShortName;
      readonly author: ShortName;
      readonly first: number;
      readonly entries: readonly { readonly body: Uint8Array; readonly signature: Uint8Array }[];
      /** Number under which the content of the only entry's only change follows: odd, and never used twice in a session. */
      readonly push?: number;
      /** They are of a branch beside the speaker's copy of the log. */
      readonly isBranch?: true;
    }
  | { readonly type: 'wants'; readonly wants: readonly Want[] }
  | { readonly type: 'lacks'; readonly numbers: readonly number[] }
  | { readonly type: 'withdraws'; readonly numbers: readonly number[] }
  | { readonly type: 'receipts'; readonly receipts: readonly Receipt[] }
  | { readonly type: 'join'; readonly node: NodeId; readonly name: string; readonly binding: Uint8Array; readonly proof: Uint8Array }
  | { readonly type: 'welcome'; readonly founding: Uint8Array; readonly secret: Uint8Array; readonly member: NodeId }
  | { readonly type: 'progress'; readonly number: number; readonly storedBytes: number }
  | { readonly type: 'base-query'; readonly number: number; readonly group: number; readonly query: Uint8Array }
  | { readonly type: 'base-blocks'; readonly number: number; readonly group: number; readonly answer: Uint8Array }
  | { readonly type: 'routes'; readonly bytes: Uint8Array }
  | { readonly type: 'circuit' | 'carrying'; readonly bytes: Uint8Array }
  | {
      readonly type: 'heads';
      readonly digest: Uint8Array;
      readonly heads: readonly { readonly dataset: ShortName; readonly hashes: Uint8Array }[];
    }
  | { readonly type: 'summary'; readonly fingerprints: Uint8Array }
  | { readonly type: 'receipt-summary'; readonly fingerprints: Uint8Array }
  | { readonly type: 'receipt-marks'; readonly marks: Uint8Array }
  | { readonly type: 'addresses'; readonly members: readonly { readonly node: ShortName; readonly addresses: readonly string[] }[] }
  | { readonly type: 'refused'; readonly code: string; readonly message: string };

/** Bytes of parts that share a string of bytes with another: a header a part is 1 % of a receipt. */
const wallMsBytes = 6;
const signatureBytes = 64;
const entryMarkBytes = 3;

const uint = v.pipe(v.number(), v.integer(), v.minValue(0));
const bytes = (length: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length === length),
  );
const bytesUpTo = (length: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length <= length),
  );
const repeated = (length: number, max: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length % length === 0 && value.length <= length * max),
  );
const id = bytes(identifierBytes);
const name = bytes(shortNameBytes);
const nameOrMe = v.union([name, bytes(0)]);
const list = <T extends v.GenericSchema>(item: T, max: number) => v.pipe(v.array(item), v.maxLength(max));
const vector = v.custom<CborValue>((value) => Array.isArray(value));
const digest = bytes(16);
const signature = bytes(signatureBytes);

const partialShape = v.strictTuple([uint, uint, bytes(8)]);
const heldShape = v.pipe(
  v.array(uint),
  v.maxLength(limits.heldRunsMax * 2),
  v.check((runs) => runs.length % 2 === 0),
);
const resumeShape = v.union([v.strictTuple([digest, heldShape]), v.strictTuple([digest, heldShape, list(partialShape, partialGroupsMax)])]);
const wantFields = [
  uint,
  id,
  uint,
  v.pipe(uint, v.maxValue(16)),
  v.pipe(uint, v.maxValue(priorityClasses.length - 1)),
  list(id, 4),
] as const;
const wantShape = v.union([
  v.strictTuple([...wantFields]),
  v.strictTuple([...wantFields, resumeShape]),
  v.strictTuple([...wantFields, resumeShape, v.literal(true)]),
]);
const numbersShape = list(uint, limits.deferredWantsPerSessionMax);

const frontierShape = v.strictTuple([v.literal(1), digest, bytes(4)]);
const vectorsShape = v.strictTuple([v.literal(2), list(v.strictTuple([name, v.nullable(vector)]), limits.datasetsPerTeamMax)]);
const entriesFields = [
  name,
  nameOrMe,
  v.pipe(uint, v.minValue(1)),
  v.pipe(
    v.array(bytesUpTo(limits.logEntryBytesMax)),
    v.check((items) => items.length % 2 === 0 && items.every((item, index) => index % 2 === 0 || item.length === 64)),
  ),
] as const;
const entriesShape = v.union([v.strictTuple([v.literal(3), ...entriesFields]), v.strictTuple([v.literal(3), ...entriesFields, uint])]);
const branchShape = v.strictTuple([v.literal(18), ...entriesFields]);
const wantsShape = v.strictTuple([v.literal(4), list(wantShape, limits.wantsPerSessionMax)]);
const lacksShape = v.strictTuple([v.literal(5), numbersShape]);
const withdrawsShape = v.strictTuple([v.literal(6), numbersShape]);
const receiptFields = [
  nameOrMe,
  bytes(shortNameBytes + wallMsBytes),
  vector,
  uint,
  v.pipe(
    bytesUpTo(signatureBytes + limits.authorsPerDatasetMax * entryMarkBytes),
    v.check((value) => value.length >= signatureBytes),
  ),
] as const;
const receiptShape = v.union([v.strictTuple([...receiptFields]), v.strictTuple([...receiptFields, v.literal(false)])]);
const receiptsShape = v.strictTuple([v.literal(7), list(receiptShape, limits.receiptsPerMessageMax)]);
const joinShape = v.strictTuple([v.literal(8), id, v.pipe(v.string(), v.maxLength(256)), signature, signature]);
const welcomeShape = v.strictTuple([v.literal(9), bytesUpTo(4096), bytes(32), id]);
const progressShape = v.strictTuple([v.literal(11), uint, uint]);
const groupNumber = v.pipe(uint, v.maxValue(objectsPerWantMax));
const baseQueryShape = v.strictTuple([v.literal(12), uint, groupNumber, bytesUpTo(limits.baseQueryBytesMax)]);
const baseBlocksShape = v.strictTuple([v.literal(13), uint, groupNumber, bytesUpTo(limits.baseAnswerBytesMax)]);
const addressesShape = v.strictTuple([v.literal(15), list(v.strictTuple([name, list(v.pipe(v.string(), v.maxLength(300)), 4)]), 64)]);
const routesShape = v.strictTuple([v.literal(14), bytesUpTo(limits.routesBytesMax)]);
const circuitShape = v.strictTuple([v.literal(16), bytesUpTo(limits.circuitCellBytesMax + 64)]);
const summaryShape = v.strictTuple([v.literal(19), repeated(fingerprintBytes, limits.datasetsPerTeamMax)]);
const receiptSummaryShape = v.strictTuple([v.literal(20), repeated(fingerprintBytes, limits.membersPerTeamMax)]);
const receiptMarksShape = v.strictTuple([v.literal(21), repeated(receiptMarkBytes, limits.membersPerTeamMax)]);
const carryingShape = v.strictTuple([v.literal(22), bytesUpTo(limits.carryingBytesMax)]);
const headsShape = v.strictTuple([
  v.literal(17),
  bytes(headHashBytes),
  list(v.strictTuple([name, bytesUpTo(limits.authorsPerDatasetMax * headHashBytes)]), limits.datasetsPerTeamMax),
]);
const refusedShape = v.strictTuple([v.literal(10), v.pipe(v.string(), v.maxLength(64)), v.pipe(v.string(), v.maxLength(1024))]);

/** Bytes of a message. */
export function encodeMessage(message: Message): Uint8Array {
  return encodeCbor(toCbor(message));
}

function toCbor(message: Message): CborValue {
  switch (message.type) {
    case 'frontier':
      return [1, message.logs, message.receipts];
    case 'vectors':
      return [2, message.vectors.map((each) => [fromHex(each.dataset), each.vector])];
    case 'entries':
      return [
        message.isBranch ? 18 : 3,
        fromHex(message.dataset),
        fromHex(message.author),
        message.first,
        message.entries.flatMap((entry) => [entry.body, entry.signature]),
        ...(message.push === undefined ? [] : [message.push]),
      ];
    case 'wants':
      return [4, message.wants.map(wantToCbor)];
    case 'lacks':
      return [5, message.numbers];
    case 'withdraws':
      return [6, message.numbers];
    case 'receipts':
      return [7, message.receipts.map(receiptToCbor)];
    case 'join':
      return [8, identifierToBytes(message.node), message.name, message.binding, message.proof];
    case 'welcome':
      return [9, message.founding, message.secret, identifierToBytes(message.member)];
    case 'progress':
      return [11, message.number, message.storedBytes];
    case 'base-query':
      return [12, message.number, message.group, message.query];
    case 'base-blocks':
      return [13, message.number, message.group, message.answer];
    case 'routes':
      return [14, message.bytes];
    case 'circuit':
      return [16, message.bytes];
    case 'carrying':
      return [22, message.bytes];
    case 'heads':
      return [17, message.digest, message.heads.map(({ dataset, hashes }) => [fromHex(dataset), hashes])];
    case 'summary':
      return [19, message.fingerprints];
    case 'receipt-summary':
      return [20, message.fingerprints];
    case 'receipt-marks':
      return [21, message.marks];
    case 'addresses':
      return [15, message.members.map(({ node, addresses }) => [fromHex(node), [...addresses]])];
    case 'refused':
      return [10, message.code, message.message];
  }
}

function receiptToCbor({ node, dataset, vector: held, marks, wallMs, counter, subscribed, signature: sealed }: Receipt): CborValue {
  const instant = new Uint8Array(wallMsBytes);
  const view = new DataView(instant.buffer);
  view.setUint16(0, Math.floor(wallMs / 2 ** 32));
  view.setUint32(2, wallMs % 2 ** 32);
  return [fromHex(node), concatBytes(fromHex(dataset), instant), held, counter, concatBytes(sealed, marks), ...(subscribed ? [] : [false])];
}

function receiptFrom(fields: v.InferOutput<typeof receiptShape>): Receipt {
  const [node, of, held, counter, sealed] = fields;
  const view = new DataView(of.buffer, of.byteOffset + shortNameBytes, wallMsBytes);
  return {
    node: named(node),
    dataset: named(of.subarray(0, shortNameBytes)),
    vector: held,
    marks: sealed.slice(signatureBytes),
    wallMs: view.getUint16(0) * 2 ** 32 + view.getUint32(2),
    counter,
    subscribed: fields[5] !== false,
    signature: sealed.slice(0, signatureBytes),
  };
}

function wantToCbor(want: Want): CborValue {
  const fields: CborValue[] = [want.number, want.root, want.sizeBytes, want.depth, priorityClasses.indexOf(want.priority), [...want.bases]];
  if (want.resume !== undefined) {
    const { planId, held, partials } = want.resume;
    const resume: CborValue[] = [planId, held.flatMap((run) => [run.first, run.count])];
    if (partials !== undefined) resume.push(partials.map(({ group, offset, prefixHash }) => [group, offset, prefixHash]));
    fields.push(resume);
    if (want.fromEnd === true) fields.push(true);
  }
  return fields;
}

/**
 * The message in these bytes. `MESSAGE_MALFORMED` (peer) when it breaks the format above, `MESSAGE_UNKNOWN` (incompatible) for a number of a newer version, which is skipped.
 */
export function decodeMessage(encoded: Uint8Array): Outcome<Message> {
  const decoded = decodeCbor(encoded);
  if (!decoded.ok) return decoded;
  const value = decoded.value;
  const number = Array.isArray(value) ? (value[0] as unknown) : undefined;
  const decoder = typeof number === 'number' ? decoders[number] : undefined;
  if (decoder === undefined) {
    return Number.isInteger(number)
      ? failure('MESSAGE_UNKNOWN', 'incompatible', `message ${String(number)} belongs to a newer version`)
      : failure('MESSAGE_MALFORMED', 'peer', 'a message does not begin with its number');
  }
  const message = decoder(value);
  return message === undefined ? failure('MESSAGE_MALFORMED', 'peer', `message ${String(number)} is not of its format`) : success(message);
}

/** A decoder of one message: checks the shape, then names the parts. */
function reader<S extends v.GenericSchema>(shape: S, build: (value: v.InferOutput<S>) => Message): (value: unknown) => Message | undefined {
  return (value) => {
    const result = v.safeParse(shape, value);
    return result.success ? build(result.output) : undefined;
  };
}

const decoders: Readonly<Record<number, (value: unknown) => Message | undefined>> = {
  1: reader(frontierShape, ([, logs, receipts]) => ({ type: 'frontier', logs, receipts })),
  2: reader(vectorsShape, ([, vectors]) => ({
    type: 'vectors',
    vectors: vectors.map(([dataset, each]) => ({ dataset: named(dataset), vector: each })),
  })),
  3: reader(entriesShape, ([, dataset, author, first, items, push]) => ({
    type: 'entries',
    dataset: named(dataset),
    author: named(author),
    first,
    entries: pairs(items).map(([body, sealed]) => ({ body, signature: sealed })),
    ...(push === undefined ? {} : { push }),
  })),
  18: reader(branchShape, ([, dataset, author, first, items]) => ({
    type: 'entries',
    dataset: named(dataset),
    author: named(author),
    first,
    entries: pairs(items).map(([body, sealed]) => ({ body, signature: sealed })),
    isBranch: true,
  })),
  4: reader(wantsShape, ([, wants]) => ({ type: 'wants', wants: wants.map(wantFrom) })),
  5: reader(lacksShape, ([, numbers]) => ({ type: 'lacks', numbers })),
  6: reader(withdrawsShape, ([, numbers]) => ({ type: 'withdraws', numbers })),
  7: reader(receiptsShape, ([, receipts]) => ({ type: 'receipts', receipts: receipts.map(receiptFrom) })),
  8: reader(joinShape, ([, node, name, binding, proof]) => ({ type: 'join', node: identifier<NodeId>(node), name, binding, proof })),
  9: reader(welcomeShape, ([, founding, secret, member]) => ({ type: 'welcome', founding, secret, member: identifier<NodeId>(member) })),
  10: reader(refusedShape, ([, code, message]) => ({ type: 'refused', code, message })),
  11: reader(progressShape, ([, number, storedBytes]) => ({ type: 'progress', number, storedBytes })),
  12: reader(baseQueryShape, ([, number, group, query]) => ({ type: 'base-query', number, group, query })),
  13: reader(baseBlocksShape, ([, number, group, answer]) => ({ type: 'base-blocks', number, group, answer })),
  14: reader(routesShape, ([, encoded]) => ({ type: 'routes', bytes: encoded })),
  16: reader(circuitShape, ([, cell]) => ({ type: 'circuit', bytes: cell })),
  19: reader(summaryShape, ([, fingerprints]) => ({ type: 'summary', fingerprints })),
  20: reader(receiptSummaryShape, ([, fingerprints]) => ({ type: 'receipt-summary', fingerprints })),
  21: reader(receiptMarksShape, ([, marks]) => ({ type: 'receipt-marks', marks })),
  22: reader(carryingShape, ([, said]) => ({ type: 'carrying', bytes: said })),
  17: reader(headsShape, ([, digest, heads]) => ({
    type: 'heads',
    digest,
    heads: heads.map(([dataset, hashes]) => ({ dataset: named(dataset), hashes })),
  })),
  15: reader(addressesShape, ([, members]) => ({
    type: 'addresses',
    members: members.map(([node, addresses]) => ({ node: toHex(node) as ShortName, addresses })),
  })),
};

function wantFrom(fields: v.InferOutput<typeof wantShape>): Want {
  const [number, root, sizeBytes, depth, priority, bases] = fields;
  const resume = fields[6];
  return {
    number,
    root: root as Hash,
    sizeBytes,
    depth,
    priority: priorityClasses[priority] as PriorityClass,
    bases: bases as Hash[],
    ...(resume === undefined ? {} : { resume: resumeFrom(resume) }),
    ...(fields[7] === true ? { fromEnd: true } : {}),
  };
}

function resumeFrom([planId, runs, partials]: v.InferOutput<typeof resumeShape>): WantResume {
  const held = pairs(runs).map(([first, count]) => ({ first, count }));
  if (partials === undefined) return { planId, held };
  return { planId, held, partials: partials.map(([group, offset, prefixHash]) => ({ group, offset, prefixHash })) };
}

function named(bytes: Uint8Array): ShortName {
  return toHex(bytes) as ShortName;
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return Array.from({ length: items.length / 2 }, (_, index) => [items[index * 2] as T, items[index * 2 + 1] as T]);
}
