import type { Hash } from '../core/identifiers.ts';
import type { Outcome } from '../core/outcome.ts';
import type { EncodingPurpose } from './codec-selector.ts';
import type { ReceiverTask } from './content-receiving.ts';
import type { SenderTask } from './content-sender.ts';
import type { ArrivingPlan, EncodedGroup, OpenedTransfer, PreparedTransfer } from './content-tasks.ts';

/** Work on bulk bytes. */
export type EngineTask = { readonly token: number } & (
  | { readonly type: 'prepare'; readonly task: Extract<SenderTask, { type: 'prepare' }>; readonly arriving: ArrivingPlan | undefined }
  | { readonly type: 'encode'; readonly task: Extract<SenderTask, { type: 'encode' }>; readonly purpose: EncodingPurpose }
  | { readonly type: 'open'; readonly task: Extract<ReceiverTask, { type: 'open' }> }
  | { readonly type: 'store'; readonly task: Extract<ReceiverTask, { type: 'store' }> }
  | { readonly type: 'answer'; readonly task: Extract<ReceiverTask, { type: 'answer' }> }
  | { readonly type: 'finish'; readonly task: Extract<ReceiverTask, { type: 'finish' }> }
);

/** What came of a task, by its type. */
export type TaskResult =
  | { readonly type: 'prepare'; readonly transfer: PreparedTransfer | undefined }
  | { readonly type: 'encode'; readonly encoded: EncodedGroup | undefined }
  | { readonly type: 'open'; readonly outcome: Outcome<OpenedTransfer> }
  | { readonly type: 'store'; readonly outcome: Outcome<readonly Hash[]> }
  | { readonly type: 'answer'; readonly outcome: Outcome<Uint8Array> }
  | { readonly type: 'finish'; readonly outcome: Outcome<undefined> };
