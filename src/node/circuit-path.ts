import type { CircuitId } from '../mesh/circuits.ts';

/** How circuits stand in paths and addresses: one that ends here is a path `circuit://mesh:7`, and `via:udp://host:7077` is the address of a member that lets a newcomer through to another. */

/** The link that all circuits are on. */
export const circuitLink = 'circuit://mesh';
const viaPrefix = 'via:';

/** The path that a circuit is to the session over it. */
export function circuitPath(circuit: CircuitId): string {
  return `${circuitLink}:${circuit}`;
}

/** The circuit that a path is; `undefined` for any other. */
export function circuitOfPath(path: string): CircuitId | undefined {
  return isCircuitPath(path) ? (Number(path.slice(circuitLink.length + 1)) as CircuitId) : undefined;
}

/** True for the path of a circuit, and for `circuitLink`. */
export function isCircuitPath(path: string): boolean {
  return path.startsWith(circuitLink);
}

/** The address of the member that lets one through, in an address that means that; `undefined` for any other. */
export function addressOfCarrier(address: string): string | undefined {
  return address.startsWith(viaPrefix) ? address.slice(viaPrefix.length) : undefined;
}

/** True for an address that takes a connection before anything can be said there: a stream, or a circuit through others. */
export function isStreamAddress(address: string): boolean {
  return address.startsWith('tcp:') || isCircuitPath(address) || addressOfCarrier(address) !== undefined;
}
