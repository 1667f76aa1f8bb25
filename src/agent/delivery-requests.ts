import * as v from 'valibot';
import { dataset, entry, idOf, nodeId, nothing, priority, type RequestTable, request, text, withoutUndefined } from './request.ts';

/** Deliveries, what is urgent, and when whom can be reached: `FieldNode.forwarding`. */

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const rule = v.object({
  priority,
  glob: v.optional(text),
  author: v.optional(nodeId),
  kind: v.optional(v.picklist(['files', 'series'])),
  sizeBytesMin: v.optional(count),
  sizeBytesMax: v.optional(count),
  ageMsMin: v.optional(count),
  ageMsMax: v.optional(count),
});
const contactWindow = v.union([v.object({ fromMs: v.number(), toMs: v.number() }), v.object({ at: text, durationMs: v.number() })]);
const order = v.object({ dataset: text, order: entry });
const member = v.object({ member: nodeId });

/** Every request about deliveries by its name. */
export const deliveryRequests: RequestTable = {
  deliveries: request(dataset, (node, { dataset: name }) => node.deliveries(idOf(node, name))),
  send: request(
    v.object({
      dataset: text,
      paths: v.optional(v.array(text)),
      to: v.optional(v.array(nodeId)),
      roles: v.optional(v.array(v.picklist(['coordinator', 'member', 'reader', 'carrier']))),
      subscribers: v.optional(v.boolean()),
      priority: v.optional(priority),
      deadlineMs: v.optional(v.number()),
      expiresMs: v.optional(v.number()),
      receipt: v.optional(v.picklist(['delivered', 'custody'])),
    }),
    (node, { dataset: name, ...options }) => node.forwarding.send(idOf(node, name), withoutUndefined(options)),
  ),
  order: request(order, (node, { dataset: name, order: given }) => node.forwarding.order(idOf(node, name), given)),
  setOrderPriority: request(
    v.object({ dataset: text, order: entry, priority }),
    (node, { dataset: name, order: given, priority: urgency }) => node.forwarding.setPriority(idOf(node, name), given, urgency),
  ),
  cancelOrder: request(order, (node, { dataset: name, order: given }) => node.forwarding.cancel(idOf(node, name), given)),
  queue: request(
    v.object({ member: nodeId, limit: v.optional(v.pipe(count, v.minValue(1), v.maxValue(10_000))) }),
    (node, { member: to, limit }) => node.forwarding.queue(to, limit),
  ),
  where: request(v.object({ dataset: text, path: text }), (node, { dataset: name, path }) => node.forwarding.where(idOf(node, name), path)),
  setPriorityRules: request(v.object({ dataset: text, rules: v.array(rule) }), (node, { dataset: name, rules }) =>
    node.forwarding.setPriorityRules(
      idOf(node, name),
      rules.map((each) => withoutUndefined(each)),
    ),
  ),
  priorityRules: request(dataset, (node, { dataset: name }) => node.forwarding.priorityRules(idOf(node, name))),
  setContactWindows: request(v.object({ member: nodeId, windows: v.array(contactWindow) }), (node, { member: to, windows }) =>
    node.forwarding.setContactWindows(to, windows),
  ),
  contactWindows: request(member, (node, { member: to }) => node.forwarding.contactWindows(to)),
  forecast: request(member, (node, { member: to }) => node.forwarding.forecast(to)),
  outstanding: request(v.optional(v.object({ dataset: v.optional(text) }), {}), (node, { dataset: name }) =>
    node.outstanding(name === undefined ? undefined : idOf(node, name)),
  ),
  idle: request(nothing, (node) => node.idle()),
};
