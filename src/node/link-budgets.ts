import * as v from 'valibot';
import { hourMs, hourOf, periodHoursMax } from '../bandwidth/budget-period.ts';
import { type BudgetTerms, ByteBudget } from '../bandwidth/byte-budget.ts';
import { type LinkClass, linkClasses } from '../bandwidth/link-class.ts';
import { GodwitError } from '../core/errors.ts';
import { isIdentifierText, type NodeId } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { WallMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * The byte budgets of a node: which links each of them is for, and what is left.
 *
 * Budgets are kept in the catalog; what was used of them is summed up from the accounts (`link-accounts.ts`) whenever the node is opened or a budget is set, so a budget that is set in the middle
 * of a month knows what went before. Several budgets may be for one link: then all of them hold.
 */

/** A byte budget: for which links, and how much. Budgets of the same name replace one another. */
export interface LinkBudget extends BudgetTerms {
  /** 1 to 64 characters. */
  readonly name: string;
  /** Links whose remote address (`udp://host` or `tcp://host`, without port) fits; `*` stands for any text. Default: every address. */
  readonly address?: string;
  /** Links of this class. A link counts from the moment at which it is recognised, and keeps its class over restarts; to leave nothing out name its address. Default: every class. */
  readonly linkClass?: LinkClass;
  /** Links to this member. Default: everybody. */
  readonly peer?: NodeId;
  /**
   * `both` (default): what comes counts too, as operators bill it. Nothing that comes can be refused; so peers are told how much is left, before it is used up, and stop by themselves until there is more. What was on its way, and
   * attempts of peers without a session, may still come beyond the limit. `sent`: only what goes, which is held to the byte.
   */
  readonly counts?: 'both' | 'sent';
  /**
   * Nothing less urgent than this goes over these links at all, whatever is left: a satellite that is paid for by the byte is for `critical` and `emergency` then, and everything else waits for another way, which is looked for. What comes is held to it
   * where the peer has another way, and nothing less urgent is asked for there. Default: `bulk`, everything.
   */
  readonly least?: PriorityClass;
}

/** A budget and where it stands. */
export interface BudgetState {
  readonly budget: LinkBudget;
  /** Bytes used in the present period. Never less than what went. */
  readonly usedBytes: number;
  /** Bytes that `normal` and `bulk` may still use. */
  readonly leftBytes: number;
  /** When `normal` may use a full packet again, while that is not now. */
  readonly renewsMs?: WallMs;
}

/** A stretch of the accounts that a budget may be for. */
export interface BudgetedTraffic {
  readonly link: string;
  readonly peer: NodeId | undefined;
  readonly linkClass: LinkClass;
}

/** One budget with what has been used of it. */
export class OpenBudget {
  readonly definition: LinkBudget;
  readonly #bytes: ByteBudget;
  readonly #pattern: readonly string[] | undefined;

  constructor(definition: LinkBudget) {
    this.definition = definition;
    this.#bytes = new ByteBudget(definition);
    this.#pattern = definition.address?.split('*');
  }

  /** True when the budget is for this traffic. */
  covers({ link, peer, linkClass }: BudgetedTraffic): boolean {
    const { definition } = this;
    if (definition.peer !== undefined && definition.peer !== peer) return false;
    if (definition.linkClass !== undefined && definition.linkClass !== linkClass) return false;
    return this.#pattern === undefined || fits(this.#pattern, link);
  }

  /** True when what comes counts. */
  get countsIncoming(): boolean {
    return this.definition.counts !== 'sent';
  }

  book(direction: 'sent' | 'received', bytes: number, hour: number): void {
    if (direction === 'sent' || this.countsIncoming) this.#bytes.book(bytes, hour);
  }

  /** True when the class has no business on these links. */
  excludes(priority: PriorityClass): boolean {
    return priorityClasses.indexOf(priority) > priorityClasses.indexOf(this.definition.least ?? 'bulk');
  }

  allowanceBytes(priority: PriorityClass, wallMs: WallMs): number {
    return this.excludes(priority) ? 0 : this.#bytes.allowanceBytes(priority, wallMs);
  }

  availableAt(bytes: number, priority: PriorityClass, wallMs: WallMs): WallMs | undefined {
    return this.excludes(priority) ? undefined : this.#bytes.availableAt(bytes, priority, wallMs);
  }

  /** Bytes that may still come, and when there are so many more: whatever comes is `normal`. */
  incoming(moreBytes: number, wallMs: WallMs): { readonly bytes: number; readonly moreAtMs: WallMs | undefined } {
    const bytes = this.#bytes.allowanceBytes('normal', wallMs);
    return { bytes, moreAtMs: this.#bytes.availableAt(bytes + moreBytes, 'normal', wallMs) };
  }

  state(wallMs: WallMs): BudgetState {
    const renewsMs = this.#bytes.availableAt(packetBytes, 'normal', wallMs);
    return {
      budget: this.definition,
      usedBytes: this.#bytes.usedBytes(wallMs),
      leftBytes: this.#bytes.allowanceBytes('normal', wallMs),
      ...(renewsMs === undefined || renewsMs <= wallMs ? {} : { renewsMs }),
    };
  }
}

const packetBytes = 1500;
const budgetsMax = 256;

/** True when the text consists of the pieces in their order, with anything between them. */
function fits(pieces: readonly string[], text: string): boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const within = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
const hour = v.optional(within(0, 23));

const linkBudgetShape = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  address: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(300))),
  linkClass: v.optional(v.picklist(linkClasses)),
  peer: v.optional(v.pipe(v.string(), v.check(isIdentifierText, 'Expected 64 lower-case hexadecimal digits'))),
  counts: v.optional(v.picklist(['both', 'sent'])),
  least: v.optional(v.picklist(priorityClasses)),
  limitBytes: count,
  reserveBytes: v.optional(v.strictObject({ emergency: v.optional(count), critical: v.optional(count) })),
  period: v.variant('kind', [
    v.strictObject({ kind: v.literal('day'), startHour: hour }),
    v.strictObject({ kind: v.literal('month'), startDay: v.optional(within(1, 28)), startHour: hour }),
    v.strictObject({ kind: v.literal('rolling'), hours: within(1, periodHoursMax) }),
  ]),
});

