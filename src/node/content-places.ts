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

/** So many contents are asked for together: to find the next ones, those that were asked for in vain are looked through. */
const askedTogether = 8;

/** The least urgent content that is coming, if something more urgent waits that this peer may have. */
function outranked(receiver: ContentReceiver, wants: WantList, isRuledOut: (root: string) => boolean): Hash | undefined {
  const [least] = receiver.coming.sort((a, b) => rank(b.priority) - rank(a.priority));
  const except = { has: (root: string) => isRuledOut(root) || receiver.askedFor(root) !== 'no' };
  return least !== undefined && wants.next(1, except, { before: least.priority }).length > 0 ? least.root : undefined;
}

/** True while a few `free` places can stay free: enough is coming, and nothing more urgent waits. `isRuledOut` as in `giveWay`. */
export function isSupplied(receiver: ContentReceiver, wants: WantList, free: number, isRuledOut: (root: string) => boolean): boolean {
  return free < askedTogether && receiver.active >= askedTogether && outranked(receiver, wants, isRuledOut) === undefined;
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
    const least = outranked(receiver, wants, isRuledOut);
    if (least !== undefined) withdrawn.push(least);
  }
  if (withdrawn.length > 0) receiver.journal();
  for (const root of withdrawn) receiver.withdraw(root);
}
