import type { Catalog, Schema, SqlValue } from '../../src/ports/catalog.ts';
import type { DiskFaults } from '../../src/simulation/disk-faults.ts';

/** Thrown where the power fails. Everything that is asked of the machine afterwards throws it too. */
export class PowerCut extends Error {}

/**
 * Cuts the power at one of the steps that storage takes, counted from where the plan is armed: before a transaction commits, before bytes that were written are synced, before a file is removed or a
 * link made. A cut behind a step is a cut before the next.
 */
export class PowerPlan {
  steps = 0;
  #cutAt = Number.POSITIVE_INFINITY;

  /** Counts from now on; the power fails at step `cutAt`, which none is when it is not given. */
  arm(cutAt = Number.POSITIVE_INFINITY): void {
    this.steps = 0;
    this.#cutAt = cutAt;
  }

  step(): void {
    this.steps++;
    if (this.steps >= this.#cutAt) throw new PowerCut();
  }

  /** Makes every sync of a simulated disk a step. */
  watch(faults: DiskFaults): void {
    faults.settle = async () => this.step();
  }

  /** A catalog whose commits are steps. */
  catalog(inner: Catalog): Catalog {
    let depth = 0;
    const transaction = <T>(work: () => T): T => {
      depth++;
      try {
        return inner.transaction(() => {
          const result = work();
          if (depth === 1) this.step();
          return result;
        });
      } finally {
        depth--;
      }
    };
    return {
      migrate: (schema: Schema) => inner.migrate(schema),
      run: (sql: string, ...parameters: readonly SqlValue[]) =>
        depth > 0 ? inner.run(sql, ...parameters) : transaction(() => inner.run(sql, ...parameters)),
      get: <Row>(sql: string, ...parameters: readonly SqlValue[]) => inner.get<Row>(sql, ...parameters),
      all: <Row>(sql: string, ...parameters: readonly SqlValue[]) => inner.all<Row>(sql, ...parameters),
      iterate: <Row>(sql: string, ...parameters: readonly SqlValue[]) => inner.iterate<Row>(sql, ...parameters),
      transaction,
      close: () => inner.close(),
    };
  }
}
