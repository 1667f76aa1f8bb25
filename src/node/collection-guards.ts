import * as v from 'valibot';
import { physicalLink } from '../instruments/physical-link.ts';
import type { NetworkCost } from '../ports/network-cost.ts';
import type { PowerState } from '../ports/power-state.ts';

/** Conditions of a duty, in data of foreign origin. */
export const collectionGuardsShape = v.strictObject({
  chargeAtLeast: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  unmetered: v.optional(v.literal(true)),
});

/**
 * What must be so for an instrument to be visited. What nobody knows is taken for good: a computer that cannot tell its charge must not let a logger overflow.
 *
 * `chargeAtLeast`: how full the battery must be, 0 to 1, while it is what feeds this computer; 1 waits for the mains, or the sun. `unmetered`: not while what goes to the instrument's host is paid for by the byte.
 */
export type CollectionGuards = v.InferOutput<typeof collectionGuardsShape>;

/** Why a visit may not begin now, for people; `undefined` when it may. */
export function refusal(
  { chargeAtLeast, unmetered }: CollectionGuards,
  address: string,
  { power, networkCost }: { readonly power?: PowerState | undefined; readonly networkCost?: NetworkCost | undefined },
): string | undefined {
  if (chargeAtLeast !== undefined) {
    const { source, chargeShare } = power?.read() ?? { source: 'unknown' };
    if (source === 'battery' && chargeShare !== undefined && chargeShare < chargeAtLeast)
      return `the battery is at ${Math.floor(chargeShare * 100)} %, and the duty waits for ${Math.round(chargeAtLeast * 100)} %`;
  }
  const { host } = physicalLink(address);
  if (unmetered === true && host !== undefined && networkCost?.isMetered(host) === true)
    return `what goes to ${host} is paid for by the byte`;
  return undefined;
}
