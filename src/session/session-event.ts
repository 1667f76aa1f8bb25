import type { Fault } from '../core/outcome.ts';
import type { Arrival } from './arrivals.ts';

/** What a session tells its endpoint. */
export type SessionEvent =
  | Arrival
  | { readonly type: 'writable' }
  | { readonly type: 'suspended' }
  | { readonly type: 'resumed' }
  | { readonly type: 'closed'; readonly fault: Fault };
