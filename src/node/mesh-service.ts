import type { NodeId } from '../core/identifiers.ts';
import type { CarryingReport, TripPlan } from './carrying-keeping.ts';
import type { Trip } from './carrying-store.ts';
import type { CircuitReport } from './circuit-keeping.ts';
import type { LinkCost } from './link-costs.ts';
import type { MeshRoute, MeshTopology } from './mesh-routing.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Relaying } from './relay-settings.ts';

/** How other members can be reached now, and why that way: `FieldNode.mesh`. Changes are events: `node-seen`, `node-lost`, `node-moved`, `route-changed`, `partition-suspected` and `partition-healed`. */
export class MeshService {
  readonly #driver: NodeDriver;

  constructor(driver: NodeDriver) {
    this.#driver = driver;
  }

  /** Routes to all members that can be reached, with what was to choose from. */
  routes(): MeshRoute[] {
    return this.#driver.command((engine) => engine.mesh.routes());
  }

  /** The neighbour that takes what is for a member, perhaps the member itself; `undefined` when there is no way now. */
  nextHop(node: NodeId): NodeId | undefined {
    return this.#driver.command((engine) => engine.mesh.nextHop(node));
  }

  /**
   * Keeps a session with a member through others, wherever there is no direct one, until `closeCircuit`: for control and questions, or for what the nodes in between must not hold or have no room for. What goes over it is sealed for the
   * member and stored by nobody else; what both subscribe to, and would have come to rest in between, goes over it as well. `via`: by way of this member. A `session-up` event says that the session stands, `circuit` events how the
   * circuits fare. Remembered over restarts.
   *
   * Where the neighbour on the way to a member takes none of what is for it, a circuit is opened without being asked for, and closed ten minutes after everything has arrived.
   *
   * @throws GodwitError `MEMBER_UNKNOWN`
   */
  openCircuit(member: NodeId, options: { readonly via?: NodeId } = {}): void {
    this.#driver.command((engine, now) => engine.atomically(now, () => engine.circuits.keep(member, options.via, now)));
  }

  /** Keeps it no more, and closes the session if it goes through others. */
  closeCircuit(member: NodeId): void {
    this.#driver.command((engine, now) => engine.atomically(now, () => engine.circuits.release(member, now)));
  }

  /** What this node does for others that reach each other through it. */
  relaying(): Relaying {
    return this.#driver.command((engine) => engine.circuits.relaying);
  }

  /** Changes that, for good: a device without space takes nothing into custody, a gateway that is paid by the byte limits circuits. @throws GodwitError `RELAYING_INVALID` */
  setRelaying(change: Partial<Relaying>): void {
    this.#driver.command((engine, now) => engine.setRelaying(change, now));
  }

  /**
   * Says that this device travels to a member: whoever meets it before knows that it is the way there, and when, whatever its habits. A trip that is over is forgotten; others are remembered over restarts. Returns a number by which it can
   * be withdrawn.
   *
   * @throws GodwitError `TRIP_INVALID`, `MEMBER_UNKNOWN`
   */
  declareTrip(trip: TripPlan): number {
    return this.#driver.command((engine, now) => engine.atomically(now, () => engine.carrying.declareTrip(trip, now)));
  }

  /** The trips that were declared and are not over, the next arrival first. */
  trips(): Trip[] {
    return this.#driver.command((engine, now) => engine.carrying.trips(now));
  }

  /** Takes a trip back; one that is unknown or over needs none. */
  withdrawTrip(id: number): void {
    this.#driver.command((engine, now) => engine.atomically(now, () => engine.carrying.withdrawTrip(id, now)));
  }

  /** What this device carries for members that are out of reach, and why. How much it may be, `setRelaying` says. */
  carrying(): CarryingReport {
    return this.#driver.command((engine) => engine.carrying.report());
  }

  /** Circuits that end here or lead through. */
  circuits(): CircuitReport[] {
    return this.#driver.command((engine) => engine.circuits.reports());
  }

  /** Members, routes and links, to be drawn as a graph. */
  topology(): MeshTopology {
    return this.#driver.command((engine) => engine.mesh.topology());
  }

  /**
   * Says what links to a peer, or of a class, cost besides time, or takes it back with 0. Routes change with the next measurements, within seconds.
   *
   * @throws GodwitError `LINK_COST_MALFORMED`
   */
  setLinkCost(cost: LinkCost): void {
    this.#driver.command((engine) => engine.mesh.costs.set(cost));
  }

  /** The costs that were set. */
  linkCosts(): LinkCost[] {
    return this.#driver.command((engine) => engine.mesh.costs.list());
  }
}
