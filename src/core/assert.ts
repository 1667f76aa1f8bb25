/** Thrown when the program contradicts itself. Never caught on purpose: a node that cannot trust its own state stops before it writes. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Stops the program when something that must always hold does not. Always on. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}
