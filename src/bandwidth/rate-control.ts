import type { RateControlFactory } from '../ports/rate-control.ts';
import { DatagramRateControl, type Manner } from './datagram-rate.ts';
import { StreamRateControl } from './stream-rate.ts';

/** The rate control that fits a path's kind. `manner` says how datagrams behave beside other traffic; on a stream that is TCP's business. */
export function rateControlFactory(manner: Manner): RateControlFactory {
  return (path, now) => (path.kind === 'datagram' ? new DatagramRateControl(path, manner, now) : new StreamRateControl(path, now));
}