const schema: Schema = {
  component: 'link-budgets',
  steps: ['CREATE TABLE link_budget (name TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT, WITHOUT ROWID;'],
};

/** Budgets as the catalog keeps them. */
export class LinkBudgets {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(schema);
  }

  /** All budgets, with nothing used yet. */
  open(): OpenBudget[] {
    return this.#catalog
      .all<{ definition: string }>('SELECT definition FROM link_budget ORDER BY name')
      .map((row) => new OpenBudget(JSON.parse(row.definition) as LinkBudget));
  }

  /** Keeps a budget. @throws GodwitError `BUDGET_MALFORMED` */
  set(budget: LinkBudget): void {
    const shaped = v.safeParse(linkBudgetShape, budget);
    const reserved = (budget.reserveBytes?.emergency ?? 0) + (budget.reserveBytes?.critical ?? 0);
    if (!shaped.success) {
      const [issue] = shaped.issues;
      throw new GodwitError('BUDGET_MALFORMED', `The budget does not fit: ${v.getDotPath(issue) ?? 'budget'}: ${issue.message}`);
    }
    if (reserved > budget.limitBytes) throw new GodwitError('BUDGET_MALFORMED', 'The reserves of a budget are part of its limit.');
    const kept = this.#catalog.get<{ n: number }>('SELECT count(*) AS n FROM link_budget WHERE name <> ?', budget.name)?.n ?? 0;
    if (kept >= budgetsMax) throw new GodwitError('BUDGET_MALFORMED', `A node keeps at most ${budgetsMax} budgets.`);
    this.#catalog.run('INSERT OR REPLACE INTO link_budget (name, definition) VALUES (?, ?)', budget.name, JSON.stringify(shaped.output));
  }

  /** Forgets a budget. */
  remove(name: string): void {
    this.#catalog.run('DELETE FROM link_budget WHERE name = ?', name);
  }
}

/** The first hour that any period of a budget can still count. */
export function oldestBudgetedHour(wallMs: WallMs): number {
  return hourOf((wallMs - periodHoursMax * hourMs) as WallMs);
}
