import { Worker } from 'node:worker_threads';
import { lanes, type MeasuredRow, rowNames } from '../delta-rows.ts';
import type { BenchResult } from '../result.ts';

/**
 * What one change to an 80 MB file costs on the wire, both ways, from the publishing until the follower's receipt is back and both nodes are at rest.
 *
 * A figure is of the bytes inside the session: what UDP carries, with the packets' own headers and seals, acknowledgements, repetitions, log entries, requests and receipts, and without handshakes. The headers
 * of UDP and IP (28 bytes a packet) are in the figure beside it.
 *
 * A change may cost 1.10 times what the design's prototype needed for its delta alone, and 400 bytes. The files here are generated and not the prototype's: where `xdelta3 -9`, if it is installed, needs less for the
 * generated pair than the prototype did for its own, that is what counts. For scattered edits it is xdelta3's figure in any case, and for what cannot be compressed the number of changed bytes.
 *
 * The file is overwritten in place. The publisher has a copy of what it held, as it has after any publishing of a file of that size; a figure beside it says what the change costs when it has none.
 */

/** Every pattern, and what else the design asks of differences, on two processors. */
export async function run(): Promise<BenchResult[]> {
  const resultsByRow = new Map<string, readonly BenchResult[]>();
  await Promise.all(
    lanes.map(
      (names) =>
        new Promise<void>((resolve, reject) => {
          const worker = new Worker(new URL('../delta-rows.ts', import.meta.url), { workerData: names });
          worker.on('message', ({ name, results }: MeasuredRow) => {
            resultsByRow.set(name, results);
            console.error(`${name}: ${results[0]?.value}`);
          });
          worker.on('error', reject);
          worker.on('exit', () => resolve());
        }),
    ),
  );
  return rowNames.flatMap((name) => resultsByRow.get(name) ?? []);
}
