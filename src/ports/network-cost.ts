/** What using the networks costs: some work can wait until it costs nothing. */
export interface NetworkCost {
  /**
   * Whether what goes to a host now is paid for by the byte. Never throws.
   *
   * @param host name or address, without brackets and port
   * @returns `undefined` where nothing says so: it is then taken for free
   */
  isMetered(host: string): boolean | undefined;
}
