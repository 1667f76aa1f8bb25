import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openNode } from '../src/open-node.ts';

/** A member in a network namespace: says what it hears of routes and files, and saves a file in its folder when it is sent a name. Ends with its standard input. */
const [directory = '', folder = ''] = process.argv.slice(2);
const node = await openNode({ directory });
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
node.onEvent((event) => {
  if (event.type === 'route-changed') say({ type: 'routes', routes: node.mesh.routes().length });
  if (event.type === 'file-written') say({ type: 'file', path: event.path });
});
const [dataset] = node.datasets();
if (dataset === undefined) throw new Error('this node is in no team');
node.attach(dataset.id, folder);
say({ type: 'routes', routes: node.mesh.routes().length });
for await (const name of createInterface({ input: process.stdin })) {
  writeFileSync(join(folder, name), `${name} was saved`);
  await node.scan(dataset.id, { settleMs: 0 });
}
await node.close();
