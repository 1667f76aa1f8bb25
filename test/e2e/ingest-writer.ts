import { writeSync } from 'node:fs';
import { openNode } from '../../src/index.ts';

/** Opens the node in a directory and reads everything below another one, again and again, saying a line every few milliseconds meanwhile. Arguments: directory of the node, of the files. */
const [directory, card] = process.argv.slice(2) as [string, string];
const node = await openNode({ directory });
if (node.team === undefined) node.createTeam('station');
const dataset = node.createDataset({ name: 'met', kind: 'series' });
const profile = { utcOffsetMinutes: 0, quality: { rules: [{ fields: ['*'], spike: { suspect: 300, fail: 600 } }] } };
setInterval(() => writeSync(1, 'reading\n'), 5);
for (;;) {
  await node.ingest(dataset, card, { profile });
  await new Promise((resolve) => setTimeout(resolve, 5));
}
