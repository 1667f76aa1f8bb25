import { parentPort } from 'node:worker_threads';
import { WorkHandler, type WorkRequest } from './work-handler.ts';

/** What a thread of `worker-pool.ts` runs. */
const handler = new WorkHandler();
parentPort?.on('message', (request: WorkRequest) => {
  const answer = handler.handle(request);
  parentPort?.postMessage(answer, transferable(answer));
});

/** The large arrays of an answer change their owner instead of being copied. */
function transferable(answer: object): ArrayBuffer[] {
  if (!('output' in answer) || typeof answer.output !== 'object' || answer.output === null || !('bytes' in answer.output)) return [];
  return answer.output.bytes instanceof Uint8Array && answer.output.bytes.buffer instanceof ArrayBuffer ? [answer.output.bytes.buffer] : [];
}
