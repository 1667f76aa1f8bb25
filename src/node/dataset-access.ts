import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type NodeId, parseIdentifier, type TeamId } from '../core/identifiers.ts';
import type { DatasetDefinition, DatasetKind, Membership } from './membership.ts';

/** What a call needs before it may begin: a team, the right to write, a dataset of the right kind. Each is refused with its own code. */
export class DatasetAccess {
  readonly #membership: Membership;
  readonly #self: NodeId;

  constructor(membership: Membership, self: NodeId) {
    this.#membership = membership;
    this.#self = self;
  }

  /** The team. @throws GodwitError `NO_TEAM` */
  requireTeam(): TeamId {
    const team = this.#membership.team;
    if (team === undefined) throw new GodwitError('NO_TEAM', 'This node belongs to no team yet; create one or join one with an invite.');
    return team;
  }

  /** @throws GodwitError `NO_TEAM`, `NOT_A_WRITER` */
  requireWriter(): void {
    this.requireTeam();
    if (!this.#membership.mayWrite(this.#self))
      throw new GodwitError(
        'NOT_A_WRITER',
        'This node may read the team\'s datasets but not write to them; ask a coordinator for the role "member".',
        { retryable: true },
      );
  }

  /** The dataset with this identifier or name. @throws GodwitError `DATASET_UNKNOWN` */
  dataset(nameOrId: string): DatasetDefinition {
    const id = parseIdentifier<DatasetId>(nameOrId);
    const found = id === undefined ? this.#membership.datasets().find((each) => each.name === nameOrId) : this.#membership.dataset(id);
    if (found === undefined)
      throw new GodwitError('DATASET_UNKNOWN', `There is no dataset "${nameOrId}" in this team (yet).`, { retryable: true });
    return found;
  }

  /** @throws GodwitError `DATASET_UNKNOWN`, `DATASET_KIND` */
  requireKind(dataset: DatasetId, kind: DatasetKind): void {
    const definition = this.dataset(dataset);
    if (definition.kind !== kind)
      throw new GodwitError(
        'DATASET_KIND',
        `The dataset "${definition.name}" holds ${definition.kind}, and this needs one of kind ${kind}.`,
      );
  }
}
