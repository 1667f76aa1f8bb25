import type { PriorityClass } from '../core/priority.ts';

/**
 * How many copies of an item may be made for carriers, and when it is worth making any.
 *
 * Every copy holds tickets: the right to make that many copies less one. A handover gives half of them away (Spyropoulos, Psounis and Raghavendra, "Spray and wait", 2005, the binary form), so however an item spreads, there are
 * never more copies than its writer had tickets, and nobody has to count them. A copy with a single ticket is handed to subscribers only. A subscriber that is served gets half of the tickets, too: it carries for the others.
 *
 * Carriers may be gone for ever with the copies they took, so a writer that has given all away makes one more whenever it has waited for as many times its patience as there are copies: for bulk first after sixteen days, in which a
 * receipt would have come back with a truck that drives once a week, and then every four days at most. Such a copy has a single ticket.
 */

/** The terms on which a class is carried. */
export interface CarriageTerms {
  /** Tickets that an item begins with. */
  readonly tickets: number;
  /** An item of which the writer and the subscribers expect to deliver every copy themselves within this time is not given to carriers before it has waited so long, in milliseconds. */
  readonly patienceMs: number;
}

/** As many as anybody: what spreads is limited by space and contacts alone. */
export const unlimitedTickets = 2 ** 30;

const hourMs = 3_600_000;

/** Emergencies spread at once. For the rest four days are what data that nobody phones about may take: a node that was off for a weekend is not late. */
export const carriageTerms: Readonly<Record<PriorityClass, CarriageTerms>> = {
  emergency: { tickets: unlimitedTickets, patienceMs: 0 },
  critical: { tickets: unlimitedTickets, patienceMs: 6 * hourMs },
  normal: { tickets: unlimitedTickets, patienceMs: 96 * hourMs },
  bulk: { tickets: 8, patienceMs: 96 * hourMs },
};

/** Divides tickets between the copy that stays and the one that is made; the former keeps the odd one. What is unlimited stays so. */
export function splitTickets(tickets: number): { readonly kept: number; readonly given: number } {
  if (tickets === unlimitedTickets) return { kept: tickets, given: tickets };
  const given = Math.floor(tickets / 2);
  return { kept: tickets - given, given };
}
