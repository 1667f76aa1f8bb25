import { createInterface } from 'node:readline';
import { openNode } from '../../src/open-node.ts';

/** A node in a process of its own, which may be in a network namespace: says on its standard output when sessions begin and end, and lists its candidates when it is sent a line. Ends with its standard input. */
const [directory = '', exclude] = process.argv.slice(2);
const node = await openNode({ directory, discovery: exclude === undefined ? {} : { exclude: [exclude] } });
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
node.onEvent((event) => {
  if (event.type === 'session-up' || event.type === 'session-down')
    say({ type: event.type, peer: event.peer, ...('address' in event ? { address: event.address } : {}) });
});
say({ type: 'ready', peer: node.id });
for await (const _ of createInterface({ input: process.stdin }))
  say({ type: 'state', connected: node.connectedPeers(), candidates: node.discovery.candidates() });
await node.close();
