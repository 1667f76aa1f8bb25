/**
 * Situations that a batch of seeds must have met: a batch in which one of them never occurred has not tested what it is there to test, however green it is.
 *
 * A run says `sometimes('…')` where the situation occurs; the batch collects the marks of its runs and fails when one is missing.
 */

/** Every situation that some seed of a batch must run into. */
export const situations = [
  'a file was published',
  'a file was removed or copied',
  'logger rows were stored',
  'logger rows were read again',
  'a half-written row was left pending',
  'two sites changed one file',
  'a logger was read over its own protocol',
  'a bundle was carried on a stick',
  'a session stood on a circuit',
  'a carrier brought entries on',
  'a carrier let go of what it had carried',
  'a computer joined amid faults',
  'a transfer was resumed or had a base',
  'a session fell and came back',
  'a packet was corrupted',
  'a datagram was too large for the link',
  'a queue overflowed',
  'a link worked one way only',
  'a link flapped',
  'the network was divided',
  'two computers had two links',
  'an address changed',
  'the power failed between two packets',
  'the power failed in the middle of a transaction',
  'a computer was slow to write',
  'a disk was full',
  'a catalog could not be written',
  'a disk could not read',
  'a stored chunk rotted',
  'a clock was wrong by years',
  'a clock drifted',
  'a computer left for ever',
  'a computer came back from a backup',
  'a log forked',
  'a forked log was mended',
  'a member lied, flooded or replayed',
  'two versions met',
] as const;

/** One of them. */
export type Situation = (typeof situations)[number];

/** The situations that a run has met. */
export class Marks {
  readonly #seen = new Set<Situation>();

  /** Notes that a situation occurred, if it did. */
  sometimes(situation: Situation, occurred = true): void {
    if (occurred) this.#seen.add(situation);
  }

  get seen(): ReadonlySet<Situation> {
    return this.#seen;
  }
}

/** Situations that none of these runs has met. */
export function neverMet(runs: readonly ReadonlySet<Situation>[]): Situation[] {
  return situations.filter((situation) => !runs.some((seen) => seen.has(situation)));
}
