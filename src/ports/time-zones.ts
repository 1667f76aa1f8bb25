/**
 * What clocks on the wall show in the zones of the world.
 *
 * Governments change the rules a few weeks ahead, so every computer knows those of the day it was last updated: two of them may disagree about the future, and hardly ever about the past.
 */
export interface TimeZones {
  /**
   * Seconds east of UTC that clocks of a zone show at an instant.
   *
   * @param zone a name of the IANA time zone database, for example `America/Denver`
   * @param instantMs milliseconds since 1970 UTC
   * @returns `undefined` for a zone that is not known here. Never throws.
   */
  offsetSeconds(zone: string, instantMs: number): number | undefined;
}
