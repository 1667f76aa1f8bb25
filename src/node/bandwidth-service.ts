import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { WallMs } from '../core/time.ts';
import type { PowerReading } from '../ports/power-state.ts';
import type { CodecDecision } from './codec-selector.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { LinkUsage } from './link-accounts.ts';
import type { BudgetState, LinkBudget } from './link-budgets.ts';
import type { LinkReport, Waiting } from './link-report.ts';
import type { Membership } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Quote, QuoteOptions, QuoteService } from './quote-service.ts';
import type { RateCap } from './rate-caps.ts';

/** What the service works with. */
export interface BandwidthServiceParts {
  readonly driver: NodeDriver;
  readonly access: DatasetAccess;
  readonly membership: Membership;
  readonly quotes: QuoteService;
}

/**
 * What the links of a node can do, what goes over them, and how much may: `FieldNode.bandwidth`.
 *
 * What is set here is kept over restarts and is this node's own; other members do not hear of it.
 */
export class BandwidthService {
  readonly #parts: BandwidthServiceParts;

  constructor(parts: BandwidthServiceParts) {
    this.#parts = parts;
  }

  /** The link to each member with whom a session stands or stood: class, rate, round trips, loss, jitter, and how far they can be relied on. Changes are `link-changed` events. */
  links(): LinkReport[] {
    return this.#parts.driver.command((engine) => engine.linkReports());
  }

  /**
   * The accounts: bytes by link, member, direction, purpose and hour, of the hours that overlap with `[fromMs, untilMs)` (default: everything), the oldest first. Headers are counted as
   * UDP or TCP over IPv4 have them; what TCP adds by itself is not.
   */
  usage(options: { readonly fromMs?: number; readonly untilMs?: number } = {}): LinkUsage[] {
    const { fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = options;
    return this.#parts.driver.command((engine, now) =>
      engine.atomically(now, () => engine.links.accounts.usage(fromMs as WallMs, untilMs as WallMs)),
    );
  }

  /** Sets a byte budget, in place of one of the same name. What went before in its period counts. Its effect is immediate. @throws GodwitError `BUDGET_MALFORMED`, `MEMBER_UNKNOWN` */
  setBudget(budget: LinkBudget): void {
    if (budget.peer !== undefined) this.#requireMember(budget.peer);
    this.#parts.driver.command((engine, now) => engine.atomically(now, () => engine.links.accounts.setBudget(budget)));
  }

  /** Forgets a budget: what waited for it goes. */
  removeBudget(name: string): void {
    this.#parts.driver.command((engine, now) => engine.atomically(now, () => engine.links.accounts.removeBudget(name)));
  }

  /** Every budget, what has been used of it, and when it renews. */
  budgets(): BudgetState[] {
    return this.#parts.driver.command((engine, now) => engine.atomically(now, () => engine.links.accounts.budgets()));
  }

  /** What has to wait for a budget now; changes are `waiting` and `waiting-over` events. */
  waiting(): Waiting[] {
    return this.#parts.driver.command((engine) => engine.links.waiting());
  }

  /** Sets a rate cap, for one peer or one dataset. Emergency bytes do not wait for it. @throws GodwitError `CAP_MALFORMED`, `MEMBER_UNKNOWN`, `DATASET_UNKNOWN` */
  setRateCap(cap: RateCap): void {
    this.#changeCap(cap, cap.rateBytesPerSecond);
  }

  /** Removes the cap of a peer or a dataset. @throws GodwitError `CAP_MALFORMED`, `MEMBER_UNKNOWN`, `DATASET_UNKNOWN` */
  removeRateCap(subject: Pick<RateCap, 'peer' | 'dataset'>): void {
    this.#changeCap(subject, undefined);
  }

  rateCaps(): RateCap[] {
    return this.#parts.driver.command((engine) => engine.links.caps.list());
  }

  /** What a dataset gets of a session by what others of its class get: 2 is twice as much. 0.001 to 1,000, default 1. @throws GodwitError `CAP_MALFORMED`, `DATASET_UNKNOWN` */
  setWeight(dataset: DatasetId, weight: number): void {
    const { id } = this.#parts.access.dataset(dataset);
    this.#parts.driver.command((engine, now) => engine.atomically(now, () => engine.links.caps.setWeight(id, weight)));
  }

  /** How the latest contents were compressed for whom, and why; up to 64, the last one at the end. */
  codecDecisions(): CodecDecision[] {
    return this.#parts.driver.codecs.decisions;
  }

  /** What feeds this computer, as far as it says so. */
  power(): PowerReading {
    return this.#parts.driver.codecs.power;
  }

  /**
   * What it would cost to bring a member up to date with a dataset, or to give all of it to somebody who has nothing: bytes each way, time, and how far that can be relied on. Nothing is sent.
   *
   * @param target a member, over the link there is or was, or over the one given; or a link alone.
   * @throws GodwitError `DATASET_UNKNOWN`, `MEMBER_UNKNOWN`, `LINK_UNKNOWN` when no link to the member was ever measured and none is given
   * @example
   * await node.bandwidth.quote(dataset, { peer, link: { rateBytesPerSecond: 300, rttMs: 1800 } });
   */
  async quote(dataset: DatasetId, target: QuoteOptions): Promise<Quote> {
    if (target.peer !== undefined) this.#requireMember(target.peer);
    return this.#parts.quotes.quote(this.#parts.access.dataset(dataset).id, target);
  }

  /** Writes the accounts as they are: nothing has to be taken for sent when the node is opened again. */
  close(): void {
    this.#parts.driver.settleAccounts();
  }

  #changeCap(subject: Pick<RateCap, 'peer' | 'dataset'>, rateBytesPerSecond: number | undefined): void {
    if (subject.peer !== undefined) this.#requireMember(subject.peer);
    if (subject.dataset !== undefined) this.#parts.access.dataset(subject.dataset);
    this.#parts.driver.command((engine, now) =>
      engine.atomically(now, () => engine.links.caps.set(subject, rateBytesPerSecond, now.monotonicMs)),
    );
  }

  #requireMember(peer: NodeId): void {
    if (this.#parts.membership.member(peer) === undefined)
      throw new GodwitError('MEMBER_UNKNOWN', `There is no member ${peer} in this team (yet).`, { retryable: true });
  }
}
