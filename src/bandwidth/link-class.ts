import type { PathEstimate } from '../ports/rate-control.ts';

/**
 * What kind of link a path seems to be, by the two figures that tell kinds apart: its rate and its round trip.
 *
 * The classes are drawn around links that are met in the field: LoRa and HF modems below 5 kbit/s with seconds of round trip, Iridium's 2.4 kbit/s channel at 1.8 s and Certus at 22-88 kbit/s below a second, BGAN's
 * hundreds of kbit/s, geostationary VSAT above 560 ms (twice 36,000 km at the speed of light makes 480 ms there and back, and nothing is faster), EDGE at 60-200 kbit/s, rural LTE
 * and low-orbit internet at a few tens of milliseconds. They are names for people and for budgets; nothing in the protocol depends on them.
 */

/** Kinds of links, from the slowest to the fastest; `unknown` before enough was measured. */
export const linkClasses = ['unknown', 'narrowband', 'iridium', 'radio', 'gsm', 'satellite', 'cellular', 'wireless', 'lan'] as const;

/** Name of a kind of link. */
export type LinkClass = (typeof linkClasses)[number];

/** What is measured counts from this confidence on. */
const confidenceMin = 0.25;

/** In order; the first row whose bounds hold names the link. Rates in bytes a second (below), round trips in milliseconds (from, below). */
const rows: readonly { readonly name: LinkClass; readonly rateBelow: number; readonly rttFrom: number; readonly rttBelow: number }[] = [
  { name: 'narrowband', rateBelow: 200, rttFrom: 0, rttBelow: Infinity },
  { name: 'narrowband', rateBelow: 600, rttFrom: 4000, rttBelow: Infinity },
  { name: 'iridium', rateBelow: 600, rttFrom: 900, rttBelow: 4000 },
  { name: 'iridium', rateBelow: 15_000, rttFrom: 850, rttBelow: 4000 },
  { name: 'narrowband', rateBelow: 600, rttFrom: 0, rttBelow: 900 },
  { name: 'gsm', rateBelow: 40_000, rttFrom: 300, rttBelow: 1000 },
  { name: 'satellite', rateBelow: Infinity, rttFrom: 480, rttBelow: Infinity },
  { name: 'radio', rateBelow: 60_000, rttFrom: 0, rttBelow: Infinity },
  { name: 'cellular', rateBelow: 20_000_000, rttFrom: 20, rttBelow: Infinity },
  { name: 'wireless', rateBelow: 10_000_000, rttFrom: 0, rttBelow: Infinity },
  { name: 'lan', rateBelow: Infinity, rttFrom: 0, rttBelow: Infinity },
];

/** The class of a path, as far as its estimate goes. */
export function linkClassOf(estimate: PathEstimate): LinkClass {
  const { rateBytesPerSecond, minRttMs, confidence } = estimate;
  if (rateBytesPerSecond === undefined || minRttMs === undefined || confidence < confidenceMin) return 'unknown';
  const row = rows.find((each) => rateBytesPerSecond < each.rateBelow && minRttMs >= each.rttFrom && minRttMs < each.rttBelow);
  return row?.name ?? 'unknown';
}
