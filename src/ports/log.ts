/** One thing that happened, as data. */
export interface LogRecord {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Stable dotted name, for example `session.established`. */
  readonly event: string;
  readonly [detail: string]: unknown;
}

/** Where a node writes what happened. Must not throw. */
export interface Log {
  write(record: LogRecord): void;
}
