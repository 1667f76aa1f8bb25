import type { NodeId } from '../core/identifiers.ts';
import type { MeshRoute, MeshTopology } from './mesh-routing.ts';
import type { NodeDriver } from './node-driver.ts';

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

  /** Members, routes and links, to be drawn as a graph. */
  topology(): MeshTopology {
    return this.#driver.command((engine) => engine.mesh.topology());
  }
}
