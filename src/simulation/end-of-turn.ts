/**
 * Waits until every promise that can go on has gone on.
 *
 * A simulated platform does no real input or output: whatever its promises wait for is another promise or an action on the world's agenda. So when the host begins its next task, all promises
 * that were able to go on have done so, however long their chains, because a host runs promise jobs to exhaustion before it begins another task (ECMA-262 section 9.6, HTML section 8.1.7.3). Waking an agent that waits
 * for a memory location is such a task (ECMA-262, `Atomics.waitAsync`), and needs neither a timer nor anything that is not part of the language.
 */
export async function endOfTurn(): Promise<void> {
  const waiting = Atomics.waitAsync(place, 0, 0);
  Atomics.notify(place, 0);
  await waiting.value;
}

const place = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
