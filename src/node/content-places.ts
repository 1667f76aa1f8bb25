import type { Hash } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { ContentReceiver } from './content-receiver.ts';

/**
 * The places that contents have in one session while they come. Their number is limited, so a class could keep out a more urgent one, or a content go on in a class that it is not wanted in any more: here
 * they give way. What gives way is kept as far as it has come, and is asked for anew when its turn has come.
 */

function rank(priority: PriorityClass): number {
  return priorityClasses.indexOf(priority);
}

/**
 * Withdraws what is coming and not wanted any more, or wanted in another class by now, and, where all `places` are taken, the least urgent content, if a more urgent one waits that this peer may have. `isRuledOut`: contents
 * (hexadecimal root) that are not to be asked of the peer.
 */
export function giveWay(receiver: ContentReceiver, wants: WantList, places: number, isRuledOut: (root: string) => boolean): void {
  const { coming } = receiver;
  const withdrawn: Hash[] = [];
  for (const { root, priority } of coming) if (wants.priorityOf(root) !== priority) withdrawn.push(root);
  if (withdrawn.length === 0 && receiver.active >= places) {
    const [waiting] = wants.next(1, { has: (root) => isRuledOut(root) || receiver.askedFor(root) !== 'no' });
    const [least] = coming.sort((a, b) => rank(b.priority) - rank(a.priority));
    if (waiting !== undefined && least !== undefined && rank(waiting.priority) < rank(least.priority)) withdrawn.push(least.root);
  }
  if (withdrawn.length > 0) receiver.journal();
  for (const root of withdrawn) receiver.withdraw(root);
}
