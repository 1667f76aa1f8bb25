import * as v from 'valibot';
import { toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { Duty } from '../node/duty.ts';
import type { FieldNode } from '../node/field-node.ts';
import type { LinkBudget } from '../node/link-budgets.ts';
import { type SiteProfile, siteProfileShape } from '../node/site-profile.ts';
import type { DatasetVersion, TagInfo, VersionRef } from '../node/version-service.ts';
import { deliveryRequests } from './delivery-requests.ts';
import { networkRequests } from './network-requests.ts';
import { dataset, entry, idOf, nodeId, nothing, priority, type RequestTable, request, text, withoutUndefined } from './request.ts';

/**
 * What the agent can be asked: each request of `docs/agent.md` is one call of `FieldNode`, its parameters checked, its result plain JSON. Datasets are given by name or identifier.
 */

/** A name that a team or a dataset can have, as `node/membership.ts` defines it: a longer one would be signed and then understood by nobody. */
const properName = v.pipe(text, v.minLength(1), v.maxLength(256));
const positiveMs = v.pipe(v.number(), v.finite(), v.minValue(1));
const positiveRate = v.pipe(v.number(), v.finite(), v.minValue(1));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const conflictPolicy = v.picklist(['merge', 'latest', 'keep-both', 'ask']);
/** A tag's name, or how many entries of each author belong to the version. */
const version = v.union([text, v.array(v.object({ author: nodeId, entries: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) }))]);

