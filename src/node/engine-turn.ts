import type { LocalInterface, LocalPacket } from '../ports/discovery.ts';
import type { Announcement } from './discovery-keeping.ts';
import type { EngineTask, TaskResult } from './engine-task.ts';
import type { NodeEvent } from './node-event.ts';

/** What an engine is told and what it asks for. A turn is what follows from one input; see `engine.ts`. */

/** What happened. */
export type EngineInput =
  | { readonly type: 'received'; readonly path: string; readonly kind: 'datagram' | 'stream'; readonly bytes: Uint8Array }
  /** A stream connection stands: one that we dialled (`address` is what was dialled) or one that a peer opened. */
  | { readonly type: 'path-opened'; readonly path: string; readonly address?: string }
  | { readonly type: 'path-closed'; readonly path: string }
  | { readonly type: 'dial-failed'; readonly address: string; readonly message: string }
  /** The networks that this computer is on changed, and so may have its addresses. */
  | { readonly type: 'interfaces'; readonly interfaces: readonly LocalInterface[] }
  | { readonly type: 'overheard'; readonly packet: LocalPacket }
  | { readonly type: 'task-done'; readonly token: number; readonly result: TaskResult };

/** What to do. */
export type EngineOutput =
  | { readonly type: 'transmit'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly type: 'close-path'; readonly path: string }
  /** Open a stream connection; answered by `path-opened` or `dial-failed`. */
  | { readonly type: 'dial'; readonly address: string }
  | ({ readonly type: 'announce' } & Announcement)
  | { readonly type: 'task'; readonly task: EngineTask }
  | { readonly type: 'report'; readonly event: NodeEvent };
