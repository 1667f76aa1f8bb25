/**
 * Priority classes. A lower number goes first, always: a class pre-empts every class behind it, apart from a small floor that keeps the last from starving.
 */
export const priorityClasses = ['emergency', 'critical', 'normal', 'bulk'] as const;

/** Name of a priority class, most urgent first: `emergency`, `critical`, `normal`, `bulk`. */
export type PriorityClass = (typeof priorityClasses)[number];
