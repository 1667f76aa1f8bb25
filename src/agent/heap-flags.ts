import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * Makes the JavaScript engine spare memory at the cost of a twentieth of the processor's time, for a process that does little else than running a node.
 *
 * V8 watches which places in a program make objects that live on, and has those places make them in the old part of the heap from then on. Rows that are read from a file live for a moment, but the first ones are seen to
 * live on while the program warms up; then all that follow fill the old part. So that is forbidden, and the old part is cleaned when it is half as large again as what was alive in it, where V8 would let it become several
 * times as large. The young part grows as what lives on fills it, which a program's own code does while it is loaded, and never shrinks: so it is kept at its first size until then, and grows once to a sixth of what V8
 * would let it become. Without all this the reading of a file takes 50 to 100 MB more.
 *
 * Holds for the whole process from then on, so a library must not do it.
 */

/** Bytes of each half of the young part, once a program is loaded: 1 MiB more takes 3 to 5 MB and brings a twentieth of the speed at which files are read. */
const youngBytes = 5 * 1024 * 1024;
/** Of them at the start of a process: 1 MiB. */
const youngGrowth = 5;
/** Arrays of 8 kB that are made to have the young part grow, at most: it grows when the first MiB of them has lived on. */
const arraysMax = 1024;

/** Before the program is loaded: it keeps its heap small from then on. */
export function keepHeapSmall(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
}

/** Once the program is loaded: gives the young part of the heap the room that work needs, at once and for good. */
export function giveHeapRoom(): void {
  setFlagsFromString(`--semi-space-growth-factor=${youngGrowth}`);
  const living: unknown[] = [];
  while (living.length < arraysMax && youngCapacityBytes() < youngBytes * 0.9) living.push(new Array(1000).fill(living.length));
  setFlagsFromString('--semi-space-growth-factor=1');
}

function youngCapacityBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return young === undefined ? youngBytes : young.space_used_size + young.space_available_size;
}
