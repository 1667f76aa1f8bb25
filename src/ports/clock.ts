import type { Moment } from '../core/time.ts';

/** Tells the present. Read by drivers, which hand it to machines. */
export interface Clock {
  now(): Moment;
}
