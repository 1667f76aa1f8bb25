import { setFlagsFromString } from 'node:v8';

/**
 * Makes the JavaScript engine spare memory at the cost of a twentieth of the processor's time, for a process that does little else than running a node.
 *
 * V8 watches which places in a program make objects that live on, and has those places make them in the old part of the heap from then on. Rows that are read from a file live for a moment, but the first ones are seen to
 * live on while the program warms up; then all that follow fill the old part. So that is forbidden. The young part of the heap stays as large as it has become by the start, and the old part is cleaned when it is half as
 * large again as what was alive in it, where V8 would let it become several times as large. Without all this the reading of a file takes 50 to 100 MB more.
 *
 * Holds for the whole process from then on, so a library must not do it.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
}
