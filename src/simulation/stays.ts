import { type ContactTrace, contactTraceOf } from './contact-trace.ts';

/**
 * Contacts from who was where: two nodes hear each other as long as both are at one place. Whatever moves by visiting places (people, vehicles, herds, ships) is drawn as a list of stays.
 */

/** A node at a place for a time. */
export interface Stay {
  readonly node: string;
  /** Any name; places are as large as a radio reaches. */
  readonly place: string;
  readonly beginMs: number;
  readonly endMs: number;
}

/** The trace of these stays. Stays of one node may be given in any order, and must not overlap. */
export function traceOfStays(stays: readonly Stay[]): ContactTrace {
  return contactTraceOf(meetings(stays));
}

function* meetings(stays: readonly Stay[]): Iterable<{ a: string; b: string; beginMs: number; endMs: number }> {
  const presentAt = new Map<string, Stay[]>();
  for (const stay of stays.toSorted((p, q) => p.beginMs - q.beginMs)) {
    const present = (presentAt.get(stay.place) ?? []).filter(({ endMs }) => endMs > stay.beginMs);
    for (const other of present) {
      if (other.node !== stay.node) yield { a: other.node, b: stay.node, beginMs: stay.beginMs, endMs: Math.min(stay.endMs, other.endMs) };
    }
    present.push(stay);
    presentAt.set(stay.place, present);
  }
}