/** Every request by its name. */
export const requests: RequestTable = {
  status: request(nothing, (node) => ({
    id: node.id,
    name: node.name,
    team: node.team ?? null,
    peers: node.connectedPeers(),
    outstanding: node.outstanding(),
    nextWakeUp: node.nextWakeUp() ?? null,
  })),
  createTeam: request(v.object({ name: properName }), (node, { name }) => node.team ?? node.createTeam(name)),
  createInvite: request(
    v.optional(
      v.object({
        role: v.optional(v.picklist(['coordinator', 'member', 'reader', 'carrier'])),
        validMs: v.optional(positiveMs),
        addresses: v.optional(v.array(text)),
      }),
      {},
    ),
    (node, { role, validMs, addresses }) =>
      node.createInvite({
        ...(role === undefined ? {} : { role }),
        ...(validMs === undefined ? {} : { validMs }),
        ...(addresses === undefined ? {} : { addresses }),
      }),
  ),
  join: request(v.object({ code: text, timeoutMs: v.optional(v.pipe(v.number(), v.minValue(0))) }), (node, { code, timeoutMs }) =>
    node.join(code, timeoutMs === undefined ? {} : { timeoutMs }),
  ),
  members: request(nothing, (node) => node.members().map(({ node: id, name, role }) => ({ node: id, name, role }))),
  listen: request(v.object({ address: text, keep: v.optional(v.boolean()) }), (node, { address, keep }) =>
    node.listen(address, { keep: keep ?? false }),
  ),
  addContact: request(v.object({ member: nodeId, addresses: v.array(text) }), (node, { member, addresses }) =>
    node.addContact(member, addresses),
  ),
  hint: request(nothing, (node) => node.hint()),
  datasets: request(nothing, (node) => node.datasets()),
  createDataset: request(
    v.object({
      name: properName,
      kind: v.picklist(['files', 'series']),
      priority: v.optional(priority),
      conflictPolicy: v.optional(conflictPolicy),
    }),
    (node, { name, kind, priority: urgency, conflictPolicy: policy }) =>
      node.createDataset({
        name,
        kind,
        ...(urgency === undefined ? {} : { priority: urgency }),
        ...(policy === undefined ? {} : { conflictPolicy: policy }),
      }),
  ),
  subscribe: request(dataset, (node, { dataset: name }) => node.subscribe(idOf(node, name))),
  unsubscribe: request(dataset, (node, { dataset: name }) => node.unsubscribe(idOf(node, name))),
  subscriptions: request(nothing, (node) => node.subscriptions()),
  attach: request(v.object({ dataset: text, directory: text }), (node, { dataset: name, directory }) =>
    node.attach(idOf(node, name), directory),
  ),
  scan: request(
    v.object({ dataset: text, settleMs: v.optional(v.number()), rehash: v.optional(v.boolean()), allowEmptied: v.optional(v.boolean()) }),
    (node, { dataset: name, ...options }) => node.scan(idOf(node, name), withoutUndefined(options)),
  ),
  files: request(dataset, (node, { dataset: name }) =>
    Array.from(node.files(idOf(node, name)), ({ path, revision, complete, inConflict }) => ({
      path,
      complete,
      inConflict,
      revision: plain(revision),
    })),
  ),
  conflicts: request(v.object({ dataset: text, open: v.optional(v.boolean()) }), (node, { dataset: name, open }) =>
    node.conflicts(idOf(node, name), { open: open ?? false }),
  ),
  setConflictRules: request(
    v.object({ dataset: text, rules: v.array(v.object({ glob: text, policy: conflictPolicy })) }),
    (node, { dataset: name, rules }) => node.setConflictRules(idOf(node, name), rules),
  ),
  history: request(v.object({ dataset: text, path: text }), (node, { dataset: name, path }) => plain(node.history(idOf(node, name), path))),
  version: request(dataset, (node, { dataset: name }) => listed(node.versions.current(idOf(node, name)))),
  tag: request(
    v.object({ dataset: text, name: properName, version: v.optional(version) }),
    (node, { dataset: name, name: tag, version: of }) =>
      tagForJson(node.versions.tag(idOf(node, name), tag, of === undefined ? undefined : versionOf(of))),
  ),
  tags: request(dataset, (node, { dataset: name }) => node.versions.tags(idOf(node, name)).map(tagForJson)),
  untag: request(v.object({ dataset: text, name: text }), (node, { dataset: name, name: tag }) =>
    node.versions.untag(idOf(node, name), tag),
  ),
  diff: request(
    v.object({ dataset: text, from: version, to: version, path: v.optional(text), content: v.optional(v.boolean()) }),
    async (node, { dataset: name, from, to, path, content }) => {
      const options = { content: content ?? false, ...(path === undefined ? {} : { path }) };
      return plain(await Array.fromAsync(node.versions.diff(idOf(node, name), versionOf(from), versionOf(to), options)));
    },
  ),
  checkout: request(
    v.object({
      dataset: text,
      version: v.union([version, entry]),
      directory: text,
      path: v.optional(text),
      waitMs: v.optional(v.pipe(v.number(), v.minValue(0))),
    }),
    (node, { dataset: name, version: of, directory, ...options }) => {
      const wanted = typeof of === 'object' && 'author' in of ? of : versionOf(of);
      return node.versions.checkout(idOf(node, name), wanted, directory, withoutUndefined(options));
    },
  ),
  verify: request(
    v.optional(v.object({ dataset: v.optional(text), rehash: v.optional(v.boolean()) }), {}),
    async (node, { dataset: name, rehash }) =>
      plain(await node.verify(name === undefined ? undefined : idOf(node, name), { rehash: rehash ?? false })),
  ),
  repair: request(
    v.optional(
      v.object({ dataset: v.optional(text), rehash: v.optional(v.boolean()), waitMs: v.optional(v.pipe(v.number(), v.minValue(0))) }),
      {},
    ),
    async (node, { dataset: name, ...options }) =>
      plain(await node.repair(name === undefined ? undefined : idOf(node, name), withoutUndefined(options))),
  ),
  collectGarbage: request(v.optional(v.object({ quotaBytes: v.optional(v.pipe(v.number(), v.minValue(0))) }), {}), (node, options) =>
    node.collectGarbage(withoutUndefined(options)),
  ),
  exportBundle: request(
    v.object({
      media: text,
      for: v.optional(v.array(nodeId)),
      budgetBytes: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
    }),
    (node, { media, for: members, budgetBytes }) =>
      node.bundles.export(media, {
        ...(members === undefined ? {} : { for: members }),
        ...(budgetBytes === undefined ? {} : { budgetBytes }),
      }),
  ),
  importBundle: request(v.object({ media: text }), (node, { media }) => node.bundles.import(media)),
  ingest: request(
    v.object({
      dataset: text,
      directory: text,
      profile: v.optional(siteProfileShape),
      paths: v.optional(v.array(text)),
      complete: v.optional(v.boolean()),
    }),
    (node, { dataset: name, directory, profile, paths, complete }) =>
      node.ingest(idOf(node, name), directory, {
        profile: (profile ?? {}) as SiteProfile,
        ...(paths === undefined ? {} : { paths }),
        complete: complete ?? false,
      }),
  ),
  counts: request(dataset, (node, { dataset: name }) => Object.fromEntries(node.ingestCounts(idOf(node, name)))),
  quarantined: request(dataset, (node, { dataset: name }) =>
    node.quarantined(idOf(node, name)).map(({ bytes, ...piece }) => ({ ...piece, bytes: bytes.length })),
  ),
  tables: request(dataset, (node, { dataset: name }) =>
    node.tables(idOf(node, name)).map(({ revision, ...extent }) => ({ ...extent, revision: { ...revision, id: toHex(revision.id) } })),
  ),
  addDuty: request(v.object({ duty: v.record(text, v.unknown()) }), (node, { duty }) => node.addDuty(withDatasetId(node, duty) as Duty)),
  duties: request(nothing, (node) => node.duties()),
  collections: request(nothing, (node) => node.collections()),
  removeDuty: request(v.object({ id: v.number() }), (node, { id }) => node.removeDuty(id)),
  traffic: request(nothing, (node) => node.traffic()),
  links: request(v.optional(v.object({ peer: v.optional(nodeId) }), {}), (node, { peer }) =>
    node.bandwidth.links().filter((each) => peer === undefined || each.peer === peer),
  ),
  usage: request(v.optional(v.object({ fromMs: v.optional(v.number()), untilMs: v.optional(v.number()) }), {}), (node, options) =>
    node.bandwidth.usage(withoutUndefined(options)),
  ),
  setBudget: request(v.object({ budget: v.record(text, v.unknown()) }), (node, { budget }) =>
    node.bandwidth.setBudget(budget as object as LinkBudget),
  ),
  removeBudget: request(v.object({ name: text }), (node, { name }) => node.bandwidth.removeBudget(name)),
  budgets: request(nothing, (node) => node.bandwidth.budgets()),
  waiting: request(nothing, (node) => node.bandwidth.waiting()),
  setRateCap: request(
    v.object({ peer: v.optional(nodeId), dataset: v.optional(text), rateBytesPerSecond: v.number() }),
    (node, { rateBytesPerSecond, ...subject }) => node.bandwidth.setRateCap({ ...cappedBy(node, subject), rateBytesPerSecond }),
  ),
  removeRateCap: request(v.object({ peer: v.optional(nodeId), dataset: v.optional(text) }), (node, subject) =>
    node.bandwidth.removeRateCap(cappedBy(node, subject)),
  ),
  rateCaps: request(nothing, (node) => node.bandwidth.rateCaps()),
  setWeight: request(v.object({ dataset: text, weight: v.number() }), (node, { dataset: name, weight }) =>
    node.bandwidth.setWeight(idOf(node, name), weight),
  ),
  quote: request(
    v.object({
      dataset: text,
      peer: v.optional(nodeId),
      link: v.optional(
        v.object({ rateBytesPerSecond: positiveRate, rttMs: positiveMs, lossRatio: v.optional(share), confidence: v.optional(share) }),
      ),
    }),
    (node, { dataset: name, peer, link }) =>
      node.bandwidth.quote(idOf(node, name), {
        ...(peer === undefined ? {} : { peer: peer }),
        ...(link === undefined ? {} : { link: withoutUndefined(link) }),
      }),
  ),
  codecDecisions: request(nothing, (node) => node.bandwidth.codecDecisions()),
  power: request(nothing, (node) => node.bandwidth.power()),
  ...deliveryRequests,
  ...networkRequests,
  export: request(
    v.object({ dataset: text, format: v.picklist(['netcdf', 'geopackage']), path: text }),
    (node, { dataset: name, format, path }) => node.export(idOf(node, name), format, path),
  ),
};

