import { openNode } from '../src/open-node.ts';

/**
 * One node in a process of its own, for the measurement in `links-lan.ts`. Takes its directory, the files' directory, and an invite if it is the one that joins; is told what to do by messages, and answers with what the parent
 * waits for, at the end with what the transfer took of the computer.
 */

const [directory, files, invite] = process.argv.slice(2) as [string, string, string | undefined];
const node = await openNode({ directory, name: invite === undefined ? 'camp' : 'office' });
let ready = process.cpuUsage();
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (invite === undefined) {
  await node.listen('tcp://127.0.0.1:0');
  node.createTeam('bench');
  node.attach(node.createDataset({ name: 'field', kind: 'files' }), files);
  process.send?.({ invite: node.createInvite() });
} else {
  await node.join(invite);
  while (node.datasets().length === 0) await pause(20);
  node.attach(node.dataset('field').id, files);
  process.send?.({ joined: true });
  node.onEvent((event) => {
    if (event.type === 'file-written') process.send?.({ written: event.path });
  });
}

process.on('message', async (message: 'ready' | 'publish' | 'close') => {
  if (message === 'ready') ready = process.cpuUsage();
  else if (message === 'close') {
    const { user, system } = process.cpuUsage(ready);
    process.send?.({ processorSeconds: (user + system) / 1e6, residentBytes: process.resourceUsage().maxRSS * 1024 });
    await node.close();
    process.disconnect?.();
  } else await node.scan(node.dataset('field').id, { settleMs: 0 });
});
