import { equalBytes, toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Outcome } from '../core/outcome.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { ContentReceiver } from './content-receiver.ts';
import type { ContentEnd } from './content-receiving.ts';
import type { OpenedTransfer } from './content-tasks.ts';

/**
 * One content from two peers at once, where both hold it and one has nothing else to send.
 *
 * The second peer is asked for the same plan from its end, so the two come towards each other, each as fast as its link: nobody has to divide the groups, and when one of them dies the other simply goes on, through what
 * the first had not reached, to where the rest is here. Where they meet, the one that would take longer for that group is withdrawn, and the other goes on with what is here of it.
 *
 * Only plans that do without a base and name their chunks are followed so: then each group is verified by itself, and a peer that lies is told from one that does not.
 */

/** What is known of a peer that sends, or could. */
export interface ContentSource {
  readonly receiver: ContentReceiver;
  /** It is not heard at the moment. */
  readonly silent: boolean;
  /** Contents (hexadecimal roots) that are not asked of it beside another peer any more. */
  readonly apart: Set<string>;
  /** It is to be asked for something else. */
  askAgain: boolean;
}

/** Groups that nobody has begun to send, from which on a second peer is asked. */
const untouchedGroupsMin = 2;
/** Bytes of an object that another peer left, from which on the one that comes to it is asked to go on from there: that costs a round trip. */
const takenOverBytesMin = 64 * 1024;
/** Groups of the shortest content for which that can be. */
export const groupsBesideMin = untouchedGroupsMin + 1;

/** A content that an idle peer can be asked for from the other end than that from which it comes. */
interface BesideContent {
  readonly wanted: WantedContent;
  readonly end: ContentEnd;
  readonly isComing: (object: number) => boolean;
}

/** What to ask an idle peer for beside another: of what comes from one other peer, that of which most is to come. `mayAsk`: whether this peer has it. */
export function contentBeside(
  idle: ContentSource,
  others: readonly ContentSource[],
  mayAsk: (wanted: WantedContent) => boolean,
): BesideContent | undefined {
  const heard = others.filter(({ silent }) => !silent);
  let best: BesideContent | undefined;
  let most = untouchedGroupsMin - 1;
  for (const { receiver } of heard) {
    for (const { root } of receiver.coming) {
      const key = toHex(root);
      const arrival = idle.apart.has(key) || idle.receiver.askedFor(key) !== 'no' ? undefined : receiver.arrival(key);
      if (arrival === undefined || heard.some((each) => each.receiver !== receiver && each.receiver.askedFor(key) === 'coming')) continue;
      const { wanted, end, transfer, isHere, isTaken } = arrival;
      if (transfer.groups.length < groupsBesideMin || transfer.base.length > 0 || !isNamed(transfer) || !mayAsk(wanted)) continue;
      const untouched = transfer.groups.reduce((sum, _, group) => sum + (isHere(group) || isTaken(group + 1) ? 0 : 1), 0);
      if (untouched <= most) continue;
      most = untouched;
      best = { wanted, end: end === 'front' ? 'back' : 'front', isComing: (object) => receiver.arrival(key)?.isTaken(object) ?? false };
    }
  }
  return best;
}

/** A plan names all of its chunks or none. */
function isNamed({ plan }: OpenedTransfer): boolean {
  return plan.segments.find((segment) => segment.kind === 'fresh')?.chunks[0]?.hash !== undefined;
}

/**
 * Data come from a peer. Where they are the first of an object that another one sends too, or has sent, one of the two goes on: that which will have sent it first. Of what the other one left of it, dead or slower, nothing
 * comes twice: the content is asked for anew, from there on.
 */
export function meetAtObject(
  source: ContentSource,
  others: readonly ContentSource[],
  transferNumber: number,
  journal: TransferJournal,
  now: MonotonicMs,
): void {
  const begun = source.receiver.beginsObject(transferNumber);
  if (begun === undefined) return;
  const { root, object } = begun;
  const key = toHex(root);
  for (const other of others) {
    const arrival = other.receiver.arrival(key);
    if (arrival?.isTaken(object) !== true && arrival?.isHere(object - 1) !== true) continue;
    const goesOn = other.silent || source.receiver.remainingMs(key, object, now) < other.receiver.remainingMs(key, object, now);
    const ended = goesOn ? other : source;
    ended.receiver.journal();
    ended.receiver.withdraw(root);
    ended.apart.add(key);
    if (goesOn) continue;
    source.askAgain = true;
    return;
  }
  // The other one is not asked anew before this one, or it would be asked for the same.
  if (journal.partBytes(root, object) < takenOverBytesMin) return;
  source.receiver.journal();
  source.receiver.withdraw(root);
  source.askAgain = true;
}

/**
 * The result of storing a group, for those that did not send it, or were asked anew since. What was stored counts though its sender was given up meanwhile; what was not is asked for again by whoever relied on it.
 *
 * @param isTaken the one that sent it has taken the result
 */
export function groupStoredBeside(
  { transfer, group }: { readonly transfer: OpenedTransfer; readonly group: number },
  outcome: Outcome<readonly Hash[]>,
  isTaken: boolean,
  receivers: readonly ContentReceiver[],
  journal: TransferJournal,
): void {
  const { root } = transfer.content;
  if (!isTaken) {
    const plan = journal.plan(root);
    if (plan === undefined || !equalBytes(plan.planObject, transfer.planObject)) return;
    if (outcome.ok) journal.addGroup(root, group, outcome.value);
    else for (const receiver of receivers) receiver.withdraw(root);
  }
  let isFinishing = isTaken;
  if (outcome.ok) for (const receiver of receivers) isFinishing = receiver.handleStoredBeside(transfer, group, isFinishing) || isFinishing;
}
