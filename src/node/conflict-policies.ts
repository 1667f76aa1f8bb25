import type { DatasetId } from '../core/identifiers.ts';
import type { FileRevision } from '../datasets/file-index.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ConflictPolicy, Membership } from './membership.ts';
import { matchesGlob } from './path-glob.ts';

/**
 * Which policy ends the conflicts of a path: a function that the program on this node has given, else the first of the dataset's rules whose pattern matches, else the dataset's own policy.
 *
 * Rules and policies belong to the team and are the same everywhere. A function belongs to one node: it is not sent to others, and they end the same conflicts by the rules. So every node that is to
 * decide by a function gives the same one, or the dataset's policy is `ask`, which leaves the decision to whoever has the function.
 */

/** One side of a conflict, or what both grew from. */
export interface ConflictSide {
  readonly revision: FileRevision;
  /** Its bytes, or `undefined` for what is no file or larger than 64 MiB. */
  bytes(): Promise<Uint8Array | undefined>;
}

/** What a function decides on. */
export interface ConflictToResolve {
  readonly dataset: DatasetId;
  readonly path: string;
  /** What the sides grew from, where they grew from one revision. Its bytes may be gone. */
  readonly base?: ConflictSide;
  /** Two or more, in an order that is the same on every node. */
  readonly sides: readonly ConflictSide[];
}

/** How a conflict ends: one side stands as it is, new bytes replace all, or a policy decides after all. */
export type ConflictAnswer = { readonly keep: Dot } | { readonly bytes: Uint8Array } | { readonly policy: ConflictPolicy };

/**
 * Ends conflicts. It must depend on nothing but what it is given: no clock, no chance, no state of this computer. Two nodes with the same function then write the same, and the conflict is over
 * wherever the two meet. Two functions that answer differently make a new conflict of their answers, which is left to a person.
 */
export type ConflictResolver = (conflict: ConflictToResolve) => ConflictAnswer | Promise<ConflictAnswer>;

interface GivenResolver {
  readonly dataset: DatasetId;
  readonly glob: string;
  readonly resolve: ConflictResolver;
}

/** The policies of one node. */
export class ConflictPolicies {
  readonly #membership: Membership;
  #resolvers: readonly GivenResolver[] = [];

  constructor(membership: Membership) {
    this.#membership = membership;
  }

  /** Uses a function for the paths of a dataset that match a pattern, before those given earlier. Returns how to stop. */
  use(dataset: DatasetId, glob: string, resolve: ConflictResolver): () => void {
    const given = { dataset, glob, resolve };
    this.#resolvers = [given, ...this.#resolvers];
    return () => {
      this.#resolvers = this.#resolvers.filter((each) => each !== given);
    };
  }

  /** How conflicts of a path are ended, or `undefined` for a dataset that is not known. */
  of(dataset: DatasetId, path: string): ConflictPolicy | ConflictResolver | undefined {
    const given = this.#resolvers.find((each) => each.dataset === dataset && matchesGlob(each.glob, path));
    if (given !== undefined) return given.resolve;
    const definition = this.#membership.dataset(dataset);
    return definition?.conflictRules.find(({ glob }) => matchesGlob(glob, path))?.policy ?? definition?.conflictPolicy;
  }
}
