/** One figure of a suite. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure is held against; `undefined` for one that only explains another. */
  readonly target?: number;
  /** True when there is no target, too. */
  readonly met: boolean;
}

/** A figure that should not be below its target. */
export function atLeast(name: string, value: number, unit: string, target: number): BenchResult {
  return { name, value, unit, target, met: value >= target };
}

/** A figure without a target. */
export function figure(name: string, value: number, unit: string): BenchResult {
  return { name, value, unit, met: true };
}

/** A figure that should not be above its target. */
export function atMost(name: string, value: number, unit: string, target: number): BenchResult {
  return { name, value, unit, target, met: value <= target };
}
