import { type DatasetId, type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import type { Membership } from './membership.ts';

/**
 * Whom and what a peer means by a short name: among the members and datasets of the team, the team's own log included. A name that fits two of them means neither; that takes an accident of one in 2^64, or
 * somebody with the patience to make one, and costs no more than that one of the two is not spoken of.
 */
export class ShortNames {
  readonly #membership: Membership;
  #nodes: ReadonlyMap<ShortName, NodeId> | undefined;
  #datasets: ReadonlyMap<ShortName, DatasetId> | undefined;

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  /** Members or datasets are others than before. */
  forget(): void {
    this.#nodes = undefined;
    this.#datasets = undefined;
  }

  /** The member of this name. */
  node(name: ShortName): NodeId | undefined {
    this.#nodes ??= named(this.#membership.members().map(({ node }) => node));
    return this.#nodes.get(name);
  }

  /** The dataset of this name. */
  dataset(name: ShortName): DatasetId | undefined {
    const { logDataset } = this.#membership;
    this.#datasets ??= named([...(logDataset === undefined ? [] : [logDataset]), ...this.#membership.datasets().map(({ id }) => id)]);
    return this.#datasets.get(name);
  }
}

function named<T extends NodeId | DatasetId>(ids: readonly T[]): ReadonlyMap<ShortName, T> {
  const byName = new Map<ShortName, T>();
  const ambiguous = new Set<ShortName>();
  for (const id of ids) {
    const name = shortName(id);
    if (byName.has(name)) ambiguous.add(name);
    byName.set(name, id);
  }
  for (const name of ambiguous) byName.delete(name);
  return byName;
}
