import * as v from 'valibot';
import { fromHex } from '../core/bytes.ts';
import { nodeId, nothing, type RequestTable, request, text, withoutUndefined } from './request.ts';

/** How members find and reach each other: `FieldNode.discovery` and `FieldNode.mesh`. */

const hexadecimal = v.pipe(text, v.regex(/^(?:[0-9a-f]{2}){1,256}$/));

/** Every request about the network by its name. */
export const networkRequests: RequestTable = {
  addresses: request(nothing, (node) => node.discovery.addresses),
  candidates: request(nothing, (node) => node.discovery.candidates()),
  offerCandidate: request(
    v.pipe(
      v.object({ address: text, member: v.optional(nodeId), beacon: v.optional(hexadecimal) }),
      v.check(({ member, beacon }) => (member === undefined) !== (beacon === undefined), 'Expected either a member or a beacon'),
    ),
    (node, { address, member, beacon = '' }) =>
      node.discovery.offerCandidate(address, member === undefined ? { beacon: fromHex(beacon) } : { member: member }),
  ),
  beacon: request(nothing, (node) => node.discovery.beacon()),
  sleep: request(nothing, (node) => node.discovery.sleep()),
  rouse: request(nothing, (node) => node.discovery.rouse()),
  routes: request(nothing, (node) => node.mesh.routes()),
  nextHop: request(v.object({ member: nodeId }), (node, { member }) => node.mesh.nextHop(member)),
  topology: request(nothing, (node) => node.mesh.topology()),
  openCircuit: request(v.object({ member: nodeId, via: v.optional(nodeId) }), (node, { member, via }) =>
    node.mesh.openCircuit(member, via === undefined ? {} : { via }),
  ),
  circuits: request(nothing, (node) => node.mesh.circuits()),
  closeCircuit: request(v.object({ member: nodeId }), (node, { member }) => node.mesh.closeCircuit(member)),
  relaying: request(nothing, (node) => node.mesh.relaying()),
  setRelaying: request(
    v.object({
      custody: v.optional(v.boolean()),
      circuits: v.optional(v.number()),
      bytesPerMinute: v.optional(v.number()),
      carriedBytes: v.optional(v.number()),
    }),
    (node, change) => node.mesh.setRelaying(withoutUndefined(change)),
  ),
  declareTrip: request(
    v.object({ to: nodeId, departsMs: v.number(), arrivesMs: v.number(), latestMs: v.optional(v.number()) }),
    (node, trip) => node.mesh.declareTrip(withoutUndefined(trip)),
  ),
  trips: request(nothing, (node) => node.mesh.trips()),
  withdrawTrip: request(v.object({ trip: v.number() }), (node, { trip }) => node.mesh.withdrawTrip(trip)),
  carrying: request(nothing, (node) => node.mesh.carrying()),
};
