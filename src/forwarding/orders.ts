import * as v from 'valibot';
import type { CborValue } from '../core/cbor.ts';
import { identifier, identifierBytes, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { type PriorityRule, rulesFromCbor, rulesShape, rulesToCbor } from './priority-rules.ts';

/**
 * Orders: what a node wants moved, to whom, how urgently and until when. They are entries of kind `order` in the dataset's logs, so they are signed, and every node on the way knows them. That a dataset goes to
 * its subscribers needs no order.
 *
 * Payload, one of
 *
 *     ["send", [[author (32), first, last, path or null], …], [[node (32), …], [role, …], subscribers], class or null, deadline ms or null, expiry ms or null, custody is enough]
 *     ["change", author (32), sequence, class]     the order in that entry has another class now
 *     ["cancel", author (32), sequence]            the order in that entry is withdrawn
 *     ["rules", [rule, …]]                         replaces the dataset's priority rules (`priority-rules.ts`)
 *
 * An item is entries `first` to `last` of an author's log with their contents, or of them only what they say of one path. Only who gave an order may change or cancel it.
 */

/** Entries of one author's log, both ends included; with `path`, what they say of that path. */
export interface OrderItem {
  readonly author: NodeId;
  readonly first: number;
  readonly last: number;
  readonly path?: string;
}

/** Whom something is for: these nodes, everybody of these roles, everybody who subscribes to the dataset. */
export interface Recipients {
  readonly nodes: readonly NodeId[];
  readonly roles: readonly string[];
  readonly subscribers: boolean;
}

/** How and until when something is to be moved. */
export interface OrderTerms {
  /** Absent: what rules and the dataset say. */
  readonly priority?: PriorityClass;
  /** By when it is of most use, milliseconds since 1970 UTC. */
  readonly deadlineMs?: number;
  /** From when on nobody wants it, milliseconds since 1970 UTC. */
  readonly expiresMs?: number;
  /** Done when another node has taken custody, instead of when the destination says that it holds it. */
  readonly custodySuffices: boolean;
}

/** What an entry orders. */
export type Order =
  | { readonly type: 'send'; readonly items: readonly OrderItem[]; readonly to: Recipients; readonly terms: OrderTerms }
  | { readonly type: 'change'; readonly author: NodeId; readonly sequence: number; readonly priority: PriorityClass }
  | { readonly type: 'cancel'; readonly author: NodeId; readonly sequence: number }
  | { readonly type: 'rules'; readonly rules: readonly PriorityRule[] };

/** Items of one order. */
export const orderItemsMax = 4096;
/** Nodes that one order names. */
export const orderNodesMax = 1024;

const rolesMax = 8;
const node = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.length === identifierBytes),
);
const sequence = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const instant = v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const itemShape = v.pipe(
  v.strictTuple([node, sequence, sequence, v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(limits.pathBytesMax)))]),
  v.check(([, first, last]) => first <= last),
);
const recipientsShape = v.strictTuple([
  v.pipe(v.array(node), v.maxLength(orderNodesMax)),
  v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(64))), v.maxLength(rolesMax)),
  v.boolean(),
]);
const orderShape = v.union([
  v.strictTuple([
    v.literal('send'),
    v.pipe(v.array(itemShape), v.minLength(1), v.maxLength(orderItemsMax)),
    recipientsShape,
    v.nullable(v.picklist(priorityClasses)),
    instant,
    instant,
    v.boolean(),
  ]),
  v.strictTuple([v.literal('change'), node, sequence, v.picklist(priorityClasses)]),
  v.strictTuple([v.literal('cancel'), node, sequence]),
  v.strictTuple([v.literal('rules'), rulesShape]),
]);

/** The payload of an entry. */
export function encodeOrder(order: Order): CborValue {
  switch (order.type) {
    case 'send': {
      const { items, to, terms } = order;
      return [
        'send',
        items.map(({ author, first, last, path }) => [identifierToBytes(author), first, last, path ?? null]),
        [to.nodes.map(identifierToBytes), [...to.roles], to.subscribers],
        terms.priority ?? null,
        terms.deadlineMs ?? null,
        terms.expiresMs ?? null,
        terms.custodySuffices,
      ];
    }
    case 'change':
      return ['change', identifierToBytes(order.author), order.sequence, order.priority];
    case 'cancel':
      return ['cancel', identifierToBytes(order.author), order.sequence];
    case 'rules':
      return ['rules', rulesToCbor(order.rules)];
  }
}

/** True for what others would take as an order; nothing else may be signed. */
export function isOrder(order: Order): boolean {
  return v.is(orderShape, encodeOrder(order));
}

/** What a payload orders. Fails with `ORDER_MALFORMED` (peer) when it is none of the above. */
export function decodeOrder(payload: CborValue): Outcome<Order> {
  const shaped = v.safeParse(orderShape, payload);
  if (!shaped.success) return failure('ORDER_MALFORMED', 'peer', 'an entry that orders a delivery is not of this format');
  const order = shaped.output;
  switch (order[0]) {
    case 'send': {
      const [type, items, [nodes, roles, subscribers], priority, deadlineMs, expiresMs, custodySuffices] = order;
      return success({
        type,
        items: items.map(([author, first, last, path]) => ({
          author: identifier<NodeId>(author),
          first,
          last,
          ...(path === null ? {} : { path }),
        })),
        to: { nodes: nodes.map((each) => identifier<NodeId>(each)), roles, subscribers },
        terms: {
          ...(priority === null ? {} : { priority }),
          ...(deadlineMs === null ? {} : { deadlineMs }),
          ...(expiresMs === null ? {} : { expiresMs }),
          custodySuffices,
        },
      });
    }
    case 'change':
      return success({ type: order[0], author: identifier<NodeId>(order[1]), sequence: order[2], priority: order[3] });
    case 'cancel':
      return success({ type: order[0], author: identifier<NodeId>(order[1]), sequence: order[2] });
    case 'rules':
      return success({ type: order[0], rules: rulesFromCbor(order[1]) });
  }
}
