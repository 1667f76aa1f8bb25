import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type DatasetId, type Hash, identifier, type NodeId } from '../src/core/identifiers.ts';
import { seededRandom } from '../src/core/random.ts';
import { DeliveryQueue } from '../src/forwarding/delivery-queue.ts';
import { WantList } from '../src/forwarding/want-list.ts';
import { openNode } from '../src/open-node.ts';
import { openSqliteCatalog } from '../src/runtime/sqlite-catalog.ts';

/**
 * Fills the catalog of a node with deliveries and wanted contents, and measures a node that has it:
 *
 *     node bench/forwarding-queue.ts fill DIRECTORY ROWS
 *     node bench/forwarding-queue.ts measure DIRECTORY ROWS
 */

const [step, directory, rowsText] = process.argv.slice(2) as [string, string, string];
const rows = Number(rowsText);
const catalogPath = join(directory, 'catalog.sqlite');
const numbered = (kind: number, n: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.imul(n + 1, 2_654_435_761) >>> 0);
  view.setUint32(4, kind);
  view.setUint32(8, n);
  return bytes;
};
const dataset = identifier<DatasetId>(numbered(1, 0));
const nodes = Array.from({ length: 10 }, (_, n) => identifier<NodeId>(numbered(2, n)));
const rowsPerTransaction = 10_000;

async function fill(): Promise<void> {
  await (await openNode({ directory })).close();
  const catalog = openSqliteCatalog(catalogPath);
  const [queue, wants] = [new DeliveryQueue(catalog), new WantList(catalog)];
  const random = seededRandom(1);
  const beganMs = performance.now();
  for (let from = 0; from < rows; from += rowsPerTransaction) {
    catalog.transaction(() => {
      for (let n = from; n < Math.min(rows, from + rowsPerTransaction); n++) {
        const priority = random.below(1000) === 0 ? 'critical' : 'bulk';
        const [author, destination] = [nodes[n % 3] as NodeId, nodes[3 + (n % 7)] as NodeId];
        const sizeBytes = 100 + random.below(1_000_000);
        const path = `met/${n}.csv`;
        const order = { author, sequence: 1 + Math.floor(n / 1000) };
        queue.add({ dataset, author, first: n, last: n, path, destination, order, priority, sizeBytes, custodySuffices: false }, 0);
        wants.add({ root: numbered(3, n) as Hash, sizeBytes, depth: 1, priority, dataset, author, sequence: n, path });
      }
    });
  }
  catalog.close();
  console.log(JSON.stringify({ fillSeconds: (performance.now() - beganMs) / 1000, diskBytes: statSync(catalogPath).size }));
}

function medianMs(times: number, call: (n: number) => void): number {
  const taken = Array.from({ length: times }, (_, n) => {
    const beganMs = performance.now();
    call(n);
    return performance.now() - beganMs;
  });
  return taken.sort((a, b) => a - b)[times >> 1] as number;
}

async function measure(): Promise<void> {
  const beganMs = performance.now();
  const node = await openNode({ directory });
  const openMs = performance.now() - beganMs;
  const nextDeliveryMs = medianMs(300, (n) => node.forwarding.queue(nodes[3 + (n % 7)] as NodeId, 1));
  if (node.forwarding.queue(nodes[3] as NodeId, 1).length === 0) throw new Error('the node has not got the queue');
  const residentBytes = process.memoryUsage().rss;
  await node.close();
  const catalog = openSqliteCatalog(catalogPath);
  const wants = new WantList(catalog);
  const opportunity = { nowMs: 0, rateBytesPerSecond: 1200, contacts: [{ fromMs: 0, toMs: 40_000 }] };
  const nextWantMs = medianMs(300, () => wants.next(1, new Set(), { opportunity }));
  catalog.close();
  console.log(JSON.stringify({ openMs, nextDeliveryMs, nextWantMs, residentBytes }));
}

await (step === 'fill' ? fill() : measure());