/**
 * Carries out one request.
 *
 * @throws GodwitError `REQUEST_UNKNOWN`, `REQUEST_MALFORMED`, or what the call itself throws.
 */
export async function perform(node: FieldNode, method: string, parameters: unknown): Promise<unknown> {
  const found = Object.hasOwn(requests, method) ? requests[method] : undefined;
  if (found === undefined) throw new GodwitError('REQUEST_UNKNOWN', `There is no request "${method}".`);
  const shaped = v.safeParse(found.parameters, parameters);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    throw new GodwitError(
      'REQUEST_MALFORMED',
      `The parameters of "${method}" do not fit: ${v.getDotPath(issue) ?? 'params'}: ${issue.message}`,
    );
  }
  return (await found.run(node, shaped.output)) ?? null;
}

/** A version in a form whose members have fixed names. */
function listed(found: DatasetVersion): { readonly author: string; readonly entries: number }[] {
  return Object.entries(found).map(([author, entries]) => ({ author, entries }));
}

function versionOf(given: unknown): VersionRef {
  if (typeof given === 'string') return given;
  return Object.fromEntries((given as v.InferOutput<typeof version> & object).map(({ author, entries }) => [author, entries]));
}

function tagForJson(tag: TagInfo): object {
  return { ...tag, version: listed(tag.version) };
}

function cappedBy(
  node: FieldNode,
  subject: { readonly peer?: NodeId | undefined; readonly dataset?: string | undefined },
): { peer?: NodeId; dataset?: DatasetId } {
  return {
    ...(subject.peer === undefined ? {} : { peer: subject.peer }),
    ...(subject.dataset === undefined ? {} : { dataset: idOf(node, subject.dataset) }),
  };
}

function withDatasetId(node: FieldNode, duty: Record<string, unknown>): Record<string, unknown> {
  return typeof duty.dataset === 'string' ? { ...duty, dataset: idOf(node, duty.dataset) } : duty;
}

/** JSON has no bytes, no bigint and no infinity: hexadecimal text, decimal text and `null` stand for them. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  return value;
}
