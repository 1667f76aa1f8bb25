/**
 * The catalog: a transactional SQL database (SQLite's dialect) that holds everything a node knows except bulk bytes.
 *
 * Calls are synchronous. `transaction` returns after the transaction is durable, so what a caller says afterwards can rely on it. Each component owns its tables, names
 * them in its own schema, and no component touches another's.
 */

/** A column value. Integers come back as numbers when they are safe and as bigint otherwise. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** The tables of one component, as numbered steps that are applied once each, in order. Steps are only ever appended. */
export interface Schema {
  /** Component name, for example `log`. */
  readonly component: string;
  readonly steps: readonly string[];
}

/** An open catalog. An implementation MUST undo what a failed call changed. */
export interface Catalog {
  /** Brings a component's tables up to its newest step. Refuses a catalog written by a newer version (`CATALOG_NEWER`). */
  migrate(schema: Schema): void;
  /** Runs one statement; returns the number of rows it changed. Statements are prepared once and kept by their text. */
  run(sql: string, ...parameters: readonly SqlValue[]): number;
  /** The first row, or `undefined`. */
  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined;
  /** All rows. For bounded results only. */
  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[];
  /** Rows one by one. The catalog must not be written while the iteration is open. */
  iterate<Row>(sql: string, ...parameters: readonly SqlValue[]): IterableIterator<Row>;
  /**
   * Runs `work` in a transaction: durable when this returns, undone when `work` throws. Inside another transaction it joins that one, and an exception undoes only the inner part.
   */
  transaction<T>(work: () => T): T;
  close(): void;
}
