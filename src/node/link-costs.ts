import { type LinkClass, linkClasses } from '../bandwidth/link-class.ts';
import { GodwitError } from '../core/errors.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * What links cost their owner besides time: money for a satellite's bytes, a battery that a radio drains. Routes are compared by expected milliseconds for 16 KiB, so a cost is said in the same
 * terms: how much longer another way may take before this one is worth its price.
 *
 * A cost is this node's own policy. It makes ways over the link longer for this node and for those that reach somebody through it, and forbids nothing: where there is no other way, this one is used.
 */

/** The cost of links of one class, or of whatever link to one member. Exactly one of `peer` and `linkClass` is given; what is said of the member counts where both are. */
export interface LinkCost {
  readonly peer?: NodeId;
  /** As links are classified by what is measured of them: `satellite`, `iridium` and so on. */
  readonly linkClass?: LinkClass;
  /** Milliseconds for 16 KiB, from 0 to an hour. */
  readonly penaltyMs: number;
}

const penaltyMsMax = 3_600_000;

const schema: Schema = {
  component: 'link-costs',
  steps: ['CREATE TABLE link_cost (subject TEXT PRIMARY KEY, kind TEXT NOT NULL, penalty REAL NOT NULL) STRICT, WITHOUT ROWID;'],
};

function malformed(why: string): GodwitError {
  return new GodwitError('LINK_COST_MALFORMED', why);
}

/** The costs that the owner has set, in the catalog. */
export class LinkCosts {
  readonly #catalog: Catalog;
  readonly #penaltyBySubject = new Map<string, number>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(schema);
    for (const { subject, penalty } of this.#rows()) this.#penaltyBySubject.set(subject, penalty);
  }

  /** Sets a cost, or removes it with 0. @throws GodwitError `LINK_COST_MALFORMED` */
  set({ peer, linkClass, penaltyMs }: LinkCost): void {
    const subject = peer ?? linkClass;
    if (subject === undefined || (peer !== undefined && linkClass !== undefined))
      throw malformed('A cost is of the links to one peer or of the links of one class.');
    if (linkClass !== undefined && !linkClasses.includes(linkClass))
      throw malformed(`A class of links is one of ${linkClasses.join(', ')}.`);
    if (!(penaltyMs >= 0 && penaltyMs <= penaltyMsMax)) throw malformed('A cost is from 0 to 3,600,000 milliseconds for 16 KiB.');
    if (penaltyMs === 0) {
      this.#catalog.run('DELETE FROM link_cost WHERE subject = ?', subject);
      this.#penaltyBySubject.delete(subject);
      return;
    }
    const kind = peer === undefined ? 'linkClass' : 'peer';
    this.#catalog.run('INSERT OR REPLACE INTO link_cost (subject, kind, penalty) VALUES (?, ?, ?)', subject, kind, penaltyMs);
    this.#penaltyBySubject.set(subject, penaltyMs);
  }

  list(): LinkCost[] {
    return this.#rows().map(({ subject, kind, penalty }) => ({ [kind]: subject, penaltyMs: penalty }));
  }

  /** What the link to a peer costs. */
  of(peer: NodeId, linkClass: LinkClass): number {
    return this.#penaltyBySubject.get(peer) ?? this.#penaltyBySubject.get(linkClass) ?? 0;
  }

  #rows(): { subject: string; kind: 'peer' | 'linkClass'; penalty: number }[] {
    return this.#catalog.all('SELECT subject, kind, penalty FROM link_cost ORDER BY kind, subject');
  }
}
