import { createInterface } from 'node:readline';
import { openNode } from '../../src/open-node.ts';

/**
 * A node in a process of its own, with a team, a dataset and a directory that an earlier process gave it: publishes what lies in the directory whenever it is sent a line, and says on its standard output what has been
 * published and what has arrived. It is meant to be killed.
 */
const [directory = ''] = process.argv.slice(2);
const node = await openNode({ directory, discovery: false });
const [dataset] = node.datasets();
if (dataset === undefined) throw new Error('the node has no dataset');
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
node.onEvent((event) => {
  if (event.type === 'file-written') say({ written: event.path });
});
say({ ready: node.id });
for await (const _ of createInterface({ input: process.stdin })) {
  await node.scan(dataset.id, { settleMs: 0 });
  say({ scanned: true });
}
await node.close();
