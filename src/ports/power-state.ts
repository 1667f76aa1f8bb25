/** What feeds this computer. */
export interface PowerReading {
  /** `unknown` where nothing says so: it is then taken for mains. */
  readonly source: 'mains' | 'battery' | 'unknown';
  /** How full the batteries are together, 0 to 1; absent where nothing says so. */
  readonly chargeShare?: number;
}

/** Where the energy comes from: how much processor time a saved byte is worth depends on it. */
export interface PowerState {
  /** The state now, or as it was a short time ago. Never throws; what cannot be read is `unknown`. Called often, so an implementation keeps what it read for a while. */
  read(): PowerReading;
}
